"""How sure a number is: samples of one task are not independent, so tasks are what is counted.

Intervals are those of the cluster-robust standard error with Student's t; pass@k is the unbiased estimator
of Chen et al. 2021 (arXiv 2107.03374), pass^k that of Yao et al. 2024 (arXiv 2406.12045).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    mean: float
    low: float | None
    """None where nothing is known of how tasks differ: a single task, or all alike (unless all are 0 or all 1)."""
    high: float | None
    tasks: int
    samples: int


def estimate(values: Iterable[tuple[int, float, bool]], confidence: float = CONFIDENCE) -> Estimate | None:
    """Mean of all samples, each task given as (samples, sum of them, whether all are 0 or 1); None without any.

    Where all samples are 1, or all 0, tasks do not differ and the standard error would be 0; the exact binomial
    bound on the number of tasks is given instead.
    """
    tasks = [task for task in values if task[0]]
    samples = sum(n for n, _, _ in tasks)
    if not samples:
        return None
    mean = math.fsum(total for _, total, _ in tasks) / samples
    count = len(tasks)
    if count < 2:
        return Estimate(mean, None, None, count, samples)
    binary = all(is_binary for _, _, is_binary in tasks)
    if binary and mean in (0.0, 1.0):
        bound = ((1 - confidence) / 2) ** (1 / count)
        low, high = (bound, 1.0) if mean else (0.0, 1 - bound)
        return Estimate(mean, low, high, count, samples)
    squares = math.fsum((total - n * mean) ** 2 for n, total, _ in tasks)
    error = math.sqrt(count / (count - 1) * squares) / samples
    if squares <= (1e-9 * samples * max(1.0, abs(mean))) ** 2:
        return Estimate(mean, None, None, count, samples)
    half = t_quantile(0.5 + confidence / 2, count - 1) * error
    low, high = mean - half, mean + half
    return Estimate(mean, max(low, 0.0) if binary else low, min(high, 1.0) if binary else high, count, samples)


def combined(parts: Iterable[tuple[float, Estimate]]) -> Estimate | None:
    """The sum of weight x mean over independent parts, such as environments, with its interval; None without any.

    Intervals are put together by the distances of their ends from the means (MOVER: Donner and Zou 2012,
    doi.org/10.1177/0962280210383082), so those that are bounded or lopsided stay so. A part without an interval leaves
    the whole without one, unless its weight is 0.
    """
    counted = [(weight, part) for weight, part in parts if weight]
    if not counted:
        return None
    mean = math.fsum(weight * part.mean for weight, part in counted)
    below, above = [], []
    known = True
    for weight, part in counted:
        if part.low is None or part.high is None:
            known = False
            continue
        down, up = weight * (part.mean - part.low), weight * (part.high - part.mean)
        below.append(down if weight > 0 else up)
        above.append(up if weight > 0 else down)
    tasks, samples = (sum(counts) for counts in zip(*((part.tasks, part.samples) for _, part in counted), strict=True))
    if not known:
        return Estimate(mean, None, None, tasks, samples)
    return Estimate(mean, mean - math.hypot(*below), mean + math.hypot(*above), tasks, samples)


def mean_interval(rewards: Mapping[str, Sequence[float]], confidence: float = CONFIDENCE) -> Estimate | None:
    """Mean reward with its interval, from the rewards of each task's samples."""
    return estimate(
        ((len(values), math.fsum(values), all(value in (0, 1) for value in values)) for values in rewards.values()),
        confidence,
    )


def paired_difference(
    first: Mapping[str, Sequence[float]], second: Mapping[str, Sequence[float]], confidence: float = CONFIDENCE
) -> Estimate | None:
    """Mean of second minus first over the tasks that both have samples of, each task counted once; None without
    any. What the tasks' difficulty has in common cancels, so this tells more than two intervals."""
    shared = [key for key in first if first[key] and second.get(key)]
    differences = [_mean(second[key]) - _mean(first[key]) for key in shared]
    return estimate(((1, difference, False) for difference in differences), confidence)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def pass_at_k(samples: int, successes: int, k: int) -> float:
    """Chance that at least one of k samples succeeds, given `successes` among `samples`."""
    _check(samples, successes, k)
    return 1 - math.comb(samples - successes, k) / math.comb(samples, k)


def pass_hat_k(samples: int, successes: int, k: int) -> float:
    """pass^k: chance that all of k samples succeed, given `successes` among `samples`."""
    _check(samples, successes, k)
    return math.comb(successes, k) / math.comb(samples, k)


def _check(samples: int, successes: int, k: int) -> None:
    if not 0 <= successes <= samples or not 1 <= k <= samples:
        raise ValueError(f"k={k}, {successes} successes of {samples} samples; expected 1 <= k <= samples, and no more")


@lru_cache(maxsize=1024)
def t_quantile(probability: float, freedom: int) -> float:
    """Student's t: the value that is not exceeded with `probability` (above one half)."""
    if freedom > 500:
        # Cornish-Fisher; its error is below 1e-7 from here on, where the exact sum would be long.
        z = NormalDist().inv_cdf(probability)
        return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    low, high = 0.0, 1.0
    while _within(high, freedom) < 2 * probability - 1:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        if _within(middle, freedom) < 2 * probability - 1:
            low = middle
        else:
            high = middle
    return high


def _within(value: float, freedom: int) -> float:
    """Chance that |t| is below `value`: the finite sum for whole degrees of freedom (Abramowitz and Stegun 26.7.3)."""
    angle = math.atan(value / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for power in range(3 if odd else 2, freedom - 1, 2):
        term *= (power - 1) / power * cosine**2
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
