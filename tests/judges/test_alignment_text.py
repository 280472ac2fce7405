"""What a text is taken apart into before it is compared."""

import pytest

from usergym.judges.alignment_text import Attitude, clauses, closeness, every_word


def test_an_attitude_its_degree_and_its_target_are_told_apart() -> None:
    (clause,) = clauses("Somewhat disagrees with the carbon tax.", "stance")
    assert clause.attitude == Attitude("against", "against")
    assert (clause.degree, clause.tokens) == (1, ("carbon", "tax"))


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("supports the ban and opposes the tax", ["for", "against"]),
        ("supports the ban, the tax and the toll", ["for"]),
        ("supports the ban but only mildly", ["for"]),
        ("does not support the ban", ["against"]),
        ("isn't opposed to the ban", ["for"]),
        ("supports rejecting the ban", ["for"]),
    ],
)
def test_clauses_are_cut_where_a_second_attitude_begins(text: str, sides: list[str]) -> None:
    assert [clause.attitude.side for clause in clauses(text, "stance") if clause.attitude] == sides


def test_a_feeling_that_is_denied_is_not_held() -> None:
    (clause,) = clauses("not angry at the council", "emotion")
    assert clause.attitude is None
    assert clause.tokens[0].startswith("!")


def test_attitudes_are_looked_for_at_their_own_level_only() -> None:
    assert all(clause.attitude is None for clause in clauses("he is angry and agrees", "communication"))


def test_only_the_next_word_that_means_something_is_denied() -> None:
    (clause,) = clauses("never trust a stranger", "value")
    assert clause.tokens == ("!trust", "strang")


def test_forms_of_a_word_are_close_and_unlike_words_are_not() -> None:
    assert closeness("forgiven", "forgiven") == 1
    assert 0.5 < closeness("forgiv", "forgiven") < 1
    assert closeness("trust", "rust") == 0
    assert closeness("trust", "!trust") == 0


def test_words_without_blanks_between_them_are_cut_into_letters() -> None:
    assert every_word("你好 ok") == ["你", "好", "ok"]
