"""NeMo Gym's verdict on a calendar answer, its loopholes included, for numbers that compare with its own.

It takes the first bracketed stretch that its pattern accepts, and only that. The pattern (a bracket, then plain
characters or brace blocks, with a brace pair among them, then a bracket) backtracks exponentially; here the same
choice is made by an automaton whose states stand for the places in it, in the order in which it prefers them.
"""

import json
import math
import re
from bisect import bisect_left
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Self

_FAULTS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""All that can be raised while it grades, where it answers `error_in_grading`."""

# Brackets in a row count once. The rest of a text never decides.
_MARKS = re.compile(r"[\[\]{}](?:(?<=\[)\[+|(?<=\])\]+)?")  # begins with a class, which is searched for faster

# Places in the pattern: before, inside and after the brace pair it insists on; in capitals within a brace block.
_BEFORE, _INSIDE, _AFTER = "b", "i", "a"
_ACCEPT = "!"


def _followers(place: str, mark: str) -> str:
    """Where one place leads on a mark, the preferred first."""
    if place.isupper():
        return place.lower() if mark == "}" else place
    if mark in "[]":
        return _ACCEPT if (place, mark) == (_AFTER, "]") else ""
    if mark == "{":
        return place + place.upper() + (_INSIDE if place == _BEFORE else "")
    return place + (_AFTER if place == _INSIDE else "")


class _Forward(dict[str, "_Forward"]):
    """The places where a match may be, preferred first, and what a mark makes of them."""

    known: dict[str, Self] = {}

    def __init__(self, places: str) -> None:
        self.places = places

    def __missing__(self, mark: str) -> Self:
        reached = ""
        for followers in (_followers(place, mark) for place in self.places):
            if followers == _ACCEPT:
                break
            reached += "".join(place for place in followers if place not in reached)
        self[mark] = following = self.known.setdefault(reached, type(self)(reached))
        return following


class _Backward(dict[str, "_Backward"]):
    """The places from which what follows completes a match, and what a mark before it makes of them."""

    known: dict[str, Self] = {}

    def __init__(self, places: str) -> None:
        self.places = places
        self.begins = _BEFORE in places

    def __missing__(self, mark: str) -> Self:
        leading = "".join(p for p in "bBiIaA" if set(_followers(p, mark)) & {*self.places, _ACCEPT})
        self[mark] = before = self.known.setdefault(leading, type(self)(leading))
        return before


_START, _NOTHING = _Forward(_BEFORE), _Backward("")


def first_match(text: str) -> str | None:
    """What the pattern finds first in `text`, in time linear in its length."""
    marks: list[str] = _MARKS.findall(text)
    first = None
    backward = _NOTHING
    for index in range(len(marks) - 1, -1, -1):
        mark = marks[index][0]
        if backward.begins and mark == "[":
            first = index
        backward = backward[mark]
    if first is None:
        return None
    last, forward = first, _START
    for index in range(first + 1, len(marks)):
        mark = marks[index][0]
        if mark == "]" and _AFTER in forward.places:
            last = index
        forward = forward[mark]
        if not forward.places:
            break
    opening, closing = islice(_MARKS.finditer(text), first, last + 1, last - first)
    return text[opening.end() - 1 : closing.start() + 1]


def _minutes(text: str) -> int:
    return _read_minutes(text) if len(text) < 40 else _read_minutes.__wrapped__(text)


@lru_cache(maxsize=8192)
def _read_minutes(text: str) -> int:
    text = text.strip()
    half = "am" if "am" in text else "pm" if "pm" in text else ""
    if not half:
        hour, minute = map(int, text.split(":"))
        return 60 * hour + minute
    text = text.replace(half, "")
    hour, minute = map(int, text.split(":")) if ":" in text else (int(text), 0)
    return 60 * (0 if hour == 12 else hour) + minute + (720 if half == "pm" else 0)


def _interval(event: Mapping[str, Any]) -> tuple[Any, Any]:
    start = _minutes(event["start_time"])
    return start, start + event["duration"]


def _overlap(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    return not (one[1] <= other[0] or one[0] >= other[1])


def _conflicting(events: list[dict[str, Any]]) -> bool:
    """Whether two unequal events overlap. The first event is held against all, in order, since that decides
    between a conflict and an unreadable event; after it everything is readable and order no longer matters."""
    first = _interval(events[0])
    intervals = []
    for event in events:
        interval = _interval(event)
        if event != events[0] and _overlap(first, interval):
            return True
        intervals.append(interval)
    holders: dict[tuple[Any, Any], dict[str, Any]] = {}
    for event, (start, end) in zip(events, intervals, strict=True):
        holder = holders.setdefault((start, math.inf if end != end else end), event)
        if holder is not event and holder != event and _overlap((start, end), (start, end)):
            return True
    return _any_overlap(sorted(holders))


def _any_overlap(intervals: list[tuple[Any, Any]]) -> bool:
    """Whether two of these distinct intervals overlap. They are sorted, and may be empty or run backwards."""
    latest: list[tuple[Any, Any]] = []  # the two latest ends among the first 1, 2, ... intervals
    for _, end in intervals:
        one, two = latest[-1] if latest else (-math.inf, -math.inf)
        latest.append((end, one) if end > one else (one, max(two, end)))
    for start, end in intervals:
        begun = bisect_left(intervals, (end, -math.inf))
        if begun:
            one, two = latest[begun - 1]
            if (two if start < end and one == end else one) > start:
                return True
    return False


def _as_expected(event: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    if event["duration"] != expected["duration"]:
        return False
    earliest, latest = _minutes(expected["min_time"]), _minutes(expected["max_time"])
    start, end = _interval(event)
    if start < earliest or end > latest:
        return False
    text = expected["constraint"]
    if text is None:
        return True
    kind = next((kind for kind in ("before ", "after ", "between ", "at ") if text.startswith(kind)), None)
    if kind is None:
        return True
    times = text.replace(kind, "")
    if kind == "between ":
        earliest, latest = map(_minutes, times.split(" and "))
        return bool(start >= earliest and end <= latest)
    time = _minutes(times)
    return bool(end <= time if kind == "before " else start >= time if kind == "after " else start == time)


def verdict(text: str, expected: Mapping[str, Any], list_required: bool = True) -> tuple[int, str]:
    """Reward 0 or 1 and the reason, as NeMo Gym gives them. Never raises for what `text` holds."""
    if "<think>" in text:
        return 0, "think_found"
    if not expected:
        return 1, "pass"
    try:
        return _graded(text, expected, list_required)
    except _FAULTS:
        return 0, "error_in_grading"


def _graded(text: str, expected: Mapping[str, Any], list_required: bool) -> tuple[int, str]:
    shown = first_match(text)
    try:
        events = json.loads(shown) if shown else None
    except json.JSONDecodeError:
        events = None
    if not events:
        return (0, "no_json_list") if list_required else (1, "pass")
    by_id = {str(event["event_id"]): event for event in events}
    if len(by_id) != len(expected):
        return 0, "different_number_of_events"
    if _conflicting(events):
        return 0, "conflicting_events"
    if not all(_as_expected(by_id[event_id], expected[event_id]) for event_id in expected):
        return 0, "constraint_violated"
    return 1, "pass"
