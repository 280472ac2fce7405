"""Is the calendar in an answer the one that is expected? A verdict of 0 or 1, its reason, and partial scores."""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, get_args

from usergym.environments.calendar import nemo_grading
from usergym.environments.calendar.clock import Constraint, constraint, minutes
from usergym.environments.calendar.lists import last_list

Mode = Literal["strict", "nemo_gym"]
Level = Literal["easy", "hard"]

REASONS = (
    "pass",
    "think_found",
    "no_json_list",
    "duplicate_event_ids",
    "different_number_of_events",
    "unknown_event_id",
    "missing_field",
    "unreadable_time",
    "unreadable_duration",
    "wrong_event_name",
    "conflicting_events",
    "constraint_violated",
)
"""Of several faults in one answer the first of these is its reason. Mode `nemo_gym` has `error_in_grading` for
what it cannot read, and knows neither names nor duplicates."""

PARTS = ("listed", "ids", "names", "durations", "window", "no_overlap", "constraints")


@dataclass(frozen=True, slots=True)
class Grade:
    reward: int
    """0 or 1."""
    reason: str
    parts: dict[str, float] = field(default_factory=dict)
    """Each of PARTS in [0, 1], the share of expected events for which it holds. Empty where nothing was to be
    shown, and in mode `nemo_gym`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One event of an expected state, read. Times are minutes from midnight."""

    duration: int
    earliest: int
    """The window the event must lie in."""
    latest: int
    constraint: Constraint | None
    names: frozenset[str]
    """Normalised; empty where the state names none."""


def grade(
    text: str, expected: Mapping[str, Any], mode: Mode = "strict", level: Level = "hard", list_required: bool = True
) -> Grade:
    """Grades an answer against an expected state: event id -> `{duration, constraint, min_time, max_time}` and
    optionally `event_name` and `short_name`. Entries that are null are padding.

    Mode `strict` takes the last complete list of objects in the text; mode `nemo_gym` gives that system's
    verdict. At level `easy` an answer without a list passes, in mode `strict` only where no list was required.
    ValueError, in mode `strict`, where the expected state cannot be read.
    """
    if mode not in get_args(Mode) or level not in get_args(Level):
        raise ValueError(f"mode {mode!r}, level {level!r}; there are modes strict, nemo_gym and levels easy, hard")
    if mode == "nemo_gym":
        if not isinstance(expected, Mapping):
            raise ValueError(f"the expected state is {expected!r:.80}; it must be an object of events by id")
        return Grade(*nemo_grading.verdict(text, expected, list_required=level == "hard"))
    wanted = read_expected(expected)
    if "<think>" in text:
        return Grade(0, "think_found", dict.fromkeys(PARTS, 0.0))
    events = last_list(text)
    if events is None:
        if not wanted or (level == "easy" and not list_required):
            return Grade(1, "pass")
        return Grade(0, "no_json_list", dict.fromkeys(PARTS, 0.0))
    return _Answer(events, wanted).grade()


def read_expected(expected: Mapping[str, Any]) -> dict[str, Wanted]:
    """An expected state, read. ValueError names the event id, the field and its value."""
    if not isinstance(expected, Mapping):
        raise ValueError(f"the expected state is {expected!r:.80}; it must be an object of events by id")
    wanted = {}
    for key, event in expected.items():
        if event is None:
            continue
        if not isinstance(event, Mapping):
            raise ValueError(f"expected event {key}: it is {event!r:.80}; it must be an object")
        get = event.get
        values = (
            get("duration"),
            get("constraint"),
            get("min_time"),
            get("max_time"),
            get("event_name"),
            get("short_name"),
        )
        try:
            wanted[str(key)] = _wanted(*values)
        except _Unreadable as error:
            raise ValueError(f"expected event {key}: {error}") from None
        except TypeError:  # a value that no cache can hold, and that is of no right type either
            bad = next(repr(value)[:80] for value in values if isinstance(value, list | dict))
            raise ValueError(f"expected event {key}: {bad} where a number, a text or null belongs") from None
    return wanted


class _Unreadable(Exception): ...


@lru_cache(maxsize=16384, typed=True)
def _wanted(
    duration: object, text: object, min_time: object, max_time: object, event_name: object, short_name: object
) -> Wanted:
    length = _length(duration)
    if length is None or length <= 0:
        raise _Unreadable(f"duration is {duration!r:.80}; it must be a whole number of minutes above 0")
    earliest, latest = minutes(min_time), minutes(max_time)
    if earliest is None:
        raise _Unreadable(f"min_time is {min_time!r:.80}; it must be a time of day such as '10:00'")
    if latest is None:
        raise _Unreadable(f"max_time is {max_time!r:.80}; it must be a time of day such as '16:00'")
    if length > latest - earliest:
        raise _Unreadable(f"duration is {duration!r:.80}, longer than from {min_time} to {max_time}; none can be right")
    limits = None
    if text is not None:
        if not isinstance(text, str):
            raise _Unreadable(f"constraint is {text!r:.80}; it must be a text or null")
        try:
            limits = constraint(text)
        except ValueError as error:
            raise _Unreadable(f"constraint: {error}") from None
    names = []
    for name in (event_name, short_name):
        if isinstance(name, str):
            names.append(plain_name(name))
        elif name is not None:
            raise _Unreadable(f"event_name or short_name is {name!r:.80}; it must be a text")
    return Wanted(length, earliest, latest, limits, frozenset(names))


