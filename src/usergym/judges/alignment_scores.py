"""What it comes to how far a text says what a person really said: matches and a penalty in, one score out."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from usergym.types import Record, Usage

Failure = Literal[
    "unavailable",
    "refused",
    "truncated",
    "unreadable",
    "wrong_count",
    "out_of_range",
    "contradiction",
    "decoy",
    "no_points",
    "too_long",
]
"""Why a text has no score. `unavailable`: the judge did not answer. `refused`: it, or its server, would not.
`truncated`: its answer was cut. `unreadable`: it gave none that can be read. `wrong_count`: verdicts on more or fewer
texts or points than it was asked about. `out_of_range`: a number below 0 or above 1. `contradiction`: words and numbers
that exclude each other. `decoy`: what somebody else said got a high score, and no text a higher one. `no_points`:
the truth says nothing at this level. `too_long`: the judge was not asked."""


class Alignment(Record, frozen=True, omit_defaults=False):
    """One text against the truth."""

    score: float
    """clip(coverage - penalty, 0, 1)."""
    coverage: float
    """The mean of the matches, 0 to 1."""
    penalty: float
    """For what the truth does not support, 0 to 1."""
    matches: tuple[float, ...]
    """How far the text says each key point, 0 to 1; (points,)."""


class Judgement(Record, frozen=True, omit_defaults=False):
    """The texts of one group against one truth."""

    scores: tuple[Alignment | None, ...]
    """In the order of the texts; None: not judged, which is never 0."""
    decoy: float | None = None
    """The score of the decoy; None where none was shown or judged."""
    order: tuple[int, ...] = ()
    """Indices of the texts as the judge saw them in its first call, -1 for the decoy; of equal texts the first."""
    failure: Failure | None = None
    """Where the judge scored none of the texts it was to score: why."""
    failures: tuple[Failure | None, ...] = ()
    """Why each text was not judged, in the order of the texts."""
    why: str = ""
    """The same in words."""
    repeats: int = 1
    """How often the judge was asked for all of it."""
    disagreement: float | None = None
    """Mean absolute difference of two repeats' scores of one text; None with fewer than two."""
    usage: Usage = Usage()


def aligned(matches: Sequence[float], penalty: float) -> Alignment:
    """The alignment of a text that says key point k as far as `matches[k]`, (points,), one at least."""
    coverage = math.fsum(matches) / len(matches)
    return Alignment(min(1.0, max(0.0, coverage - penalty)), coverage, penalty, tuple(matches))


def averaged(alignments: Sequence[Alignment]) -> Alignment:
    """Each number's mean over repeated judgements of one text. The score is the mean of the scores: the mean of clipped
    differences is not the clipped difference of means."""
    if len(alignments) == 1:
        return alignments[0]
    count = len(alignments)
    matches = zip(*(each.matches for each in alignments), strict=True)
    return Alignment(
        math.fsum(each.score for each in alignments) / count,
        math.fsum(each.coverage for each in alignments) / count,
        math.fsum(each.penalty for each in alignments) / count,
        tuple(math.fsum(values) / count for values in matches),
    )


def disagreement(repeats: Sequence[Sequence[Alignment | None]]) -> float | None:
    """Mean absolute difference of the scores that two repeats, (repeats, texts), gave to one text; None where no text
    was judged twice."""
    differences = [
        abs(one.score - other.score)
        for first, second in combinations(repeats, 2)
        for one, other in zip(first, second, strict=True)
        if one is not None and other is not None
    ]
    return math.fsum(differences) / len(differences) if differences else None
