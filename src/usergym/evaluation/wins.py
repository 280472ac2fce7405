"""How often one model wins against another, and how sure that is. A win counts 1, a tie 1/2, a loss 0; what was not
judged counts nowhere.

Prompts are what is counted: several samples of one prompt are averaged first. With x_i the mean of prompt i, n prompts:

    p  = sum x_i / n                            the win rate
    t  = 4 (p (1 - p) - sum (x_i - p)^2 / n)    the share of ties, where there is one sample each
    t' = the lower end of the score interval of a share t at z = 1
    s2 = p (1 - p) - t' / 4
    (p + z^2 / 2n -+ z sqrt(s2 / n + z^2 / 4n^2)) / (1 + z^2 / n)

The last line is the score interval of Wilson 1927 (doi.org/10.2307/2276774) with s2 in place of the variance of a
binary outcome, p (1 - p). A tie takes 1/4 from that variance, so without ties it is Wilson's and with ties it is
narrower. As t itself is only an estimate, its lower end t' is used: with t, intervals are too narrow where nearly all
is lost or won and some are ties. The bootstrap draws prompts; its percentiles are widened to those of Student's t, as
in Hesterberg 2015 (doi.org/10.1080/00031305.2015.1089789), since plain ones are too narrow in small samples.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from usergym.evaluation.statistics import CONFIDENCE, t_quantile
from usergym.types import Record

DRAWS = 10_000
AT_ONCE = 4_000_000
"""Numbers that a bootstrap holds in memory at a time."""

Values = Mapping[str, Sequence[float | None]]
"""Of each prompt, what its samples came to; None: not judged."""


class Interval(Record, frozen=True):
    low: float
    high: float


class WinRate(Record, frozen=True, omit_defaults=False):
    rate: float | None
    """None: nothing was judged."""
    wilson: Interval | None
    bootstrap: Interval | None
    """None with fewer than two judged prompts."""
    prompts: int
    """That count: with at least one sample judged."""
    judged: int
    """Samples, likewise."""
    asked: int
    """All samples."""

    @property
    def coverage(self) -> float:
        """The share of samples that were judged."""
        return self.judged / self.asked if self.asked else 0.0


def win_rate(values: Values, *, confidence: float = CONFIDENCE, draws: int = DRAWS, seed: int = 0) -> WinRate:
    """The win rate of values from 0 to 1, by prompt. ValueError for a value outside."""
    counted = {key: [value for value in each if value is not None] for key, each in values.items()}
    if strange := [value for each in counted.values() for value in each if not 0 <= value <= 1]:
        raise ValueError(f"a comparison came to {strange[0]}; expected 0 to 1, or None where it was not judged")
    means = np.array([math.fsum(each) / len(each) for each in counted.values() if each], dtype=np.float64)
    judged, asked = sum(map(len, counted.values())), sum(map(len, values.values()))
    if not len(means):
        return WinRate(None, None, None, 0, 0, asked)
    several = len(means) > 1
    return WinRate(
        math.fsum(means) / len(means),
        wilson(means, confidence) if several else None,
        bootstrap(means, confidence, draws, seed) if several else None,
        len(means),
        judged,
        asked,
    )


def wilson(means: NDArray[np.float64], confidence: float = CONFIDENCE) -> Interval:
    """The score interval of the mean of (n,) values from 0 to 1, as at the head of this module."""
    count, rate = len(means), float(means.mean())
    binary = rate * (1 - rate)
    ties = min(1.0, max(0.0, 4 * (binary - float(means.var()))))
    fewest, _ = _score(ties, ties * (1 - ties), count, 1.0)
    low, high = _score(rate, binary - max(0.0, fewest) / 4, count, NormalDist().inv_cdf(0.5 + confidence / 2))
    return Interval(max(0.0, min(low, rate)), min(1.0, max(high, rate)))  # the rate itself, for all but rounding


def _score(rate: float, variance: float, count: int, z: float) -> tuple[float, float]:
    part = z * z / count
    half = z * math.sqrt(max(0.0, variance) / count + part / (4 * count))
    return (rate + part / 2 - half) / (1 + part), (rate + part / 2 + half) / (1 + part)


def bootstrap(
    means: NDArray[np.float64], confidence: float = CONFIDENCE, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """The widened percentile interval of the mean of (n,) values, n > 1, each of them one prompt; the same for the
    same seed."""
    count = len(means)
    random = np.random.default_rng(seed)
    rows = max(1, AT_ONCE // count)
    drawn = [
        means[random.integers(0, count, size=(min(rows, draws - start), count))].mean(axis=1)
        for start in range(0, draws, rows)
    ]
    tail = NormalDist().cdf(-math.sqrt(count / (count - 1)) * t_quantile(0.5 + confidence / 2, count - 1))
    low, high = np.quantile(np.concatenate(drawn), (tail, 1 - tail))
    return Interval(float(low), float(high))
