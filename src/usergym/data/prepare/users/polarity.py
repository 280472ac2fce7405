"""Whether two texts take opposite sides: a count of plain words for and against, negations turned."""

import tomllib
from functools import cache
from importlib.resources import files

from usergym.environments.people.words import words

STRONG = 2
"""How far a text must lean before it takes a side at all."""
_BEFORE = 3
"""Words before a word in which a negation turns it."""


@cache
def _table() -> dict[str, frozenset[str]]:
    text = files("usergym.data.prepare.users").joinpath("polarity.toml").read_text(encoding="utf-8")
    return {name: frozenset(listed.split()) for name, listed in tomllib.loads(text).items()}


def lean(text: str) -> int:
    """Words for less words against; 0 for none."""
    table = _table()
    said = words(text)
    total = 0
    for place, word in enumerate(said):
        side = (word in table["favour"]) - (word in table["against"])
        if side:
            total += -side if table["negations"].intersection(said[max(0, place - _BEFORE) : place]) else side
    return total


def opposed(one: str, other: str) -> bool:
    """Whether both take a side, and not the same."""
    first, second = lean(one), lean(other)
    return min(abs(first), abs(second)) >= STRONG and (first > 0) != (second > 0)
