"""What the agent's words are taken for."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.environments.travel.acts import blocks
from usergym.environments.travel import environment as Travel
from usergym.environments.travel.asking import understand
from usergym.environments.travel.blocks import Preference
from usergym.environments.travel.library import AspectName, library


def preference(aspect: AspectName, field: str) -> Preference:
    subject = library()[aspect].subjects[field]
    want = subject.wants[0]
    key = f"{aspect}.{field}"
    about = (key, aspect, subject.subcategory, want.preference, want.hints, subject.keywords, subject.question, field)
    return Preference(*about, want.accepts)


SOME = [
    preference("flight", "stops"),
    preference("flight", "departure"),
    preference("hotel", "bed"),
    preference("hotel", "breakfast"),
    preference("restaurant", "cuisine"),
]


@pytest.mark.parametrize(
    ("words", "about"),
    [
        ("Would you prefer a direct flight, or are layovers okay?", "flight.stops"),
        ("Are you comfortable with connecting flights?", "flight.stops"),
        ("Could you tell me what time of day you'd like to depart?", "flight.departure"),
        ("Do you prefer morning or evening flights?", "flight.departure"),
        ("Thanks. I have noted that you want no stops. What type of bed would you like?", "hotel.bed"),
        ("Would you like breakfast included in your hotel stay?", "hotel.breakfast"),
        ("Please tell me which cuisine you enjoy.", "restaurant.cuisine"),
        ("What kind of food do you like?", "restaurant.cuisine"),
        ("Which cuisine do you like at a restaurant, and do you want a morning flight?", "restaurant.cuisine"),
    ],
)
def test_a_concrete_question_finds_its_preference(words: str, about: str) -> None:
    found = understand(words, SOME, SOME)
    assert (found.kind, found.preference and found.preference.id) == ("asks", about)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Any dietary restrictions?", "none"),
        ("Do you need a jacuzzi at the hotel?", "none"),
        ("What is your budget?", "none"),
        ("Tell me about your preferred seat on the flight.", "none"),
        ("How many bedrooms?", "none"),
        ("Do you have any preferences for the flight?", "vague"),
        ("What are you looking for in a hotel?", "vague"),
        ("Is there anything else I should know that is important?", "vague"),
        ("Do you have any specific requirements?", "vague"),
        ("Hi! How are you?", "chat"),
        ("I'd be happy to help you plan your trip!", "chat"),
        ("You want a nonstop flight with breakfast and a king bed.", "chat"),
        ("", "chat"),
        ("早餐?", "chat"),
    ],
)
def test_other_words_are_told_apart(words: str, kind: str) -> None:
    assert understand(words, SOME, SOME) == (kind, None)


def test_a_preference_that_was_voiced_is_none_and_the_other_of_two_is_voiced_instead() -> None:
    asked = "Do you mind a layover, and when should we depart?"
    assert understand(asked, SOME, SOME).preference == SOME[0]
    assert understand(asked, SOME[1:], SOME).preference == SOME[1]
    assert understand(asked, SOME[2:], SOME).kind == "none"


def test_an_aspect_that_is_named_is_the_only_one_that_is_asked_about() -> None:
    assert understand("Should breakfast be served on the flight?", SOME, SOME).preference is None


def test_a_list_of_everything_gives_nothing_away() -> None:
    """A long message that holds all keywords must not earn, however it is cut into questions."""
    for task in islice(Travel(level="44").tasks(), 20):
        every = [each for block in blocks(task) for each in block.preferences]
        aspects = list(dict.fromkeys(each.aspect for each in every))
        subjects = [subject for aspect in aspects for subject in library()[aspect].subjects.values()]
        lists = [
            "Do you care about " + ", ".join(word for subject in subjects for word in subject.keywords) + "?",
            " ".join(subject.question for subject in subjects),
            "Which of these matter: " + ", ".join(subject.subcategory for subject in subjects) + "?",
            "\n".join(f"{number}. {subject.question}" for number, subject in enumerate(subjects, 1)),
            "Do you care about stops, seats or meals on the flight, or about breakfast, beds or the gym at the hotel, "
            "or kitchens, laundry and parking in the apartment, or fuel, gearbox and insurance of the rental car?",
            "Would you like " + "very " * 60 + "much breakfast, a bed, a kitchen or wine?",
        ]
        for words in lists:
            assert understand(words, every, every).kind == "many", words


@given(st.text(max_size=300))
def test_any_text_is_taken_for_something(words: str) -> None:
    found = understand(words, SOME, SOME)
    assert (found.kind == "asks") == (found.preference is not None)
