"""What counts as the expected answer, and what is not judged at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.environments.search.grading import fits, objection, plain


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("james madison", "James Madison"),
        ("James Madison.", "james madison"),
        ("President James Madison", "james madison"),
        ("The answer is James Madison.", "james madison"),
        ("Answer: the Titan IIIE", "Titan IIIE"),
        ("It was the Vella", "the Vella"),
        ("Zürich", "Zurich"),
        ("6 November 1905", "November 6, 1905"),
        ("the 6th of November, 1905", "November 6, 1905"),
        ("1905-11-06", "November 6, 1905"),
        ("Nov. 6, 1905", "November 6, 1905"),
        ("on November 6th 1905", "November 6, 1905"),
        ("in 1999", "1999"),
        ("the year 1999", "1999"),
        ("310 km2", "310 square kilometers"),
        ("310", "310 square kilometres"),
        ("310 sq km", "310 square kilometers"),
        ("51800", "51,800"),
        ("51,800 people", "51,800"),
        ("twelve", "12"),
        ("twenty-one", "21"),
        ("two hundred", "200"),
        ("1.5 million", "1,500,000"),
        ("3.50", "3.5"),
        ("412 kilometres long", "412"),
        ("Mount Jaliak", "mount jaliak"),
    ],
)
def test_an_answer_fits_in_whatever_way_it_is_written(given: str, answer: str) -> None:
    assert fits(given, [answer])
    assert fits(answer, [given])
    assert fits(given, ["something else", answer])


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("James Monroe", "James Madison"),
        ("James Madison and James Monroe", "James Madison"),
        ("James Madison James Monroe", "James Madison"),
        ("November 7, 1905", "November 6, 1905"),
        ("November 1905", "November 6, 1905"),
        ("1905", "November 6, 1905"),
        ("1998", "1999"),
        ("1999 2000 2001", "1999"),
        ("1999 Alder", "1999"),
        ("310 miles", "310 square kilometers"),
        ("31", "310"),
        ("two three", "5"),
        ("five two", "7"),
        ("", "x"),
        ("the", "a"),
        ("not 1999", "1999"),
    ],
)
def test_another_answer_does_not_fit(given: str, answer: str) -> None:
    assert not fits(given, [answer])


@pytest.mark.parametrize(
    "given",
    [
        "Alder or Birch",
        "either Alder, either Birch",
        "Alder; Birch; Cedar",
        "Alder, Birch, Cedar",
        "Alder / Birch",
        "Alder\nBirch",
        "1. Alder 2. Birch",
        "word " * 21,
    ],
)
def test_a_list_of_candidates_is_not_judged(given: str) -> None:
    assert "not judged" in (objection(given, ["Alder"]) or "")


@pytest.mark.parametrize(
    ("given", "answers"),
    [
        ("Alder", ["Birch"]),
        ("Alder", ["Alder"]),
        ("Salt, Pepper or Mustard", ["Salt, Pepper or Mustard"]),
        ("November 7, 1905", ["November 6, 1905"]),
        ("Springfield, Illinois", ["Boston"]),
        ("Oregon", ["Ohio"]),
    ],
)
def test_a_single_answer_is_judged(given: str, answers: list[str]) -> None:
    assert objection(given, answers) is None


@given(st.text(max_size=200), st.text(min_size=1, max_size=50))
def test_any_text_can_be_graded(given: str, answer: str) -> None:
    assert fits(given, [answer]) in (True, False)
    assert fits(answer, [answer]) or not plain(answer)
    assert plain(plain(answer)) == plain(answer) or not plain(answer).isascii()
    assert objection(given, [answer]) is None or objection(given, [answer])
