"""What is to be simulated: one person's next words in one thread; or the rule by which a row gives none."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import msgspec

from usergym.data.prepare.users.datasets import ASSISTANT, METRICS, Dataset, connected, refused, speaker, words_of
from usergym.environments.people.raw import Raw, numbers
from usergym.environments.people.telling import Thread, mentioning, thread_of, unusable
from usergym.rows import Place
from usergym.types import Record, is_blank, stable_hash


class Limits(Record, frozen=True):
    comment_words: int = 1024
    example_words: int = 3000
    min_chars: int = 1


class Target(Record, frozen=True):
    id: str
    """Made of the thread, the words and the person: the same row has the same id everywhere."""
    user: str
    post: str
    thread: Thread
    truth: str
    order: int
    """Place in the source."""
    turn: int
    """How many messages were before it."""
    time: float | None = None
    split: str | None = None
    """The source's own."""
    states: dict[str, str] = {}
    post_metrics: dict[str, float] = {}
    comment_metrics: dict[str, float] = {}


def content_id(thread: Sequence[tuple[str, str]], truth: str, user: str = "") -> str:
    return f"{stable_hash(*(part for turn in thread for part in turn), truth, user):016x}"


def target_of(raw: Raw, rules: Dataset, limits: Limits, order: int) -> Target | str:
    """The target of a row, or why it has none."""
    lines = connected(raw, rules)
    said = [(speaker(line, rules), words_of(line, place, rules)) for place, line in enumerate(lines)]
    if reason := refused(raw, said, rules):
        return reason
    thread = thread_of(said, raw.user, ASSISTANT if rules.chat else None)
    truth = mentioning(raw.completion, raw.user)
    if reason := _broken_rule(thread, truth, limits):
        return reason
    return Target(
        id=content_id(thread, truth, raw.user),
        user=raw.user,
        post=raw.post or content_id(thread[:1], ""),
        thread=thread,
        truth=truth,
        order=order,
        turn=len(raw.lines),
        time=raw.time,
        split=raw.split,
        states=dict(raw.states),
        post_metrics=numbers(raw.lines[0].about, METRICS) if raw.lines else {},
        comment_metrics=numbers(raw.about, METRICS),
    )


def _broken_rule(thread: Thread, truth: str, limits: Limits) -> str | None:
    if not is_blank(truth) and len(truth) < limits.min_chars:
        return f"of fewer than {limits.min_chars} characters"
    if why := unusable(thread, truth):
        return why
    lengths = [len(text.split()) for _, text in thread]
    own = len(truth.split())
    if own > limits.comment_words:
        return f"over {limits.comment_words:,} words"
    if any(length > limits.comment_words for length in lengths[1:]):
        return f"behind a comment over {limits.comment_words:,} words"
    if sum(lengths) + own > limits.example_words:
        return f"over {limits.example_words:,} words with their thread"
    return None


@dataclass(slots=True)
class Entry:
    """What is kept in memory of a target."""

    id: str
    user: str
    post: str
    time: float | None
    turn: int
    order: int
    own: str | None
    """The split that the source has it in."""
    place: int
    """On the shelf."""
    where: Place
    """In the source."""
    part: str = ""
    """train, val, test; `history` for what only a persona is drawn from; "" while undecided or left out."""
    unseen: bool = False
    """Of a person of whom nothing is trained."""

    @property
    def age(self) -> tuple[bool, float, int, int]:
        """Sorts a person's targets by time; those without one behind, as they were stored."""
        return self.time is None, self.time or 0.0, self.order if self.time is None else self.turn, self.order


class Shelf:
    """Targets on disk, in a nameless file."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the shelf
        self._decoder = msgspec.msgpack.Decoder(Target)

    def add(self, target: Target, where: Place) -> Entry:
        place = self._file.seek(0, 2)
        packed = msgspec.msgpack.encode(target)
        self._file.write(len(packed).to_bytes(8, "big") + packed)
        key = (target.id, target.user, target.post, target.time, target.turn, target.order, target.split)
        return Entry(*key, place, where)

    def take(self, entry: Entry) -> Target:
        self._file.seek(entry.place)
        return self._decoder.decode(self._file.read(int.from_bytes(self._file.read(8), "big")))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def by_user(entries: Sequence[Entry]) -> Mapping[str, list[Entry]]:
    """Each person's targets, the earliest first."""
    found: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda each: each.age):
        found.setdefault(entry.user, []).append(entry)
    return found
