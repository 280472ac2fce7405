"""A persona without a model: what a person's texts show to simple rules, each finding with the place of its quote."""

import re
import statistics
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import islice

import msgspec

from usergym.data.prepare.users.own_subjects import subjects
from usergym.data.prepare.users.profile import Evidence, Item
from usergym.data.prepare.users.redact import BLOT, blotted
from usergym.environments.people.words import RUN, words

MOST = 12
"""Items of a field."""
QUOTED = 3
"""Words on either side of what is quoted: never so many that a quote is a text of its own."""
_SENTENCE = re.compile(r"[.!?]+(?:\s|$)")
_GAP = re.compile(r"\S+")


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """own_rules.toml"""

    demographics: dict[str, str]
    """Patterns, with what they tell of a match."""
    values: dict[str, str]
    """What is cared about, with the words that show it."""
    communication: dict[str, str]
    """Habits, with their patterns."""


@cache
def _tables() -> _Tables:
    text = files("usergym.data.prepare.users").joinpath("own_rules.toml").read_text()
    return msgspec.toml.decode(text, type=_Tables)


def by_rules(texts: Sequence[str]) -> dict[str, tuple[Item, ...]]:
    """Items by field, as far as the texts have them. Links, addresses and handles are no words of the person's."""
    tables = _tables()
    texts = [blotted(text) for text in texts]
    return {
        "demographics": _facts(texts, tables.demographics),
        "interests": _subjects(texts),
        "values": _habits(texts, {f"cares about {name}": _any(each) for name, each in tables.values.items()}, 1),
        "communication": _habits(texts, tables.communication, max(1, len(texts) // 4)),
        "statistics": _measures(texts),
    }


def _any(listed: str) -> str:
    return rf"\b(?:{'|'.join(listed.split())})\b"


def _facts(texts: Sequence[str], patterns: Mapping[str, str]) -> tuple[Item, ...]:
    found: dict[str, list[Evidence]] = {}
    for pattern, says in patterns.items():
        for place, text in enumerate(texts):
            for match in re.finditer(pattern, text):
                found.setdefault(says.format(*match.groups()), []).append(_evidence(place, text, match.span()))
    return tuple(Item(says, tuple(places)) for says, places in list(found.items())[:MOST])


def _subjects(texts: Sequence[str]) -> tuple[Item, ...]:
    found = list(subjects(texts).items())[:MOST]
    return tuple(
        Item(f"writes about {word}", tuple(_evidence(at, texts[at], span) for at, span in places))
        for word, places in found
    )


def _habits(texts: Sequence[str], patterns: Mapping[str, str], least: int) -> tuple[Item, ...]:
    """What shows in `least` texts or more, the most frequent first."""
    found = []
    for says, pattern in patterns.items():
        matches = [(place, text, re.search(pattern, text, re.MULTILINE)) for place, text in enumerate(texts)]
        evidence = tuple(_evidence(place, text, match.span()) for place, text, match in matches if match)
        if len(evidence) >= least:
            found.append(Item(says, evidence))
    return tuple(sorted(found, key=lambda item: -len(item.evidence))[:MOST])


def _measures(texts: Sequence[str]) -> tuple[Item, ...]:
    whole = tuple(Evidence(place, 0, len(text)) for place, text in enumerate(texts))
    lengths = [len(text.split()) for text in texts]
    sentences = [len(part.split()) for text in texts for part in _SENTENCE.split(text) if part.strip()]
    asked = sum("?" in text for text in texts) / len(texts)
    own = sum(bool(re.search(r"\b(?:I|me|my)\b", text)) for text in texts) / len(texts)
    told = [
        f"about {statistics.median(lengths):.0f} words a message",
        f"between {min(lengths)} and {max(lengths)} words",
        f"about {statistics.median(sentences or [0]):.0f} words a sentence",
        f"a question in {asked:.0%} of the messages",
        f"speaks of themselves in {own:.0%} of the messages",
    ]
    return tuple(Item(says, whole) for says in told)


def _evidence(place: int, text: str, span: tuple[int, int]) -> Evidence:
    """The match with a few words on either side, as long as they are fewer than would be a leak and none is blotted
    out. A match that is a leak itself has a place and no quote."""
    start, end = _whole(text, span)
    if not _quotable(text[start:end]):
        start, end = span
    if not _quotable(text[start:end]):
        return Evidence(place, start, end)
    before = [each.start() for each in _GAP.finditer(text, 0, start)][-QUOTED:]
    after = [each.end() for each in islice(_GAP.finditer(text, end), QUOTED)]
    while before or after:
        if before:
            start, before = (wider, before) if _quotable(text[(wider := before.pop()) : end]) else (start, [])
        if after:
            end, after = (wider, after) if _quotable(text[start : (wider := after.pop(0))]) else (end, [])
    return Evidence(place, start, end, text[start:end])


def _whole(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """The words that a match is part of, to the spaces around them."""
    start, end = span
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    return start, end


def _quotable(text: str) -> bool:
    return BLOT not in text and len(words(text)) < RUN
