"""Tasks: generated ones, rows of a prompts file, and rows of data files."""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from usergym.environments.base import RowError, read_task
from usergym.environments.style.prompt_files import FIELDS, Prompt, prompt_of
from usergym.environments.style.requests import group_of, requests
from usergym.types import Message, Task, Turn, split_of, stable_hash
from usergym.users.styles.spec import Plan, StyleSpec, get

NAME = "style"


def generated(plan: Plan, every: int, split: str | None, seed: int) -> Iterator[Task]:
    """Unlimited. Task number n of the split is of stage n // every."""
    for number, (place, request) in enumerate(requests(split, seed)):
        opening = (Turn("user", Message("assistant", request.text)),)
        data = {"styles": _names(plan.at(number, every)), "topic": request.topic, "kind": request.kind}
        group = group_of(request.topic)
        yield Task(f"{NAME}-{seed}-{place}", NAME, group=group, opening=opening, data=data, split=split)


def of_prompts(
    prompts: Sequence[Prompt], plan: Plan, every: int, held_out: float, split: str | None, seed: int
) -> Iterator[Task]:
    """The rows in an order drawn from the seed; it ends. A row that says its split is in that one; of the others a
    share of `held_out` is each in validation and test. With a sequence of styles the rows are gone through again until
    each style had its `every` tasks, and each row is given once at least."""
    order = [(prompt, prompt.split or split_of(prompt.group, held_out, held_out)) for prompt in prompts]
    Random(stable_hash(NAME, seed)).shuffle(order)
    wanted = [(prompt, own) for prompt, own in order if split in (None, own)]
    count = max(len(wanted), len(plan.stages) * every if wanted and len(plan.stages) > 1 else 0)
    for number in range(count):
        again, place = divmod(number, len(wanted))
        prompt, own = wanted[place]
        key = f"{NAME}-{prompt.number}-{seed}" + (f"-{again}" if again else "")
        yield _task(key, prompt, plan.at(number, every), own)


def _task(key: str, prompt: Prompt, styles: Sequence[StyleSpec], split: str | None) -> Task:
    data: dict[str, Any] = {"styles": _names(styles)}
    if prompt.system:
        data["system"] = prompt.system
    return Task(key, NAME, group=prompt.group, opening=prompt.opening, data=data, split=split)


def _names(styles: Sequence[StyleSpec]) -> list[str]:
    return [style.name for style in styles]


def read(row: Mapping[str, Any], plan: Plan) -> Task:
    """A task of ours, or a row of a prompts file, which then has the styles of the environment. RowError names the
    field that is wrong."""
    if not isinstance(row, Mapping):
        raise RowError("row", "an object", row)
    if "env" not in row and any(field in row for field in FIELDS):
        if len(plan.stages) > 1:
            raise RowError("data.styles", "the styles of this task; a sequence of styles needs prompts=FILE")
        prompt = prompt_of(row, 0)
        key = row["id"] if isinstance(row.get("id"), str) else f"{stable_hash(*map(_said, prompt.opening)):016x}"
        return _task(f"{NAME}-{key}", prompt, plan.at(0, 1), prompt.split)
    task = read_task(row)
    if task.env != NAME:
        raise RowError("env", NAME, task.env)
    styles_of(task)
    request_of(task)
    return task


def _said(turn: Turn) -> str:
    return turn.said


def styles_of(task: Task) -> tuple[StyleSpec, ...]:
    """Of the task's user."""
    names = task.data.get("styles", ...)
    if not isinstance(names, list) or not names:
        raise RowError("data.styles", "a list of one or more styles", names)
    try:
        return tuple(get(name) if isinstance(name, str) else get(repr(name)) for name in names)
    except LookupError as error:
        raise RowError("data.styles", f"known styles ({error})", names) from None


def request_of(task: Task) -> str:
    """What is asked for: the user's last words of the opening."""
    last = task.opening[-1] if task.opening else None
    if last is None or last.speaker != "user" or not last.said.strip():
        raise RowError("opening", "turns that end with the user's request", [turn.said for turn in task.opening])
    return last.said
