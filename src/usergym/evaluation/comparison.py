"""Whether one run is better than another on the tasks both have, and what difference the sample could have shown."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from usergym.evaluation.scores import METRICS, Metric, Sheet
from usergym.evaluation.statistics import CONFIDENCE, Estimate, paired_difference, t_quantile
from usergym.types import Record

FLIPS = 20_000
"""Random sign flips where there are too many tasks to try all."""
EXACT = 14
"""With so many tasks that differ, or fewer, all sign flips are tried."""
POWER = 0.8


class Comparison(Record, frozen=True, omit_defaults=False):
    """Second minus first, each task counted once."""

    env: str
    """`all`: the tasks of all environments together."""
    metric: Metric
    first: float
    second: float
    """Means over the tasks both have."""
    difference: Estimate
    p: float
    """Two-sided, of the paired permutation test: the chance of a difference this large if the labels meant nothing."""
    smallest: float | None
    """The smallest true difference that would have been found (p < 0.05) with 80% chance by a sample of this size and
    spread; None with fewer than two tasks, or where none differs."""
    ties: int
    """Tasks on which both are equal."""


def compare(first: Mapping[str, Sheet], second: Mapping[str, Sheet], metric: Metric = "score") -> list[Comparison]:
    """Two runs by environment, and over all of them where there are several. ValueError where they share no scored
    task, or the metric is unknown."""
    if metric not in METRICS:
        raise ValueError(f"no metric {metric!r}; there are {', '.join(METRICS)}")
    found: list[Comparison] = []
    whole: tuple[dict[str, float], dict[str, float]] = {}, {}
    for env in first:
        if env not in second:
            continue
        before, after = first[env].means(metric), second[env].means(metric)
        shared = [key for key in before if key in after]
        if not shared:
            continue
        found.append(_compare(env, metric, {k: before[k] for k in shared}, {k: after[k] for k in shared}))
        for means, of in zip(whole, (before, after), strict=True):
            means.update((f"{env}\x1f{key}", of[key]) for key in shared)
    if not found:
        raise ValueError(f"the runs share no task that has a {metric} in both; were they made with the same --seed?")
    return found if len(found) == 1 else [*found, _compare("all", metric, *whole)]


def _compare(env: str, metric: Metric, before: Mapping[str, float], after: Mapping[str, float]) -> Comparison:
    estimate = paired_difference({k: (v,) for k, v in before.items()}, {k: (v,) for k, v in after.items()})
    assert estimate is not None
    differences = [after[key] - before[key] for key in before]
    return Comparison(
        env,
        metric,
        math.fsum(before.values()) / len(before),
        math.fsum(after.values()) / len(after),
        estimate,
        permutation_p(differences),
        smallest_difference(differences),
        sum(difference == 0 for difference in differences),
    )


def permutation_p(differences: Sequence[float]) -> float:
    """Two-sided p-value of the paired permutation (sign flip) test of a mean difference of 0: exact with few tasks,
    else from a fixed number of flips with a fixed seed, so that the same runs give the same number."""
    values = np.array([each for each in differences if each], dtype=np.float64)
    if not len(values):
        return 1.0
    seen = abs(values.sum()) * (1 - 1e-12)
    if len(values) <= EXACT:
        codes = np.arange(2 ** len(values))[:, None]
        signs = 1.0 - 2.0 * ((codes >> np.arange(len(values))) & 1)
        return float(np.mean(np.abs(signs @ values) >= seen))
    random = np.random.default_rng(0)
    as_large, left = 0, FLIPS
    while left:
        now = min(left, max(1, 2_000_000 // len(values)))
        signs = 1.0 - 2.0 * random.integers(0, 2, size=(now, len(values)))
        as_large += int(np.count_nonzero(np.abs(signs @ values) >= seen))
        left -= now
    return (1 + as_large) / (1 + FLIPS)


def smallest_difference(
    differences: Sequence[float], power: float = POWER, confidence: float = CONFIDENCE
) -> float | None:
    """By the paired t-test with the spread that was seen."""
    count = len(differences)
    if count < 2:
        return None
    mean = math.fsum(differences) / count
    variance = math.fsum((each - mean) ** 2 for each in differences) / (count - 1)
    if not variance:
        return None
    needed = t_quantile(0.5 + confidence / 2, count - 1) + t_quantile(power, count - 1)
    return needed * math.sqrt(variance / count)
