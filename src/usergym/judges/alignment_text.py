"""A text as clauses that can be compared: the attitude that is named, its degree, and stems of what it is about."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from math import sqrt
from typing import NamedTuple
from zlib import crc32

from usergym.judges.words import FUNCTION_WORDS, stem, words

REACH = 3
"""Words behind a negator among which the next one that carries meaning is denied."""
BUCKETS = 1 << 16
CLOSE = 0.55
"""Cosine below which two words have nothing in common."""

DENIED = "!"
"""Stands before the stem of a word that is denied."""

_HARD = re.compile(r"[;\n]+|[.!?]+(?=\s|$)")
_SOFT = re.compile(r",|\b(?:and|but|while|whereas|although|though|yet)\b", re.IGNORECASE)
_BREAK = re.compile(r"[;,:\n]+|[.!?]+(?=\s|$)")
_UNSPACED = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\u0e00-\u0eff]")
"""Letters of scripts that are written without blanks between words."""


class Attitude(NamedTuple):
    """What a word says about how somebody feels or stands towards something."""

    family: str
    side: str
    """Families of one side are nearer to each other than those of two."""


class Clause(NamedTuple):
    attitude: Attitude | None
    named: str
    """The stem of the word that names it; "" for none."""
    degree: int
    """1 weak, 2 neither said nor strong, 3 strong."""
    tokens: tuple[str, ...]
    """Stems of the other words that carry meaning, in order, a denied one behind DENIED."""
    more: frozenset[Attitude] = frozenset()
    """Further attitudes that it names."""

    @property
    def weight(self) -> int:
        return len(self.tokens) + (self.attitude is not None)


class Stand(NamedTuple):
    """The side that a speaker takes."""

    side: str
    """`for`, `against` or `unsure`."""
    degree: int
    """1 weak, 2 neither said nor strong, 3 strong."""


class Lexicon(NamedTuple):
    attitudes: Mapping[str, Attitude]
    degrees: Mapping[str, int]


_REVERSED = {"for": "against", "against": "for"}
"""What denying a side means; one that is not here is then not taken."""
OPPOSITES = {Attitude(one, one): Attitude(other, other) for one, other in _REVERSED.items()}
"""The same of attitudes."""


@cache
def _tables() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("usergym.judges") / "alignment_words.toml").read_text(encoding="utf-8"))


@cache
def _negators() -> frozenset[str]:
    return frozenset(str(_tables()["negators"]).split())


@cache
def lexicon(level: str) -> Lexicon | None:
    """The attitude words of a level; None for one that is compared by its words alone."""
    if level == "stance":
        sides = {side: {side: names} for side, names in _tables()["stance"].items()}
    elif level == "emotion":
        sides = _tables()["emotion"]  # type: ignore[assignment]
    else:
        return None
    found = {
        word: Attitude(family, side)
        for side, families in sides.items()
        for family, names in families.items()
        for word in names.split()
    }
    return Lexicon(found, _degrees("degrees"))


def _degrees(*tables: str) -> dict[str, int]:
    return {word: int(degree) for word, degree in _named(*tables).items()}


def _named(*tables: str) -> dict[str, str]:
    """The words of tables to the name that each is listed under."""
    return {word: name for table in tables for name, listed in _tables()[table].items() for word in listed.split()}


@cache
def _sides() -> tuple[dict[str, str], dict[str, int]]:
    """Words, and pairs of words joined by `_`, to the side that they take, and to how firmly they do."""
    return _named("stance", "response"), _degrees("degrees", "response_degrees")


def stand(text: str) -> Stand | None:
    """The first side that is taken in what somebody says for themself; None where none is. A denial reaches to the end
    of its clause, one that opens the text to the first side taken; `no` alone denies nothing ("No, Ann."), and who is
    not undecided is on no side that is known."""
    sides, degrees = _sides()
    deny = _negators() - {"no"}
    parts = [said for part in _BREAK.split(text) if (said := words(part))]
    opened = bool(parts) and parts[0][0] in deny
    for place, part in enumerate(parts):
        denied, degree, before = opened and place > 0, 0, ""
        for word in part:
            pair = f"{before}_{word}"
            side = sides.get(pair)
            if side is None:
                denied ^= before in deny
                side = sides.get(word)
            degree = degrees.get(pair) or degrees.get(word) or degree
            if side is not None:
                taken = _REVERSED.get(side) if denied else side
                return Stand(taken, degree or 2) if taken else None
            before = word
    return None


def clauses(text: str, level: str) -> list[Clause]:
    """What `text` says, clause by clause; empty where no word of it carries meaning."""
    lexis = lexicon(level)
    text = _UNSPACED.sub(r" \g<0> ", text) if not text.isascii() else text
    found: list[Clause] = []
    for part in _HARD.split(text):
        pieces = [part] if lexis is None else _attitudes(part, lexis)
        found.extend(clause for piece in pieces if (clause := _clause(words(piece), level)).weight)
    return found


def every_word(text: str) -> list[str]:
    """All words as they stand, or all signs where there is none: for a truth that no word of carries meaning."""
    text = _UNSPACED.sub(r" \g<0> ", text) if not text.isascii() else text
    return words(text) or [sign for sign in text if not sign.isspace()]


def _attitudes(part: str, lexis: Lexicon) -> list[str]:
    """`part` cut between two attitudes, at a comma or a conjunction; what names none stays with what stands before."""
    pieces: list[str] = []
    held = False
    for piece in _SOFT.split(part):
        names = any(word in lexis.attitudes for word in words(piece))
        if pieces and not (names and held):
            pieces[-1] += " " + piece
        else:
            pieces.append(piece)
        held = names or (held and len(pieces) > 0)
    return pieces


@lru_cache(maxsize=65536)
def _role(word: str, level: str) -> tuple[str, str, Attitude | None, int]:
    """What a word is at a level: its kind, its stem, its attitude, its degree."""
    lexis = lexicon(level)
    if word in _negators():
        return "negator", "", None, 0
    if lexis is not None and word in lexis.attitudes:
        return "attitude", stem(word), lexis.attitudes[word], 0
    if lexis is not None and word in lexis.degrees:
        return "degree", stem(word), None, lexis.degrees[word]
    return "" if word in FUNCTION_WORDS else "token", stem(word), None, 0


def _clause(said: Sequence[str], level: str) -> Clause:
    attitude: Attitude | None = None
    named, degree = "", 0
    tokens: list[str] = []
    more: list[Attitude] = []
    denied = 0
    for word in said:
        kind, root, meant, strength = _role(word, level)
        if kind == "negator":
            denied = REACH + 1
        elif kind == "degree" and not degree:
            degree = strength
        elif meant is not None and attitude is None and not (denied and meant not in OPPOSITES):
            attitude, named = (OPPOSITES[meant], DENIED + root) if denied else (meant, root)
            denied = 0
        elif kind:
            if meant is not None and not denied:
                more.append(meant)
            tokens.append(DENIED + root if denied else root)
            denied = 0
        if denied:
            denied -= 1
    return Clause(attitude, named, degree or 2, tuple(tokens), frozenset(more))


@lru_cache(maxsize=65536)
def embedding(token: str) -> frozenset[int]:
    """A word as the buckets that its pieces of two and three letters are hashed to, its ends marked: a binary vector of
    BUCKETS dimensions."""
    word = f"^{token}$"
    return frozenset(
        crc32(word[at : at + size].encode("utf-8", "surrogatepass")) % BUCKETS
        for size in (2, 3)
        for at in range(len(word) - size + 1)
    )


@cache
def _families() -> dict[str, str]:
    """Stems of words for a side, a feeling or a degree to which one they name; of several, the first one."""
    found: dict[str, str] = {}
    tables = _tables()
    emotions: Mapping[str, Mapping[str, str]] = tables["emotion"]  # type: ignore[assignment]
    groups = [tables["stance"], tables["response"], *emotions.values(), tables["response_degrees"], tables["degrees"]]
    for group in groups:
        for name, listed in group.items():
            for word in listed.split():
                found.setdefault(stem(word), name)
    return found


def family(token: str) -> str | None:
    """What side, feeling or degree a token of a response names; of a denied side the other one, else of a denied one
    None."""
    if token.startswith(DENIED):
        return _REVERSED.get(_families().get(token[len(DENIED) :], ""))
    return _families().get(token)


def closeness(one: str, other: str) -> float:
    """1 for the same token, the cosine of the embeddings for two that begin alike and are CLOSE, else 0."""
    if one == other:
        return 1.0
    if one[:3] != other[:3] or min(len(one), len(other)) < 3:
        return 0.0
    first, second = embedding(one), embedding(other)
    cosine = len(first & second) / sqrt(len(first) * len(second))
    return cosine if cosine >= CLOSE else 0.0
