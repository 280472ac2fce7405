"""Tests by rank for a few raters: the signed-rank test, concordance of orders, and correction for many tests."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from usergym.types import Record

EXACT = 60
"""With so many differences or fewer, the distribution of the signed ranks is counted out."""


class SignedRank(Record, frozen=True, omit_defaults=False):
    """Of paired differences."""

    mean: float
    """Of all differences, those of 0 included."""
    pairs: int
    """Differences that are not 0; the others say nothing here and are left out."""
    w: float
    """The sum of the ranks of the positive ones."""
    p: float
    """Two-sided; 1 where no difference is left."""


def ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """From 1, the smallest first; what is equal shares the mean of its ranks."""
    _, inverse, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def signed_rank(differences: Sequence[float]) -> SignedRank | None:
    """Wilcoxon's test (1945, doi.org/10.2307/3001968) that they lie about 0; None without any. Exact, given the ties,
    for up to 60 of them; beyond, by the normal distribution with the variance of the ranks as they are tied, and a
    continuity correction."""
    if not len(differences):
        return None
    mean = math.fsum(differences) / len(differences)
    values = np.array([each for each in differences if abs(each) > 1e-12], dtype=np.float64)
    count = len(values)
    if not count:
        return SignedRank(mean, 0, 0.0, 1.0)
    # Rounded, or differences that are equal on paper would not be tied.
    ranked = ranks(np.round(np.abs(values), 9).tolist())
    w = float(ranked[values > 0].sum())
    if count <= EXACT:
        return SignedRank(mean, count, w, _exact(ranked, w))
    spread = math.sqrt(float((ranked**2).sum()) / 4)
    away = max(0.0, abs(w - float(ranked.sum()) / 2) - 0.5) / spread
    return SignedRank(mean, count, w, min(1.0, 2 * NormalDist().cdf(-away)))


def _exact(ranked: NDArray[np.float64], w: float) -> float:
    """The share of the 2^n signs whose sum of positive ranks is as far from the middle. Ranks count in halves."""
    halves = np.rint(2 * ranked).astype(np.int64)
    total = int(halves.sum())
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    for rank in halves.tolist():
        chance[rank:] = (chance[rank:] + chance[: total + 1 - rank]) / 2
        chance[:rank] /= 2
    seen = round(2 * w)
    tail = min(seen, total - seen)
    return min(1.0, 2 * float(chance[: tail + 1].sum()))


def kendall_w(orders: Sequence[Sequence[float]]) -> float | None:
    """Kendall's coefficient of concordance of m raters' places for the same n things, (m, n), corrected for ties
    (Kendall and Babington Smith 1939, doi.org/10.1214/aoms/1177732186): 1 where all agree, near 1/m by chance. None
    with fewer than two raters or things, or where every rater holds everything for equal."""
    raters, things = len(orders), len(orders[0]) if orders else 0
    if raters < 2 or things < 2:
        return None
    ranked = np.stack([ranks(order) for order in orders])
    sums = ranked.sum(axis=0)
    squares = float(((sums - sums.mean()) ** 2).sum())
    ties = sum(
        float((counts**3 - counts).sum()) for counts in (np.unique(row, return_counts=True)[1] for row in ranked)
    )
    most = raters**2 * (things**3 - things) - raters * ties
    return 12 * squares / most if most > 1e-9 else None


def holm(p: Sequence[float]) -> list[float]:
    """The p-values of several tests, each as large as it must be for all to hold together (Holm 1979)."""
    adjusted = [0.0] * len(p)
    highest = 0.0
    for done, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - done) * p[place]))
        adjusted[place] = highest
    return adjusted
