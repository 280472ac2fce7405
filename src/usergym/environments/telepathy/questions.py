"""What a question asks, and what the table says to it. A question whose every word is not accounted for is not
answered."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal, NamedTuple

from usergym.environments.telepathy.entities import Entity, attributes, entities, names_of_kind, plain
from usergym.environments.telepathy.words import simple, words

Verdict = Literal["yes", "no", "maybe", "unknown"]

LONGEST = 300
"""Characters of a question."""

OPEN = re.compile(
    r"^(?:please )?(?:what|who|whose|whom|where|when|why|how|which|name|tell|describe|list|give|explain|ignore|reveal|"
    r"disregard|forget|repeat|print|output|show|pretend|you are|system)\b"
)
LETTERS = re.compile(
    r"\b(?:letters?|syllables?|spell(?:ed|ing|s|t)?|rhymes?|alphabet(?:ical|ically)?|vowels?|consonants?|initials?|"
    r"(?:name|word|title|it) (?:starts?|begins?|ends?) with|(?:starts?|begins?) with|how long is)\b"
)
_NAMED = re.compile(
    r"^(?:so |ok |okay |then )*(?:is|are|was|were|could|can|would|might)(?: it| they| he| she| this| that| these|"
    r" you thinking of| the answer| your answer)(?: be| called| named| perhaps| maybe| just)*"
    r"(?: (?:an?|the|some))? (.+)$"
)
_SUBJECT = re.compile(
    r"^((?:so |ok |okay )*(?:is|are|was|were|does|do|did|can|could|has|have|had|would|will)) (?:this|that|the|your) "
    r"(?:person|entity|thing|item|object|one|animal|place|food|job|sport|character|figure|creature|invention|word)\b"
)
_YEAR = re.compile(
    r"\b(before|prior to|earlier than|until|by|after|since|later than|in)(?: the)?(?: year)? "
    r"(\d{3,4})\b( ?(?:bc|bce)\b)?"
)
_CENTURY = re.compile(r"\b(before|after|in|during|from)(?: the)? (\d{1,2})(?:st|nd|rd|th) century\b( ?(?:bc|bce)\b)?")
_WHEN = frozenset(
    words("born live die invent build exist make create active from around already construct complete first use finish")
)
_AFTER = frozenset(("for", "with", "in", "on", "to", "at", "by", "from"))
"""Where a question may end that speaks of `it`: do you need a degree for it?"""
_NOT = frozenset(("not", "no", "non", "without", "never", "lack"))


class Understood(NamedTuple):
    verdict: Verdict
    plainly: str = ""
    """The question without its negation, where the answer is to that."""


class Asked(NamedTuple):
    """One thing that a phrase asks for: an attribute, or `big`, `small`, `bigger:4`, `smaller:4`, `fits:3`."""

    what: str
    opposite: bool


Phrases = Mapping[tuple[str, ...], tuple[Asked, ...]]


@cache
def phrases() -> Phrases:
    """All that can be asked for, by its words."""
    found: dict[tuple[str, ...], list[Asked]] = {}

    def add(text: str, what: str) -> None:
        opposite = text.startswith("!")
        key = words(simple(_SUBJECT.sub(r"\1", simple(text.lstrip("!")))))
        if key and Asked(what, opposite) not in found.setdefault(key, []):
            found[key].append(Asked(what, opposite))

    for name, line in attributes()["ask"].items():
        for way in line.split(" | "):
            add(way, name)
    sizes = {entity.name: entity.size for entity in entities() if entity.size} | attributes()["sizes"]
    for thing, size in sizes.items():
        for way, what in _COMPARED.items():
            add(way.format(thing), f"{what}:{size}")
    for what, ways in _SIZES.items():
        for way in ways.split():
            add(way, what)
    return {key: tuple(asked) for key, asked in found.items()}


_COMPARED = {
    "bigger than {}": "bigger",
    "heavier than {}": "bigger",
    "smaller than {}": "smaller",
    "lighter than {}": "smaller",
    "fit in {}": "fits",
    "fit inside {}": "fits",
    "fit into {}": "fits",
    "hold in {}": "fits",
    "hold in one {}": "fits",
}
_SIZES = {"big": "big large huge giant enormous massive", "small": "small little tiny"}


@cache
def canonical() -> Mapping[str, str]:
    """The table's own questions, simple, and the attribute each asks for."""
    return {simple(line.split(" | ")[0]).rstrip("?"): name for name, line in attributes()["ask"].items()}


def answer(question: str, entity: Entity) -> Understood:
    text = simple(question).rstrip("?!. ")
    if text in canonical():
        return Understood(_told(canonical()[text], entity))
    text = _SUBJECT.sub(r"\1", text)
    text = re.sub(r",? or not$", "", text)
    whole = _whole(text, entity)
    if whole is not None:
        return Understood(whole)
    clauses = [_clause(part, entity) for part in re.split(r",? \bor\b(?: is it| does it| can it| are they)?|, ", text)]
    if any(clause is None for clause in clauses):
        return Understood("unknown")
    known = [clause for clause in clauses if clause is not None]
    if len(known) == 1:
        return known[0]
    verdicts = [clause.verdict for clause in known]
    joined = _any(verdicts) if re.search(r"\bor\b", text) else _all(verdicts)
    return Understood("unknown" if any(clause.plainly for clause in known) else joined)


