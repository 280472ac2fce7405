"""Posts: plans whose effects are told, under which others have spoken."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.users.population.people_and_posts import SEEDS, some_post
from usergym.users.population import Post, posts, stance_degree
from usergym.users.population.spec import side_of
from usergym.users.population.tables import people_tables, topics, values


@given(SEEDS, st.integers(1, 20))
def test_a_larger_number_of_posts_begins_with_those_of_a_smaller_one(seed: int, count: int) -> None:
    assert posts(count + 3, seed)[:count] == posts(count, seed)


def test_every_topic_comes_up_before_one_does_again_and_then_differs() -> None:
    count = len(topics())
    found = posts(2 * count, 3)
    assert count >= 60
    assert {post.topic for post in found[:count]} == {post.topic for post in found[count:]}
    assert len({post.thread[0].text for post in found}) == 2 * count
    assert [post.time for post in found] == sorted({post.time for post in found})


@given(some_post())
def test_the_opening_tells_the_topic_all_effects_and_whom_it_touches(post: Post) -> None:
    opening = post.thread[0].text.lower()
    assert opening.startswith(post.topic.lower())
    assert post.touched in opening
    assert post.maker.removeprefix("the ") in opening
    for value, effect in post.effects:
        told = values()[value]
        assert any(phrase.lower() in opening for phrase in (told.helps if effect > 0 else told.hurts)), value


def test_no_two_effects_are_told_by_the_same_words() -> None:
    phrases = [phrase for value in values().values() for phrase in (*value.helps, *value.hurts)]
    assert len(phrases) == len(set(phrases)) == 4 * len(values())


@given(some_post())
def test_a_thread_has_one_to_four_texts_by_different_others_who_say_their_side(post: Post) -> None:
    authors = [said.author for said in post.thread]
    assert 1 <= len(authors) == len(set(authors)) <= 4
    assert set(authors) <= set(people_tables().others)
    for said in post.thread[1:]:
        degree = stance_degree(said.text)
        assert degree is not None
        assert side_of(degree) == said.side


def test_threads_of_every_length_come_up_and_their_speakers_do_not_all_agree() -> None:
    found = posts(300, 5)
    assert set(Counter(len(post.thread) for post in found)) == {1, 2, 3, 4}
    sides = Counter(said.side for post in found for said in post.thread)
    assert min(sides["for"], sides["against"]) > 0.25 * sides.total()
    assert len({said.text for post in found for said in post.thread}) > 0.98 * sides.total()


def test_a_topic_has_one_main_effect_and_values_stand_on_both_sides() -> None:
    helped, hurt = Counter[str](), Counter[str]()
    for topic in topics():
        main, *others = topic.effects.values()
        assert abs(main) == 2
        assert others
        assert all(abs(effect) == 1 for effect in others)
        assert topic.effects.keys() <= values().keys()
        for value, effect in topic.effects.items():
            (helped if effect > 0 else hurt)[value] += 1
    assert helped.keys() == hurt.keys() == values().keys()
    assert min(*helped.values(), *hurt.values()) >= 4


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_threads_can_be_kept_short(turns: int) -> None:
    assert {len(post.thread) for post in posts(80, 2, turns)} == set(range(1, turns + 1))


def test_threads_of_no_text_or_of_too_many_are_refused() -> None:
    with pytest.raises(ValueError, match="turns=5: give 1 to 4"):
        posts(3, 0, 5)


def test_no_posts_are_refused() -> None:
    with pytest.raises(ValueError, match="posts=0: give 1 or more"):
        posts(0, 1)
