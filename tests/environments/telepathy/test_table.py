"""The table of things: large enough, free of contradictions, and each thing can be told from all others of its kind."""

import re

import pytest

from usergym.environments.telepathy import oracle, questions
from usergym.environments.telepathy.entities import attributes, by_key, entities, of_kind, plain

KINDS = sorted({entity.kind for entity in entities()})


def test_there_are_more_than_three_hundred_things_of_many_kinds() -> None:
    assert len(entities()) > 800
    assert len(KINDS) >= 19
    assert min(len(of_kind(kind)) for kind in KINDS) >= 20
    assert len(by_key()) == len(entities())


@pytest.mark.parametrize("kind", KINDS)
def test_a_handful_of_questions_tells_each_thing_from_all_others(kind: str) -> None:
    marks = {}
    for entity in of_kind(kind):
        asked = oracle.plan(kind, entity.name)
        assert len(asked) <= 10
        marks[entity.name] = tuple(questions.answer(question, entity).verdict for question in asked)
    assert len(set(marks.items())) == len(of_kind(kind))
    for entity in of_kind(kind):
        asked = oracle.plan(kind, entity.name)
        alike = [
            other.name
            for other in of_kind(kind)
            if tuple(questions.answer(question, other).verdict for question in asked) == marks[entity.name]
        ]
        assert alike == [entity.name]


@pytest.mark.parametrize("kind", KINDS)
def test_the_tables_own_questions_are_understood_as_they_are_meant(kind: str) -> None:
    ask = attributes()["ask"]
    for entity in of_kind(kind):
        for name, value in entity.values.items():
            question = ask[name].split(" | ")[0]
            assert questions.answer(question, entity) == ({True: "yes", False: "no", None: "maybe"}[value], "")
            assert not questions.named(question, entity)


def test_each_attribute_is_used_and_each_used_one_can_be_asked_for() -> None:
    used = {name for entity in entities() for name in entity.values}
    assert used == set(attributes()["ask"])


def test_the_hint_does_not_name_the_thing() -> None:
    for entity in entities():
        for name in entity.names:
            assert f" {plain(name)} " not in f" {plain(entity.hint)} ", entity.name


def test_a_gloss_is_a_short_line_of_its_own() -> None:
    glosses = [entity.gloss for entity in entities()]
    assert len(set(glosses)) == len(glosses)
    assert all(3 < len(gloss) < 90 and not re.search(r"[.?!]$", gloss) for gloss in glosses)


FACTS = [
    ("Lion", "Is it a feline?", "yes"),
    ("Penguin", "Can it fly?", "no"),
    ("Bat", "Does it have wings?", "yes"),
    ("Snail", "Does it have legs?", "no"),
    ("Albert Einstein", "Was he born before 1900?", "yes"),
    ("Julius Caesar", "Did he live before the 3rd century?", "yes"),
    ("Julius Caesar", "Did he live in the 1st century bc?", "yes"),
    ("Marie Curie", "Was she a chemist?", "yes"),
    ("Switzerland", "Does it have a coast?", "no"),
    ("Violin", "Is it played with a bow?", "yes"),
    ("Telephone", "Was it invented in the 19th century?", "yes"),
    ("Pluto", "Is it a planet?", "maybe"),
    ("Tomato", "Is it a vegetable?", "maybe"),
    ("Mount Everest", "Is it a mountain?", "yes"),
    ("Doctor", "Does this job require a university degree?", "yes"),
    ("Chess", "Is it a board game?", "yes"),
    ("Umbrella", "Is it used when it rains?", "yes"),
    ("Ferry", "Does it go on water?", "yes"),
    ("Train", "Does it travel on rails?", "yes"),
    ("Tank", "Is it used by the military?", "yes"),
    ("Motorcycle", "Does it use petrol?", "yes"),
    ("Bicycle", "Does it run on gasoline?", "no"),
    ("Accountant", "Do you work in an office?", "yes"),
    ("Carpenter", "Do you work with your hands?", "yes"),
    ("Surgeon", "Is it well paid?", "yes"),
    ("Water polo", "Is it a water sport?", "yes"),
    ("Badminton", "Is it played with a racket?", "yes"),
    ("Kenya", "Is it a former colony?", "yes"),
    ("France", "Was it a colony?", "no"),
    ("Tofu", "Is it vegetarian?", "yes"),
    ("Steak", "Is it vegetarian?", "no"),
    ("Cow", "Is it found on farms?", "yes"),
    ("Lion", "Is it dangerous to humans?", "yes"),
]


@pytest.mark.parametrize(("name", "question", "verdict"), FACTS)
def test_well_known_facts_are_told(name: str, question: str, verdict: str) -> None:
    (entity,) = (entity for entity in entities() if entity.name == name)
    assert questions.answer(question, entity).verdict == verdict
