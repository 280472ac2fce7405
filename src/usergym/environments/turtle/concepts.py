"""A small pattern language for what a sentence says: which concepts are in it, and which of them it denies.

`blind* | can not see`: either of two phrases; `*` stands for any ending, `~` for up to three words between.
`letter* & burn*`: both.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

_WORD = re.compile(r"[a-z0-9]+")
_ENDING = re.compile(r"(?:ing|ed|es|s)$")

NEGATORS = frozenset(_WORD.findall("not no never nobody none nothing neither nor without"))
SMALL_WORDS = frozenset(
    _WORD.findall(
        "a an and are as at be been because but by for from had has have he her hers him his i in into is it its of on"
        " only out she so that the their them then there they this to up was were what when where which while who whom"
        " whose with would you my me we our us after before not"
    )
)
REACH = 3
"""Words before a phrase among which a negator denies it."""
WINDOW = 30
"""Most words that are looked at as one statement."""

_SHORT = (("can't", "can not"), ("cannot", "can not"), ("won't", "will not"), ("n't", " not"), ("no one", "nobody"))


def plain(text: str) -> str:
    """Lower case, without accents, contractions written out."""
    text = text.replace("\u2019", "'").replace("\u2018", "'")
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    text = text.lower()
    for short, long in _SHORT:
        text = text.replace(short, long)
    return re.sub(r"'s?\b", "", text)


def words(text: str) -> list[str]:
    return _WORD.findall(plain(text))


def stem(word: str) -> str:
    """What different forms of a word share, for texts of which no patterns are known."""
    return (_ENDING.sub("", word) if len(word) > 4 else word)[:5]


def statements(text: str) -> list[str]:
    """What `text` says, each two sentences that follow one another as one, in words between single blanks. No
    statement is longer than WINDOW words."""
    sentences = [found for part in re.split(r"[.!?;\n]+", plain(text)) if (found := _WORD.findall(part))]
    pieces = [sentence[at : at + WINDOW] for sentence in sentences for at in range(0, len(sentence), WINDOW)]
    if len(pieces) < 2:
        return [_spaced(piece) for piece in pieces]
    return [_spaced([*one, *next_one][: 2 * WINDOW]) for one, next_one in pairwise(pieces)]


def _spaced(found: Sequence[str]) -> str:
    return f" {' '.join(found)} "


class Concept:
    """One or more phrases that mean the same here."""

    def __init__(self, pattern: str) -> None:
        alternatives = [alternative.split() for alternative in pattern.split("|")]
        if not all(alternatives):
            raise ValueError(f"pattern {pattern!r} has an empty alternative")
        self.regex = re.compile("|".join(f"(?<= ){_phrase(alternative)}(?= )" for alternative in alternatives))

    def said(self, statement: str) -> str | None:
        """The phrase that asserts this in `statement` (words between single blanks), the longest; None if it is not
        said or is denied."""
        found = [match for match in self.regex.finditer(statement) if not denied(statement, match)]
        return max((match.group() for match in found), key=len, default=None)


def denied(statement: str, match: re.Match[str]) -> bool:
    """Whether a negator stands shortly before a phrase that holds none itself."""
    if NEGATORS.intersection(match.group().split()):
        return False
    return bool(NEGATORS.intersection(statement[: match.start()].split()[-REACH:]))


def _phrase(alternative: Sequence[str]) -> str:
    made = ""
    for place, word in enumerate(alternative):
        if word == "~":
            made += r"(?:[a-z0-9]+ ){0,3}"
            continue
        ending = "[a-z0-9]*" if word.endswith("*") else ""
        made += re.escape(word.rstrip("*")) + ending + (" " if place < len(alternative) - 1 else "")
    return made


@lru_cache(8192)
def concepts(pattern: str) -> tuple[Concept, ...]:
    """The concepts of a pattern, all of which are meant. ValueError for one that cannot be read."""
    return tuple(Concept(group) for group in pattern.split("&"))
