"""Rules are read without being run, and have one form for all ways to write them."""

from contextlib import suppress
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usergym.environments._formula import Formula, Undefined, drawn_rule

POINTS = [[7, 11, 13, 17], [19, -23, 29, 31], [-37, 41, 43, -47], [53, 59, -61, 67]]


def values(rule: Formula) -> tuple[Fraction | str, ...]:
    found: list[Fraction | str] = []
    for point in POINTS:
        try:
            found.append(rule(*point))
        except Undefined as problem:
            found.append(str(problem))
    return tuple(found)


def test_two_rules_have_the_same_form_exactly_if_they_are_the_same_function() -> None:
    by_values: dict[tuple[Fraction | str, ...], set[str]] = {}
    random = Random(1)
    for _ in range(3000):
        rule = Formula(drawn_rule(random))
        by_values.setdefault(values(rule), set()).add(rule.canonical)
    assert all(len(forms) == 1 for forms in by_values.values())
    assert len(set.union(*by_values.values())) == len(by_values) > 1000


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(a - b) * c / d", "c / d * (a - b)"),
        ("(a - b) ** 2 + c - d", "c + (b - a) ** 2 - d"),
        ("(a * b) ** 2 - (c - d)", "d - c + b ** 2 * a ** 2"),
        ("a / (b / c) + d", "d + a * c / b"),
        ("-(a - b) * (c - d)", "(b - a) * (c - d)"),
        ("a ** b + c * d", "d * c + a ** b"),
    ],
)
def test_order_brackets_signs_and_squares_do_not_count(one: str, other: str) -> None:
    assert Formula(one).canonical == Formula(other).canonical


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abcd+-*/()0123456789 ._[]'x", max_size=60) | st.text(max_size=40))
def test_any_text_is_a_rule_or_a_value_error(text: str) -> None:
    try:
        rule = Formula(text)
    except ValueError:
        return
    assert rule.canonical
    with suppress(Undefined):
        assert isinstance(rule(2, 3, 4, 5), Fraction)
