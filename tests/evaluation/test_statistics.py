"""Intervals and pass@k against closed forms, enumeration and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.evaluation.statistics import mean_interval, paired_difference, pass_at_k, pass_hat_k, t_quantile

# Critical values of Student's t as printed in statistical tables: (probability, degrees of freedom, value).
TABLE = [
    (0.975, 1, 12.7062047),
    (0.975, 2, 4.30265273),
    (0.975, 3, 3.18244631),
    (0.975, 10, 2.22813885),
    (0.975, 29, 2.04522964),
    (0.95, 5, 2.01504837),
    (0.995, 4, 4.60409487),
    (0.975, 1000, 1.96233908),
]


@pytest.mark.parametrize(("probability", "freedom", "value"), TABLE)
def test_quantiles_of_t_are_those_of_the_tables(probability: float, freedom: int, value: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(value, rel=1e-7)


def test_the_two_ways_to_the_quantile_meet() -> None:
    assert t_quantile(0.975, 500) == pytest.approx(t_quantile(0.975, 501), rel=1e-5)


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_and_pass_hat_k_are_what_counting_every_draw_gives(numbers: tuple[int, int, int]) -> None:
    samples, successes, k = numbers
    draws = list(itertools.combinations([True] * successes + [False] * (samples - successes), k))
    assert pass_at_k(samples, successes, k) == pytest.approx(sum(map(any, draws)) / len(draws))
    assert pass_hat_k(samples, successes, k) == pytest.approx(sum(map(all, draws)) / len(draws))


def test_pass_at_k_stays_exact_where_the_binomials_are_beyond_a_float() -> None:
    assert pass_at_k(5000, 1, 2500) == pytest.approx(0.5, rel=1e-12)
    assert pass_hat_k(5000, 4999, 2500) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize(("samples", "successes", "k"), [(2, 3, 1), (2, -1, 1), (2, 1, 3), (2, 1, 0), (0, 0, 1)])
def test_impossible_counts_are_refused_by_name(samples: int, successes: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"k={k}, {successes} successes of {samples} samples"):
        pass_at_k(samples, successes, k)


def test_with_one_sample_a_task_the_interval_is_that_of_the_t_test() -> None:
    values = [0.2, 0.9, 0.4, 0.7, 0.1]
    found = mean_interval({str(n): [value] for n, value in enumerate(values)})
    half = 2.7764451052 * np.std(values, ddof=1) / math.sqrt(5)
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx((0.46, 0.46 - half, 0.46 + half))
    assert (found.tasks, found.samples) == (5, 5)


def test_repeating_every_sample_does_not_make_the_interval_narrower() -> None:
    values = [0.2, 0.9, 0.4, 0.7, 0.1]
    once = mean_interval({str(n): [value] for n, value in enumerate(values)})
    often = mean_interval({str(n): [value] * 50 for n, value in enumerate(values)})
    assert once is not None
    assert often is not None
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_a_single_task_has_a_mean_and_no_interval() -> None:
    found = mean_interval({"only": [0.0, 1.0, 1.0]})
    assert found is not None
    assert (found.mean, found.low, found.high) == (pytest.approx(2 / 3), None, None)


@pytest.mark.parametrize("nothing", [{}, {"a": [], "b": []}])
def test_nothing_scored_has_no_estimate(nothing: dict[str, list[float]]) -> None:
    assert mean_interval(nothing) is None
    assert paired_difference(nothing, nothing) is None


def test_all_or_nothing_keeps_the_binomial_bound_of_its_tasks() -> None:
    none = mean_interval({str(n): [0.0, 0.0] for n in range(20)})
    every = mean_interval({str(n): [1.0, 1.0] for n in range(20)})
    assert none is not None
    assert every is not None
    assert (none.low, none.high) == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))
    assert (every.low, every.high) == pytest.approx((0.025 ** (1 / 20), 1.0))


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(5)
    rounds, tasks, samples = 2000, 40, 4
    covered = naive = 0
    for _ in range(rounds):
        difficulty = random.beta(1, 1, tasks)  # tasks differ much: the mean is 0.5
        wins = random.random((tasks, samples)) < difficulty[:, None]
        found = mean_interval({str(n): row.astype(float).tolist() for n, row in enumerate(wins)})
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.5 <= found.high
        naive += abs(wins.mean() - 0.5) <= 1.96 * wins.std() / math.sqrt(wins.size)
    assert 0.935 <= covered / rounds <= 0.965
    assert naive / rounds < 0.90  # what counting samples instead of tasks would claim


def test_paired_differences_cover_the_truth_and_are_narrower_than_what_two_intervals_tell() -> None:
    random = np.random.default_rng(6)
    rounds, tasks, truth, covered = 1500, 30, 0.1, 0
    paired_width = single_width = 0.0
    for _ in range(rounds):
        difficulty = random.normal(0, 1, tasks)
        before = {str(n): [float(value)] for n, value in enumerate(difficulty + random.normal(0, 0.2, tasks))}
        after = {str(n): [float(value)] for n, value in enumerate(difficulty + truth + random.normal(0, 0.2, tasks))}
        found, single = paired_difference(before, after), mean_interval(before)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        assert single is not None
        assert single.low is not None
        assert single.high is not None
        covered += found.low <= truth <= found.high
        paired_width += found.high - found.low
        single_width += single.high - single.low
    assert 0.935 <= covered / rounds <= 0.965
    assert paired_width < 0.5 * single_width


def test_a_paired_difference_uses_only_tasks_that_both_have() -> None:
    found = paired_difference({"a": [0.0], "b": [1.0, 0.0], "x": [1.0]}, {"a": [1.0], "b": [1.0], "y": [0.0], "x": []})
    assert found is not None
    assert (found.mean, found.tasks) == (pytest.approx(0.75), 2)