def _length(value: object) -> int | None:
    """A duration in minutes: a whole number, not a text and not a truth value."""
    if type(value) is int:
        return value
    return int(value) if type(value) is float and math.isfinite(value) and value.is_integer() else None


_NO_WORD = re.compile(r"[\W_]+")

LONGEST_NAME = 1000


def plain_name(name: str) -> str:
    """A name without what does not distinguish it: case, spacing, punctuation."""
    if len(name) > LONGEST_NAME:
        return name  # nobody's name for an event, and folding it could take a second
    return _plain_name(name) if len(name) < 200 else plain(name)


def plain(text: str) -> str:
    """A text of any length, folded as names are, so that a name can be found in it."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NO_WORD.sub(" ", folded).strip() or folded.strip()


_plain_name = lru_cache(maxsize=16384)(plain)


class _Answer:
    """A list of events, held against what is wanted."""

    def __init__(self, events: list[dict[str, Any]], wanted: dict[str, Wanted]) -> None:
        self.events = events
        self.wanted = wanted
        self.faults: set[str] = set()
        self.ids: set[str] = set()
        self.intervals: list[tuple[int, int]] = []
        """Start and end of the events whose times can be read."""
        self.right = dict.fromkeys(("ids", "names", "durations", "window", "constraints"), 0)
        """How many wanted events have it right."""

    def grade(self) -> Grade:
        for event in self.events:
            self.read(event)
        if len(self.ids) != len(self.wanted):
            self.faults.add("different_number_of_events")
        self.intervals.sort()
        if any(one[1] > two[0] for one, two in zip(self.intervals, self.intervals[1:], strict=False)):
            self.faults.add("conflicting_events")
        if not self.faults:
            return Grade(1, "pass", dict.fromkeys(PARTS, 1.0))
        return Grade(0, next(reason for reason in REASONS if reason in self.faults), self.parts())

    def read(self, event: dict[str, Any]) -> None:
        event_id = event.get("event_id")
        name = event.get("event_name")
        time = event.get("start_time")
        length = event.get("duration")
        start, duration = minutes(time), _length(length)
        if start is None:
            self.faults.add("missing_field" if time is None else "unreadable_time")
        if duration is None:
            self.faults.add("missing_field" if length is None else "unreadable_duration")
        if start is not None and duration is not None:
            self.intervals.append((start, start + duration))
        if event_id is None:
            self.faults.add("missing_field")
            return
        key = str(event_id) if type(event_id) is int else event_id.strip() if type(event_id) is str else ""
        if key in self.ids:
            self.faults.add("duplicate_event_ids")
            return
        wanted = self.wanted.get(key)
        if wanted is None:
            self.faults.add("unknown_event_id")
            if key:
                self.ids.add(key)
            return
        self.ids.add(key)
        self.right["ids"] += 1
        self.compare(wanted, name, start, duration)

    def compare(self, wanted: Wanted, name: object, start: int | None, duration: int | None) -> None:
        right = self.right
        if not wanted.names or (isinstance(name, str) and plain_name(name) in wanted.names):
            right["names"] += 1
        else:
            self.faults.add("missing_field" if name is None else "wrong_event_name")
        if duration == wanted.duration:
            right["durations"] += 1
        else:
            self.faults.add("constraint_violated")
        if start is None:
            return
        if start >= wanted.earliest and start + (duration or wanted.duration) <= wanted.latest:
            right["window"] += 1
        else:
            self.faults.add("constraint_violated")
        if wanted.constraint is None or wanted.constraint.allows(start, duration or wanted.duration):
            right["constraints"] += 1
        else:
            self.faults.add("constraint_violated")

    def parts(self) -> dict[str, float]:
        count = max(len(self.wanted), 1)
        parts = {part: self.right.get(part, 0) / count for part in PARTS}
        parts["listed"] = 1.0
        parts["ids"] = self.right["ids"] / max(len(self.wanted), len(self.events))
        parts["no_overlap"] = self.apart() / len(self.events)
        return parts

    def apart(self) -> int:
        """How many events overlap no other."""
        last = -math.inf
        count = 0
        for place, (start, end) in enumerate(self.intervals):
            follower = self.intervals[place + 1 : place + 2]
            count += start >= last and not (follower and follower[0][0] < end)
            last = max(last, end)
        return count
