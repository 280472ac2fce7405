"""What saying the same everywhere is worth: the best constant text of each level, found on the training people.

A constant is what a model can say that knows nothing of whom it speaks as: the most common truths, the most common
words one by one, and short bags of words, which grow by the word that adds most as long as one does.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Literal

from usergym.environments.people.contexts import Context
from usergym.environments.people.rows import truth_of
from usergym.evaluation.users import CONSTANT, Said, Source
from usergym.judges.overlap import overlap
from usergym.judges.words import words
from usergym.types import Record
from usergym.users.states.prompting import transcript

CANDIDATES = 12
TRIED_ON = 120
"""Training contexts."""
WORDS, LONGEST_BAG = 24, 8
"""The most common words, of which bags are made, and the most words in one."""
BAGS_TRIED_ON = 40
"""Other training contexts, where there are enough, on which bags grow."""


class Constant(Record, frozen=True, omit_defaults=False):
    level: str
    text: str
    share: float
    """Of the training truths that are this text; 0 of a bag."""
    alignment: float
    """On training contexts, by the overlap of words."""
    kind: Literal["truth", "words"] = "truth"
    """What somebody said, or words without a sentence."""


def best_constant(contexts: Sequence[Context], level: str, seed: int = 0) -> Constant | None:
    """What aligns best with TRIED_ON of the contexts: one of the CANDIDATES most common truths, a word, or a bag of
    words; None without a context. Where no truth comes twice, candidates are drawn."""
    drawn = list(contexts)
    Random(seed).shuffle(drawn)
    counts = Counter(truth_of(each.truth, level) for each in drawn)
    if not counts:
        return None
    tried = drawn[-TRIED_ON:]
    common = [text for text, _ in counts.most_common(CANDIDATES)]
    texts = list(dict.fromkeys([*common, *_bags(drawn, drawn[:BAGS_TRIED_ON], level)]))
    worth = _worth(texts, tried, level)
    best = max(range(len(texts)), key=worth.__getitem__)
    kind: Literal["truth", "words"] = "truth" if texts[best] in counts else "words"
    return Constant(level, texts[best], counts[texts[best]] / len(drawn), worth[best], kind)


def _bags(contexts: Sequence[Context], tried: Sequence[Context], level: str) -> list[str]:
    """The best word, and what it grows to word by word."""
    counts = Counter(word for each in contexts for word in dict.fromkeys(words(truth_of(each.truth, level))))
    common = [word for word, _ in counts.most_common(WORDS)]
    grown: list[str] = []
    reached = 0.0
    while len(grown) < LONGEST_BAG:
        longer = [" ".join([*grown[-1:], word]) for word in common if word not in " ".join(grown[-1:]).split()]
        worth = _worth(longer, tried, level)
        if not longer or max(worth) <= reached:
            break
        reached = max(worth)
        grown.append(longer[worth.index(reached)])
    return grown


def _worth(texts: Sequence[str], contexts: Sequence[Context], level: str) -> list[float]:
    """The mean alignment of each text."""
    totals = [0.0] * len(texts)
    for each in contexts:
        found = overlap(truth_of(each.truth, level), texts, level=level, context=transcript(each.thread))
        totals = [total + alignment.score for total, alignment in zip(totals, found, strict=True)]
    return [total / len(contexts) for total in totals]


def said_always(constants: Sequence[Constant], contexts: Sequence[Context]) -> list[Said]:
    """As if a model had said them."""
    source = Source(CONSTANT)
    return [
        Said(source, constant.level, context.id, context.user, 0, constant.text)
        for context in contexts
        for constant in constants
    ]