def named(question: str, entity: Entity) -> bool:
    """Whether it asks if it is this thing, or another of its kind, by name: a guess, not a question."""
    text = simple(question).rstrip("?!. ")
    found = _NAMED.match(text)
    if not found or text in canonical():
        return False
    parts = [part for part in re.split(r",? or (?:an? |the )?|, (?:or )?(?:an? |the )?| and ", found[1]) if part]
    known = names_of_kind(entity.kind) | {plain(name) for name in entity.names}
    meant = [part for part in parts if plain(part) in known]
    return plain(found[1]) in known or (
        bool(meant) and all(part in meant or words(part) in phrases() for part in parts)
    )


def _whole(text: str, entity: Entity) -> Verdict | None:
    """For a question that is one phrase as it stands, `or` and `not` included."""
    asked = phrases().get(words(text)) or phrases().get(tuple(word for word in words(text) if word != "or"))
    return _value(asked, entity) if asked else None


def _clause(text: str, entity: Entity) -> Understood | None:
    """None: not all of it is understood."""
    when, text = _when(text, entity)
    left = list(words(text))
    while left and left[-1] in _AFTER:
        left.pop()
    verdicts: list[Verdict] = list(when)
    wanted: list[str] = []
    negated, opens = False, False
    known = phrases()
    while left:
        length = next((n for n in range(min(len(left), 8), 0, -1) if tuple(left[:n]) in known), 0)
        if not length or (when and length == 1 and left[0] in _WHEN):
            if left[0] in _NOT:
                negated, opens = True, opens or not verdicts
            elif not (when and left[0] in _WHEN) and left[0] != "or":
                return None
            left = left[1:]
            continue
        asked = known[tuple(left[:length])]
        verdict = _value(asked, entity)
        verdicts.append(_opposite(verdict) if negated and not opens else verdict)
        wanted.append(_question(asked[0]))
        left = left[length:]
    if not verdicts:
        return None
    if opens:
        return Understood(verdicts[0], wanted[0]) if len(wanted) == 1 == len(verdicts) and wanted[0] else None
    return Understood(_all(verdicts))


def _question(asked: Asked) -> str:
    """How the table puts it; empty for an opposite, which has no question of its own."""
    line = attributes()["ask"].get(asked.what, "")
    return "" if asked.opposite else str(line.split(" | ")[0])


def _when(text: str, entity: Entity) -> tuple[list[Verdict], str]:
    """What the years in the text ask, and the text without them."""
    verdicts: list[Verdict] = []

    def judged(low: float, high: float) -> str:
        verdicts.append(_during(entity.years, low, high, text))
        return " "

    def year(match: re.Match[str]) -> str:
        number = -int(match[2]) if match[3] else int(match[2])
        if match[1] in ("after", "since", "later than"):
            return judged(number + (match[1] != "since"), float("inf"))
        return judged(number, number) if match[1] == "in" else judged(float("-inf"), number - (match[1] != "by"))

    def century(match: re.Match[str]) -> str:
        number = int(match[2])
        low, high = (-100 * number, -100 * number + 99) if match[3] else (100 * number - 99, 100 * number)
        if match[1] in ("before", "after"):
            return judged(float("-inf"), low - 1) if match[1] == "before" else judged(high + 1, float("inf"))
        return judged(low, high)

    text_left = _YEAR.sub(year, _CENTURY.sub(century, text))
    return verdicts, text_left


def _during(years: tuple[int, int] | None, low: float, high: float, text: str) -> Verdict:
    if years is None:
        return "unknown"
    first, last = years
    if re.search(r"\bborn\b", text):
        last = first
    elif re.search(r"\b(?:die|died|dead|death)\b", text):
        first = last
    if last < low or high < first:
        return "no"
    within = low <= first and last <= high
    bounded = float("-inf") < low and high < float("inf")
    return "yes" if within or bounded else "maybe"


def _value(asked: Sequence[Asked], entity: Entity) -> Verdict:
    """Of things that are said alike, the one that is told of this entity, and of few others."""
    for what, opposite in sorted(asked, key=lambda each: each.what in _everywhere()):
        verdict = _size(what, entity.size) if ":" in what or what in _SIZES else _told(what, entity)
        if verdict != "unknown":
            return _opposite(verdict) if opposite else verdict
    return "unknown"


@cache
def _everywhere() -> frozenset[str]:
    return frozenset(attributes()["everywhere"].split())


def _told(what: str, entity: Entity) -> Verdict:
    if what not in entity.values:
        return "unknown"
    return {True: "yes", False: "no", None: "maybe"}[entity.values[what]]  # type: ignore[return-value]


def _size(what: str, size: int | None) -> Verdict:
    if size is None:
        return "unknown"
    if what in _SIZES:
        if size > 10:
            return "unknown"  # a city is large, and may be a small one
        big: Verdict = "yes" if size >= 8 else "no" if size <= 5 else "maybe"
        small: Verdict = "yes" if size <= 3 else "no" if size >= 6 else "maybe"
        return big if what == "big" else small
    way, _, other = what.partition(":")
    if size == int(other):
        return "maybe"
    return "yes" if (size > int(other)) == (way == "bigger") else "no"


def _opposite(verdict: Verdict) -> Verdict:
    return {"yes": "no", "no": "yes"}.get(verdict, verdict)  # type: ignore[return-value]


def _all(verdicts: Sequence[Verdict]) -> Verdict:
    order: tuple[Verdict, ...] = ("no", "unknown", "maybe", "yes")
    return min(verdicts, key=order.index)


def _any(verdicts: Sequence[Verdict]) -> Verdict:
    order: tuple[Verdict, ...] = ("yes", "unknown", "maybe", "no")
    return min(verdicts, key=order.index)
