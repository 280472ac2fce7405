"""Searches in free text, and dates as people write them."""

import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.environments.travel.blocks import Block
from usergym.environments.travel.dates import after_stay, dates_in
from usergym.environments.travel.library import AspectName, plain
from usergym.environments.travel.searching import look_for, people_in


def block(aspect: AspectName, arguments: dict[str, Any]) -> Block:
    return Block(aspect, aspect, arguments, (), ({"id": "X1"},), "X1", ("X1",))


STAY = {"city": "Lisbon", "check_in": "April 10", "check_out": "April 17", "guests": 2}
BACK = {"departure_date": "April 10", "return_date": "April 17", "passengers": 2}
TRIP = [
    block("flight", {"origin": "New York", "destination": "Lisbon", **BACK}),
    block("hotel", STAY),
    block("restaurant", {"city": "Lisbon", "date": "April 12", "guests": 2}),
    block("rental_car", {"city": "Lisbon", "pick_up_date": "April 10", "drop_off_date": "April 17"}),
]


@pytest.mark.parametrize(
    ("query", "aspect"),
    [
        ("Round-trip flight from New York to Lisbon, leaving April 10, back April 17, 2 passengers", "flight"),
        ("flights NYC -> Lisbon 2026-04-10, return 2026-04-17, two adults", "flight"),
        ("Flight from NEW YORK CITY to LISBON on 10 April, back on the 17th of April, 2 people", "flight"),
        ("flight New York to Lisbon 4/10 - 4/17 for one adult and one child", "flight"),
        ("airline tickets from New York to Lisbon, April 10 to 17, party of two", "flight"),
        ("hotel in Lisbon from April 10 to April 17 for 2 guests", "hotel"),
        ("hotel in Lisbon April 10-17 for two", "hotel"),
        ("Hotel in Lisbon, check-in: April 10th, 2025, check-out: April 17th, 2025, 2 guests", "hotel"),
        ("hotel in Lisbon, 10-17 April, a couple", "hotel"),
        ("hotel Lisbon 7 nights from April 10 for two people", "hotel"),
        ("hotel Lisbon check_in=2025-04-10 check_out=2025-04-17 guests=2", "hotel"),
        ("Search hotels in Lisbon, Portugal from Apr. 10 to Apr. 17 for 2 adults with 1 room and breakfast", "hotel"),
        ("hotel in Lisbon 10 Apr - 17 Apr 2 adults", "hotel"),
        ("hotel in Lisbon 10th of Apr to 17th of Apr 2 guests", "hotel"),
        ("hotel in Lisbon Apr 10 - Apr 17 2 adults", "hotel"),
        ("hotel in Lisbon April 10 April 17 guests 2", "hotel"),
        ("hotel in Lisbon 10-17 April 2 people", "hotel"),
        ("hotel in Lisbon 10.04.-17.04. 2 people", "hotel"),
        ("hotel in Lisbon 10.4.2025-17.4.2025, 2 people", "hotel"),
        ("hotel in Lisbon 4/10-4/17, 2 people", "hotel"),
        ("restaurant in Lisbon on April 12 for 2", "restaurant"),
        ("dinner in Lisbon, April 12, table for two", "restaurant"),
        ("rental car Lisbon April 10 - April 17", "rental_car"),
        ("car hire in Lisbon, pick-up 10.04.2025, drop-off 17.04.2025", "rental_car"),
    ],
)
def test_a_search_that_says_everything_is_found_in_whatever_spelling(query: str, aspect: str) -> None:
    found = look_for(query, TRIP)
    assert found.block is not None, found.feedback
    assert found.block.aspect == aspect


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("something nice", "what kind of thing"),
        ("hotel and flight in Lisbon", "One kind"),
        ("apartment in Lisbon April 10 to 17", "No apartment"),
        ("hotel in Lisbon for 2 guests", "a date is missing"),
        ("flight from New York to Lisbon April 10, 2 passengers", "a date is missing"),
        ("hotel in Lisbon April 10 to April 17", "number of people is missing"),
        ("hotel April 10 to April 17 for 2 guests", "place or another detail"),
        ("hotel in Lisbon April 10 to April 16 for 2 guests", "dates are not those"),
        ("hotel in Lisbon April 10 to April 17 for 3 guests", "number of people is not"),
        ("flight from Lisbon to New York April 10 to April 17 for 2 passengers", "wrong way round"),
    ],
)
def test_a_search_that_lacks_something_is_told_what_kind_of_thing_and_no_value(query: str, told: str) -> None:
    found = look_for(query, TRIP)
    assert found.block is None
    assert told in found.feedback
    assert not re.search(r"\d|Lisbon|April|New York", found.feedback)


