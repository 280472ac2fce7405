"""Whole conversations: what is earned, and by what it is not."""

import asyncio
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.environments.travel.acts import Act, blocks, heard, metric, perfect, played, rewards, task_of
from usergym.environments.base import load
from usergym.environments.travel import environment as Travel
from usergym.environments.travel.oracle import query
from usergym.environments.travel.pay import USERRL, shares
from usergym.rollouts.engine import Cast, begin, play, seat_idle, seat_oracle

LEVELS = ("22", "33", "44", "233", "333", "334", "444", "2222")


@pytest.mark.parametrize("level", LEVELS)
def test_perfect_play_earns_exactly_one_at_every_level_within_the_steps_there_are(level: str) -> None:
    gym = Travel(level=level)  # type: ignore[arg-type]
    for task in islice(gym.tasks(), 4):
        trajectory = asyncio.run(play(gym, begin(task, 0, 0), Cast(seat_oracle)))
        assert [len(block.preferences) for block in blocks(task)] != []
        assert sorted(len(block.preferences) for block in blocks(task)) == sorted(map(int, level))
        assert (trajectory.stop, trajectory.reward(), metric(trajectory)) == ("answered", 1.0, 1.0)
        assert rewards(trajectory, "success") == [1.0]
        assert sum(turn.message.role == "assistant" for turn in trajectory.turns if turn.speaker == "assistant") <= 20


def test_shares_add_up_to_exactly_one_in_any_order() -> None:
    for aspects in range(1, 6):
        for preferences in range(20):
            each = shares(aspects, preferences)
            parts = [*each.choices, *each.searches, *each.preferences]
            assert sum(parts) == sum(reversed(parts)) == 1.0
            assert sum(each.searches) == pytest.approx(0.1, abs=1e-6)
            assert sum(each.preferences) == pytest.approx(0.3 if preferences else 0, abs=1e-6)


def test_the_same_acts_in_both_forms_give_the_user_the_same_view_and_the_agent_the_same_rewards() -> None:
    for task in islice(Travel(level="233").tasks(), 5):
        first = blocks(task)[0]
        acts: list[Act] = [
            ("search", "hotels everywhere"),
            ("action", "Hello!"),
            ("action", "What matters to you?"),
            *perfect(task)[:3],
            ("answer", first.correct_ids[-1]),
            ("answer", first.best_id),
            ("answer", "no idea"),
            ("finish", ""),
        ]
        one, other = (played(Travel(actions=form), task, acts) for form in ("interact", "native"))  # type: ignore[arg-type]
        assert one.view("user") == other.view("user")
        assert one.rewards[-3:] == other.rewards[-3:]
        assert [(reward.name, reward.value) for reward in one.rewards] == [
            (reward.name, reward.value) for reward in other.rewards
        ]
        assert heard(one) == heard(other)
        assert one.stop == other.stop == "finished"


def test_nothing_hidden_reaches_any_view_of_the_agent_before_it_is_voiced() -> None:
    gym = Travel(level="444")
    for task in islice(gym.tasks(), 20):
        acts = perfect(task)
        trajectory = played(gym, task, acts)
        view = trajectory.view("assistant")
        told = [message.content for message in view if message.role != "assistant"]
        for block in blocks(task):
            for each in block.preferences:
                assert not any(each.preference.split(" (")[0] in text for text in told)
                assert sum(any(hint in text for hint in each.hints) for text in told) == 1
                before = view[: next(n for n, m in enumerate(view) if each.question in str(m.tool_calls))]
                assert not any(hint in message.content for hint in each.hints for message in before)
        assert not any(word in text.lower() for text in told for word in ("best_id", "correct", "noise", "reward"))


def test_options_are_shown_without_marks_and_in_an_order_that_the_task_decides() -> None:
    gym = Travel()
    places: dict[int, int] = {}
    for task in islice(gym.tasks(), 100):
        for block in blocks(task):
            place = [option["id"] for option in block.options].index(block.best_id)
            places[place] = places.get(place, 0) + 1
            fields = {frozenset(option) for option in block.options}
            assert len(fields) == 1
            assert not fields.pop() & {"type", "reason", "correct", "best"}
            assert 15 <= len(block.options) <= 45
    assert max(places.values()) < 0.2 * sum(places.values())
    task = task_of(gym)
    block = blocks(task)[0]
    (result,) = heard(played(gym, task, [("search", query(block))]))
    assert result.count("\n") == len(block.options)


