"""What a request leaves open, and what finding it out is worth."""

from collections.abc import Collection, Sequence
from fractions import Fraction
from typing import Annotated

from msgspec import Meta

from usergym.types import Record

Importance = Annotated[int, Meta(ge=1, le=3)]
USERRL_BASE = {3: 1.0, 2: 0.7, 1: 0.4}
PENALTY = 5
"""Each further detail of one turn costs a fifth: asking for n pays 1 - (n - 1)/5 of what they are worth."""


class Detail(Record, frozen=True):
    """One thing that the request leaves open."""

    description: str
    importance: Importance
    inquiry: str
    """A question that asks for it."""
    options: tuple[str, ...]
    preference: str
    """What the user wants, one of the options."""
    words: tuple[str, ...] = ()
    """Words and phrases by which a question asks for it, beyond those of the description."""


def worth(details: Sequence[Detail], asked: Collection[int]) -> Fraction:
    """Of a turn that was first to ask for these; all of them, one at a time, are worth 1."""
    if not asked:
        return Fraction(0)
    share = Fraction(sum(details[place].importance for place in asked), sum(each.importance for each in details))
    return share * max(Fraction(0), 1 - Fraction(len(asked) - 1, PENALTY))


def userrl(details: Sequence[Detail], asked: Collection[int]) -> float:
    """UserRL's reward of that turn: by the most important of them, less 0.2 for each further one."""
    if not asked:
        return 0.0
    return round(max(0.0, USERRL_BASE[max(details[place].importance for place in asked)] - 0.2 * (len(asked) - 1)), 6)
