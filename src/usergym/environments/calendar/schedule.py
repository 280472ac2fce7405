"""A day and the conversation about it, drawn from a seed so that a calendar that satisfies everything exists."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import msgspec

from usergym.environments.calendar.clock import DAY, Constraint, clock_24
from usergym.types import Record
from usergym.users.agenda import Step

GRAIN = 15
DURATIONS = (30, 45, 60, 75, 90)
SHORTEST = DURATIONS[0]
LEVELS_OF_TALK = (0.6, 1.0)
"""Between which small talk and eagerness are drawn, once a conversation."""


class Event(Record, frozen=True, omit_defaults=False):
    """An event of the hidden schedule. `start` is minutes from midnight, and is never told to anybody."""

    event_id: int
    event_name: str
    short_name: str
    duration: int
    start: int
    constraint: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the user will say, step by step, and what the calendar must look like after each step."""

    steps: tuple[Step, ...]
    states: tuple[dict[str, Any], ...]
    smalltalk_factor: float
    constraint_eagerness: float


def largest(min_time: int, max_time: int) -> int:
    """How many events fit into a window of minutes, at the shortest duration of 30 each."""
    return (max_time - min_time) // SHORTEST


def check_request(n_events: int, min_time: int, max_time: int) -> None:
    """ValueError where no such day can be made; it says what could."""
    if not 0 <= min_time < max_time <= DAY:
        raise ValueError(f"window {min_time} to {max_time}: give minutes with 0 <= min_time < max_time <= {DAY}")
    spare = (max_time - min_time) % GRAIN
    if spare:
        shorter, longer = max_time - spare, max_time - spare + GRAIN
        nearest = [time for time in (shorter, longer) if min_time < time <= DAY]
        raise ValueError(
            f"a window of {max_time - min_time} minutes cannot be divided by {GRAIN}; "
            f"the nearest max_time for min_time {min_time}: {' or '.join(map(str, nearest))}"
        )
    most = largest(min_time, max_time)
    if not 1 <= n_events <= most:
        raise ValueError(
            f"{n_events} events do not fit between {clock_24(min_time)} and {clock_24(max_time)}; give 1 to {most}"
            if most
            else f"no event of {SHORTEST} minutes fits between {clock_24(min_time)} and {clock_24(max_time)}"
        )


def pack(names: Sequence[tuple[str, str]], min_time: int, max_time: int, random: Random) -> list[Event]:
    """Events of these (full, short) names, in the order in which they will be spoken of; their ids count it.

    Durations are drawn from DURATIONS and shortened by turns only where their sum exceeds the window; what is
    left free is spread at random between them, in steps of 15 minutes.
    """
    check_request(len(names), min_time, max_time)
    durations = [random.choice(DURATIONS) for _ in names]
    free = max_time - min_time - sum(durations)
    while free < 0:
        place = random.choice([place for place, duration in enumerate(durations) if duration > SHORTEST])
        durations[place] -= GRAIN
        free += GRAIN
    gaps = [0] * (len(names) + 1)
    for _ in range(free // GRAIN):
        gaps[random.randrange(len(gaps))] += GRAIN
    starts, time = [], min_time
    for gap, duration in zip(gaps, durations, strict=False):
        starts.append(time + gap)
        time += gap + duration
    order = random.sample(range(len(names)), len(names))
    events = []
    for event_id, place in enumerate(order):
        start, duration = starts[place], durations[place]
        limit = _limit(start, duration, min_time, max_time, random)
        events.append(Event(event_id, *names[event_id], duration, start, limit))
    return events


def _limit(start: int, duration: int, min_time: int, max_time: int, random: Random) -> str:
    """A constraint that the event satisfies where it is."""
    kind = random.choice(("before", "after", "between", "at"))
    end = start + duration
    near, far = (GRAIN, 90) if kind != "between" else (2 * GRAIN, 120)
    earliest = max(min_time, start - random.randrange(near, far + 1, GRAIN))
    latest = min(max_time, end + random.randrange(near, far + 1, GRAIN))
    if kind == "at":
        return str(Constraint("at", at=start))
    if latest == DAY and kind != "after":  # in 12-hour text the end of the day would read as its beginning
        kind = "after"
    if kind == "before":
        return str(Constraint("before", latest_end=latest))
    if kind == "after":
        return str(Constraint("after", earliest=earliest))
    return str(Constraint("between", earliest=earliest, latest_end=latest))


def converse(events: Sequence[Event], min_time: int, max_time: int, random: Random) -> Conversation:
    """Every event is added; after each, with probability `constraint_eagerness`, one constraint not yet told is
    told, and with probability `smalltalk_factor` the user says something else. Untold constraints come last."""
    smalltalk_factor, constraint_eagerness = random.uniform(*LEVELS_OF_TALK), random.uniform(*LEVELS_OF_TALK)
    steps: list[Step] = []
    states: list[dict[str, Any]] = []
    state: dict[str, Any] = {}
    untold: list[Event] = []

    def say(kind: str, params: dict[str, Any]) -> None:
        fixed = random.choice(_fixed_replies()[kind]).format_map(params)
        steps.append(Step(kind, params, fixed))
        states.append({event_id: dict(event) for event_id, event in state.items()})

    def constrain(event: Event) -> None:
        untold.remove(event)
        state[str(event.event_id)]["constraint"] = event.constraint
        say("add_constraint", constraint_params(event))

    for event in events:
        state[str(event.event_id)] = expected_event(event, min_time, max_time)
        untold.append(event)
        say("add_event", {"event_name": event.event_name, "duration": event.duration, "event_id": event.event_id})
        if random.random() < constraint_eagerness:
            constrain(random.choice(untold))
        if random.random() < smalltalk_factor:
            say("continue_conversation", {})
    for event in random.sample(untold, len(untold)):
        constrain(event)
    return Conversation(tuple(steps), tuple(states), smalltalk_factor, constraint_eagerness)


def constraint_params(event: Event) -> dict[str, Any]:
    return {"event_name": event.short_name, "event_id": event.event_id, "constraint": event.constraint}


def expected_event(event: Event, min_time: int, max_time: int) -> dict[str, Any]:
    """What the calendar must show of an event once it was added; its constraint is not told yet."""
    return {
        "event_id": event.event_id,
        "event_name": event.event_name,
        "short_name": event.short_name,
        "duration": event.duration,
        "constraint": None,
        "min_time": clock_24(min_time),
        "max_time": clock_24(max_time),
    }


@cache
def _fixed_replies() -> dict[str, list[str]]:
    path = files("usergym.environments.calendar") / "prompts" / "fixed_replies.toml"
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), dict[str, list[str]])
