"""The tables behind the population, as typed values: what there is to be, to talk about, and to say."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

from usergym.types import Record
from usergym.users.population.spec import Attitude, Frankness, Habit, Register, Relation, Side, Temper

Pair = tuple[str, str]
"""Two wordings, the casual one and the formal one."""


class Value(Record, frozen=True):
    concern: str
    helps: Pair
    """What a plan does to it, behind "it would"."""
    hurts: Pair
    value: dict[Attitude, str]
    belief: dict[Literal["bright", "dark", "dismissed"], str]
    questions: Pair
    reasons: dict[Attitude, dict[Literal["helps", "hurts"], Pair]]


class Topic(Record, frozen=True):
    name: str
    plan: str
    maker: str
    touched: str
    effects: dict[str, int]
    """By value; the first one is the main one."""


class People(Record, frozen=True):
    names: tuple[str, ...]
    others: tuple[str, ...]
    """Who else speaks in threads; shares no name with `names`."""
    ages: tuple[str, ...]
    places: tuple[str, ...]
    interests: tuple[str, ...]
    occupations: tuple[str, ...]
    dear: tuple[str, ...]
    """How a persona tells of a value, by rank."""
    dismissed: tuple[str, ...]
    told: dict[str, dict[str, str]]
    """How a persona tells of temper and manner."""
    statistics: dict[str, dict[str, str]]


class Opening(Record, frozen=True, rename={"for_": "for"}):
    touched: str
    main: Pair
    minor: str
    rumour: str
    for_: Pair
    against: Pair
    open: Pair

    def closing(self, side: Side) -> Pair:
        return {"for": self.for_, "against": self.against, "open": self.open}[side]


class Degree(Record, frozen=True):
    stance: str
    said: tuple[str, str, str, str]
    """Polite casual, polite formal, blunt casual, blunt formal."""
    aim: str


class Feeling(Record, frozen=True):
    noun: str
    adjective: str
    about: str
    """The preposition before the target."""
    target: Literal["topic", "maker", "touched"]
    step: int
    """Added to the intensity that goes with the degree."""
    emoji: str


class Intensity(Record, frozen=True):
    names: tuple[str, str, str]
    casual: tuple[str, str, str]
    formal: tuple[str, str, str]
    frames: Pair


class Ending(Record, frozen=True):
    ends: str
    goal: dict[Relation, str]
    said: dict[Relation, str | Pair] = {}


class Undecided(Record, frozen=True):
    torn: Pair
    untouched: Pair


class Wording(Record, frozen=True):
    opening: Opening
    degree: dict[int, Degree]
    undecided: Undecided
    emotion: dict[Temper, dict[Side, Feeling]]
    intensity: Intensity
    tone: dict[Frankness, tuple[str, str, str]]
    address: dict[Frankness, dict[Relation, str]]
    link: dict[Register, Pair]
    habit: dict[Habit, Ending]
    advice: dict[Side, Pair]


@cache
def values() -> dict[str, Value]:
    """All values, by name."""
    return msgspec.convert(_table("values"), dict[str, Value])


@cache
def topics() -> tuple[Topic, ...]:
    return msgspec.convert(_table("topics")["topics"], tuple[Topic, ...])


@cache
def people_tables() -> People:
    return msgspec.convert(_table("people"), People)


@cache
def wording() -> Wording:
    return msgspec.convert(_table("wording"), Wording, strict=False)


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((files("usergym.users.population") / f"{name}.toml").read_text("utf-8"))
