"""Which replies are credited, and what each of them earned."""

from usergym.training.turns import turn_rewards
from usergym.types import Failure, Message, Reward, Speaker, Task, Tokens, ToolCall, Trajectory, Turn


def said(speaker: Speaker, words: str = "Well.", **more: object) -> Turn:
    return Turn(speaker, Message("assistant", words), **more)  # type: ignore[arg-type]


OPENING = (said("user"), said("assistant", "How can I help?"), said("user"))
CALL = Turn("assistant", Message("assistant", tool_calls=(ToolCall("1", "look", "{}"),)))
RESULT = Turn("assistant", Message("tool", "Here.", tool_call_id="1"))
TURNS = [*OPENING, CALL, RESULT, said("assistant"), said("user", "Thanks."), said("judge"), said("assistant")]


def conversation(*rewards: Reward, turns: list[Turn] = TURNS, error: Failure | None = None) -> Trajectory:
    task = Task("t", "e", opening=OPENING)
    return Trajectory(task, 0, 1, turns=list(turns), rewards=list(rewards), stop="done", error=error)


def test_replies_are_the_speakers_own_after_the_opening() -> None:
    assert turn_rewards(conversation(Reward("r", 1.0)))[0] == [3, 5, 8]
    assert turn_rewards(conversation(Reward("r", 1.0)), "user")[0] == [6]


def test_they_are_found_where_something_was_asked_before_the_opening() -> None:
    earlier = conversation(Reward("r", 1.0, turn=6), turns=[said("judge"), *TURNS])
    assert turn_rewards(earlier) == ([4, 6, 9], [0, 1, 0])


def test_a_reward_goes_to_the_latest_reply_at_or_before_its_turn() -> None:
    earned = [Reward("a", 1.0, turn=3), Reward("b", 2.0, weight=0.5, turn=4), Reward("c", 4.0, turn=7)]
    assert turn_rewards(conversation(*earned)) == ([3, 5, 8], [2.0, 4.0, 0.0])


def test_one_of_the_whole_conversation_goes_to_the_last_and_one_of_the_opening_to_none() -> None:
    assert turn_rewards(conversation(Reward("a", 1.0), Reward("b", 5.0, turn=1)))[1] == [0, 0, 1.0]


def test_rewards_of_the_other_side_and_those_only_recorded_do_not_count() -> None:
    others = [Reward("a", 1.0, speaker="user"), Reward("b", None, weight=0.0), Reward("c", 0.5)]
    assert turn_rewards(conversation(*others))[1] == [0, 0, 0.5]
    assert turn_rewards(conversation(*others), "user") == ([6], [1.0])


def test_what_failed_was_not_scored_or_has_no_reward_is_none_and_never_zero() -> None:
    failed = conversation(Reward("a", 1.0), error=Failure("unavailable", "no answer"))
    assert turn_rewards(failed) == ([3, 5, 8], None)
    assert turn_rewards(conversation(Reward("a", 1.0), Reward("b", None, turn=3)))[1] is None
    assert turn_rewards(conversation(Reward("a", 1.0, weight=0)))[1] is None
    assert turn_rewards(conversation(Reward("a", 1.0), turns=list(OPENING))) == ([], None)


def test_an_empty_reply_that_only_ends_the_conversation_is_none_unless_it_was_sampled() -> None:
    ends = said("assistant", "", stop="silent")
    assert turn_rewards(conversation(Reward("a", 1.0), turns=[*TURNS, ends])) == ([3, 5, 8], [0, 0, 1.0])
    sampled = said("assistant", "", stop="silent", tokens=Tokens.of([1], [2]))
    assert turn_rewards(conversation(Reward("a", 1.0), turns=[*TURNS, sampled]))[0] == [3, 5, 8, 9]
