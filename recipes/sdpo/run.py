"""A script's variables as one command of usergym: checked and started, or, with --dry-run, checked and shown."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import partial

import other_jobs
import train_jobs
from job import Findings, Job
from settings import Variables

from usergym.cli.errors import told_in_one_line
from usergym.training.record import without_secrets

JOBS: dict[str, Callable[[Variables, Findings, Sequence[str]], Job]] = {
    "prepare-tldr": partial(other_jobs.prepare, source="tldr"),
    "prepare-helpsteer": partial(other_jobs.prepare, source="helpsteer"),
    "train-online-tldr": partial(train_jobs.online, runs="sdpo-tldr-runs"),
    "train-online": partial(train_jobs.online, runs="sdpo-runs"),
    "train-offline": partial(train_jobs.offline, runs="sdpo-offline-runs"),
    "eval": other_jobs.evaluate,
    "signal": other_jobs.signals,
}
DRY = "--dry-run"


@told_in_one_line
def main() -> int:
    what, *line = sys.argv[1:]
    dry = DRY in line
    own, extras = _parted([each for each in line if each != DRY])
    v, found = Variables(dict(os.environ)), Findings(dry)
    os.environ.update(v.cache())  # read when the hub's client is imported, which is not yet
    v.shown.clear()
    job = JOBS[what](v, found, extras)
    if own:
        raise ValueError(
            f"{own[0]!r} is no argument of this script; there are {DRY} and, behind --, the flags of usergym "
            f"{' '.join(job.verb)}; all else are variables: {', '.join(v.shown)}"
        )
    job.refuse_taken()
    lines: list[str] = []
    with found.looking():
        lines = job.estimate(job.parsed())
    if dry:
        _show(v, found, job, lines)
        for each in found.problems:
            print(f"error: {without_secrets(each)}", file=sys.stderr)
        return 1 if found.problems else 0
    for each in (*found.notes, *v.unused()):
        print(f"note: {without_secrets(each)}", file=sys.stderr)
    job.write()
    command = [token for group in job.command() for token in group]
    environ = {name: value for name, value in os.environ.items() if name != "WORLD_SIZE"} | job.environment
    sys.stdout.flush()
    return os.execvpe(command[0], command, environ)


def _parted(line: Sequence[str]) -> tuple[list[str], list[str]]:
    """Before and behind --."""
    place = line.index("--") if "--" in line else len(line)
    return list(line[:place]), list(line[place + 1 :])


def _show(v: Variables, found: Findings, job: Job, lines: Sequence[str]) -> None:
    print("\n".join(v.table()))
    added = [f"{name}={shlex.quote(value)}" for name, value in job.environment.items()]
    # Processes read how many they are from WORLD_SIZE, which only their launcher may set.
    start = " ".join(["env", "-u", "WORLD_SIZE", *added])
    command = " \\\n  ".join([start, *(shlex.join(group) for group in job.command())])
    print(f"\n{without_secrets(command)}\n")
    for each in lines:
        print(each)
    for each in found.good:
        print(f"- {without_secrets(each)}")
    for each in (*found.notes, *v.unused()):
        print(f"note: {without_secrets(each)}")
    for each in found.missing:
        print(f"before it can run: {without_secrets(each)}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
