"""What somebody writes about, by rule: words that stand where names of things do, and nowhere where verbs or judgements
do."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

import msgspec

REPEATED = 2
"""Texts in which a subject must come up."""
_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|[^\w\s]|\0+|\d+")
_ENDS = frozenset(".!?:")
SHORTEST = 4


class _Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """own_subjects.toml, words by the place that they mark."""

    common: str
    """Words that are no subject."""
    before_things: str
    before_acts: str
    before_judgements: str
    before_places: str
    after_things: str
    """What a sentence goes on with behind a thing: the thing is not said of another one."""


class _Place(msgspec.Struct, frozen=True):
    """One word of a text, with its neighbours in lower case, "" at either end of a sentence."""

    word: str
    span: tuple[int, int]
    before: str
    second: str
    """Before that one."""
    after: str


@cache
def _words() -> dict[str, frozenset[str]]:
    text = files("usergym.data.prepare.users").joinpath("own_subjects.toml").read_text(encoding="utf-8")
    found = msgspec.toml.decode(text, type=_Words)
    return {field: frozenset(getattr(found, field).split()) for field in found.__struct_fields__}


def subjects(texts: Sequence[str]) -> dict[str, list[tuple[int, tuple[int, int]]]]:
    """Subjects with where they first stand in each text that has them, as (text, span); the most widespread first.

    A subject is at least once named as a thing ("the ferry is", "about ferries"), and never an act ("to live"), a
    judgement ("so important") or a place or name ("in Leeds", "Ann").
    """
    found: dict[str, list[tuple[int, tuple[int, int]]]] = {}
    things, others = set(), set()
    for number, text in enumerate(texts):
        for place in _places(text):
            word = place.word.lower()
            there = found.setdefault(word, [])
            if not there or there[-1][0] != number:
                there.append((number, place.span))
            if _is_other(place):
                others.add(word)
            elif _is_thing(place):
                things.add(word)
    kept = [word for word in things - others if len(found[word]) >= REPEATED]
    return {word: found[word] for word in sorted(kept, key=lambda word: (-len(found[word]), word))}


def _places(text: str) -> Iterator[_Place]:
    tokens = list(_TOKEN.finditer(text))
    said = [token[0].replace("’", "'") for token in tokens]
    common = _words()["common"]
    for place, token in enumerate(tokens):
        word = said[place]
        if not word[0].isalpha() or len(word) < SHORTEST or word.lower() in common or word.lower().endswith("ly"):
            continue
        near = [said[at].lower() if 0 <= at < len(said) else "" for at in (place - 1, place - 2, place + 1)]
        before, second, after = ("" if each[:1] in _ENDS else each for each in near)
        yield _Place(word, token.span(), before, second if before else "", after)


def _is_other(place: _Place) -> bool:
    """Whether it is an act, a judgement, a place or a name here."""
    words = _words()
    named = place.before != "" and place.word[0].isupper() and not place.word.isupper()
    lived = place.before in words["before_places"] and place.second in ("live", "lives", "lived", "am", "i'm", "moved")
    judged = place.before in words["before_judgements"] or place.before.endswith("ly")
    return named or lived or judged or place.before in words["before_acts"]


def _is_thing(place: _Place) -> bool:
    """Whether it is named as a thing here: behind an article or the like, maybe with one word between, and not said of
    the next word; or at the head of what is said of it."""
    words = _words()
    ends = not place.after[:1].isalpha() or place.after in words["after_things"]
    first = place.before in words["before_things"]
    between = place.second in words["before_things"] and place.before.isalpha() and place.before not in words["common"]
    begins = not place.before[:1].isalpha() or place.before in ("and", "but", "or", "because", "that")
    heads = begins and place.after in ("is", "are", "was", "were", "has", "have", "will", "can")
    return heads or (ends and (first or between))
