"""Runs of words that two texts share: what a leak and a copy look like."""

import re
from collections.abc import Iterator, Sequence

from usergym.judges.words import holds

RUN = 8
"""So many words in a row are no accident."""
LEAST = 3
"""Words of a text that is compared whole: shorter ones are said by many."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words(text: str) -> list[str]:
    """Lower-cased, without punctuation."""
    return [word.replace("’", "'") for word in _WORD.findall(text.lower())]


def runs(text: str, length: int = RUN) -> Iterator[tuple[str, ...]]:
    """All runs of so many words."""
    said = words(text)
    return (tuple(said[place : place + length]) for place in range(len(said) - length + 1))


def stands_in(text: str, told: Sequence[str], turns: int) -> bool:
    """Whether a text can be copied from what is told before it: it is one of the first `turns` of these, whole, or,
    of `RUN` words or more, stands whole within one of them."""
    own = words(text)
    if len(own) < LEAST:
        return False
    others = [words(each) for each in told]
    return own in others[:turns] or (len(own) >= RUN and any(holds(each, own) for each in others))
