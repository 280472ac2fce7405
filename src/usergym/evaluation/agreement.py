"""How far raters agree: ranks, distances and chance, with intervals over clusters. Pure functions of numbers.

Two judges of the same texts are compared by Spearman's rho and Kendall's tau-b (do they rank alike), the mean absolute
difference (do they mean the same by a number) and Krippendorff's alpha (is it more than chance). Texts of one user are
not independent, so intervals come from a bootstrap that draws users.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from usergym.evaluation.statistics import CONFIDENCE, t_quantile
from usergym.types import Record

Numbers = NDArray[np.float64]
Scale = Literal["nominal", "ordinal", "interval"]

DRAWS = 1000
AT_ONCE = 2_000_000
"""Pairs that are compared at a time."""


class Figure(Record, frozen=True, omit_defaults=False):
    value: float | None
    """None: not defined, as a rank correlation where one rater never varies."""
    low: float | None = None
    """None with fewer than two clusters, or where most draws have no value."""
    high: float | None = None


class Agreement(Record, frozen=True, omit_defaults=False):
    """Two judges of the same texts."""

    spearman: Figure
    kendall: Figure
    alpha: Figure
    """Krippendorff's, on an interval scale."""
    difference: Figure
    """Mean absolute difference of the scores."""
    bias: Figure
    """Mean of the second judge's scores minus the first's."""
    texts: int
    """That both judged."""
    clusters: int
    only_first: int
    only_second: int
    neither: int


