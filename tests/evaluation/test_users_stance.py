"""Whether simulated people agree as often and as strongly as real ones."""

from collections.abc import Sequence

import pytest

from usergym.evaluation.users_stance import calibration

TEXT = {
    -2: "strongly opposes the toll",
    -1: "somewhat opposes the toll",
    0: "is undecided about the toll",
    1: "somewhat supports the toll",
    2: "strongly supports the toll",
}


def rows(*pairs: tuple[int, Sequence[int]]) -> list[tuple[str, str, list[str]]]:
    return [(f"u{n}", TEXT[real], [TEXT[each] for each in told]) for n, (real, told) in enumerate(pairs)]


def test_the_language_of_these_tests_is_read() -> None:
    found = calibration("stance", rows(*((degree, [degree]) for degree in TEXT)))
    assert found is not None
    assert (found.contexts, found.exact, found.error, found.variation) == (5, 1.0, 0.0, 0.0)
    assert found.real == dict.fromkeys((-2, -1, 0, 1, 2), 0.2)


def test_shares_and_errors_are_those_of_the_formulas() -> None:
    found = calibration("stance", rows((2, [2, 2]), (-2, [2, 1]), (1, [-1, -1]), (0, [0, 1])))
    assert found is not None
    # Real: one each of 2, -2, 1, 0. Simulated: 2: 1.5, 1: 0.5 + 0.5, -1: 1, 0: 0.5 of 4 contexts.
    assert found.simulated == {-2: 0.0, -1: 0.25, 0: 0.125, 1: 0.25, 2: 0.375}
    assert found.variation == pytest.approx((0.25 + 0.25 + 0.125 + 0 + 0.125) / 2)
    # Bins: 2 has means 2 and 1.5 against 2 and -2, -1 has -1 against 1, 1 has 0.5 against 0.
    assert found.error == pytest.approx((3.5 + 2 + 0.5) / 4)
    assert found.exact == 3 / 8
    assert (found.variation_halves is None) == (found.variation_floor is None)


def test_what_tells_no_degree_is_left_out_and_counted() -> None:
    made = [*rows((2, [2])), ("u9", TEXT[1], ["well", "who knows"]), ("u8", "whatever", [TEXT[1]])]
    found = calibration("stance", made)
    assert found is not None
    assert (found.contexts, found.texts, found.unread) == (1, 1, 2)
    assert calibration("stance", [("u8", "whatever", [TEXT[1]])]) is None


def test_two_halves_of_real_people_are_the_floor() -> None:
    alike = rows(*((degree, [degree]) for degree in (-2, -1, 0, 1, 2) for _ in range(12)))
    found = calibration("stance", alike)
    assert found is not None
    assert found.variation_floor is not None
    assert found.variation_halves is not None
    assert 0 < found.variation_floor < 0.3
    assert found.variation_halves == pytest.approx(found.variation_floor)
    one_sided = calibration("stance", rows(*((degree, [2]) for degree in (-2, -1, 0, 1, 2) for _ in range(12))))
    assert one_sided is not None
    assert one_sided.variation_halves is not None
    assert one_sided.variation == pytest.approx(0.8)
    assert one_sided.variation_halves > 2 * found.variation_floor
