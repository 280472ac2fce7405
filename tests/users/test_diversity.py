"""Measures of variety, against values worked out by hand."""

import math

import pytest

from usergym.users.diversity import distinct, diversity, max_repeats, self_bleu


def test_distinct_counts_n_grams_within_texts() -> None:
    texts = ["a b a", "a b c"]
    assert distinct(texts, 1) == pytest.approx(3 / 6)
    assert distinct(texts, 2) == pytest.approx(3 / 4)
    assert distinct([], 2) == 0.0


def test_the_most_frequent_text_is_counted() -> None:
    assert max_repeats(["x", "y", "x", "x"]) == 3
    assert max_repeats([]) == 0


def test_self_bleu_is_one_of_copies_and_low_of_strangers() -> None:
    assert self_bleu(["one two three four five"] * 3) == pytest.approx(1.0)
    strangers = ["a b c d e", "f g h i j", "k l m n o"]
    assert self_bleu(strangers) == pytest.approx(math.exp(sum(math.log(0.1 / n) for n in (5, 4, 3, 2)) / 4))
    assert self_bleu(["alone"]) == 0.0


def test_self_bleu_clips_by_the_best_other_text_and_punishes_shortness() -> None:
    # "a a b" against "a b b": 2 of 3 words, 1 of 2 pairs, no triple; no text has four words.
    expected = math.exp((math.log(2 / 3) + math.log(1 / 2) + math.log(0.1)) / 3)
    assert self_bleu(["a a b", "a b b"]) == pytest.approx(expected)
    short, long = (
        math.exp(1 - 4 / 2),
        math.exp((math.log(2 / 4) + math.log(1 / 3) + math.log(0.1 / 2) + math.log(0.1)) / 4),
    )
    assert self_bleu(["a b", "a b c d"]) == pytest.approx((short + long) / 2)


def test_a_sample_is_drawn_by_the_seed() -> None:
    texts = [f"word{number} and word{number % 7} again" for number in range(200)]
    assert self_bleu(texts, sample=50, seed=1) == self_bleu(texts, sample=50, seed=1)
    report = diversity(texts, sample=50)
    assert (report.texts, report.max_repeats) == (200, 1)
    assert 0 < report.self_bleu < 1
