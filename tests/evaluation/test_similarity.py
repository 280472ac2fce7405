"""Measures beside a judge: exact where they can be, None where nothing could be measured."""

import asyncio
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.evaluation.similarity import bleu, corpus_bleu, edit_similarity, mean, similarities

TRUTH = "I would not pay the rent for her any longer, honestly."


class Known:
    """An embedder that knows some words."""

    name = "known"
    vectors = {"tax": [1.0, 0.0], "toll": [1.0, 1.0], "cat": [0.0, 2.0]}

    async def embed(self, texts: Sequence[str]) -> list[Sequence[float] | None]:
        return [self.vectors.get(text) for text in texts]

    async def close(self) -> None: ...


@given(st.text(min_size=1).filter(str.strip), st.text())
def test_edit_similarity_is_from_zero_to_one_and_one_for_the_same(truth: str, text: str) -> None:
    assert edit_similarity(truth, truth) == 1
    found = edit_similarity(truth, text)
    assert found is not None
    assert 0 <= found <= 1


def test_edit_similarity_counts_letters() -> None:
    assert edit_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)


def test_bleu_is_one_for_the_same_and_falls_with_what_differs() -> None:
    texts = (TRUTH, TRUTH.replace("honestly", "really"), "I would pay her rent", "no idea", "")
    grades = [bleu(TRUTH, text) for text in texts]
    assert grades[0] == pytest.approx(1)
    assert all(grade is not None for grade in grades)
    assert grades == sorted(grades, reverse=True)  # type: ignore[type-var]
    assert grades[-1] == 0
    assert bleu("yes", "yes") == pytest.approx(1)


def test_a_corpus_is_more_than_the_mean_of_its_sentences() -> None:
    truths, texts = [TRUTH, "yes", ""], [TRUTH, "no", "what?"]
    whole = corpus_bleu(truths, texts)
    assert whole is not None
    assert whole > 0.8
    assert corpus_bleu([""], ["a"]) is None
    with pytest.raises(ValueError, match="one truth for each text"):
        corpus_bleu(["a"], [])


def test_without_a_truth_nothing_is_measured() -> None:
    assert (bleu(" ", "a"), edit_similarity("", "a")) == (None, None)


def test_all_measures_of_all_pairs_and_what_has_no_vector_is_none() -> None:
    found = asyncio.run(similarities(["tax", "tax", "tax", "tax"], ["tax", "toll", "cat", "dog"], Known()))
    assert [each.embedding for each in found] == [1.0, pytest.approx(2**-0.5), 0.0, None]
    assert found[0].bleu == pytest.approx(1)
    value, missing = mean([each.embedding for each in found])
    assert value == pytest.approx((1 + 2**-0.5) / 3)
    assert missing == 1
    assert asyncio.run(similarities(["tax"], ["tax"]))[0].embedding is None
    assert mean([None]) == (None, 1)


@pytest.mark.parametrize(
    ("package", "measure"), [("rapidfuzz.distance", edit_similarity), ("sacrebleu.metrics.bleu", corpus_bleu)]
)
def test_a_missing_package_is_named_with_the_command(package: str, measure: object, monkeypatch: object) -> None:
    from usergym.evaluation import similarity

    similarity._sacrebleu.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)  # type: ignore[attr-defined]
    with pytest.raises(LookupError, match="pip install"):
        measure("a", "a") if measure is edit_similarity else measure(["a"], ["a"])  # type: ignore[operator]
