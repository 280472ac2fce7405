"""From the line and the variables to a command that was checked, and is shown or run."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from eval_people import evaluate
from job import Findings, Job
from line import DEVICES, Line, enough_gpus, read_line, usage
from place import Place
from settings import Variables
from train_people import train

from usergym.cli.errors import told_in_one_line
from usergym.training.record import CONFIG, without_secrets
from usergym.training.verl_tree import export_tree

DRY = "--dry-run"


@told_in_one_line
def main() -> int:
    words = sys.argv[1:]
    dry = DRY in words
    own, extras = _parted([each for each in words if each != DRY])
    if {"--help", "-h"} & set(own):
        print(usage())
        return 0
    line, found = read_line(own), Findings(dry)
    before = dict(os.environ)
    os.environ[DEVICES] = ",".join(line.gpus)
    with found.looking():
        enough_gpus(line, before)
    v = Variables({**os.environ, **line.given})
    for name in line.given:
        v.text(name)
    os.environ.update(v.cache())  # read when the hub's client is imported, which is not yet
    job, place = (train if line.config.trains else evaluate)(line, v, found, extras)
    job.environment[DEVICES] = ",".join(line.gpus)
    job.refuse_taken()
    lines: list[str] = []
    with found.looking():
        lines = job.estimate(job.parsed())
    if dry:
        _show(v, found, job, lines, line, place)
        for each in found.problems:
            print(f"error: {without_secrets(each)}", file=sys.stderr)
        return 1 if found.problems else 0
    for each in found.notes:
        print(f"note: {without_secrets(each)}", file=sys.stderr)
    job.write()
    status = played([token for group in job.command() for token in group], job.environment)
    if line.config.trains and (place.out / CONFIG).is_file():
        _leave_tree(place.out)
    if line.push:
        print(_push(line, place))
    return status


def _parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Before and behind --."""
    at = words.index("--") if "--" in words else len(words)
    return list(words[:at]), list(words[at + 1 :])


def played(command: Sequence[str], more: Mapping[str, str]) -> int:
    """The exit status of a command, which is told of what this process is told to end by."""
    # Processes read how many they are from WORLD_SIZE, which only their launcher may set.
    environ = {name: value for name, value in os.environ.items() if name != "WORLD_SIZE"} | dict(more)
    sys.stdout.flush()
    with subprocess.Popen(command, env=environ) as child:
        before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        try:
            while True:
                try:
                    status = child.wait()
                except KeyboardInterrupt:  # which the terminal has told the command, too
                    continue
                return status if status >= 0 else 128 - status
        finally:
            signal.signal(signal.SIGTERM, before)


def _leave_tree(out: Path) -> None:
    steps = export_tree(out, out)
    if steps:
        print(f"checkpoints: {out}/global_step_N/actor, N: {', '.join(map(str, steps))}")


def _push(line: Line, place: Place) -> str:
    message = shlex.quote(line.message or place.name)
    return f"PUSH yes: nothing is pushed from here. The command is: git add -A && git commit -m {message} && git push"


def _show(v: Variables, found: Findings, job: Job, lines: Sequence[str], line: Line, place: Place) -> None:
    print("\n".join(v.table()))
    added = [f"{name}={shlex.quote(value)}" for name, value in job.environment.items()]
    command = " \\\n  ".join([" ".join(["env", "-u", "WORLD_SIZE", *added]), *map(shlex.join, job.command())])
    print(f"\n{without_secrets(command)}\n")
    for each in lines:
        print(each)
    for each in found.good:
        print(f"- {without_secrets(each)}")
    for each in (*found.notes, *([_push(line, place)] if line.push else [])):
        print(f"note: {without_secrets(each)}")
    for each in found.missing:
        print(f"before it can run: {without_secrets(each)}")
    sys.stdout.flush()
