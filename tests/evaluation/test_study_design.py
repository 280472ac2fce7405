"""Who compares what, and what stands where: balanced, seeded, and the same in every process."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usergym.evaluation.study_design import check, next_item, order, williams

SYSTEMS = ("a", "b", "c", "d")


@pytest.mark.parametrize("size", [2, 3, 4])
def test_in_a_square_each_stands_at_each_place_and_behind_each_other_equally_often(size: int) -> None:
    rows = williams(size)
    assert all(sorted(row) == list(range(size)) for row in rows)
    places = Counter((place, letter) for row in rows for place, letter in enumerate(row))
    assert len(places) == size * size
    assert len(set(places.values())) == 1
    behind = Counter(pair for row in rows for pair in pairwise(row))
    assert len(behind) == size * (size - 1)
    assert len(set(behind.values())) == 1


@given(st.integers(0, 2**40), st.text(max_size=8), st.integers(2, 4))
def test_every_block_of_a_participant_shows_each_system_at_each_place_equally_often(
    seed: int, participant: str, count: int
) -> None:
    systems = SYSTEMS[:count]
    block = len(williams(count))
    for start in (0, block):
        shown = [order(seed, participant, systems, start + place) for place in range(block)]
        at_each = Counter((place, system) for row in shown for place, system in enumerate(row))
        assert len(at_each) == count * count
        assert set(at_each.values()) == {block // count}


def test_orders_are_the_seeds_and_differ_between_participants() -> None:
    orders = [tuple(order(7, f"p{n}", SYSTEMS, place) for place in range(4)) for n in range(20)]
    assert orders == [tuple(order(7, f"p{n}", SYSTEMS, place) for place in range(4)) for n in range(20)]
    assert len(set(orders)) > 15
    assert orders[0] != tuple(order(8, "p0", SYSTEMS, place) for place in range(4))


@given(st.integers(0, 2**40), st.text(max_size=8), st.integers(1, 12), st.integers(0, 12))
def test_each_participant_gets_as_many_checks_as_asked_for(seed: int, who: str, each: int, checks: int) -> None:
    wanted = [check(seed, who, place, each, min(checks, each)) for place in range(each)]
    assert sum(value > 0 for value in wanted) == min(checks, each)
    assert all(0 <= value <= 10 for value in wanted)


@settings(max_examples=50)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 8), st.integers(0, 99))
def test_answers_are_spread_evenly_over_the_items(items: int, each: int, raters: int, seed: int) -> None:
    counts = dict.fromkeys((f"i{n}" for n in range(items)), 0)
    for number in range(200):
        seen: list[str] = []
        for _ in range(each):
            item = next_item(seed, f"p{number}", counts, seen, raters)
            if item is None:
                break
            assert item not in seen
            seen.append(item)
            counts[item] += 1
            assert max(counts.values()) <= raters
            if items >= 2 * each:
                assert max(counts.values()) - min(counts.values()) <= 1
    if items * raters <= 200 * each and items >= each:
        assert set(counts.values()) == {raters}
