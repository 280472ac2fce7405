"""What travellers may care about: the aspects of a trip, and for each the subjects that an option is described by."""

import re
import tomllib
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

import msgspec

from usergym.types import Record

AspectName = Literal["flight", "hotel", "apartment", "rental_car", "restaurant"]
ASPECTS: tuple[AspectName, ...] = get_args(AspectName)

Value = str | int


class Want(Record, frozen=True):
    """One preference that somebody may have about a subject."""

    id: str
    preference: str
    accepts: tuple[Value, ...]
    """Values of the subject that satisfy it."""
    hints: tuple[str, ...]
    """Ways to let it be understood without naming the subject."""
    least: int = 1
    """How many must travel for it to make sense."""


class Subject(Record, frozen=True):
    subcategory: str
    keywords: tuple[str, ...]
    """Words and phrases, as `plain` has them, by which a question is about this."""
    question: str
    """One that asks for it, and for nothing else."""
    values: tuple[Value, ...]
    wants: tuple[Want, ...]


class Aspect(Record, frozen=True):
    letter: str
    """Its options' ids begin with it."""
    label: str
    words: tuple[str, ...]
    """How it is named in a text."""
    weak: tuple[str, ...]
    """Words that name it where no aspect is named by its `words`."""
    brand: str
    """The field with the option's name."""
    names: tuple[str, ...]
    price: tuple[int, int]
    subjects: dict[str, Subject]
    """By the field of an option."""


@cache
def library() -> dict[AspectName, Aspect]:
    found: dict[AspectName, Aspect] = {}
    for name in ASPECTS:
        text = (files("usergym.environments.travel") / "aspects" / f"{name}.toml").read_text(encoding="utf-8")
        table = tomllib.loads(text)
        subjects = {key: value for key, value in table.items() if isinstance(value, dict)}
        rest = {key: value for key, value in table.items() if key not in subjects}
        found[name] = msgspec.convert({**rest, "subjects": subjects}, Aspect)
    return found


@cache
def by_letter() -> dict[str, AspectName]:
    return {aspect.letter: name for name, aspect in library().items()}


_NOT_WORD = re.compile(r"[^a-z0-9]+")


def plain(text: str) -> str:
    """Lower case, no accents, words parted by one space, a space at both ends, so that ` word ` finds whole words."""
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if letter.isascii())
    return f" {_NOT_WORD.sub(' ', bare).strip()} "


def named_aspects(text: str) -> list[AspectName]:
    """The aspects that a `plain` text names."""
    strong = [name for name, aspect in library().items() if any(f" {word} " in text for word in aspect.words)]
    return strong or [name for name, aspect in library().items() if any(f" {word} " in text for word in aspect.weak)]
