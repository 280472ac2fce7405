"""How many answers a study needs: the simulation against what is known of the test."""

import pytest

from usergym.evaluation.study_power import Assumed, needed, power


def test_more_people_and_larger_effects_are_found_more_often() -> None:
    few, many = (power(Assumed(0.4), people, draws=200) for people in (8, 40))
    assert few < many
    assert power(Assumed(0.8), 8, draws=200) > few


def test_what_is_needed_reaches_the_power_and_less_does_not() -> None:
    found = needed(Assumed(0.8, each=4), 0.8, raters=2, draws=200)
    assert found.power >= 0.8 > found.tried[str(found.people - 1)]
    assert found.interval.low < found.power < found.interval.high
    assert found.answers == 4 * found.people
    assert found.items * found.raters >= found.answers


def test_without_a_true_difference_one_is_found_about_as_often_as_the_level_says() -> None:
    # One side of the level, of one pair of two systems; an effect of nothing is not allowed, so next to nothing.
    assert power(Assumed(1e-9, systems=2, level=0.2), 20, draws=400) == pytest.approx(0.1, abs=0.05)


def test_it_is_the_paired_t_test_for_many_people_but_for_five_percent() -> None:
    # d = 0.5 per answer, no variance between people, one answer each: n = 34 by tables of the paired t-test, and the
    # signed-rank test needs about 1/0.955 as many.
    found = needed(Assumed(0.5, each=1, systems=2, spread=0.0), 0.8, draws=200)
    assert 30 <= found.people <= 44


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"effect": 0}, "above 0"), ({"effect": float("nan")}, "above 0"), ({"effect": 1, "spread": 2}, "spread 2")],
)
def test_what_cannot_be_assumed_is_refused(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Assumed(**wrong)


def test_an_effect_that_no_study_finds_is_told() -> None:
    with pytest.raises(ValueError, match="participants reach a power of"):
        needed(Assumed(0.001, each=1), 0.9, draws=5)
    with pytest.raises(ValueError, match="power 1"):
        needed(Assumed(1.0), 1.0)
