"""Times of day as minutes from midnight, and what a constraint allows, both read from text."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

DAY = 24 * 60

Kind = Literal["before", "after", "between", "at"]

_TWELVE = re.compile(r"([0-9]{1,2})(?::([0-9]{2})(?::00)?)?\s*([ap])\.?m\.?", re.IGNORECASE)
_TWENTY_FOUR = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::00)?")
_CONSTRAINT = re.compile(r"(before|after|at)\s+(.+)|(between)\s+(.+?)\s+and\s+(.+)", re.IGNORECASE)
_LONGEST = 32


@lru_cache(maxsize=8192)
def _minutes(text: str) -> int | None:
    text = text.strip()
    if match := _TWELVE.fullmatch(text):
        hour, minute = int(match[1]), int(match[2] or 0)
        if not 1 <= hour <= 12 or minute > 59:
            return None
        return hour % 12 * 60 + minute + (720 if match[3] in "pP" else 0)
    if match := _TWENTY_FOUR.fullmatch(text):
        hour, minute = int(match[1]), int(match[2])
        if minute > 59 or hour * 60 + minute > DAY:
            return None
        return hour * 60 + minute
    return None


def minutes(value: object) -> int | None:
    """Minutes from midnight of `14:00`, `14:00:00`, `2pm`, `2 PM`, `2:00 p.m.`; None where it is no time of
    day. `24:00` is one, the end of the day."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    return _minutes(value)


def clock_24(time: int) -> str:
    """`14:05`."""
    return f"{time // 60:02d}:{time % 60:02d}"


def clock_12(time: int) -> str:
    """`2:05pm`, and `2pm` on the hour."""
    hour, minute = divmod(time, 60)
    half = "am" if hour % 24 < 12 else "pm"
    return f"{hour % 12 or 12}:{minute:02d}{half}" if minute else f"{hour % 12 or 12}{half}"


@dataclass(frozen=True, slots=True)
class Constraint:
    """When an event may take place: its start in [earliest, latest_start], its end at `latest_end` at most."""

    kind: Kind
    earliest: int = 0
    latest_end: int = DAY
    at: int | None = None

    def allows(self, start: int, duration: int) -> bool:
        if self.at is not None:
            return start == self.at
        return start >= self.earliest and start + duration <= self.latest_end

    def __str__(self) -> str:
        if self.kind == "before":
            return f"before {clock_12(self.latest_end)}"
        if self.kind == "after":
            return f"after {clock_12(self.earliest)}"
        if self.kind == "at":
            assert self.at is not None
            return f"at {clock_12(self.at)}"
        return f"between {clock_12(self.earliest)} and {clock_12(self.latest_end)}"


def constraint(text: str) -> Constraint:
    """`before 11am` (ends by then), `after 2pm` (starts then or later), `between 10am and 12:45pm`, `at 1:15pm`.
    ValueError where the text is none of these."""
    match = _CONSTRAINT.fullmatch(text.strip()) if len(text) <= 3 * _LONGEST else None
    if match:
        first, second = minutes(match[2] or match[4]), minutes(match[5]) if match[3] else 0
        if first is not None and second is not None:
            match (match[1] or match[3]).lower():
                case "before":
                    return Constraint("before", latest_end=first)
                case "after":
                    return Constraint("after", earliest=first)
                case "at":
                    return Constraint("at", at=first)
                case _ if first < second:
                    return Constraint("between", earliest=first, latest_end=second)
    raise ValueError(f"{text!r} is no constraint; write before, after or at a time, or between two")
