"""Which details a question asks about, on our own tasks and on published ones."""

import itertools
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.terminal import SHARED
from usergym.environments.intention import environment as Intention
from usergym.environments.intention.details import Detail, userrl, worth
from usergym.environments.intention.generator import templates
from usergym.environments.intention.matching import Matcher, is_vague, questions
from usergym.environments.intention.rows import details_of
from usergym.judges.words import sentences, stem

PUBLISHED = SHARED / "data" / "userrl" / "all_intentions_test.json"


def detail(description: str, inquiry: str, options: str, words: str = "") -> Detail:
    offered = tuple(options.split("; "))
    return Detail(description, 2, inquiry, offered, offered[0], tuple(filter(None, words.split("; "))))


TACOS = (
    detail("Type of tacos", "What tacos would you like?", "fish; beef"),
    detail("Number of servings", "For how many people is it?", "two; six", "people"),
    detail("Cooking time", "How much time do you have?", "ten minutes; an hour"),
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What kind of tacos do you like?", (0,)),
        ("How many people will eat?", (1,)),
        ("How much time can you spend in the kitchen?", (2,)),
        ("Please let me know the number of people.", (1,)),
        ("How many people eat and how much time is there?", (1, 2)),
        ("Would you rather have fish or beef?", (0,)),
        ("Tacos are great with many people in no time.", ()),
        ("Do you like music?", ()),
        ("Is there any specific information that you want me to consider?", ()),
        ("", ()),
        ("???", ()),
    ],
)
def test_a_question_asks_for(question: str, expected: tuple[int, ...]) -> None:
    assert Matcher("Find a recipe for tacos.", TACOS).asked(question) == expected


def test_words_of_the_request_ask_for_nothing() -> None:
    details = (detail("Trip budget", "What is the budget?", "low; high"), detail("Length", "How long?", "short; long"))
    assert Matcher("Plan a trip to Paris.", details).asked("Is the trip to Paris for you?") == ()


def test_every_inquiry_of_our_own_asks_for_its_detail_and_no_other() -> None:
    for task in itertools.islice(Intention().tasks(None, 2), 300):
        request, details = details_of(task)
        matcher = Matcher(request, details)
        for place, each in enumerate(details):
            assert matcher.asked(f"Now then: {each.inquiry}") == (place,), (request, each.inquiry)


EVERYDAY = {
    "birthday-child": [
        "How old is she turning?",
        "How many people are coming?",
        "Where would you like to hold the party?",
        "Does she have any favourite characters or hobbies for a theme?",
        "Do you have a budget in mind?",
        "How many hours should the party go on?",
    ],
    "city-trip": [
        "How long are you planning to stay?",
        "What's your approximate budget for the trip?",
        "Are you traveling alone or with others?",
        "What kinds of activities do you enjoy?",
        "What type of accommodation do you prefer?",
        "When are you planning to travel?",
    ],
    "fitness": [
        "What are your fitness goals?",
        "Do you have any injuries or health conditions I should know about?",
        "How many days per week can you commit?",
        "Do you have access to a gym or any equipment?",
        "What is your current fitness level?",
        "Do you prefer morning or evening workouts?",
    ],
    "investment": [
        "How much money do you want to invest?",
        "What is your time horizon?",
        "How comfortable are you with risk?",
        "Have you invested before?",
        "Do you have any outstanding debt?",
        "Are there any industries you want to avoid, e.g. for ethical reasons?",
    ],
    "used-car": [
        "What's your budget?",
        "What will you mainly use the car for?",
        "How many passengers do you need to carry?",
        "Do you prefer petrol, diesel or electric?",
        "Automatic or manual transmission?",
        "What mileage is acceptable to you?",
    ],
}
"""Questions as an assistant would put them, in the order of the template's details."""


@pytest.mark.parametrize("key", EVERYDAY)
def test_an_everyday_question_asks_for_its_detail_and_no_other(key: str) -> None:
    (template,) = (each for each in templates() if each.key == key)
    details = [
        Detail(about, importance, inquiry, (offered,), offered, tuple(known.split("; ")))
        for importance, about, inquiry, known, offered in template.details
    ]
    for says in template.says:
        matcher = Matcher(says, details)
        assert [matcher.asked(question) for question in EVERYDAY[key]] == [(place,) for place in range(6)]


