"""Agreement against published examples, definitions written out, and what must hold of any numbers."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from usergym.evaluation.agreement import (
    agreement,
    kendall,
    krippendorff_alpha,
    mean_absolute_difference,
    spearman,
)

X = None
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, X, X, X],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, X, 3],
    [X, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, X],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, X],
]
"""Krippendorff 2011, section D: four observers, twelve units, values missing."""

grades = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=25)


@pytest.mark.parametrize(("scale", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_the_published_example(scale: str, alpha: float) -> None:
    assert krippendorff_alpha(OBSERVERS, scale) == pytest.approx(alpha, abs=5e-4)  # type: ignore[arg-type]


def test_alpha_has_no_value_where_there_is_nothing_to_agree_on() -> None:
    assert krippendorff_alpha([[1, X], [X, 2]]) is None
    assert krippendorff_alpha([[1, 1], [1, 1]]) is None
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([[1, 2], [1, 2]]) == 1
    with pytest.raises(ValueError, match="raters with"):
        krippendorff_alpha([[1, 2], [1]])
    with pytest.raises(ValueError, match="nominal, ordinal or interval"):
        krippendorff_alpha([[1, 2], [1, 2]], "ratio")  # type: ignore[arg-type]


@given(grades)
def test_kendall_is_its_definition(pairs: list[tuple[int, int]]) -> None:
    signs = [(np.sign(one[0] - other[0]), np.sign(one[1] - other[1])) for one, other in combinations(pairs, 2)]
    first, second = sum(a != 0 for a, _ in signs), sum(b != 0 for _, b in signs)
    found = kendall(*zip(*pairs, strict=True))
    if not first or not second:
        assert found is None
    else:
        assert found == pytest.approx(sum(a * b for a, b in signs) / math.sqrt(first * second))


@given(grades)
def test_spearman_is_the_correlation_of_mean_ranks(pairs: list[tuple[int, int]]) -> None:
    one, other = zip(*pairs, strict=True)
    ranks = [[sum(y < x for y in side) + (sum(y == x for y in side) + 1) / 2 for x in side] for side in (one, other)]
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert spearman(one, other) is None
    else:
        assert spearman(one, other) == pytest.approx(float(np.corrcoef(ranks[0], ranks[1])[0, 1]))


@given(grades)
def test_two_raters_that_agree_or_contradict_each_other(pairs: list[tuple[int, int]]) -> None:
    one = [first for first, _ in pairs]
    assume(len(set(one)) > 1)
    opposite = [-value for value in one]
    assert spearman(one, one) == kendall(one, one) == pytest.approx(1)
    assert spearman(one, opposite) == kendall(one, opposite) == pytest.approx(-1)


def test_the_mean_absolute_difference_has_no_value_without_pairs() -> None:
    assert mean_absolute_difference([0.5, 1.0], [0.25, 0.5]) == 0.375
    assert mean_absolute_difference([], []) is None
    with pytest.raises(ValueError, match="in pairs"):
        mean_absolute_difference([1.0], [])


def test_the_agreement_of_two_judges_leaves_out_and_counts_what_one_did_not_judge() -> None:
    first = [0.1, 0.4, None, 0.9, 0.3, None]
    second = [0.2, 0.5, 0.5, None, 0.1, None]
    found = agreement(first, second, ["ann", "ann", "bo", "bo", "cy", "cy"], draws=200)
    assert (found.texts, found.clusters) == (3, 2)
    assert (found.only_first, found.only_second, found.neither) == (1, 1, 1)
    assert found.spearman.value == spearman([0.1, 0.4, 0.3], [0.2, 0.5, 0.1])
    assert found.kendall.value == kendall([0.1, 0.4, 0.3], [0.2, 0.5, 0.1])
    assert found.alpha.value == pytest.approx(krippendorff_alpha([[0.1, 0.4, 0.3], [0.2, 0.5, 0.1]]))
    assert found.difference.value == pytest.approx(0.4 / 3)
    assert found.bias.value == pytest.approx(0.0)


def test_an_interval_holds_the_value_and_is_the_same_for_the_same_seed() -> None:
    random = np.random.default_rng(0)
    truth = random.random(60)
    first, second = ((truth + 0.2 * random.random(60)).tolist() for _ in range(2))
    users = [f"user {place // 3}" for place in range(60)]
    found = agreement(first, second, users, draws=300, seed=5)
    for figure in (found.spearman, found.kendall, found.alpha, found.difference, found.bias):
        assert figure.value is not None
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.value <= figure.high
        assert figure.high - figure.low < 0.4
    assert found == agreement(first, second, users, draws=300, seed=5)
    assert found != agreement(first, second, users, draws=300, seed=6)


def test_texts_of_one_user_that_are_alike_make_the_interval_wide() -> None:
    """Twenty users whose ten texts are all the same hold as much as twenty texts."""
    random = np.random.default_rng(1)
    one, other = random.random(20), random.random(20)
    first, second = np.repeat(one, 10).tolist(), np.repeat(other, 10).tolist()
    by_user = agreement(first, second, [place // 10 for place in range(200)], draws=400)
    by_text = agreement(first, second, draws=400)
    single = agreement(one.tolist(), other.tolist(), draws=400)
    widths = [each.difference.high - each.difference.low for each in (by_user, by_text, single)]  # type: ignore[operator]
    assert widths[0] > 2 * widths[1]
    assert widths[0] == pytest.approx(widths[2], rel=0.3)


def test_without_a_second_user_there_is_no_interval_and_without_a_pair_no_value() -> None:
    alone = agreement([0.1, 0.5, 0.7], [0.2, 0.4, 0.9], ["ann"] * 3)
    assert alone.spearman.value == 1
    assert alone.spearman.low is None
    none = agreement([None, 0.2], [0.3, None])
    assert (none.texts, none.spearman.value, none.difference.value, none.alpha.value) == (0, None, None, None)


def test_scores_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="3 and 2 scores of 3 texts"):
        agreement([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="not finite"):
        agreement([float("nan")], [1.0])
