"""How varied a set of texts is: distinct n-grams, self-BLEU, and how often a text comes again."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from random import Random

from usergym.types import Record

_TOKEN = re.compile(r"\w+(?:'\w+)?|[^\w\s]")


class Diversity(Record, frozen=True, omit_defaults=False):
    texts: int
    distinct_1: float
    """Distinct words over all words, 0 to 1."""
    distinct_2: float
    """Distinct pairs of words over all pairs."""
    self_bleu: float
    """Mean BLEU-4 of each text against all others of a sample, 0 to 1: lower is more varied."""
    max_repeats: int
    """How often the most frequent text occurs; 0 of no texts."""


def diversity(texts: Sequence[str], sample: int = 500, seed: int = 0) -> Diversity:
    """All measures of `texts`; self-BLEU on a seeded sample of so many of them."""
    return Diversity(
        len(texts), distinct(texts, 1), distinct(texts, 2), self_bleu(texts, sample, seed), max_repeats(texts)
    )


def tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())


def distinct(texts: Sequence[str], n: int) -> float:
    """Distinct n-grams over all n-grams of `texts` (Li et al. 2016); 0 where there is none."""
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        grams = _grams(tokens(text), n)
        total += len(grams)
        seen.update(grams)
    return len(seen) / total if total else 0.0


def max_repeats(texts: Sequence[str]) -> int:
    return max(Counter(texts).values(), default=0)


def self_bleu(texts: Sequence[str], sample: int = 500, seed: int = 0, order: int = 4) -> float:
    """Mean BLEU of each text with all others as its references (Zhu et al. 2018), uniform weights up to
    `order`, a match count of 0 smoothed to 0.1. Grows with the sample: compare like with like. Linear
    in the number of tokens. 0 of fewer than two texts."""
    chosen = list(texts) if len(texts) <= sample else Random(seed).sample(list(texts), sample)
    if len(chosen) < 2:
        return 0.0
    split = [tokens(text) for text in chosen]
    counts = [[Counter(_grams(words, n)) for n in range(1, order + 1)] for words in split]
    tops = [_top_two([of[n] for of in counts]) for n in range(order)]
    lengths = Counter(map(len, split))
    scores = [
        _bleu(place, len(words), counts[place], tops, lengths) for place, words in enumerate(split) if len(words) >= 1
    ]
    return sum(scores) / len(scores) if scores else 0.0


Top = dict[tuple[str, ...], tuple[int, int, int]]


def _bleu(
    place: int, length: int, counts: list[Counter[tuple[str, ...]]], tops: list[Top], lengths: Counter[int]
) -> float:
    logs = []
    for own, top in zip(counts, tops, strict=True):
        total = sum(own.values())
        if not total:
            continue
        matched = 0
        for gram, count in own.items():
            best, owner, second = top[gram]
            matched += min(count, second if owner == place else best)
        logs.append(math.log(max(matched, 0.1) / total))
    others = (other for other, n in lengths.items() if other != length or n > 1)
    closest = min(others, key=lambda other: (abs(other - length), other))
    brevity = 1.0 if length >= closest else math.exp(1 - closest / length)
    return brevity * math.exp(sum(logs) / len(logs))


def _top_two(counters: list[Counter[tuple[str, ...]]]) -> Top:
    """Of each n-gram the highest count in one text, whose it is, and the highest count of another."""
    top: Top = {}
    for place, counter in enumerate(counters):
        for gram, count in counter.items():
            best, owner, second = top.get(gram, (0, -1, 0))
            top[gram] = (count, place, best) if count > best else (best, owner, max(second, count))
    return top


def _grams(words: list[str], n: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[start:] for start in range(n)), strict=False))
