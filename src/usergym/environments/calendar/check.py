"""What is wrong with a row of calendar data: its window, its events, its states, whether they can be solved."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from usergym.environments.base import Finding, RowError
from usergym.environments.calendar import rows, solver
from usergym.environments.calendar.clock import DAY, constraint, minutes
from usergym.environments.calendar.grading import Wanted, read_expected
from usergym.types import Task


def validate(row: Mapping[str, Any]) -> list[Finding]:
    """All that is wrong with a row in any form that `rows.read` takes; empty if nothing is."""
    try:
        task = rows.read(row)
    except RowError as error:
        return [Finding(error.field, str(error))]
    field = "exp_cal_state" if "responses_create_params" in row else "expected_calendar_states"
    return [*_events(task.data.get("events") or []), *_states(task, field), *_agreement(task.data)]


def _events(events: Any) -> Iterator[Finding]:
    """The hidden schedule: readable, inside its window, without overlap, each constraint satisfied."""
    if not isinstance(events, list):
        yield Finding("events", f"a list of objects is expected, found {events!r:.80}")
        return
    placed: list[tuple[int, int, str]] = []
    ids: set[str] = set()
    for place, event in enumerate(events):
        where = f"events[{place}]"
        if not isinstance(event, Mapping):
            yield Finding(where, f"an object is expected, found {event!r:.80}")
            continue
        event_id = str(event.get("event_id", place))
        if event_id in ids:
            yield Finding(f"{where}.event_id", f"{event_id} is there twice")
        ids.add(event_id)
        start, duration = _start(event), event.get("duration")
        if type(duration) is not int or duration <= 0:
            yield Finding(f"{where}.duration", f"whole minutes above 0 are expected, found {duration!r:.80}")
        elif start is None:
            yield Finding(f"{where}.start_time", "a time of day is expected")
        else:
            placed.append((start, start + duration, where))
            yield from _placed(event, where, start, duration)
    placed.sort()
    for one, two in pairwise(placed):
        if one[1] > two[0]:
            yield Finding(two[2], f"it overlaps {one[2]}")


def _start(event: Mapping[str, Any]) -> int | None:
    start = event.get("start", event.get("start_time"))
    return start if type(start) is int else minutes(start)


def _placed(event: Mapping[str, Any], where: str, start: int, duration: int) -> Iterator[Finding]:
    earliest, latest = minutes(event.get("min_time", "0:00")), minutes(event.get("max_time", "24:00"))
    if start < (earliest or 0) or start + duration > (DAY if latest is None else latest):
        yield Finding(where, f"it lies from minute {start} to {start + duration}, outside its window")
    text = event.get("constraint")
    if text is None:
        return
    try:
        satisfied = constraint(str(text)).allows(start, duration)
    except ValueError as error:
        yield Finding(f"{where}.constraint", str(error))
        return
    if not satisfied:
        yield Finding(f"{where}.constraint", f"{text!r} is not satisfied by its own start, minute {start}")


def _states(task: Task, field: str) -> Iterator[Finding]:
    """Every expected state: readable, its keys its events' ids, growing, solvable."""
    states: Sequence[Mapping[str, Any] | None] = task.data["expected_calendar_states"]
    before: Mapping[str, Any] = {}
    if not any(states):
        yield Finding(field, "no state holds an event, so there is nothing to grade")
    for place, state in enumerate(states):
        if state is None:
            continue
        where = field if field == "exp_cal_state" else f"{field}[{place}]"
        for key, event in state.items():
            if str(event.get("event_id", key)) != key:
                yield Finding(f"{where}.{key}.event_id", f"it is {event['event_id']!r:.80} under the key {key!r}")
        try:
            wanted = read_expected(state)
        except ValueError as error:
            yield Finding(where, str(error))
            continue
        yield from _window(wanted, where)
        yield from _growth(before, state, where)
        if solver.plan(wanted) is None:
            yield Finding(where, "no calendar satisfies it")
        before = state


def _window(wanted: Mapping[str, Wanted], where: str) -> Iterator[Finding]:
    windows = {(event.earliest, event.latest) for event in wanted.values()}
    if len(windows) > 1:
        yield Finding(where, f"its events have different windows: {sorted(windows)}")


def _growth(before: Mapping[str, Any], state: Mapping[str, Any], where: str) -> Iterator[Finding]:
    for key, event in before.items():
        now = state.get(key)
        if now is None:
            yield Finding(where, f"event {key} of the state before is gone")
        elif now.get("duration") != event.get("duration"):
            yield Finding(f"{where}.{key}.duration", f"it was {event.get('duration')!r:.80} before")
        elif event.get("constraint") is not None and now.get("constraint") != event["constraint"]:
            yield Finding(f"{where}.{key}.constraint", f"it was {event['constraint']!r:.80} before")


def _agreement(data: Mapping[str, Any]) -> Iterator[Finding]:
    """The last state must be the schedule's: the same events with the same durations and constraints."""
    events, states = data.get("events"), data["expected_calendar_states"]
    if not events or not isinstance(events, list) or not states or states[-1] is None:
        return
    objects = [event for event in events if isinstance(event, Mapping)]
    by_id = {str(event.get("event_id", place)): event for place, event in enumerate(objects)}
    last = states[-1]
    for key in sorted(by_id.keys() ^ last.keys()):
        there, gone = ("events", "the last state") if key in by_id else ("the last state", "events")
        yield Finding("expected_calendar_states", f"event {key} is in {there} but not in {gone}")
    for key in sorted(by_id.keys() & last.keys()):
        for field in ("duration", "constraint"):
            if by_id[key].get(field) != last[key].get(field):
                found = f"{last[key].get(field)!r:.80} in the last state, {by_id[key].get(field)!r:.80} in events"
                yield Finding(f"events.{key}.{field}", found)