def test_a_search_is_paid_once_and_one_that_lacks_something_is_told_what_without_a_value() -> None:
    task = task_of(Travel(level="22"))
    block = blocks(task)[0]
    bare = f"{block.aspect.replace('_', ' ')}, please"
    trajectory = played(Travel(), task, [("search", bare), ("search", query(block)), ("search", query(block))])
    told = heard(trajectory)
    assert "missing" in told[0]
    assert not any(str(value) in told[0] for value in block.arguments.values())
    assert "already" in told[2]
    assert len(rewards(trajectory, "score")) == 1
    assert trajectory.reward() == pytest.approx(0.05, abs=1e-5)


def test_after_three_messages_that_brought_up_nothing_the_user_volunteers_a_preference_and_nobody_is_paid() -> None:
    task = task_of(Travel(level="22"))
    trajectory = played(Travel(), task, [("action", "Good morning!")] * 9)
    hints = [hint for block in blocks(task) for each in block.preferences for hint in each.hints]
    volunteered = [any(hint in words for hint in hints) for words in heard(trajectory)]
    assert volunteered == [False, False, False, True, False, False, False, True, False]
    assert trajectory.reward() == 0.0


def test_a_volunteered_preference_can_no_longer_be_asked_for() -> None:
    task = task_of(Travel(level="22"))
    every = [each for block in blocks(task) for each in block.preferences]
    acts: list[Act] = [("action", "Good morning!")] * 4 + [("action", each.question) for each in every]
    trajectory = played(Travel(), task, acts)
    assert len(rewards(trajectory, "score")) == len(every) - 1


def test_a_question_is_paid_once() -> None:
    task = task_of(Travel(level="22"))
    question = blocks(task)[0].preferences[0].question
    trajectory = played(Travel(), task, [("action", question)] * 3)
    assert len(rewards(trajectory, "score")) == 1
    assert trajectory.reward() == pytest.approx(0.3 / 4, abs=1e-5)


def test_a_list_of_ids_pays_nothing_although_the_peer_paid_for_several_aspects_in_one_turn() -> None:
    task = task_of(Travel(level="22"))
    both = ", ".join(block.best_id for block in blocks(task))
    trajectory = played(Travel(), task, [("answer", both)])
    assert (trajectory.reward(), metric(trajectory)) == (0.0, 0.0)
    assert "one option at a time" in heard(trajectory)[0]
    as_theirs = played(Travel(preset="userrl"), task, [("answer", both)])
    assert as_theirs.reward() == 2.0
    assert rewards(as_theirs, "userrl") == [2.0]


def test_the_conversation_ends_when_every_aspect_was_answered_which_the_peers_async_path_forgot() -> None:
    task = task_of(Travel(level="22"))
    one, other = blocks(task)
    wrong = next(key for key in sorted(one.ids) if key not in one.correct_ids)
    acts: list[Act] = [("answer", wrong), ("answer", other.best_id), ("action", "Are you still there?")]
    trajectory = played(Travel(), task, acts)
    assert (trajectory.stop, len(rewards(trajectory, "score"))) == ("answered", 2)
    assert played(Travel(preset="userrl"), task, acts).stop == "reply_limit"


def test_a_second_choice_for_an_aspect_is_told_so_and_pays_nothing() -> None:
    task = task_of(Travel(level="22"))
    block = blocks(task)[0]
    wrong = next(key for key in sorted(block.ids) if key not in block.correct_ids)
    trajectory = played(Travel(), task, [("answer", wrong), ("answer", block.best_id)])
    assert trajectory.reward() == 0.0
    assert "only one counts" in heard(trajectory)[1]


def test_a_correct_choice_is_worth_four_fifths_of_the_best_and_the_feedback_does_not_tell_them_apart() -> None:
    task = task_of(Travel(level="22"))
    block = blocks(task)[0]
    wrong = next(key for key in sorted(block.ids) if key not in block.correct_ids)
    told, earned = set(), []
    for key in (block.best_id, block.correct_ids[1], wrong):
        trajectory = played(Travel(), task, [("answer", key)])
        told.add(heard(trajectory)[0].replace(key, "ID"))
        earned.append(trajectory.reward())
    assert len(told) == 1
    assert earned == [pytest.approx(0.3, abs=1e-5), pytest.approx(0.24, abs=1e-5), 0.0]