def agreement(
    first: Sequence[float | None],
    second: Sequence[float | None],
    clusters: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Agreement:
    """The agreement of two judges on the same (n,) texts, None where one did not judge; `clusters` names the user of
    each, without it every text is its own. ValueError for lengths that differ or a score that is not finite."""
    names = list(range(len(first))) if clusters is None else list(clusters)
    if not len(first) == len(second) == len(names):
        raise ValueError(f"{len(first)} and {len(second)} scores of {len(names)} texts; give one of each for each text")
    both = [place for place in range(len(names)) if first[place] is not None and second[place] is not None]
    one, other = _numbers([first[place] for place in both]), _numbers([second[place] for place in both])
    codes: dict[Hashable, int] = {}
    labels = np.array([codes.setdefault(names[place], len(codes)) for place in both], dtype=np.int64)
    weights = drawn_weights(labels, draws, seed)
    measures: dict[str, Callable[[Numbers], list[float | None]]] = {
        "spearman": lambda rows: [_weighted_spearman(one, other, row) for row in rows],
        "kendall": lambda rows: _weighted_kendall(one, other, rows),
        "alpha": lambda rows: [_weighted_alpha(one, other, row) for row in rows],
        "difference": lambda rows: _weighted_means(np.abs(one - other), rows),
        "bias": lambda rows: _weighted_means(other - one, rows),
    }
    figures = {name: _figure(measure, weights, len(codes), confidence) for name, measure in measures.items()}
    missing = [(left is None, right is None) for left, right in zip(first, second, strict=True)]
    return Agreement(
        **figures,
        texts=len(both),
        clusters=len(codes),
        only_first=missing.count((False, True)),
        only_second=missing.count((True, False)),
        neither=missing.count((True, True)),
    )


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Rank correlation of (n,) pairs, ties at their mean rank; None where a side never varies."""
    one, other = _two(first, second)
    return _weighted_spearman(one, other, np.ones(len(one)))


def kendall(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Kendall's tau-b of (n,) pairs (Kendall 1945, doi.org/10.2307/2332303); None where a side never varies."""
    one, other = _two(first, second)
    return _weighted_kendall(one, other, np.ones((1, len(one))))[0]


def mean_absolute_difference(first: Sequence[float], second: Sequence[float]) -> float | None:
    """None without a pair."""
    one, other = _two(first, second)
    return float(np.abs(one - other).mean()) if len(one) else None


def krippendorff_alpha(ratings: Sequence[Sequence[float | None]], scale: Scale = "interval") -> float | None:
    """Krippendorff's alpha of (raters, items) ratings, None where a rater left one out: 1 - D_o / D_e, 1 full
    agreement, 0 chance (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability).

    On the ordinal scale the distance of two values is that of their mean ranks, which is his. None where no item has
    two ratings or all ratings are one value. ValueError for raters with different numbers of items.
    """
    if len({len(each) for each in ratings}) > 1:
        raise ValueError(f"raters with {sorted({len(each) for each in ratings})} items; give one place for each item")
    items = [[value for value in column if value is not None] for column in zip(*ratings, strict=True)]
    units = [_numbers(item) for item in items if len(item) > 1]
    if not units:
        return None
    pooled = np.concatenate(units)
    if scale == "ordinal":
        ranks = dict(zip(pooled.tolist(), _ranks(pooled, np.ones(len(pooled))).tolist(), strict=True))
        units = [np.array([ranks[value] for value in unit.tolist()]) for unit in units]
        pooled = np.concatenate(units)
    elif scale not in ("nominal", "interval"):
        raise ValueError(f"scale {scale!r}: give nominal, ordinal or interval")
    spread = _unlike if scale == "nominal" else _squares
    expected = spread(pooled) / (len(pooled) - 1)
    observed = math.fsum(spread(unit) / (len(unit) - 1) for unit in units)
    return 1 - observed / expected if expected else None


def drawn_weights(clusters: NDArray[np.int64], draws: int, seed: int) -> Numbers:
    """How often each of (n,) items counts in each draw of a bootstrap over clusters 0..k-1: (1 + draws, n), the first
    row the sample itself."""
    count = int(clusters.max()) + 1 if len(clusters) else 0
    if count < 2:
        return np.ones((1, len(clusters)))
    random = np.random.default_rng(seed)
    chosen = random.multinomial(count, np.full(count, 1 / count), size=draws)
    return np.concatenate([np.ones((1, len(clusters))), chosen[:, clusters].astype(np.float64)])


def _figure(
    measure: Callable[[Numbers], list[float | None]], weights: Numbers, clusters: int, confidence: float
) -> Figure:
    """The measure of the sample and its percentile interval, widened to Student's t as in Hesterberg 2015."""
    value, *draws = measure(weights) if weights.shape[1] else [None]
    known = [each for each in draws if each is not None]
    if value is None or clusters < 2 or 2 * len(known) < len(draws) or not known:
        return Figure(value)
    quantile = t_quantile(0.5 + confidence / 2, clusters - 1)
    tail = NormalDist().cdf(-math.sqrt(clusters / (clusters - 1)) * quantile)
    low, high = np.quantile(known, (tail, 1 - tail))
    return Figure(value, float(low), float(high))


def _weighted_spearman(one: Numbers, other: Numbers, weights: Numbers) -> float | None:
    """Of a sample in which pair i occurs `weights[i]` times."""
    kept = weights > 0
    weights = weights[kept]
    if not len(weights):
        return None
    first, second = (_ranks(each[kept], weights) for each in (one, other))
    first, second = (each - np.average(each, weights=weights) for each in (first, second))
    size = math.sqrt(float((weights * first * first).sum()) * float((weights * second * second).sum()))
    return max(-1.0, min(1.0, float((weights * first * second).sum()) / size)) if size > 1e-12 else None


def _weighted_kendall(one: Numbers, other: Numbers, rows: Numbers) -> list[float | None]:
    """Of (draws, n) samples: agreeing minus disagreeing pairs, over the root of the pairs untied in each."""
    count = len(one)
    balance = np.zeros(len(rows))
    step = max(1, AT_ONCE // max(1, count))
    for start in range(0, count, step):
        part = slice(start, start + step)
        signs = np.sign(one[part, None] - one) * np.sign(other[part, None] - other)
        balance += ((rows @ signs.T) * rows[:, part]).sum(axis=1)
    total = rows.sum(axis=1)
    pairs = total * (total - 1)
    untied = [pairs - _tied(each, rows) for each in (one, other)]
    sizes = np.sqrt(np.maximum(untied[0], 0) * np.maximum(untied[1], 0))
    return [
        max(-1.0, min(1.0, float(value / size))) if size > 0.5 else None
        for value, size in zip(balance, sizes, strict=True)
    ]


def _tied(values: Numbers, rows: Numbers) -> Numbers:
    """Ordered pairs that are tied, in each of (draws, n) samples."""
    _, groups = np.unique(values, return_inverse=True)
    sizes = np.zeros((len(rows), int(groups.max()) + 1 if len(groups) else 0))
    np.add.at(sizes.T, groups, rows.T)
    found: Numbers = (sizes * (sizes - 1)).sum(axis=1)
    return found


def _weighted_alpha(one: Numbers, other: Numbers, weights: Numbers) -> float | None:
    """Krippendorff's alpha of two raters on an interval scale, no rating missing."""
    count = 2 * float(weights.sum())
    if count < 2:
        return None
    total = float((weights * (one + other)).sum())
    squares = float((weights * (one * one + other * other)).sum())
    expected = 2 * (count * squares - total * total) / (count - 1)
    observed = 2 * float((weights * (one - other) ** 2).sum())
    return 1 - observed / expected if expected > 1e-12 * max(1.0, squares) else None


def _weighted_means(values: Numbers, rows: Numbers) -> list[float | None]:
    totals = rows.sum(axis=1)
    sums = rows @ values
    return [float(each / total) if total else None for each, total in zip(sums, totals, strict=True)]


def _ranks(values: Numbers, weights: Numbers) -> Numbers:
    """Mean ranks from 1 of values that occur `weights` times each."""
    _, groups = np.unique(values, return_inverse=True)
    sizes = np.bincount(groups, weights)
    found: Numbers = (np.cumsum(sizes) - sizes + (sizes + 1) / 2)[groups]
    return found


def _squares(values: Numbers) -> float:
    """The sum of squared differences of all ordered pairs."""
    centred = values - values.mean()
    return float(2 * len(values) * (centred * centred).sum())


def _unlike(values: Numbers) -> float:
    """How many ordered pairs differ."""
    _, counts = np.unique(values, return_counts=True)
    return float(len(values) ** 2 - (counts.astype(np.float64) ** 2).sum())


def _two(first: Sequence[float], second: Sequence[float]) -> tuple[Numbers, Numbers]:
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} numbers; give them in pairs")
    return _numbers(first), _numbers(second)


def _numbers(values: Sequence[float | None]) -> Numbers:
    found = np.array(values, dtype=np.float64)
    if not np.isfinite(found).all():
        raise ValueError("a score is not finite; give numbers, or None where there is none")
    return found
