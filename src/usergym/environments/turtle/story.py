"""A puzzle: what is told, what is behind it, and what a solution must contain."""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

from usergym.environments.turtle.concepts import concepts
from usergym.types import Record

Answer = Literal["yes", "no", "irrelevant"]


class Part(Record, frozen=True):
    """One thing that a solution must say."""

    says: str
    """In words; for a judge only."""
    weight: float
    needs: str = ""
    """Its concepts, the decisive one first. "": only a statement is known."""
    against: str = ""
    """Phrases that contradict it."""


class Fact(Record, frozen=True):
    """Something that may be asked about."""

    ask: str
    """A question about it."""
    answer: Answer
    on: str
    """The concepts of a question about it."""


class Story(Record, frozen=True):
    title: str
    surface: str
    """What the agent is told."""
    bottom: str
    """What happened."""
    parts: tuple[Part, ...] = ()
    facts: tuple[Fact, ...] = ()

    def __post_init__(self) -> None:
        """ValueError for what cannot be played."""
        total = sum(part.weight for part in self.parts)
        if self.parts and not abs(total - 1) <= 1e-6:
            raise ValueError(f"the weights of the parts sum to {total:g}; expected 1")
        if any(part.weight <= 0 for part in self.parts):
            raise ValueError("a part has a weight that is not above 0")


def plain(story: Story) -> dict[str, Any]:
    """A story as a task holds it."""
    data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(story))
    return data


class Puzzle(Record, frozen=True):
    """A story of ours and its name."""

    id: str
    story: Story


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    title: str
    surface: str
    bottom: str
    parts: tuple[Part, ...]
    facts: tuple[Fact, ...]


@cache
def own() -> Sequence[Puzzle]:
    """The puzzles that come with the package."""
    puzzles = []
    for file in sorted((files("usergym.environments.turtle") / "puzzles").iterdir(), key=lambda file: file.name):
        for written in msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8"))["puzzle"], list[_Written]):
            story = Story(written.title, written.surface, written.bottom, written.parts, written.facts)
            puzzles.append(Puzzle(written.id, story))
    return tuple(puzzles)


def check_patterns(story: Story) -> None:
    """ValueError for a pattern that cannot be read."""
    for pattern in (*(part.needs for part in story.parts), *(part.against for part in story.parts)):
        if pattern:
            concepts(pattern)
    for fact in story.facts:
        concepts(fact.on)
