"""Rows of several environments in one file: so many of each, drawn by a hash of the seed and their place, mixed."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from usergym.data.formats.userrl import task_row
from usergym.environments.base import Environment
from usergym.models.fake import CHARACTERS_PER_TOKEN
from usergym.types import Seat, Task, stable_hash


@dataclass(frozen=True)
class Cap:
    """How many rows of one source are taken."""

    share: float = 1.0
    least: int = 0
    """But not fewer than so many, where there are."""
    most: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or self.least < 0 or (self.most is not None and self.most < 1):
            raise ValueError(f"{self}: expected a share above 0 and at most 1, least from 0, most from 1")

    def of(self, rows: int) -> int:
        wanted = min(rows, max(int(rows * self.share), self.least))
        return wanted if self.most is None else min(wanted, self.most)


@dataclass
class Merged:
    """What a merge did, by source."""

    read: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    too_long: dict[str, int] = field(default_factory=dict)
    """Of those taken, left out since their prompt is too long."""


def merge(
    sources: Mapping[str, Iterable[Mapping[str, Any]]],
    caps: Mapping[str, Cap],
    *,
    seed: int = 42,
    longest: int | None = None,
    done: Merged | None = None,
) -> Iterator[dict[str, Any]]:
    """The rows that are taken, mixed. `caps` by source; without one all are. `longest`: prompts of so many tokens or
    more are left out, at 4 characters a token. All rows are held in memory."""
    done = done if done is not None else Merged()
    chosen: list[tuple[int, dict[str, Any]]] = []
    for name, rows in sources.items():
        drawn = sorted((stable_hash(seed, name, place), dict(row)) for place, row in _numbered(rows, name, done))
        taken = drawn[: caps.get(name, Cap()).of(len(drawn))]
        kept = [each for each in taken if longest is None or prompt_tokens(each[1]) < longest]
        done.taken[name], done.too_long[name] = len(kept), len(taken) - len(kept)
        chosen += kept
    chosen.sort(key=lambda each: each[0])
    yield from (row for _, row in chosen)


def _numbered(rows: Iterable[Mapping[str, Any]], name: str, done: Merged) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for place, row in enumerate(rows):
        done.read[name] = place + 1
        yield place, row


def prompt_tokens(row: Mapping[str, Any]) -> float:
    """About how many tokens the prompt of a row is."""
    messages = row.get("prompt") or ()
    return sum(len(message.get("content") or "") for message in messages) / CHARACTERS_PER_TOKEN


def task_rows(environment: Environment, split: str, seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Own tasks of an environment, as rows."""
    for number, task in enumerate(islice(environment.tasks(split, seed), count)):
        yield row_of(environment, task, number, split)


def row_of(environment: Environment, task: Task, number: int, split: str) -> dict[str, Any]:
    world = environment.start(task)
    user = None if task.opening else world.user(None)
    first = [asyncio.run(user.speak([]))] if user else []
    return task_row(task, Seat(world.system), number, split, first)
