"""What two attitudes are worth against each other: the factors A, D and M of `overlap`."""

from usergym.judges.alignment_text import Clause, Stand

SAME_FAMILY, SAME_SIDE, UNSAID, OTHER_SIDE = 0.9, 0.35, 0.1, 0.05
DEGREE = 0.3
UNTAKEN, REVERSED = 0.3, 0.15
ATTITUDE = 0.2
"""What an attitude is worth without its target."""


def match(wanted: Clause, clause: Clause, target: float) -> float:
    """Of a clause of the truth against one of a text that has so much of its other words."""
    if wanted.attitude is None:
        return target
    degree = 1 - DEGREE * abs(wanted.degree - clause.degree) / 2
    if clause.attitude is None:
        return UNSAID * degree * target if wanted.tokens else 0.0
    return alike(wanted, clause) * degree * (ATTITUDE + (1 - ATTITUDE) * target)


def alike(wanted: Clause, clause: Clause) -> float:
    """A: how near the attitudes of two clauses are."""
    if wanted.attitude is None or clause.attitude is None:
        return 0.0
    others = len(clause.more - wanted.more - {wanted.attitude, clause.attitude})
    if wanted.attitude == clause.attitude:
        return (1.0 if wanted.named == clause.named else SAME_FAMILY) / (1 + others)
    return (OTHER_SIDE if opposed(wanted, clause) else SAME_SIDE) / (1 + others)


def taken_as(wanted: Stand, found: Stand | None) -> float:
    """M: how near the sides are that two responses take."""
    if found is None or found.side != wanted.side:
        return UNTAKEN if found is None or "unsure" in (found.side, wanted.side) else REVERSED
    return 1 - DEGREE * abs(wanted.degree - found.degree) / 2


def opposed(wanted: Clause, clause: Clause) -> bool:
    """Whether two clauses name attitudes of two sides, neither of which is `unsure` or `even`."""
    sides = {each.attitude.side for each in (wanted, clause) if each.attitude is not None}
    return len(sides) == 2 and not sides & {"unsure", "even"}
