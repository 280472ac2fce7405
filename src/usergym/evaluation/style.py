"""Two models compared by a user's taste: their replies paired by prompt, and every pair judged once."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from usergym.evaluation.answers import Answered, request_of
from usergym.judges.pairwise import Judge
from usergym.judges.verdicts import Verdict
from usergym.models.base import StopRun
from usergym.rollouts.pool import worked
from usergym.rollouts.store import set_torn_line_aside
from usergym.types import Message, Record, Task, stable_hash

Missing = Literal["failed", "cut"]
"""Why there is nothing to judge: a reply that was never got, or one that reached the limit of tokens."""

Replies = Mapping[tuple[str, int], Answered]
"""By task and sample."""


@dataclass(frozen=True)
class Pair:
    """Two replies to one request."""

    task: Task
    sample: int
    ours: Answered | None
    theirs: Answered | None
    keep_cut: bool = False

    @property
    def missing(self) -> Missing | None:
        if self.ours is None or self.theirs is None:
            return "failed"
        return "cut" if not self.keep_cut and (self.ours.cut or self.theirs.cut) else None

    @property
    def texts(self) -> tuple[str, str] | None:
        """None where one is missing."""
        if self.missing or self.ours is None or self.theirs is None:
            return None
        return self.ours.text, self.theirs.text

    @property
    def request(self) -> list[Message]:
        return request_of(self.task)


def pairs(tasks: Sequence[Task], samples: int, ours: Replies, theirs: Replies, keep_cut: bool = False) -> list[Pair]:
    """One for each task and sample, in their order, whether there are replies or not."""
    keys = [(task, sample) for task in tasks for sample in range(samples)]
    return [
        Pair(task, sample, ours.get((task.id, sample)), theirs.get((task.id, sample)), keep_cut)
        for task, sample in keys
    ]


class Row(Record, frozen=True):
    """A line of `verdicts.jsonl`."""

    key: str
    """A hash of judge, taste, request and replies: the same comparison is judged once."""
    style: str
    model: str
    judge: str
    task: str
    sample: int
    verdict: Verdict


class Book:
    """The verdicts of a folder: appended as they are made, so that a run that was stopped asks for none again."""

    def __init__(self, path: Path) -> None:
        """ValueError names a line that is no verdict."""
        self.path = path
        self.known: dict[tuple[str, str, str, int], Row] = {}
        set_torn_line_aside(path)
        if path.exists():
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    self._keep(self._read(line, number))

    def _read(self, line: bytes, number: int) -> Row:
        try:
            return msgspec.json.decode(line, type=Row)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.path}:{number}: {error}; take the line out") from None

    def _keep(self, row: Row) -> None:
        self.known[row.style, row.model, row.task, row.sample] = row

    def find(self, row: tuple[str, str, str, int], key: str) -> Verdict | None:
        """What was judged before; an outage is asked again."""
        known = self.known.get(row)
        if known is None or known.key != key or known.verdict.main.outcome == "unavailable":
            return None
        return known.verdict

    def add(self, row: Row) -> None:
        if self.known.get((row.style, row.model, row.task, row.sample)) == row:
            return
        self._keep(row)
        try:
            with self.path.open("ab") as file:
                file.write(msgspec.json.encode(row) + b"\n")
        except OSError as error:
            text = f"cannot write {self.path}: {error.strerror}. Make room and run the same command again"
            raise StopRun(text) from error


async def judged(
    judge: Judge, style: str, model: str, found: Sequence[Pair], book: Book, concurrency: int = 16
) -> AsyncGenerator[tuple[int, Verdict], None]:
    """The place and verdict of every pair that has both replies, as they are made. StopRun ends it; the verdicts in
    `book` stay."""

    async def work(place: int) -> tuple[int, Verdict]:
        pair = found[place]
        assert pair.texts is not None
        ours, theirs = pair.texts
        key = f"{stable_hash(judge.fingerprint, *map(_line, pair.request), ours, theirs):016x}"
        verdict = book.find((style, model, pair.task.id, pair.sample), key) if judge.fingerprint else None
        if verdict is None:
            verdict = await judge.compare(pair.request, ours, theirs)
        book.add(Row(key, style, model, judge.name, pair.task.id, pair.sample, verdict))
        return place, verdict

    due = (place for place, pair in enumerate(found) if pair.texts is not None)
    async with aclosing(worked(due, work, concurrency)) as made:
        async for each in made:
            yield each


def _line(message: Message) -> str:
    return f"{message.role}: {message.content}"
