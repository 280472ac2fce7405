"""Texts: short, composed of the states, in the person's manner, the same everywhere."""

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.users.population.people_and_posts import persons, some_post
from usergym.users.population import LEVELS, Person, Post, people, posts, stance_degree, truth
from usergym.users.population.mind import mind
from usergym.users.population.saying import comment, states
from usergym.users.population.tables import topics, values, wording

EMOJIS = {feeling.emoji for feelings in wording().emotion.values() for feeling in feelings.values()}


@given(persons(), some_post())
def test_states_have_fifteen_words_at_most_and_comments_ten_to_forty(person: Person, post: Post) -> None:
    told = truth(person, post)
    assert tuple(told) == LEVELS
    assert all(1 <= len(told[level].split()) <= 15 for level in LEVELS[:-1]), told
    assert 10 <= len(told["response"].split()) <= 40, told["response"]
    for text in told.values():
        assert text == " ".join(text.split())
        assert "{" not in text


def test_the_wordiest_of_everything_stays_within_the_limits() -> None:
    """All minds there can be about the topic with the longest names, by the people who write the most."""
    longest = max(topics(), key=lambda topic: len(topic.name.split()) * 10 + len(topic.touched.split()))
    post = replace(posts(1, 0)[0], topic=longest.name, maker=longest.maker, touched="the night workers")
    held = mind(people(1, 0)[0], post)
    writers = [replace(person, manner=replace(person.manner, length="long", emoji=True)) for person in people(60, 3)]
    for number, (value, told) in enumerate(values().items()):
        for degree, relation in ((-2, "against"), (-1, "with"), (-1, "against"), (0, "open"), (1, "against")):
            for attitude in told.reasons:
                for effect in (-1, 0, 1):
                    for person in writers[number::3]:
                        side = "for" if degree > 0 else "against" if degree else "open"
                        thought = held._replace(
                            degree=degree, side=side, value=value, attitude=attitude, effect=effect, relation=relation,
                            feeling=wording().emotion[person.temper][side], intensity=0,
                        )  # fmt: skip
                        assert len(comment(thought, person, post).split()) <= 40, comment(thought, person, post)
                        assert all(len(text.split()) <= 15 for text in states(thought, person, post).values())


@given(persons(), some_post())
def test_the_comment_says_the_states(person: Person, post: Post) -> None:
    held, told = mind(person, post), truth(person, post)
    response, value = told["response"], values()[held.value]
    assert stance_degree(response) == stance_degree(told["stance"]) == held.degree
    assert post.topic in told["stance"]
    assert post.topic in response
    assert held.feeling.noun in told["emotion"]
    assert held.feeling.adjective in response.lower()
    if held.degree:
        reasons = value.reasons[held.attitude]["helps" if held.effect > 0 else "hurts"]
        assert any(reason in response for reason in reasons)
    assert told["value"] == value.value[held.attitude]
    assert told["belief"] in value.belief.values()
    assert (told["belief"].lower() in response.lower()) == (person.manner.habit == "argues")
    assert ("?" in response) == ("question" in told["communication"]) == (person.manner.habit == "asks")
    assert bool(EMOJIS & set(response.split())) == ("emoji" in told["communication"]) == person.manner.emoji
    assert (post.thread[-1].author in told["goal"]) == (held.relation != "open")


@given(persons(), some_post())
def test_the_long_write_more_than_the_short_and_the_blunt_otherwise_than_the_polite(person: Person, post: Post) -> None:
    def said(**manner: str) -> str:
        return truth(replace(person, manner=replace(person.manner, **manner)), post)["response"]

    assert len(said(length="long").split()) > len(said(length="short").split())
    frank = [said(frankness=frankness) for frankness in ("blunt", "polite")]
    assert frank[0] != frank[1]
    assert said(register="casual") != said(register="formal")


@given(persons(), some_post())
def test_the_truth_is_a_pure_function_of_person_and_post(person: Person, post: Post) -> None:
    assert truth(person, post) == truth(person, post)


def test_the_truth_is_the_same_in_another_process_with_another_hash_seed() -> None:
    program = "from usergym.users.population import *; print([truth(p, q) for p in people(20, 1) for q in posts(5, 1)])"
    printed = [
        subprocess.run(
            [sys.executable, "-X", "utf8", "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert printed[0].strip() == str([truth(p, q) for p in people(20, 1) for q in posts(5, 1)])


def test_the_first_truth_of_seed_zero_is_as_it_always_was() -> None:
    """Rows that were written are not to change under those who use them: change this text only on purpose."""
    told = truth(people(1, 0)[0], posts(1, 0)[0])
    assert told["stance"] == STANCE
    assert told["response"] == RESPONSE


STANCE = "somewhat supports the late cafe"
RESPONSE = (
    "Good point, Jean. I would rather support the late cafe, as it strengthens our bonds. "
    "I am slightly relieved about the late cafe. So we should introduce it this year, Jean. 🙂"
)


@given(st.text(max_size=60))
@example("I do not strongly support the bridge toll.")
@example("not strongly opposes the bridge toll")
@example("It is what it is.")
def test_a_text_of_no_degree_has_none(text: str) -> None:
    assert stance_degree(text) is None


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("strongly supports the bridge toll", 2),
        ("Somewhat  opposes the dog ban; strongly supports dogs", -1),
        ("No, Nora. I am dead against the dog ban.", -2),
        ("is undecided about the night bus", 0),
        ("With respect, Ben, I am very much for\nit", 2),
    ],
)
def test_the_degree_that_is_told_first_is_read(text: str, degree: int) -> None:
    assert stance_degree(text) == degree


def test_every_way_to_say_a_degree_is_read_as_that_one() -> None:
    for degree, words in wording().degree.items():
        for phrase in (words.stance, *words.said):
            assert stance_degree(f"{phrase} the bridge toll") == degree
