"""Which rows of a prompts file a run takes, written down as tasks of the environment style."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from settings import several

from usergym.environments.style.prompt_files import Prompt, read_prompts
from usergym.environments.style.rows import of_prompts
from usergym.evaluation.answers import request_of
from usergym.rows import Writer
from usergym.types import Message, Task, stable_hash
from usergym.users.styles.spec import parse

SYSTEM = {
    "tldr": (
        "You condense posts. Answer with the gist of the post in one sentence, or in two where one is not enough, and "
        "let your answer start with 'TL;DR:'."
    ),
    "general": "",
}
"""What SYSTEM_PROMPT puts in front of the prompts."""


@dataclass(frozen=True)
class Chosen:
    """Of one file."""

    tasks: tuple[Task, ...]
    rows: int
    too_long: int
    """Rows that were passed over before there were enough."""

    @property
    def told(self) -> str:
        passed = f", {self.too_long:,} passed over as too long" if self.too_long else ""
        return f"{len(self.tasks):,} of {several(self.rows, 'prompt')}{passed}"


@dataclass(frozen=True)
class Wanted:
    """How rows become tasks."""

    style: str
    every: int
    seed: int
    system: str
    fits: Callable[[Sequence[Message]], bool] | None
    """None: every prompt does."""


def choose(variable: str, path: Path, split: str, count: int, wanted: Wanted) -> Chosen:
    """`count` rows in an order drawn from the seed, without those that do not fit. ValueError names the variable, the
    file and the row that is wrong."""
    if not path.exists():
        raise ValueError(f"{variable}={path}: there is no such file; prepare it first, or give another")
    try:
        prompts = list(read_prompts(str(path)))
    except ValueError as error:
        raise ValueError(f"{variable}: {str(error).removeprefix('prompts=')}") from None
    rows = len(prompts)
    Random(stable_hash("sdpo recipe", wanted.seed)).shuffle(prompts)
    kept: list[Prompt] = []
    too_long = 0
    for prompt in prompts:
        if len(kept) == count:
            break
        parts = [part for part in (prompt.system, SYSTEM[wanted.system]) if part]
        prompt = msgspec.structs.replace(prompt, system="\n\n".join(parts), split=split)
        if wanted.fits is None or wanted.fits(_messages(prompt)):
            kept.append(prompt)
        else:
            too_long += 1
    if not kept:
        told = "the only prompt is" if rows == 1 else f"all {rows:,} prompts are"
        raise ValueError(f"{variable}={path}: {told} too long; raise MAX_PROMPT_TOKENS")
    found = of_prompts(kept, parse(wanted.style), wanted.every, 0.0, split, wanted.seed)
    return Chosen(tuple(msgspec.structs.replace(task, id=f"{split}-{task.id}") for task in found), rows, too_long)


def _messages(prompt: Prompt) -> list[Message]:
    said = request_of(Task("prompt", "style", opening=prompt.opening))
    return [Message("system", prompt.system), *said] if prompt.system else said


def apart(train: Sequence[Task], held_out: Sequence[Task]) -> None:
    """ValueError for a prompt that is in both."""
    groups = {task.group: task for task in held_out}
    if shared := next((task for task in train if task.group in groups), None):
        raise ValueError(
            f"VAL_JSONL holds a prompt of TRAIN_JSONL, {shared.opening[-1].said[:60]!r}; give files that share none, "
            "as the prepare scripts write them"
        )


def fitting(tokenizer: Any, limit: int) -> Callable[[Sequence[Message]], bool]:
    """Whether a prompt, rendered by the model's chat template, has at most `limit` tokens."""
    from usergym.training.chat import Chat

    chat = Chat(tokenizer)
    return lambda messages: len(chat.first(messages)) <= limit


def write(path: Path, tasks: Sequence[Task]) -> None:
    with Writer(path, whole=True) as file:
        for row in _rows(tasks):
            file.write(row)


def _rows(tasks: Sequence[Task]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield msgspec.to_builtins(task)
