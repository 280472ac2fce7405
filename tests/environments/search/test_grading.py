"""What counts as the expected answer, and what is not judged at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.environments.search.grading import accepted, fits, objection, plain


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


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("Bakers", "baker"),
        ("She was a baker.", "baker"),
        ("Foo", "Lake Foo"),
        ("Lake Foo", "Foo"),
        ("the river Foo", "Foo"),
        ("province of Foo", "Foo"),
        ("12.5 km", "12500 m"),
        ("0.45 kilograms", "450 g"),
    ],
)
def test_the_same_in_other_words_fits(given: str, answer: str) -> None:
    assert fits(given, [answer])


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("Foo Bay", "Foo Sound"),
        ("Mount Foo", "Foo River"),
        ("Lake", "Lake Foo"),
        ("bake", "baker"),
        ("12.5 m", "12500 m"),
        ("12500 km", "12500 m"),
        ("1 kg", "1000 m"),
    ],
)
def test_another_thing_does_not_fit(given: str, answer: str) -> None:
    assert not fits(given, [answer])


def test_a_bare_number_has_the_unit_that_its_question_names() -> None:
    answers = accepted("How many metres high is Mount Foo?", ["2,450"])
    assert fits("2450", answers)
    assert fits("2.45 km", answers)
    assert fits("2450 metres high", answers)
    assert not fits("2450 km", answers)
    assert accepted("In what year was it built?", ["1901"]) == ["1901"]


@pytest.mark.parametrize("given", ["1" * 4301, "5 May " + "1" * 4301, "1" * 399, "9" * 300 + " May", "x" * 10_000])
def test_no_number_is_too_long_to_be_graded(given: str) -> None:
    assert len(given) < 400 or "not judged" in (objection(given, ["1901"]) or "")
    assert not fits(given, ["1901", "5 May 1901"])
