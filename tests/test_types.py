import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.types import (
    Message,
    Reward,
    Seat,
    Task,
    Tokens,
    ToolCall,
    Trajectory,
    Turn,
    is_blank,
    pack_ids,
    split_of,
    stable_hash,
    valid_text,
)

ids = st.lists(st.integers(0, 2**31 - 1), max_size=40)
any_text = st.text(st.characters())  # lone surrogates included


@given(ids, ids, ids)
def test_tokens_kept_against_what_came_before_give_the_same_whole(
    before: list[int], prompt: list[int], out: list[int]
) -> None:
    head = pack_ids(before)
    stored = Tokens.of(prompt, out).after(head)
    assert stored.whole(head) == pack_ids([*prompt, *out])
    kept = stored.kept
    assert before[:kept] == prompt[:kept]
    assert kept == min(len(before), len(prompt)) or before[kept] != prompt[kept]


@given(ids, ids)
def test_an_appended_prompt_is_stored_once(before: list[int], new: list[int]) -> None:
    stored = Tokens.of([*before, *new], []).after(pack_ids(before))
    assert (stored.kept, stored.prompt_ids) == (len(before), pack_ids(new))


def test_logprobs_are_one_for_each_output_id_or_none() -> None:
    with pytest.raises(ValueError, match="2 logprobs for 1 output ids"):
        Tokens.of([1], [2], [-0.1, -0.2])


@given(any_text)
def test_any_text_can_be_written(text: str) -> None:
    assert valid_text(text).encode().decode() == valid_text(text)
    turn = Turn(
        "user", Message("assistant", text, reasoning=text, tool_calls=(ToolCall(text, text, text),)), heard=text
    )
    assert msgspec.json.decode(msgspec.json.encode(turn), type=Turn) == turn


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_without_surrogates_is_left_as_it_is(text: str) -> None:
    assert valid_text(text) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_reward_is_a_number_or_not_scored(value: float) -> None:
    with pytest.raises(ValueError, match="'grade'"):
        Reward("grade", value)
    with pytest.raises(ValueError, match="weight"):
        Reward("grade", 1.0, weight=value)
    assert Reward("grade", None).value is None


def test_a_part_with_weight_that_is_not_scored_leaves_the_whole_unscored() -> None:
    trajectory = Trajectory(Task("t", "e"), 0, 0)
    assert trajectory.reward() is None
    trajectory.rewards = [Reward("a", 0.5), Reward("b", None, weight=0.0), Reward("c", 0.25, weight=2.0)]
    assert trajectory.reward() == 1.0
    trajectory.rewards.append(Reward("d", None))
    assert trajectory.reward() is None
    assert trajectory.reward("user") is None


def test_records_are_closed_to_unknown_fields() -> None:
    for kind, text in (
        (Message, b'{"role": "user", "contents": "x"}'),
        (Trajectory, b'{"task": {"id": "a", "env": "b"}, "sample": 0, "seed": 0, "score": 1}'),
    ):
        with pytest.raises(msgspec.ValidationError, match="unknown field"):
            msgspec.json.decode(text, type=kind)


def test_only_words_are_heard_and_only_by_the_other_side() -> None:
    call = ToolCall("c", "look", "{}")
    trajectory = Trajectory(Task("t", "e"), 0, 0, {"assistant": Seat("be kind"), "user": Seat("be odd")})
    trajectory.turns = [
        Turn("user", Message("assistant", '{"USER_MESSAGE": "hi"}'), heard="hi", state={"patience": 3}),
        Turn("assistant", Message("assistant", "let me look", reasoning="hm", tool_calls=(call,))),
        Turn("assistant", Message("tool", "a tree", tool_call_id="c")),
        Turn("judge", Message("assistant", "good")),
        Turn("assistant", Message("assistant", "I see a tree", reasoning="hm")),
    ]
    assert [(m.role, m.content) for m in trajectory.view("user")] == [
        ("system", "be odd"),
        ("assistant", '{"USER_MESSAGE": "hi"}'),
        ("user", "I see a tree"),
    ]
    assert [(m.role, m.content) for m in trajectory.view("assistant")] == [
        ("system", "be kind"),
        ("user", "hi"),
        ("assistant", "let me look"),
        ("tool", "a tree"),
        ("assistant", "I see a tree"),
    ]
    assert [m.content for m in trajectory.view("assistant", until=1)] == ["be kind", "hi"]


def test_hashes_are_the_same_on_every_machine() -> None:
    assert stable_hash("a", 1) == stable_hash("a", "1") == 4665976284724862560
    assert split_of("a group", 0.2, 0.1) == split_of("a group", 0.2, 0.1)


@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_different_parts_have_different_hashes(one: list[str], two: list[str]) -> None:
    clean_one, clean_two = ([part.replace("\x1f", "") for part in parts] for parts in (one, two))
    assert (clean_one == clean_two) == (stable_hash(*clean_one) == stable_hash(*clean_two))


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\u200b", "\u2060", "\u00ad", "\ufe0f", "\u3164", "\x00"])
def test_of_a_blank_text_nothing_can_be_seen(text: str):
    assert is_blank(text)


@pytest.mark.parametrize("text", [".", "\u200bno\u200b", "\u2764\ufe0f", "\u4e0d", "-"])
def test_whatever_can_be_seen_is_not_blank(text: str):
    assert not is_blank(text)
