"""What saying the same everywhere is worth: the best constant text of each level, found on the training people."""

from collections import Counter
from collections.abc import Sequence
from random import Random

from usergym.environments.people.contexts import Context
from usergym.environments.people.rows import truth_of
from usergym.evaluation.users import CONSTANT, Said, Source
from usergym.judges.overlap import overlap
from usergym.types import Record
from usergym.users.states.prompting import transcript

CANDIDATES = 12
TRIED_ON = 120
"""Training contexts."""


class Constant(Record, frozen=True, omit_defaults=False):
    level: str
    text: str
    share: float
    """Of the training truths that are this text."""
    alignment: float
    """On training contexts, by the overlap of words."""


def best_constant(contexts: Sequence[Context], level: str, seed: int = 0) -> Constant | None:
    """The one of the CANDIDATES most common truths that aligns best with TRIED_ON of the others; None without a
    context. Where no truth comes twice, candidates are drawn."""
    drawn = list(contexts)
    Random(seed).shuffle(drawn)
    counts = Counter(truth_of(each.truth, level) for each in drawn)
    if not counts:
        return None
    texts = [text for text, _ in counts.most_common(CANDIDATES)]
    totals = [0.0] * len(texts)
    tried = drawn[-TRIED_ON:]
    for each in tried:
        found = overlap(truth_of(each.truth, level), texts, level=level, context=transcript(each.thread))
        totals = [total + alignment.score for total, alignment in zip(totals, found, strict=True)]
    best = max(range(len(texts)), key=totals.__getitem__)
    return Constant(level, texts[best], counts[texts[best]] / len(drawn), totals[best] / len(tried))


def said_always(constants: Sequence[Constant], contexts: Sequence[Context]) -> list[Said]:
    """As if a model had said them."""
    source = Source(CONSTANT)
    return [
        Said(source, constant.level, context.id, context.user, 0, constant.text)
        for context in contexts
        for constant in constants
    ]
