"""Generated days: always solvable, in range, and refused before any call where none exists."""

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.environments.calendar.clock import clock_24, constraint, minutes
from usergym.environments.calendar.schedule import DURATIONS, check_request, converse, largest, pack


def names(n: int) -> list[tuple[str, str]]:
    return [(f"Event {i}", f"event {i}") for i in range(n)]


requests = st.tuples(st.integers(0, 90), st.integers(2, 60), st.integers(1, 40)).map(
    lambda drawn: (15 * drawn[0], min(15 * (drawn[0] + drawn[1]), 1440), drawn[2])
)


@given(requests, st.integers())
def test_every_feasible_request_gives_a_day_that_satisfies_its_own_constraints(
    request_: tuple[int, int, int], seed: int
) -> None:
    min_time, max_time, n = request_
    n = min(n, largest(min_time, max_time))
    if n < 1:
        return
    day = pack(names(n), min_time, max_time, Random(seed))
    assert [event.event_id for event in day] == list(range(n))
    placed = sorted((event.start, event.start + event.duration) for event in day)
    assert placed[0][0] >= min_time
    assert placed[-1][1] <= max_time
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(placed))
    for event in day:
        assert event.duration in DURATIONS
        assert constraint(event.constraint).allows(event.start, event.duration)
        assert str(constraint(event.constraint)) == event.constraint


def test_the_largest_number_of_events_that_fits_is_named_and_works() -> None:
    with pytest.raises(ValueError, match="13 events do not fit between 10:00 and 16:00; give 1 to 12"):
        check_request(13, 600, 960)
    assert len(pack(names(12), 600, 960, Random(0))) == 12


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ((5, 600, 955), "nearest max_time for min_time 600: 945 or 960"),
        ((5, 960, 600), "0 <= min_time < max_time <= 1440"),
        ((5, 600, 600), "min_time < max_time"),
        ((5, -15, 600), "0 <= min_time"),
        ((5, 600, 1455), "<= 1440"),
        ((0, 600, 960), "give 1 to 12"),
        ((1, 600, 615), "no event of 30 minutes fits"),
        ((1, 1430, 1440), "divided by 15"),
    ],
)
def test_impossible_requests_are_refused_with_what_would_do(request_: tuple[int, int, int], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_request(*request_)
    assert words in str(caught.value)


@given(st.integers(1, 9), st.integers())
def test_a_conversation_adds_every_event_and_tells_every_constraint_once(n: int, seed: int) -> None:
    random = Random(seed)
    day = pack(names(n), 600, 960, random)
    talk = converse(day, 600, 960, random)
    assert len(talk.steps) == len(talk.states)
    assert 0.6 <= talk.smalltalk_factor <= 1.0
    assert 0.6 <= talk.constraint_eagerness <= 1.0
    kinds = [step.kind for step in talk.steps]
    assert (kinds.count("add_event"), kinds.count("add_constraint")) == (n, n)
    shown: dict[str, str | None] = {}
    for step, state in zip(talk.steps, talk.states, strict=True):
        event_id = str(step.params.get("event_id"))
        if step.kind == "add_event":
            assert event_id not in shown
            shown[event_id] = None
        elif step.kind == "add_constraint":
            assert shown[event_id] is None
            shown[event_id] = step.params["constraint"]
        assert {key: event["constraint"] for key, event in state.items()} == shown
        assert step.fixed_response
    assert shown == {str(event.event_id): event.constraint for event in day}


def test_the_order_of_mention_is_not_the_order_of_the_day() -> None:
    orders = {tuple(event.start for event in pack(names(4), 600, 960, Random(seed))) for seed in range(40)}
    assert any(list(order) != sorted(order) for order in orders)


@given(st.integers(0, 1439))
def test_times_written_are_read_back(time: int) -> None:
    assert minutes(clock_24(time)) == time
