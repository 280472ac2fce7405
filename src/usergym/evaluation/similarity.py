"""How alike two texts are in words, in letters and in meaning: measures to read beside a judge's."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from usergym.evaluation.embedding import Embedder, cosine
from usergym.types import Record

PACKAGES = "pip install sacrebleu rapidfuzz"


class Similarity(Record, frozen=True, omit_defaults=False):
    """One text beside the truth; None for what could not be measured."""

    bleu: float | None
    """Sentence BLEU-4, 0 to 1."""
    edit: float | None
    """1 - edit distance / characters of the longer text, 0 to 1."""
    embedding: float | None = None
    """Cosine of the embeddings, -1 to 1."""


async def similarities(
    truths: Sequence[str], texts: Sequence[str], embedder: Embedder | None = None
) -> list[Similarity]:
    """Each text beside its truth. Without an `embedder` the last measure is None. ValueError where there are not as
    many truths as texts, LookupError for a package that is missing."""
    _paired(truths, texts)
    vectors = await embedder.embed([*truths, *texts]) if embedder is not None else [None] * (2 * len(truths))
    near = [cosine(*pair) for pair in zip(vectors[: len(truths)], vectors[len(truths) :], strict=True)]
    return [
        Similarity(bleu(truth, text), edit_similarity(truth, text), value)
        for truth, text, value in zip(truths, texts, near, strict=True)
    ]


def bleu(truth: str, text: str) -> float | None:
    """Sentence BLEU-4 of sacrebleu (exponential smoothing, the orders that the text has, tokenizer 13a), from 0 to 1;
    None for an empty truth, 0 for an empty text. LookupError without the package."""
    if not truth.strip():
        return None
    return min(1.0, float(_sacrebleu(True).sentence_score(text, [truth]).score) / 100) if text.strip() else 0.0


def corpus_bleu(truths: Sequence[str], texts: Sequence[str]) -> float | None:
    """BLEU-4 of all texts as one corpus, from 0 to 1, pairs with an empty truth left out; None without any."""
    _paired(truths, texts)
    pairs = [(truth, text) for truth, text in zip(truths, texts, strict=True) if truth.strip()]
    if not pairs:
        return None
    score = _sacrebleu(False).corpus_score([text for _, text in pairs], [[truth for truth, _ in pairs]]).score
    return min(1.0, float(score) / 100)


def edit_similarity(truth: str, text: str) -> float | None:
    """1 - Levenshtein distance / characters of the longer one; None for an empty truth. LookupError without the
    package."""
    if not truth.strip():
        return None
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError as error:
        raise LookupError(f"edit similarity needs rapidfuzz; get it with: {PACKAGES}") from error
    return Levenshtein.normalized_similarity(truth, text)


def mean(values: Sequence[float | None]) -> tuple[float | None, int]:
    """The mean of what was measured, None without any, and how many were not."""
    known = [value for value in values if value is not None]
    return (sum(known) / len(known) if known else None), len(values) - len(known)


@cache
def _sacrebleu(sentences: bool) -> Any:
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError as error:
        raise LookupError(f"BLEU needs sacrebleu; get it with: {PACKAGES}") from error
    return BLEU(effective_order=sentences)


def _paired(truths: Sequence[str], texts: Sequence[str]) -> None:
    if len(truths) != len(texts):
        raise ValueError(f"{len(truths)} truths and {len(texts)} texts; give one truth for each text")
