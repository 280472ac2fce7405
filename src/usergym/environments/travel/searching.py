"""What a search asks for, held by rules against what must be in it: one aspect, and all of its arguments."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from usergym.environments.travel.blocks import Block
from usergym.environments.travel.dates import NUMBERS, Day, after_stay, dates_in
from usergym.environments.travel.library import library, named_aspects, plain
from usergym.environments.travel.trips import CITIES

LONGEST = 400
"""Characters of a query."""

_ALIASES = ((r"\bNYC\b|\bNew York City\b", "New York"), (r"\bSF\b", "San Francisco"), (r"\bLA\b", "Los Angeles"))
_NUMBER = r"\d{1,2}|" + "|".join(NUMBERS)
_GROWN = r"people|persons?|guests?|passengers?|adults?|travell?ers?|diners?|pax|tickets?|seats|of us"
_PEOPLE = re.compile(rf"\b(?P<number>{_NUMBER})\s+(?:\w+\s+)?(?P<who>{_GROWN}|child(?:ren)?|kids?|infants?)\b")
_PARTY = re.compile(
    rf"\b(?:party(?: size)?|group|family|table|guests?|passengers?|people|adults?|travell?ers?|diners?|pax|persons?)"
    rf"(?:\s+(?:of|for|is|count|number))?\s+(?P<number>{_NUMBER})\b(?!\s+(?:nights?|days?|{_GROWN}|child(?:ren)?|kids?|stars?))"
)
_FOR = re.compile(rf"\bfor\s+(?P<number>{_NUMBER})\b(?!\s+\w)")
_ALONE = re.compile(r"\b(?:solo|alone|single (?:traveller|traveler|passenger|guest|person)|myself)\b")
_COUPLE = re.compile(r"\bcouple\b(?! of)")
_SMALL = re.compile(r"child|kid|infant")
_COUNTS_PEOPLE = re.compile(r"passenger|guest|party|people|adult|travel|person|diner|seat")


class Outcome(NamedTuple):
    block: Block | None
    """What was found."""
    feedback: str = ""
    """What is wrong with a search that found nothing; never a value."""


class _Argument(NamedTuple):
    kind: str
    value: Any


def look_for(query: str, blocks: Sequence[Block]) -> Outcome:
    """Dates and the number of people must be exactly those of the trip, and no other city may be named: a query that
    lists everything finds nothing."""
    if len(query) > LONGEST:
        return Outcome(None, f"The search is too long; at most {LONGEST} characters.")
    for pattern, name in _ALIASES:
        query = re.sub(pattern, name, query)
    labels = ", ".join(library()[block.aspect].label for block in blocks)
    named = named_aspects(plain(query))
    if not named:
        return Outcome(None, f"Say what kind of thing to search for: {labels}.")
    if len(named) > 1:
        return Outcome(None, f"One kind of thing in a search, please: {labels}.")
    block = next((block for block in blocks if block.aspect == named[0]), None)
    if block is None:
        return Outcome(None, f"No {library()[named[0]].label} is needed; there are: {labels}.")
    problems = sorted(set(_problems(query, block.arguments)))
    if not problems:
        return Outcome(block)
    return Outcome(None, f"Nothing found for the {library()[block.aspect].label}: {'; '.join(problems)}.")


def _problems(query: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    wanted = list(_wanted(arguments))
    found, rest = dates_in(query)
    text = plain(rest)
    yield from _dates(found, text, [argument.value for argument in wanted if argument.kind == "date"])
    yield from _places(text, [argument.value for argument in wanted if argument.kind == "text"])
    people = [argument.value for argument in wanted if argument.kind == "people"]
    if people:
        said = people_in(text)
        if not said:
            yield "the number of people is missing"
        elif said != {sum(people)}:
            yield "the number of people is not that of the trip"
    numbers = {int(word) for word in re.findall(r"\d+", text)}
    numbers |= {number for word, number in NUMBERS.items() if f" {word} " in text}
    if any(argument.kind == "number" and argument.value not in numbers for argument in wanted):
        yield "a number is missing or wrong"


def _wanted(arguments: Any, name: str = "") -> Iterator[_Argument]:
    """Arguments one by one, told by their values what they are."""
    if isinstance(arguments, Mapping):
        for key, value in arguments.items():
            yield from _wanted(value, str(key))
    elif isinstance(arguments, list | tuple):
        for value in arguments:
            yield from _wanted(value, name)
    elif isinstance(arguments, bool) or arguments in (None, "", "N/A", "n/a", "none"):
        return
    elif isinstance(arguments, int | float) or (isinstance(arguments, str) and arguments.strip().isdecimal()):
        yield _Argument("people" if _COUNTS_PEOPLE.search(name.lower()) else "number", int(arguments))
    else:
        days, rest = dates_in(str(arguments))
        for day in days:
            yield _Argument("date", day)
        if not days and plain(rest).strip():
            yield _Argument("text", plain(rest))


def _dates(found: list[frozenset[Day]], text: str, wanted: list[frozenset[Day]]) -> Iterator[str]:
    if not wanted:
        return
    if len(wanted) == 2 and len({min(day) for day in found if day}) == 1:
        start = next((day for day in found[0] if day in wanted[0]), None)
        end = after_stay(text, start) if start else None
        if end:
            found = [*found, frozenset({end})]
    if any(not any(day & expected for day in found) for expected in wanted):
        yield "a date is missing" if len(set(found)) < len(set(wanted)) else "the dates are not those of the trip"
    elif any(not any(day & expected for expected in wanted) for day in found):
        yield "the dates are not those of the trip"


def _places(text: str, wanted: list[str]) -> Iterator[str]:
    if any(not _says(text, place) for place in wanted):
        yield "a place or another detail of the trip is missing"
    allowed = "".join(wanted)
    if any(f" {name} " in text and f" {name} " not in allowed for name in _cities()):
        yield "it names a place that is not of the trip"
    if len(wanted) > 1:
        first = re.search(r" from (.*)", text)
        if first and f" {first[1]}".startswith(wanted[1]):
            yield "it goes the wrong way round"


def _says(text: str, wanted: str) -> bool:
    return wanted in text or all(f" {word} " in text for word in wanted.split() if word not in ("city", "the", "of"))


def _cities() -> list[str]:
    return [plain(city).strip() for city in CITIES]


def people_in(text: str) -> set[int]:
    """The numbers of people that a `plain` text says; more than one where it says several."""
    groups = [(match["number"], match["who"]) for match in _PEOPLE.finditer(text)]
    if len(groups) == 2 and sum(bool(_SMALL.match(who)) for _, who in groups) == 1:
        return {sum(_count(number) for number, _ in groups)}
    said = {_count(number) for number, _ in groups}
    said |= {_count(match["number"]) for pattern in (_PARTY, _FOR) for match in pattern.finditer(text)}
    said |= {1} if _ALONE.search(text) else set()
    return said | ({2} if _COUPLE.search(text) else set())


def _count(number: str) -> int:
    return int(number) if number.isdecimal() else NUMBERS[number]