def test_what_was_not_asked_before_the_choice_can_no_longer_be_earned() -> None:
    task = task_of(Travel(level="22"))
    block = blocks(task)[0]
    trajectory = played(Travel(), task, [("answer", block.best_id), ("action", block.preferences[0].question)])
    assert trajectory.reward() == pytest.approx(0.3, abs=1e-5)


@pytest.mark.parametrize("content", ["the cheapest", "F0", "F999999", "H7, H8", "", "🙂", "R1" * 50, "b12"])
def test_an_answer_that_is_no_single_option_is_told_so_and_does_not_use_up_the_choice(content: str) -> None:
    task = task_of(Travel(level="22"))
    block = blocks(task)[0]
    trajectory = played(Travel(), task, [("answer", content), ("answer", f"I recommend **{block.best_id.lower()}**.")])
    assert "Error" in heard(trajectory)[0]
    assert trajectory.reward() == pytest.approx(0.3, abs=1e-5)


@pytest.mark.parametrize("table", ["training", "evaluation", "paper"])
def test_the_preset_pays_the_numbers_of_the_table_that_is_asked_for(table: Any) -> None:
    search, preference, best, correct = USERRL[table]  # type: ignore[index]
    gym = Travel(preset="userrl", rewards=table)
    task = task_of(Travel(level="22"))
    one, other = blocks(task)
    acts: list[Act] = [*perfect(task)[:3], ("answer", one.best_id), ("answer", other.correct_ids[1])]
    trajectory = played(gym, task, acts)
    assert rewards(trajectory, "userrl") == [search, preference, preference, best, correct]
    assert trajectory.reward() == pytest.approx(search + 2 * preference + best + correct)
    assert metric(trajectory) == 0.9
    assert rewards(trajectory, "success") == [0.0]


def test_the_tables_are_those_that_the_peer_documents() -> None:
    assert {name: tuple(table) for name, table in USERRL.items()} == {
        "training": (0.0, 0.8, 1.0, 0.8),
        "evaluation": (0.2, 0.6, 1.0, 0.8),
        "paper": (0.2, 0.2, 1.0, 0.8),
    }


def test_every_fifth_search_fails_under_the_preset_and_none_does_by_default() -> None:
    task = task_of(Travel(level="22"))
    acts: list[Act] = [("search", "something")] * 4 + [("search", query(blocks(task)[0]))]
    assert "options for" in heard(played(Travel(), task, acts))[-1]
    assert "does not answer" in heard(played(Travel(preset="userrl"), task, acts))[-1]


def test_no_reward_is_printed_into_the_conversation_and_idle_play_earns_nothing_under_either_preset() -> None:
    for gym in (Travel(), Travel(preset="userrl", rewards="evaluation")):
        task = task_of(gym)
        trajectory = asyncio.run(play(gym, begin(task, 0, 0), Cast(seat_idle)))
        assert trajectory.reward() == 0.0
        assert "reward" not in " ".join(heard(played(gym, task, perfect(task)[:10]))).lower()


TASK = task_of(Travel(level="233"))
ACTS = st.one_of(
    st.sampled_from(perfect(TASK)),
    st.sampled_from([("answer", key) for block in blocks(TASK) for key in sorted(block.ids)]),
    st.tuples(st.sampled_from(("action", "search", "answer")), st.text(max_size=40)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTS, min_size=1, max_size=25), st.sampled_from(("interact", "native")))
def test_whatever_is_done_in_whatever_order_earns_from_nothing_to_one(acts: list[Act], form: Any) -> None:
    trajectory = played(Travel(actions=form), TASK, acts)
    total = trajectory.reward()
    assert total is not None
    assert 0 <= total <= 1
    assert metric(trajectory) <= 1


def test_perfect_acts_in_another_order_are_still_perfect_as_long_as_choices_come_last() -> None:
    acts = perfect(TASK)
    answers = [act for act in acts if act[0] == "answer"]
    others = [act for act in acts if act[0] != "answer"]
    assert played(Travel(), TASK, [*reversed(others), *answers]).reward() == 1.0


def test_options_are_read_from_the_name_and_a_wrong_one_is_refused() -> None:
    gym = load("travel:level=2222,rewards=paper,preset=userrl,judge=rules,max_steps=16")
    assert isinstance(gym, Travel)
    assert (gym.level, gym.rewards, gym.max_replies) == ("2222", "paper", 16)
    with pytest.raises(LookupError, match="level='55'"):
        load("travel:level=55")
