"""Win rates against numbers worked out by hand, enumeration of all bootstrap draws, and simulation."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from usergym.evaluation.wins import Interval, bootstrap, wilson, win_rate

CHANCES = [(0.5, 0.0, 0.5), (0.4, 0.3, 0.3), (0.75, 0.15, 0.1), (0.2, 0.5, 0.3)]
"""Of a win, a tie and a loss."""
LOPSIDED = [(0.0, 0.1, 0.9), (0.85, 0.15, 0.0), (0.01, 0.02, 0.97), (0.0, 0.04, 0.96)]


def trials(wins: int, ties: int, losses: int) -> NDArray[np.float64]:
    return np.array([1.0] * wins + [0.5] * ties + [0.0] * losses)


def values_of(wins: int, ties: int, losses: int) -> dict[str, list[float | None]]:
    return {str(n): [float(value)] for n, value in enumerate(trials(wins, ties, losses))}


def test_without_ties_the_interval_is_wilsons() -> None:
    """7 of 10 at z = 1.959964: (0.7 + 0.192073 -+ 1.959964 * sqrt(0.021 + 0.00960365)) / 1.384146."""
    found = wilson(trials(7, 0, 3))
    assert (found.low, found.high) == pytest.approx((0.3967781, 0.8922087), abs=2e-7)


def test_all_wins_and_no_wins_have_wilsons_bounds() -> None:
    z2 = 1.959963984540054**2
    assert wilson(trials(20, 0, 0)).low == pytest.approx(1 / (1 + z2 / 20))
    assert wilson(trials(20, 0, 0)).high == 1.0
    assert wilson(trials(0, 0, 20)).high == pytest.approx(z2 / 20 / (1 + z2 / 20))


def test_ties_make_it_narrower_by_the_stated_formula() -> None:
    """50 wins, 30 ties, 20 losses: p = 0.65, t = 0.3, whose score interval at z = 1 begins at
    (0.305 - sqrt(0.0021 + 0.000025)) / 1.01 = 0.2563388."""
    z, n = 1.959963984540054, 100
    half = z * math.sqrt((0.2275 - 0.2563388 / 4) / n + z * z / (4 * n * n))
    middle = 0.65 + z * z / (2 * n)
    found = wilson(trials(50, 30, 20))
    low, high = ((middle + side * half) / (1 + z * z / n) for side in (-1, 1))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-7)
    without = wilson(trials(65, 0, 35))
    assert found.high - found.low < without.high - without.low


def test_nothing_but_ties_is_not_certain() -> None:
    """t' = (1.005 - 0.005) / 1.01, so s2 = 0.01 / 1.01 / 4."""
    found = wilson(trials(0, 100, 0))
    half = 1.959963985 * math.sqrt(0.01 / 1.01 / 400 + 0.0384146 / 400) / 1.0384146
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_win_and_loss_are_mirror_images_and_the_interval_holds_the_rate(wins: int, ties: int, losses: int) -> None:
    if wins + ties + losses < 2:
        return
    there, back = win_rate(values_of(wins, ties, losses), draws=10), win_rate(values_of(losses, ties, wins), draws=10)
    assert there.rate is not None
    assert back.rate is not None
    assert there.rate == pytest.approx(1 - back.rate)
    assert there.wilson is not None
    assert back.wilson is not None
    assert (there.wilson.low, there.wilson.high) == pytest.approx((1 - back.wilson.high, 1 - back.wilson.low))
    assert 0 <= there.wilson.low <= there.rate <= there.wilson.high <= 1


def test_the_bootstrap_is_the_quantiles_of_all_draws() -> None:
    """Of five prompts all 3,125 draws are made; at 80% the tails, widened as the module says, hold 4.32% each."""
    means = np.array([1.0, 0.75, 0.5, 0.25, 0.0])
    every = np.sort([np.mean(draw) for draw in itertools.product(means, repeat=5)])
    found = bootstrap(means, confidence=0.8, draws=200_000, seed=1)
    tail = 0.0432  # Phi(-sqrt(5/4) * 1.5332)
    assert found.low == pytest.approx(float(np.quantile(every, tail)), abs=1e-9)
    assert found.high == pytest.approx(float(np.quantile(every, 1 - tail)), abs=1e-9)


def test_the_bootstrap_depends_on_its_seed_alone() -> None:
    means = np.linspace(0, 1, 37)
    assert bootstrap(means, seed=3) == bootstrap(means, seed=3)
    assert bootstrap(means, seed=3) != bootstrap(means, seed=4)


@pytest.mark.parametrize("chances", CHANCES)
@pytest.mark.parametrize("interval", [wilson, lambda means: bootstrap(means, draws=500)], ids=["wilson", "bootstrap"])
def test_at_a_hundred_prompts_95_percent_intervals_cover_93_to_97(
    chances: tuple[float, float, float], interval: Callable[[NDArray[np.float64]], Interval]
) -> None:
    assert 0.93 <= covered(chances, 100, interval) <= 0.97


@pytest.mark.parametrize("chances", LOPSIDED)
@pytest.mark.parametrize("prompts", [25, 100])
def test_where_nearly_all_is_lost_or_won_ties_do_not_make_it_too_narrow(
    chances: tuple[float, float, float], prompts: int
) -> None:
    assert covered(chances, prompts, wilson) >= 0.91


def covered(
    chances: tuple[float, float, float], prompts: int, interval: Callable[[NDArray[np.float64]], Interval]
) -> float:
    random = np.random.default_rng(7)
    runs = random.choice([1.0, 0.5, 0.0], p=chances, size=(2000, prompts))
    true = chances[0] + chances[1] / 2
    return float(np.mean([(found := interval(run)).low <= true <= found.high for run in runs]))


def test_samples_of_a_prompt_are_one_prompt() -> None:
    """Four copies of every verdict know no more than one."""
    once = win_rate(values_of(12, 5, 8), seed=1)
    copied = win_rate({key: value * 4 for key, value in values_of(12, 5, 8).items()}, seed=1)
    assert (once.rate, once.wilson, once.bootstrap) == (copied.rate, copied.wilson, copied.bootstrap)
    assert (once.prompts, copied.prompts, copied.judged) == (25, 25, 100)


def test_what_was_not_judged_counts_in_the_coverage_alone() -> None:
    found = win_rate({"a": [1.0, None], "b": [None, None], "c": [0.0, 0.5]})
    assert found.rate == pytest.approx((1.0 + 0.25) / 2)
    assert (found.prompts, found.judged, found.asked) == (2, 3, 6)
    assert found.coverage == 0.5


def test_one_prompt_has_no_interval_and_none_has_no_rate() -> None:
    assert win_rate({"a": [1.0]}).wilson is None
    nothing = win_rate({"a": [None]})
    assert (nothing.rate, nothing.wilson, nothing.coverage) == (None, None, 0.0)
    assert win_rate({}).coverage == 0.0


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_value_that_is_no_share_of_a_win_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        win_rate({"a": [value], "b": [1.0]})
