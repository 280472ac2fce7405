"""People: drawn from a seed, told by a persona that has all that decides and none of what is said."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.users.population.people_and_posts import SEEDS, persons, some_post
from usergym.users.population import Person, Post, people, persona, truth
from usergym.users.population.people import putting_first, weights
from usergym.users.population.tables import values


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


@given(SEEDS, st.integers(1, 20))
def test_a_larger_population_begins_with_the_people_of_a_smaller_one(seed: int, count: int) -> None:
    assert people(count + 3, seed)[:count] == people(count, seed)


def test_nobody_is_in_the_populations_of_two_seeds() -> None:
    first, second = ({person.id for person in people(300, seed)} for seed in (1, 2))
    assert len(first) == len(second) == 300
    assert not first & second


@given(persons())
def test_a_persona_has_items_enough_and_short_ones(person: Person) -> None:
    told = persona(person)
    assert list(told) == ["demographics", "interests", "values", "communication", "statistics"]
    items = [item for items in told.values() for item in items]
    assert len(items) == len(set(items)) == 19
    assert all(1 <= len(words(item)) <= 8 for item in items)


def test_what_decides_is_told_by_the_persona() -> None:
    """Two people whose personas agree in values and communication differ in nothing that a state hangs on."""
    deciding: dict[str, tuple[object, ...]] = {}
    for person in people(3000, 4):
        told = persona(person)
        key = str((told["values"], told["communication"]))
        decides = (person.dear, person.dismissed, person.temper, person.manner)
        assert deciding.setdefault(key, decides) == decides
    assert len(deciding) > 2900


@given(persons(), some_post())
def test_a_persona_says_nothing_that_the_comment_will_say(person: Person, post: Post) -> None:
    told, response = persona(person), words(truth(person, post)["response"])
    said = set(zip(response, response[1:], response[2:], strict=False))
    for item in (*told["values"], *told["communication"], *told["statistics"], person.age, person.place):
        held = words(item)
        assert not said & set(zip(held, held[1:], held[2:], strict=False)), item
    assert not set(response) & set(values()), "the comment names a value as the persona does"


@given(persons(), st.sampled_from(sorted(values())))
def test_a_value_that_is_put_first_weighs_most_and_nothing_else_about_the_person_changes(
    person: Person, value: str
) -> None:
    other = putting_first(person, value)
    assert weights(other)[value] == max(weights(other).values())
    assert len(weights(other)) == len(weights(person))
    assert (other.id, other.temper, other.manner) == (person.id, person.temper, person.manner)
    assert putting_first(person, person.dear[0]) == person


def test_what_is_no_value_is_refused_with_those_that_are() -> None:
    with pytest.raises(LookupError, match=r"no value 'fame'; there are thrift, privacy"):
        putting_first(people(1, 0)[0], "fame")


def test_no_people_are_refused() -> None:
    with pytest.raises(ValueError, match="people=0: give 1 or more"):
        people(0, 1)
