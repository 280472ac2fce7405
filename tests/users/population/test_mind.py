"""The rule: person and post together decide the states, neither does alone."""

from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import islice

import pytest
from hypothesis import given
from msgspec.structs import replace

from tests.users.population.people_and_posts import persons, some_post
from usergym.users.population import Person, Population, Post
from usergym.users.population.mind import contributions, mind, rule
from usergym.users.population.people import weights
from usergym.users.population.spec import side_of

MEETINGS = 20


@pytest.fixture(scope="module")
def met() -> list[tuple[Person, Post, int]]:
    """Who met what, and the degree of agreement that came of it."""
    made = Population(300, 150, 8)
    return [
        (person, post, mind(person, post).degree)
        for number, person in enumerate(made.people)
        for post in islice((made.posts * 2)[number % 150 :: 7], MEETINGS)
    ]


def best_guess(met: list[tuple[Person, Post, int]], known: Callable[[Person, Post], object]) -> float:
    """How often the commonest degree of those who are alike in what is known is right: what nobody who knows no more
    can beat."""
    degrees: dict[object, Counter[int]] = defaultdict(Counter)
    for person, post, degree in met:
        degrees[known(person, post)][degree] += 1
    return sum(max(counter.values()) for counter in degrees.values()) / len(met)


def test_the_rule_is_right_but_for_a_little_noise(met: list[tuple[Person, Post, int]]) -> None:
    share = sum(rule(person, post) == degree for person, post, degree in met) / len(met)
    assert 0.9 < share < 0.97


def test_neither_the_person_nor_the_post_alone_tells_the_degree(met: list[tuple[Person, Post, int]]) -> None:
    assert best_guess(met, lambda person, post: "anything") < 0.35
    assert best_guess(met, lambda person, post: post.id) < 0.5
    assert best_guess(met, lambda person, post: person.id) < 0.5


def test_shuffled_personas_change_most_stances(met: list[tuple[Person, Post, int]]) -> None:
    strangers = [person for person, _, _ in met[MEETINGS * 7 :] + met[: MEETINGS * 7]]
    pairs = zip(met, strangers, strict=True)
    changed = sum(rule(stranger, post) != rule(person, post) for (person, post, _), stranger in pairs)
    assert changed / len(met) > 0.65


def test_every_degree_is_common(met: list[tuple[Person, Post, int]]) -> None:
    shares = Counter(degree for _, _, degree in met)
    assert set(shares) == {-2, -1, 0, 1, 2}
    assert min(shares.values()) > 0.1 * len(met)


@given(persons(), some_post())
def test_what_a_person_rejects_turned_into_what_they_hold_turns_their_mind(person: Person, post: Post) -> None:
    weight = weights(person)
    effects = tuple((value, -effect) for value, effect in post.effects)
    assert rule(person, replace(post, effects=effects)) == -rule(person, post)
    assert contributions(person, post).keys() == weight.keys() & dict(post.effects).keys()


@given(persons(), some_post())
def test_the_value_that_is_concerned_speaks_for_the_side_that_is_taken(person: Person, post: Post) -> None:
    held = mind(person, post)
    parts = contributions(person, post)
    assert (held.value in person.dear) == (held.attitude == "dear")
    assert held.side == side_of(held.degree)
    if held.degree:
        assert parts[held.value] * held.degree > 0
        assert abs(parts[held.value]) == max(abs(part) for part in parts.values() if part * held.degree > 0)
    elif not parts:
        assert held.value == person.dear[0]
        assert held.effect == 0


@given(persons(), some_post())
def test_temper_decides_the_emotion_and_nothing_else(person: Person, post: Post) -> None:
    calm, irritable = (mind(replace(person, temper=temper), post) for temper in ("calm", "irritable"))
    assert calm.feeling.noun != irritable.feeling.noun
    assert irritable.intensity >= calm.intensity
    assert (calm.degree, calm.value, calm.relation) == (irritable.degree, irritable.value, irritable.relation)


@given(persons(), some_post())
def test_agreement_with_the_last_speaker_hangs_on_both_sides(person: Person, post: Post) -> None:
    held = mind(person, post)
    last = post.thread[-1]
    for side in ("for", "open", "against"):
        heard = replace(post, thread=(*post.thread[:-1], replace(last, side=side)))
        expected = "open" if "open" in (side, held.side) else "with" if side == held.side else "against"
        assert mind(person, heard).relation == expected