@pytest.mark.parametrize(
    "query",
    [
        "hotel in Lisbon, Porto and Rome April 10 April 17 2 guests",
        "hotel in Lisbon April 9, April 10, April 17, April 18, 2 guests",
        "hotel in Lisbon April 10 to April 17 for 1 guest, 2 guests, 3 guests",
        "hotel flight restaurant Lisbon April 10 April 17 2 guests",
        "hotel in Lisbon April 10 to 17 for 2 guests " + "please " * 100,
    ],
)
def test_a_search_that_lists_everything_to_be_safe_finds_nothing(query: str) -> None:
    assert look_for(query, TRIP).block is None


SPELLINGS = (
    "{month} {day}",
    "{month} {day}{suffix}",
    "{month} {day}, 2026",
    "the {day}{suffix} of {month}",
    "{day} {month}",
    "{day} {month} 2026",
    "{short} {day}",
    "{short}. {day}{suffix}",
    "{day}-{short}-2026",
    "2026-{number:02}-{day:02}",
    "{number}/{day}",
    "{number:02}/{day:02}/2026",
    "{day:02}.{number:02}.2026",
)


@given(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.sampled_from(SPELLINGS), st.booleans())
def test_a_date_is_read_in_every_spelling(day: date, spelling: str, upper: bool) -> None:
    suffix = "th" if 10 < day.day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    month = f"{day:%B}"
    text = spelling.format(month=month, short=month[:3], day=day.day, number=day.month, suffix=suffix)
    found, rest = dates_in(f"on {text.upper() if upper else text} for 2 guests")
    assert len(found) == 1, (text, found)
    assert (day.month, day.day) in found[0]
    assert people_in(plain(rest)) == {2}


@pytest.mark.parametrize("text", ["21 Oct - 24 Oct 5 adults", "21-24 October 5 people", "21.10.-24.10., 5 adults"])
def test_the_number_of_people_after_a_month_is_no_day_of_it(text: str) -> None:
    found, rest = dates_in(text)
    assert {day for days in found for day in days} == {(10, 21), (10, 24)}
    assert people_in(plain(rest)) == {5}


@given(st.dates(date(2025, 1, 1), date(2025, 12, 20)), st.integers(1, 9))
def test_a_range_and_a_number_of_nights_are_read(start: date, nights: int) -> None:
    end = date.fromordinal(start.toordinal() + nights)
    days = [(start.month, start.day), (end.month, end.day)]
    found, _ = dates_in(f"from {start:%B} {start.day} to {end:%B} {end.day}")
    assert [set(each) for each in found] == [{day} for day in days]
    assert after_stay(f" {nights} nights ", days[0]) == days[1]


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("for 2 people", {2}),
        ("two adults", {2}),
        ("2 adults and 1 child", {3}),
        ("party of four", {4}),
        ("guests: 5", {5}),
        ("travelling alone", {1}),
        ("a couple", {2}),
        ("for 5 nights", set()),
        ("4 star hotel, 3 nights", set()),
        ("1 guest or 2 guests", {1, 2}),
    ],
)
def test_the_number_of_people_is_read(text: str, people: set[int]) -> None:
    assert people_in(plain(text)) == people


@given(st.text(max_size=200))
def test_any_text_can_be_searched_for(query: str) -> None:
    assert look_for(query, TRIP).block is None
