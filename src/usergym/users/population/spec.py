"""The nouns of the population: a person with values, a temper and a manner, and a post with its thread."""

from typing import Literal

from usergym.types import Record

Temper = Literal["calm", "anxious", "irritable", "cheerful"]
Frankness = Literal["blunt", "polite"]
Length = Literal["short", "long"]
Habit = Literal["asks", "examples", "advises", "argues"]
Register = Literal["casual", "formal"]
Side = Literal["for", "open", "against"]
Relation = Literal["with", "open", "against"]
"""To whoever spoke last: on the same side, on the other, or one of the two on none."""
Attitude = Literal["dear", "dismissed"]

LEVELS = ("stance", "emotion", "belief", "value", "goal", "communication", "response")
"""The levels of a truth, in order."""


class Manner(Record, frozen=True):
    """How a person writes, whatever about."""

    frankness: Frankness
    length: Length
    habit: Habit
    """How their comments end."""
    register: Register
    emoji: bool


class Person(Record, frozen=True):
    id: str
    """Names the seed and the place, so no two populations share a person."""
    name: str
    age: str
    place: str
    occupation: str
    """With its article."""
    interests: tuple[str, ...]
    dear: tuple[str, ...]
    """Values the person holds, the first one first."""
    dismissed: tuple[str, ...]
    """Values the person rejects, the first one most."""
    temper: Temper
    manner: Manner


class Said(Record, frozen=True):
    """One text of a thread."""

    author: str
    text: str
    side: Side


class Post(Record, frozen=True):
    id: str
    topic: str
    maker: str
    touched: str
    effects: tuple[tuple[str, int], ...]
    """What the plan does to values, from 2 (helps much) to -2 (hurts much), in the order in which the post tells it."""
    thread: tuple[Said, ...]
    """The opening text, then 0 to 3 comments by others."""
    time: int
    """Seconds since 1970, UTC."""


def side_of(degree: int) -> Side:
    return "for" if degree > 0 else "against" if degree < 0 else "open"