HONEST = {
    "film-night": {
        "Are you watching alone, or will anybody else be there?": 0,
        "What sort of film are you in the mood for?": 1,
        "What kind of film do you feel like?": 1,
        "What type of movie would you like?": 1,
        "Which genres do you enjoy, for example comedy, horror, action or drama?": 1,
        "Could you tell me which streaming services you have, please?": 2,
        "Sounds fun! To find one that fits: how long should it be?": 3,
        "Any preferences on when it was made?": 4,
        "Would you mind reading subtitles?": 5,
    },
    "investment": {
        "Roughly how much money are you thinking of putting in?": 0,
        "How comfortable are you with risk, that is with losing some of it?": 2,
        "Do ethical investments matter to you?": 5,
    },
}


@pytest.mark.parametrize("key", HONEST)
def test_several_honest_wordings_ask_for_their_detail(key: str) -> None:
    (template,) = (each for each in templates() if each.key == key)
    details = [
        Detail(about, importance, inquiry, (offered,), offered, tuple(known.split("; ")))
        for importance, about, inquiry, known, offered in template.details
    ]
    for says in template.says:
        matcher = Matcher(says, details)
        assert {question: matcher.asked(question) for question in HONEST[key]} == {
            question: (place,) for question, place in HONEST[key].items()
        }


@pytest.mark.parametrize(
    "message",
    [
        "What about cost, people, colours, pets?",
        "What about the people in the cost of the colour of the pet of the deadline of the room?",
        "What about people cost colour pet deadline?",
        "How long, how much, how many, when, where, who?",
        "How many people? Which colour? Which pets? By what deadline?",
        "Let me know the number of people, the deadline, the colour and the pets.",
    ],
)
def test_a_message_on_too_many_subjects_asks_for_nothing_even_where_it_hits_one(message: str) -> None:
    matcher = Matcher("Find a recipe for tacos.", TACOS)
    assert matcher.asked(message) == ()
    assert matcher.is_too_much(message)
    assert not matcher.is_too_much("How many people eat and how much time is there?")


@pytest.mark.parametrize("message", ["People?", "The people?", "How long?", "People servings time?"])
def test_words_that_have_not_the_form_of_a_question_ask_for_nothing(message: str) -> None:
    assert Matcher("Find a recipe for tacos.", TACOS).asked(message) == ()


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the peer's data is not here")
def test_nineteen_of_twenty_published_inquiries_ask_for_their_detail_and_no_other() -> None:
    found = {"inquiry": 0, "description": 0}
    total = 0
    for row in json.loads(PUBLISHED.read_bytes()):
        request, details = details_of(Intention().read(row))
        matcher = Matcher(request, details)
        for place, each in enumerate(details):
            total += 1
            found["inquiry"] += matcher.asked(f"Now then: {each.inquiry}") == (place,)
            found["description"] += matcher.asked(f"What about the {each.description}?") == (place,)
    assert total == 350
    assert min(found.values()) >= 0.95 * total


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_is_matched_without_an_error(text: str) -> None:
    asked = Matcher("Find a recipe for tacos.", TACOS).asked(text)
    assert set(asked) <= {0, 1, 2}
    assert asked == () or questions(text)
    is_vague(text)


def test_words_of_one_family_have_one_stem() -> None:
    for family in (
        ("travel", "travels", "travelled", "travelling"),
        ("city", "cities"),
        ("store", "storing", "stores"),
    ):
        assert len({stem(word) for word in family}) == 1, family
    assert list(sentences("It costs 3.50 euros. Fine?\nYes")) == ["It costs 3.50 euros.", "Fine?", "Yes"]


def test_all_details_one_at_a_time_are_worth_exactly_one() -> None:
    details = [msgspec.structs.replace(TACOS[0], importance=place % 3 + 1) for place in range(7)]
    assert sum(worth(details, {place}) for place in range(7)) == 1
    assert worth(details, range(6)) == 0 == worth(details, ())
    assert userrl(details, {0, 1, 2}) == 0.6
    assert userrl(details, range(7)) == 0.0
