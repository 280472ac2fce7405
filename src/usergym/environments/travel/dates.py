"""Dates as people write them, without a year: `April 10`, `10th of Apr`, `April 10-15`, `2026-04-10`, `4/10`."""

import re
from collections.abc import Iterator
from datetime import date, timedelta

Day = tuple[int, int]
"""Month and day."""

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG = ("january", "february", "march", "april", "june", "july", "august", "september", "october", "november")
_MONTH = "(?:" + "|".join((*_LONG, "december", *MONTHS, "sept")) + r")\b\.?"
_DAY = r"(?<![\d$€£])(?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?(?![\d:])"
_TO = r"\s*(?:-|–|—|to|until|till|through|thru)\s*(?:the\s+)?"
_WHO = r"(?:night|day|week|people|person|guest|adult|passenger|travel|diner|pax|of us)\w*"
_NO_COUNT = rf"(?!\s*(?:of\s+)?{_MONTH}|[\s-]*(?:night|day|week|people|person|guest|adult|pass|travel|am\b|pm\b))"
_LEAP = 2024

_PATTERNS = (
    re.compile(r"(?<!\d)(?P<year>(?:19|20)\d\d)[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)"),
    re.compile(rf"\b(?P<name>{_MONTH})\s*(?:the\s+)?(?P<from>{_DAY})(?:{_TO}(?P<to>{_DAY}){_NO_COUNT})?"),
    re.compile(rf"\b(?:(?P<from>{_DAY}){_TO})?(?P<to>{_DAY})[\s-]*(?:of\s+)?(?P<name>{_MONTH})"),
    re.compile(r"(?<![\d/.])(?P<a>\d{1,2})/(?P<b>\d{1,2})(?:/(?:\d{4}|\d\d))?(?![\d/])"),
    re.compile(r"(?:(?<![\d/.-])|(?<=\.-)|(?<=\d{4}-))(?P<a>\d{1,2})[.-](?P<b>\d{1,2})(?:[.-]\d{4}|\.)(?!\d)"),
)

_AFTER_DAY = re.compile(r"\d(?:st|nd|rd|th)?\s*(?:of\s+)?$")
_COUNTED = re.compile(rf"\s*(?:[a-z]+\s+)?{_WHO}\b(?!\s*[:=]?\s*\d+\b(?!\s*(?:child|kid|infant|{_WHO})))")

_STAY = re.compile(r"\b(?P<nights>\d{1,2}|[a-z]+)[\s-]*(?:night|day)s?\b")

_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
NUMBERS = {word: number for number, word in enumerate(_WORDS, 1)}


def dates_in(text: str) -> tuple[list[frozenset[Day]], str]:
    """For each date what it may mean (`4/10` is April 10 or October 4), and the text without them."""
    rest = text.lower()
    found: list[frozenset[Day]] = []
    for pattern in _PATTERNS:
        spans = []
        for match in pattern.finditer(rest):
            readings = list(_readings(match))
            if all(readings) and readings and not _is_count(match):
                found += readings
                spans.append(match.span())
        for start, end in reversed(spans):
            rest = f"{rest[:start]} ; {rest[end:]}"
    return found, rest


def _is_count(match: re.Match[str]) -> bool:
    """The `Oct 5` of `24 Oct 5 adults`: the month is the day's before it, the number is that of the people."""
    if not match.groupdict().get("name") or match.start("name") != match.start():
        return False
    return bool(_AFTER_DAY.search(match.string[: match.start()]) and _COUNTED.match(match.string, match.end()))


def _readings(match: re.Match[str]) -> Iterator[frozenset[Day]]:
    parts = match.groupdict()
    if parts.get("year"):
        yield _valid((int(parts["month"]), int(parts["day"])))
    elif name := parts.get("name"):
        month = MONTHS.index(name[:3]) + 1
        for day in filter(None, (parts["from"], parts["to"])):
            yield _valid((month, int(day.rstrip("stndrh"))))
    else:
        a, b = int(parts["a"]), int(parts["b"])
        yield _valid((a, b), (b, a))


def _valid(*days: Day) -> frozenset[Day]:
    return frozenset(day for day in days if _is_date(day))


def _is_date(day: Day) -> bool:
    try:
        date(_LEAP, *day)
    except ValueError:
        return False
    return True


def after_stay(text: str, start: Day) -> Day | None:
    """The day of leaving, for a text that says how many nights are stayed."""
    match = _STAY.search(text)
    if match is None:
        return None
    said = match["nights"]
    nights = int(said) if said.isdecimal() else NUMBERS.get(said, 0)
    end = date(_LEAP - 1 if start != (2, 29) else _LEAP, *start) + timedelta(nights)
    return (end.month, end.day) if nights else None
