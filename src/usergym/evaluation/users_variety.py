"""Whether simulated people write as variously as real ones: distinct words, self-likeness, and the distance between
the two sets of texts beside that between two sets of real ones.

The energy distance of two samples X, Y of vectors (Szekely and Rizzo 2013, doi.org/10.1016/j.jspi.2013.03.018) is

    E(X, Y) = 2 mean |x - y| - mean |x - x'| - mean |y - y'|

over all x in X and y in Y, and over pairs of two different members of one sample, so that it is 0 on average for two
samples of one distribution, whatever their size, and may be below 0. It is taken between the simulated texts of one
half of the people and the real texts of the other half, over HALVINGS random halvings; the floor is the same between
the real texts of both halves.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from usergym.types import Record
from usergym.users.diversity import Diversity, diversity, tokens

Numbers = NDArray[np.float64]

HALVINGS = 20
MOST = 1000
"""Texts of each kind that distances are taken of."""
BUCKETS = 512


class Distance(Record, frozen=True, omit_defaults=False):
    """Energy distance of unit vectors, 0 to 2; means over the halvings."""

    simulated: float
    real: float
    """Between real texts: what is left where nothing differs but people and threads."""
    real_high: float
    """The 95th percentile of the same."""
    texts: int


class Variety(Record, frozen=True, omit_defaults=False):
    """Texts to the same contexts, one each."""

    simulated: Diversity
    real: Diversity
    hashed: Distance | None
    """On words and pairs of words; None with fewer than four people."""
    embedded: Distance | None
    """On the vectors of the embedding model."""


def variety(
    users: Sequence[str],
    simulated: Sequence[str],
    real: Sequence[str],
    vectors: tuple[Sequence[Sequence[float] | None], Sequence[Sequence[float] | None]] | None = None,
    seed: int = 0,
) -> Variety:
    """`users`: whose context each of the (n,) pairs is. `vectors`: of the simulated and the real texts."""
    kept = range(len(users)) if len(users) <= MOST else np.random.default_rng(seed).permutation(len(users))[:MOST]
    names = [users[place] for place in kept]
    texts = [[each[place] for place in kept] for each in (simulated, real)]
    embedded = None
    if vectors is not None:
        both = [place for place in kept if vectors[0][place] is not None and vectors[1][place] is not None]
        if both:
            found = [_unit(np.array([each[place] for place in both], dtype=np.float64)) for each in vectors]
            embedded = energy(found[0], found[1], [users[place] for place in both], seed)
    return Variety(
        diversity(simulated, seed=seed),
        diversity(real, seed=seed),
        energy(hashed(texts[0]), hashed(texts[1]), names, seed),
        embedded,
    )


def hashed(texts: Sequence[str]) -> Numbers:
    """Unit vectors, (texts, BUCKETS): 1 + log of the counts of words and neighbouring pairs of words, each added to one
    place with one sign, both by its hash (Weinberger et al. 2009, arXiv 0902.2206). An empty text is 0."""
    found = np.zeros((len(texts), BUCKETS))
    for row, text in zip(found, texts, strict=True):
        words = tokens(text)
        for gram, count in Counter([*words, *map(" ".join, pairwise(words))]).items():
            code = crc32(gram.encode("utf-8", "surrogatepass"))
            row[code % BUCKETS] += (1 if code & 1 << 31 else -1) * (1 + math.log(count))
    return _unit(found)


def energy(simulated: Numbers, real: Numbers, users: Sequence[str], seed: int = 0) -> Distance | None:
    """Of (n, d) vectors to the same n contexts; None with fewer than four people."""
    halves = halvings(users, seed)
    if not halves:
        return None
    count = len(users)
    apart = _distances(np.concatenate([simulated, real]))
    found = np.array(
        [
            (
                _energy(apart, one, [count + place for place in other]),
                _energy(apart, [count + place for place in one], [count + place for place in other]),
            )
            for one, other in halves
        ]
    )
    means = found.mean(axis=0)
    return Distance(float(means[0]), float(means[1]), float(np.quantile(found[:, 1], 0.95)), count)


def halvings(users: Sequence[str], seed: int = 0) -> list[tuple[list[int], list[int]]]:
    """HALVINGS times the places of one half of the people and those of the other; none with fewer than four."""
    names = sorted(set(users))
    if len(names) < 4:
        return []
    random = np.random.default_rng(seed)
    made = []
    for _ in range(HALVINGS):
        first = {names[place] for place in random.permutation(len(names))[: len(names) // 2]}
        made.append(
            (
                [place for place, user in enumerate(users) if user in first],
                [place for place, user in enumerate(users) if user not in first],
            )
        )
    return [halves for halves in made if min(map(len, halves)) > 1]


def _energy(apart: Numbers, one: Sequence[int], other: Sequence[int]) -> float:
    """Of the samples at these places of a matrix of distances."""
    within = [float(apart[np.ix_(each, each)].sum()) / (len(each) * (len(each) - 1)) for each in (one, other)]
    return 2 * float(apart[np.ix_(one, other)].mean()) - sum(within)


def _distances(vectors: Numbers) -> Numbers:
    squares = (vectors * vectors).sum(axis=1)
    found: Numbers = np.sqrt(np.maximum(squares[:, None] + squares - 2 * vectors @ vectors.T, 0))
    np.fill_diagonal(found, 0.0)
    return found


def _unit(vectors: Numbers) -> Numbers:
    sizes = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Numbers = vectors / np.where(sizes > 0, sizes, 1)
    return found
