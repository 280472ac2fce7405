"""Tagged text to states: what each reading accepts, and by name why a text was not accepted.

A text holds one block `<level>text</level>` per level. Every reading takes time linear in the text.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

from usergym.types import is_blank
from usergym.users.states.spec import THINK, Hierarchy

Reading = Literal["strict", "strict_thinking", "any", "exact", "exact_thinking"]
Failure = Literal["format", "truncated", "empty"]

BLANK = " \n"
"""All that may stand around and between the blocks of a strict text."""

_OPENED = re.compile(r"<(\w++)>")
_CLOSED = re.compile(r"</(\w++)>")
_THOUGHT = re.compile(r"</think>|<\\think>", re.IGNORECASE)
_JOINT = re.compile(r"--+|(?<!\d)\.|\.(?!\d)|_")
_MARK = re.compile(r"[^\w\s.\-]")
_HELD = "\u2010\u2011'\u2019\u00ad\u200c\u200d"
"""Signs that stand within words: other hyphens, apostrophes, and what is not seen between letters."""
_FIRST_OF_OTHERS = "\u0590"
"""Behind Latin, Greek, Cyrillic and Armenian letters, and their accents."""
_SIGN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_THINKING = re.compile(r"\s*+<think>", re.IGNORECASE)


class States(dict[str, str]):
    """Level to text, and what was wrong with the whole: `format` (not the blocks asked for), `truncated` (in order
    up to where the text ends), `empty` (nothing that can be seen is written, or is in any level), None (nothing)."""

    def __init__(self, found: Mapping[str, str] = {}, failure: Failure | None = None) -> None:
        super().__init__(found)
        self.failure = failure

    def lack(self, level: str) -> Failure | None:
        """Why this one level has no text, None where it has: a later level may be cut off and this one be whole."""
        if level in self:
            return "empty" if is_blank(self[level]) else None
        return self.failure or "format"


class _Plan(NamedTuple):
    """The patterns of one sequence of levels."""

    first: re.Pattern[str]
    between: tuple[re.Pattern[str], ...]
    closing: tuple[re.Pattern[str], ...]
    any_tag: re.Pattern[str]


class _Read(NamedTuple):
    """How far a text follows the levels."""

    texts: list[str]
    """Of the levels that are whole."""
    start: int | None
    """Where the text of the next level begins; None where the first one is not opened."""


def parse_states(text: str, levels: Sequence[str], mode: Reading = "strict") -> States:
    """The states in `text`, read as one of five modes.

    `strict`: the levels in order and nothing else but spaces and newlines around them; tags in any case; texts are
    kept as they are. A text ends at the first place from which the rest still follows the levels, so the last one
    runs to the last tag, and a text repeated whole is part of it.
    `strict_thinking`: where the text does not begin with the first level, what stands before and in the first
    `</think>` is left out, then strict.
    `any`: every block of whatever name and in any order; names in lower case, texts stripped, the last of a name
    counts, and no block inside a block.
    `exact`, `exact_thinking`: the strict ones, and no text holds a tag of a level.

    ValueError for no levels, or an unknown mode.
    """
    if not levels or isinstance(levels, str):
        raise ValueError(f"levels is {levels!r}; give a list of at least one level")
    if mode not in get_args(Reading):
        raise ValueError(f"no mode {mode!r}; there are {', '.join(get_args(Reading))}")
    names = tuple(levels)
    if mode == "any":
        return _any(text, names)
    if mode.endswith("_thinking"):
        return _strict_thinking(text, names, exact=mode.startswith("exact"))
    return _strict(text, names, exact=mode == "exact")


def parse_whole(text: str, level: str = "response") -> States:
    """An untagged text as its one level: what follows the thinking, stripped."""
    thought = _THOUGHT.search(text)
    said = text[thought.end() if thought else 0 :].strip()
    if not thought and _THINKING.match(text):
        return States(failure="truncated")
    return States(failure="empty") if is_blank(said) else States({level: said})


def over_limit(
    states: Mapping[str, str], hierarchy: Hierarchy, count: Callable[[str], int] | None = None
) -> dict[str, str]:
    """Level to what breaks its limit, for those that do: the words, and the tokens where `count` gives them."""
    broken = {}
    for level in hierarchy.levels:
        text = states.get(level.name, "")
        if level.limit is not None and (words := word_count(text)) > level.limit:
            broken[level.name] = f"{words} words; at most {level.limit}"
        elif count and (tokens := count(text)) > level.max_tokens:
            broken[level.name] = f"{tokens} tokens; at most {level.max_tokens}"
    return broken


def word_count(text: str) -> int:
    """The words of a text: whatever stands between spaces or other signs and holds a letter or digit; a point between
    digits is part of their number. Words held together by hyphens, apostrophes or signs within words are one, but four
    and more count one by one; in a script without spaces every sign counts."""
    signs = len(_SIGN.findall(text))
    told = _MARK.sub(_within, _SIGN.sub(" ", text))
    return signs + sum(map(_spoken, _JOINT.sub(" ", told).split()))


def written(states: Mapping[str, str]) -> str:
    """The states as tagged text, which `parse_states` reads back as they are: ValueError for texts that hold tags in
    such a way that it would not."""
    text = "\n".join(f"<{level}>{words}</{level}>" for level, words in states.items())
    if states and parse_states(text, list(states)) != dict(states):
        raise ValueError(
            f"these states do not read back from their tags: {text[:200]!r}; take the tags out of the texts"
        )
    return text


def without_tags(text: str, levels: Sequence[str]) -> str:
    """`text` on which no tag of a level is left, stripped."""
    return _plan(tuple(levels)).any_tag.sub(" ", text).strip()


def _within(mark: re.Match[str]) -> str:
    """A hyphen for a sign that stands within words, a space for one that does not. Accents belong to their letter in
    scripts that write with them; on Latin, Greek or Cyrillic letters they could hold any number of words together."""
    sign = mark[0]
    if not unicodedata.category(sign).startswith("M"):
        return "-" if sign in _HELD else " "
    before = mark.string[mark.start() - 1] if mark.start() else " "
    return "-" if before < _FIRST_OF_OTHERS else sign


def _spoken(chunk: str) -> int:
    words = sum(any(map(str.isalnum, part)) for part in chunk.split("-"))
    return words if words > 3 else min(words, 1)


@lru_cache(maxsize=256)
def _plan(levels: tuple[str, ...]) -> _Plan:
    def pattern(source: str) -> re.Pattern[str]:
        return re.compile(source, re.IGNORECASE)

    tags = [re.escape(level) for level in levels]
    return _Plan(
        first=pattern(f"<{tags[0]}>"),
        between=tuple(pattern(f"</{tag}>[{BLANK}]*+<{after}>") for tag, after in pairwise(tags)),
        closing=tuple(pattern(f"</{tag}>") for tag in tags),
        any_tag=pattern(f"</?(?:{'|'.join(tags)})>"),
    )


def _strict_thinking(text: str, levels: tuple[str, ...], exact: bool) -> States:
    text = text.strip(BLANK)
    if THINK in levels or _plan(levels).first.match(text):
        return _strict(text, levels, exact)
    thought = _THOUGHT.search(text)
    if not thought and _THINKING.match(text):
        return States(failure="truncated")
    return _strict(text[thought.end() if thought else 0 :], levels, exact)


def _strict(text: str, levels: tuple[str, ...], exact: bool) -> States:
    text = text.strip(BLANK)
    if is_blank(text):
        return States(failure="empty")
    read = _read(text, levels)
    if len(read.texts) < len(levels):
        return States(failure="truncated" if _ends_early(text, read, levels) else "format")
    if exact and any(map(_plan(levels).any_tag.search, read.texts)):
        return States(failure="format")
    found = dict(zip((level.strip() for level in levels), read.texts, strict=True))
    return States(found, "empty" if all(map(is_blank, read.texts)) else None)


def _read(text: str, levels: tuple[str, ...]) -> _Read:
    """The first place where one level ends and the next begins is always right: what can follow a later place can
    follow an earlier one, since a level may hold any text. So nothing is ever tried twice."""
    plan = _plan(levels)
    opened = plan.first.match(text)
    if not opened:
        return _Read([], None)
    texts: list[str] = []
    start = opened.end()
    for between in plan.between:
        found = between.search(text, start)
        if not found:
            return _Read(texts, start)
        texts.append(text[start : found.start()])
        start = found.end()
    end = len(text) - len(f"</{levels[-1]}>")
    if end >= start and plan.closing[-1].fullmatch(text, end):
        texts.append(text[start:end])
    return _Read(texts, start)


def _ends_early(text: str, read: _Read, levels: tuple[str, ...]) -> bool:
    """Whether `text` is the beginning of a text that could still have followed the levels."""
    plan, place = _plan(levels), len(read.texts)
    if read.start is None:
        return _begins(text, levels[0])
    closed = plan.closing[place].search(text, read.start)
    if closed:
        return place + 1 < len(levels) and _begins(text[closed.end() :].lstrip(BLANK), levels[place + 1])
    return not plan.any_tag.search(text, read.start)


def _begins(text: str, level: str) -> bool:
    """Whether `text` is a part of the opening tag, from its beginning, or nothing."""
    tag = f"<{level}>".lower()
    return len(text) < len(tag) and tag.startswith(text.lower())


def _any(text: str, levels: tuple[str, ...]) -> States:
    if is_blank(text):
        return States(failure="empty")
    found, read = {}, 0
    for name, words, end in _blocks(text):
        found[name.lower()], read = words.strip(), end
    whole = [level for level in levels if level.strip().lower() in found]
    if len(whole) < len(levels):
        return States(found, "truncated" if _stops(text[read:], found, levels) else "format")
    return States(found, "empty" if all(is_blank(found[level.strip().lower()]) for level in whole) else None)


def _stops(rest: str, found: Mapping[str, str], levels: tuple[str, ...]) -> bool:
    """Whether the levels found are the first ones, in order, and what follows the last block stops in the next."""
    asked = [name for name in found if name in {level.strip().lower() for level in levels}]
    if asked != [level.strip().lower() for level in levels[: len(asked)]]:
        return False
    if not asked and _THINKING.match(rest):
        return True
    tags = list(_plan(levels).any_tag.finditer(rest))
    if not tags:
        return _begins(rest.strip(), levels[len(asked)]) and bool(asked or rest.strip())
    return len(tags) == 1 and tags[0][0].lower() == f"<{levels[len(asked)]}>".lower()


def _blocks(text: str) -> Iterator[tuple[str, str, int]]:
    """Name, text and end of every block that is closed, from left to right. Where each name is closed is looked up
    once, so that a million tags that are never closed cost no more than others."""
    closed: dict[str, list[tuple[int, int]]] = {}
    for tag in reversed(list(_CLOSED.finditer(text))):
        closed.setdefault(_folded(tag[1]), []).append(tag.span())
    end = 0
    for tag in _OPENED.finditer(text):
        if tag.start() < end:
            continue
        ahead = closed.get(_folded(tag[1]), [])
        while ahead and ahead[-1][0] < tag.end():
            ahead.pop()
        if ahead:
            start, end = ahead[-1]
            yield tag[1], text[tag.end() : start], end


def _folded(name: str) -> str:
    """A name as tags are compared: every letter by itself, so that it stays one letter."""
    return name.lower() if name.isascii() else "".join(letter.lower()[0] for letter in name)
