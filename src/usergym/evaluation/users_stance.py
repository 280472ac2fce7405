"""Whether simulated people agree as often and as strongly as real ones do, where degrees of agreement can be read.

With p and q the shares of the degrees -2 to 2 among the real and the simulated texts,

    TV  = sum over degrees |p - q| / 2                      total variation, 0 to 1

and with m the mean degree of a context's repeats, binned at the nearest degree (0.5 away from 0),

    ECE = sum over bins  n_b / n  |mean m in b - mean real degree in b|        in degrees, 0 to 4

(Naeini, Cooper and Hauskrecht 2015, aaai.org/ocs/index.php/AAAI/AAAI15/paper/view/9667, for a number in place of a
probability). TV is also given between two halves of the real people, beside that of simulated and real halves: with few
texts it is above 0 where nothing differs.
"""

import math
from collections import defaultdict
from collections.abc import Sequence

from usergym.evaluation.users_variety import halvings
from usergym.types import Record
from usergym.users.population import stance_degree

DEGREES = (-2, -1, 0, 1, 2)


class Calibration(Record, frozen=True, omit_defaults=False):
    level: str
    """Where the degrees are read."""
    contexts: int
    """With a real degree and at least one that was simulated."""
    texts: int
    unread: int
    """Simulated texts that tell no degree; left out."""
    real: dict[int, float]
    """Shares by degree."""
    simulated: dict[int, float]
    variation: float
    """TV over all contexts."""
    variation_halves: float | None
    """TV of the simulated half against the other real half, mean over halvings; None with fewer than four people."""
    variation_floor: float | None
    """TV of two real halves, likewise."""
    error: float
    """ECE."""
    exact: float
    """The share of texts whose degree is the real one."""


class Read(Record, frozen=True):
    """One context's degrees."""

    user: str
    real: int
    simulated: tuple[int, ...]


def calibration(level: str, rows: Sequence[tuple[str, str, Sequence[str]]]) -> Calibration | None:
    """`rows`: of each context the person, the true text, and the simulated ones. None where no degree is known."""
    known = [(user, degree, texts) for user, truth, texts in rows if (degree := stance_degree(truth)) is not None]
    reads = [
        Read(user, degree, found)
        for user, degree, texts in known
        if (found := tuple(each for text in texts if (each := stance_degree(text)) is not None))
    ]
    if not reads:
        return None
    texts = sum(len(each) for _, _, each in known)
    told = [(each.real, degree) for each in reads for degree in each.simulated]
    halves = halvings([each.user for each in reads])
    return Calibration(
        level,
        len(reads),
        len(told),
        texts - len(told),
        _shares(reads, True),
        _shares(reads, False),
        _variation(_shares(reads, True), _shares(reads, False)),
        _mean([_variation(_part(reads, two, True), _part(reads, one, False)) for one, two in halves]),
        _mean([_variation(_part(reads, two, True), _part(reads, one, True)) for one, two in halves]),
        _expected_error(reads),
        sum(real == simulated for real, simulated in told) / len(told),
    )


def _shares(reads: Sequence[Read], real: bool) -> dict[int, float]:
    """Each context counts once."""
    weights: defaultdict[int, float] = defaultdict(float)
    for each in reads:
        degrees = (each.real,) if real else each.simulated
        for degree in degrees:
            weights[degree] += 1 / len(degrees) / len(reads)
    return {degree: weights[degree] for degree in DEGREES}


def _part(reads: Sequence[Read], places: Sequence[int], real: bool) -> dict[int, float]:
    return _shares([reads[place] for place in places], real)


def _variation(one: dict[int, float], other: dict[int, float]) -> float:
    return sum(abs(one[degree] - other[degree]) for degree in DEGREES) / 2


def _expected_error(reads: Sequence[Read]) -> float:
    bins: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
    for each in reads:
        mean = sum(each.simulated) / len(each.simulated)
        bins[int(math.copysign(math.floor(abs(mean) + 0.5), mean))].append((mean, each.real))
    apart = (abs(sum(mean for mean, _ in each) - sum(real for _, real in each)) for each in bins.values())
    return sum(apart) / len(reads)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
