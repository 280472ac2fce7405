"""Rows of a population: of the raw shape, in time order, with the truth behind them."""

import re
from collections import Counter
from itertools import islice, pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.users.population.people_and_posts import SEEDS
from usergym.data.formats import humanlm
from usergym.users.population import LEVELS, Population, persona, population, truth
from usergym.users.population.people import putting_first


@given(st.integers(1, 6), st.integers(1, 15), SEEDS)
def test_rows_are_of_the_raw_shape_and_hold_the_truth(people: int, posts: int, seed: int) -> None:
    made = Population(people, posts, seed)
    rows = list(population(people, posts, seed))
    assert len(rows) == people * min(posts, 12)
    for row in rows:
        assert humanlm.matches(row)
        person, post = made.person(row["user_id"]), made.post(row["post_id"])
        told = truth(person, post)
        assert row["completion"] == told["response"]
        assert row["metadata"] == {
            "states": {level: told[level] for level in LEVELS[:-1]},
            "persona": persona(person),
            "source": "population",
        }
        said = [(part["role"], part["content"], part["metadata"]["author"]) for part in row["prompt"]]
        assert said == [("user", each.text, each.author) for each in post.thread]
        assert row["timestamp"] > post.time


def test_rows_are_read_as_threads_of_people() -> None:
    row = next(population(1, 1, 0))
    (trajectory,) = humanlm.read(row)
    assert trajectory.turns[-1].message.content == row["completion"]
    assert trajectory.turns[-1].speaker == "user"
    assert [turn.speaker for turn in trajectory.turns[:-1]] == ["assistant"] * len(row["prompt"])


def test_a_person_comes_in_time_order_and_a_post_has_several_people() -> None:
    rows = list(population(60, 40, 2))
    for before, after in pairwise(rows):
        if before["user_id"] == after["user_id"]:
            assert before["timestamp"] < after["timestamp"]
            assert before["post_id"] != after["post_id"]
    assert len(set(Counter(row["user_id"] for row in rows).values())) == 1
    assert min(Counter(row["post_id"] for row in rows).values()) > 3


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    first, again, other = (msgspec.json.encode(list(population(20, 10, seed))) for seed in (3, 3, 4))
    assert first == again != other


def test_the_language_is_small() -> None:
    """Words and marks of all that a model reads or writes."""
    words = {
        word
        for row in population(600, 300, 0)
        for text in (
            row["completion"],
            *row["metadata"]["states"].values(),
            *(part["content"] for part in row["prompt"]),
            *(item for items in row["metadata"]["persona"].values() for item in items),
        )
        for word in re.findall(r"[\w']+|[^\w\s]", text.lower())
    }
    assert 500 < len(words) <= 1000


def test_comments_are_hardly_ever_the_same() -> None:
    rows = list(population(300, 150, 1))
    assert len({row["completion"] for row in rows}) > 0.95 * len(rows)


def test_another_value_in_the_first_place_changes_many_stances_but_not_all() -> None:
    made = Population(30, 20, 6)
    told = changed = 0
    for person in made.people:
        for post in islice(made.posts, 5):
            fact = truth(person, post)
            found = made.counterfactuals(person, post)
            assert person.dear[0] not in found
            assert len(found) == 9
            for value, other in found.items():
                told += 1
                changed += other["stance"] != fact["stance"]
                assert other == truth(putting_first(person, value), post)
    assert 0.25 < changed / told < 0.75


def test_who_and_what_is_not_in_the_population_is_refused() -> None:
    made = Population(2, 2, 0)
    with pytest.raises(LookupError, match="no person 'ada-9-9' in this population"):
        made.person("ada-9-9")
    with pytest.raises(LookupError, match="no post 'post-0-7' in this population"):
        made.post("post-0-7")
    with pytest.raises(ValueError, match="comments=0: give 1 or more"):
        next(made.rows(0))
