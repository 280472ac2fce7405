"""The solver finds a calendar exactly when one exists."""

import time
from itertools import pairwise, permutations
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from usergym.environments.calendar.grading import read_expected
from usergym.environments.calendar.schedule import converse, pack
from usergym.environments.calendar.solver import Job, plan, solve

jobs = st.builds(
    lambda duration, release, room: Job(duration, release, release + duration + room),
    st.integers(1, 4),
    st.integers(0, 8),
    st.integers(-1, 6),
)


def possible(todo: list[Job]) -> bool:
    """By trying every order, each job as early as it can."""
    for order in permutations(todo):
        now = 0
        for job in order:
            now = max(now, job.release) + job.duration
            if now > job.deadline:
                break
        else:
            return True
    return False


@settings(max_examples=600)
@given(st.lists(jobs, max_size=6))
def test_it_agrees_with_trying_every_order(todo: list[Job]) -> None:
    starts = solve(todo)
    assert (starts is not None) == possible(todo)
    if starts is not None:
        placed = sorted((start, start + job.duration) for start, job in zip(starts, todo, strict=True))
        assert all(one[1] <= two[0] for one, two in pairwise(placed))
        for start, job in zip(starts, todo, strict=True):
            assert job.release <= start <= job.deadline - job.duration


def test_events_stay_where_they_are_when_they_can() -> None:
    def event(constraint: str | None) -> dict[str, object]:
        return {"duration": 60, "constraint": constraint, "min_time": "10:00", "max_time": "16:00"}

    before = {"0": 700, "1": 900}
    wanted = read_expected({"0": event(None), "1": event("after 2pm"), "2": event("at 10am")})
    assert plan(wanted, before) == {"0": 700, "1": 900, "2": 600}
    moved = plan(read_expected({"0": event("before 11am"), "1": event("after 2pm")}), before)
    assert moved == {"0": 600, "1": 900}


def test_a_state_that_nothing_satisfies_has_no_plan() -> None:
    event = {"duration": 60, "constraint": "at 10am", "min_time": "10:00", "max_time": "16:00"}
    assert plan(read_expected({"0": event, "1": event})) is None
    assert plan(read_expected({"0": {**event, "constraint": "at 9am"}})) is None
    assert plan({}) == {}


def test_a_tight_day_of_seven_events_takes_less_than_a_millisecond_a_turn() -> None:
    random = Random(0)
    states = [
        read_expected(state)
        for _ in range(40)
        for state in converse(pack([(str(i), str(i)) for i in range(7)], 600, 960, random), 600, 960, random).states
    ]
    begin = time.process_time()
    assert all(plan(state) is not None for state in states)
    assert (time.process_time() - begin) / len(states) < 0.001
