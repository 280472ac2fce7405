"""The rank tests of a study against counting everything out, and against published examples."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usergym.evaluation.study_statistics import EXACT, holm, kendall_w, ranks, signed_rank


def counted_out(differences: list[float]) -> float:
    """The two-sided p-value, by trying all signs."""
    values = [each for each in differences if each]
    ranked = ranks([abs(each) for each in values]).tolist()
    seen = sum(rank for rank, each in zip(ranked, values, strict=True) if each > 0)
    middle = sum(ranked) / 2
    all_signs = list(product((0, 1), repeat=len(values)))
    sums = [sum(rank for rank, sign in zip(ranked, signs, strict=True) if sign) for signs in all_signs]
    return sum(abs(each - middle) >= abs(seen - middle) - 1e-9 for each in sums) / len(sums)


@settings(max_examples=80)
@given(st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=9))
def test_the_signed_rank_test_is_what_trying_all_signs_gives_ties_and_zeros_included(values: list[float]) -> None:
    found = signed_rank(values)
    assert found is not None
    assert found.pairs == sum(each != 0 for each in values)
    assert found.p == pytest.approx(counted_out(values) if found.pairs else 1.0)
    opposite = signed_rank([-each for each in values])
    assert opposite is not None
    assert opposite.p == pytest.approx(found.p)


def test_the_signed_rank_test_gives_the_published_figure() -> None:
    # Heights of fifteen pairs of plants (Darwin 1876, in Fisher 1935): W+ = 96, two-sided p = 0.0413.
    darwin = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    found = signed_rank(darwin)
    assert found is not None
    assert found.w == 96
    assert found.p == pytest.approx(0.04126, abs=1e-5)


def test_beyond_what_is_counted_out_the_normal_approximation_goes_on_smoothly() -> None:
    values = [(-1) ** n * (n % 17 + 1) + 1.5 for n in range(EXACT)]
    exact, approximate = signed_rank(values), signed_rank([*values, 0.5])
    assert exact is not None
    assert approximate is not None
    assert approximate.pairs > EXACT
    assert approximate.p == pytest.approx(exact.p, rel=0.15)


def test_without_a_difference_nothing_is_claimed() -> None:
    assert signed_rank([]) is None
    found = signed_rank([0.0, 0.0])
    assert found is not None
    assert (found.pairs, found.p) == (0, 1.0)


def test_concordance_is_one_where_all_agree_and_none_where_nobody_tells_things_apart() -> None:
    assert kendall_w([[1, 2, 3, 4]] * 3) == pytest.approx(1)
    assert kendall_w([[1, 1, 2]] * 4) == pytest.approx(1)
    assert kendall_w([[1, 2, 3], [3, 2, 1]]) == pytest.approx(0)
    assert kendall_w([[1, 1, 1]] * 3) is None
    assert kendall_w([[1, 2, 3]]) is None


def test_concordance_with_ties_is_the_mean_rank_correlation_in_another_dress() -> None:
    # W = (1 + (m - 1) r) / m, with r the mean of the rank correlations of all pairs of raters, where none has ties.
    orders = [[1, 2, 3, 4, 5], [2, 1, 3, 5, 4], [1, 3, 2, 4, 5]]
    pairs = [(0, 1), (0, 2), (1, 2)]
    squares = [sum((a - b) ** 2 for a, b in zip(orders[i], orders[j], strict=True)) for i, j in pairs]
    mean = sum(1 - 6 * each / (5 * 24) for each in squares) / 3
    assert kendall_w(orders) == pytest.approx((1 + 2 * mean) / 3)


def test_holm_raises_the_smallest_most_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
