"""Which prompts a style is evaluated on, and whether a training run has seen them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from usergym.data.tasks import read_tasks
from usergym.environments.base import load
from usergym.evaluation.answers import key_of_prompt, last_request, request_task, trained_prompts
from usergym.types import Task

SHOWN = 60
"""Characters of a prompt that is named."""


def prompt_tasks(file: Path | None, style: str, limit: int, seed: int) -> list[Task]:
    """The first `limit` prompts, each once: of a file, or of the environment style's own test tasks. ValueError with
    fewer than two."""
    environment = load(f"style:style={style}")
    found = environment.tasks("test", seed) if file is None else read_tasks(file, environment)
    tasks = list(islice(_each_once(request_task(task, environment.start(task).system) for task in found), limit))
    if len(tasks) < 2:
        where = file or "the environment style"
        raise ValueError(f"{len(tasks)} prompt{'s' * (len(tasks) != 1)} in {where}: a win rate needs 2 or more")
    return tasks


def shown_taste(style: str) -> str:
    """What an agent is told that is shown the taste, in the words in which the environment shows it."""
    environment = load(f"style:style={style},show=1")
    return environment.start(environment.read({"prompt": "?"})).system


def _each_once(tasks: Iterable[Task]) -> Iterator[Task]:
    seen: set[str] = set()
    for task in tasks:
        if task.id not in seen:
            seen.add(task.id)
            yield task


def leakage(tasks: Sequence[Task], runs: Sequence[Path], ignored: bool) -> list[str]:
    """What is to be noted about prompts that the runs were trained on. ValueError where there are any, unless
    `ignored`."""
    notes = []
    for run in runs:
        trained = trained_prompts(run)
        if trained is None:
            notes.append(f"{run} kept no conversations, so whether the prompts were trained on is not known")
            continue
        leaked = [words for task in tasks if key_of_prompt(words := last_request(task)) in trained]
        if leaked:
            first = leaked[0] if len(leaked[0]) <= SHOWN else f"{leaked[0][:SHOWN]}…"
            text = f"{len(leaked)} of {len(tasks)} prompts were trained on in {run}, such as {first!r}"
            if not ignored:
                raise ValueError(f"{text}; give other --prompts, or --ignore-leakage")
            notes.append(text)
    return notes
