"""Texts that nobody said, for the tests of how people are simulated."""

from usergym.evaluation.users import Said, Source
from usergym.evaluation.users_judging import Wanted
from usergym.users.states import load

MODEL, OTHER = Source("model"), Source("other")
STANCE = load("sebvgcr").level("stance")


def said(
    context: str = "c",
    text: str = "for the ferry",
    *,
    source: Source = MODEL,
    user: str = "ann",
    level: str = "stance",
    sample: int = 0,
    wrong: str = "",
    lost: str = "",
) -> Said:
    return Said(source, level, context, user, sample, text, wrong, lost)


def wanted(truth: str = "for the ferry", decoy: str = "") -> Wanted:
    return Wanted(truth, "Mo: What of the ferry?", STANCE, decoy)
