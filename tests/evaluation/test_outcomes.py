import asyncio
from itertools import islice

import pytest

from usergym.environments.base import load
from usergym.evaluation.outcomes import outcome, score_of, turn_rewards
from usergym.rollouts.engine import Cast, Limits, begin, play, seat_idle, seat_oracle
from usergym.types import Failure, Message, Reward, Task, ToolCall, Trajectory, Turn, Usage


def gym_conversation(rewards: list[Reward], replies: int = 3, env: str = "travel") -> Trajectory:
    opening = (Turn("user", Message("assistant", "I want to travel somewhere.")),)
    turns = [*opening]
    for number in range(replies):
        call = ToolCall(str(number), "interact_with_env", "{}")
        spent = Usage(100, 10, seconds=0.5, calls=1, cost=0.01)
        turns.append(Turn("assistant", Message("assistant", tool_calls=(call,)), heard="where?", usage=spent))
        turns.append(Turn("user", Message("assistant", "to the sea"), usage=Usage(30, 3, seconds=0.1, calls=1)))
    return Trajectory(Task("t", env, opening=opening), 0, 1, {}, turns, rewards, "finished")


EARNED = [Reward("earned", 0.0), Reward("success", 0.0, weight=0.0)]


def test_a_gym_is_told_on_both_scales_whichever_of_them_counts() -> None:
    def played(ours: float) -> Trajectory:
        rewards = [
            Reward("score", 0.25, weight=ours, turn=1),
            Reward("userrl", 0.8, weight=1 - ours, turn=1),
            Reward("score", 0.5, weight=ours, turn=5),
            Reward("userrl", 1.0, weight=1 - ours, turn=5),
            Reward("travel_metric", 0.9, weight=0.0),
        ]
        return gym_conversation([*rewards, *EARNED])

    for each in (outcome(played(1.0)), outcome(played(0.0))):
        assert (each.score, each.userrl, each.published, each.success) == (0.75, 1.8, 0.9, 0.0)
        assert each.effective_turns == 2
        assert each.time_weighted == pytest.approx(0.8 + 1.0 / 3)


@pytest.mark.parametrize("name", ["function", "intention"])
@pytest.mark.parametrize("agent", [seat_oracle, seat_idle])
def test_the_preset_changes_the_reward_and_neither_scale(name: str, agent: object) -> None:
    found = []
    for preset in ("usergym", "userrl"):
        environment = load(f"{name}:preset={preset}")
        (task,) = islice(environment.tasks("test"), 1)
        cast = Cast(agent, limits=Limits(environment.max_replies))  # type: ignore[arg-type]
        trajectory = asyncio.run(play(environment, begin(task, 0, 0), cast))
        assert trajectory.error is None
        each = outcome(trajectory)
        found.append((each.score, each.userrl, each.success))
    assert found[0][0] == (1.0 if agent is seat_oracle else 0.0)
    assert found[0] == found[1]


def test_a_conversation_of_a_gym_in_which_nothing_was_earned_is_zero_on_both_scales() -> None:
    each = outcome(gym_conversation(EARNED))
    assert (each.score, each.userrl, each.published, each.effective_turns, each.time_weighted) == (0, 0, 0, 0, 0)


def test_an_environment_that_is_none_of_theirs_has_no_reward_on_their_scale() -> None:
    each = outcome(gym_conversation([Reward("grade", 1.0)], env="calendar"))
    assert (each.score, each.success) == (1.0, 1.0)
    assert each.userrl is None
    assert each.published is None
    assert each.time_weighted == pytest.approx(1 / 3), "a reward of the whole is that of the last reply"


def test_what_a_judge_could_not_score_is_none_and_never_zero() -> None:
    rewards = [Reward("score", None, turn=1), Reward("userrl", None, weight=0.0, turn=1), Reward("earned", 0.0)]
    trajectory = gym_conversation(rewards)
    each = outcome(trajectory)
    assert (each.score, each.userrl, each.published, each.success) == (None, None, None, None)
    assert (each.effective_turns, each.time_weighted) == (None, None)
    assert turn_rewards(trajectory) is None


def test_a_failed_conversation_has_its_costs_and_no_number_else() -> None:
    trajectory = gym_conversation([])
    trajectory.error = Failure("unavailable", "no answer")
    each = outcome(trajectory, "travel22", "a model")
    assert (each.model, each.env, each.error) == ("a model", "travel22", "unavailable")
    assert (each.score, each.userrl, each.published, each.success, each.effective_turns) == (None,) * 5
    assert (each.calls, each.input_tokens, each.cost) == (6, 390, pytest.approx(0.03))
    assert score_of(trajectory) is None


def test_the_burden_of_the_user_counts_what_it_says_after_its_opening() -> None:
    each = outcome(gym_conversation(EARNED))
    assert (each.user_turns, each.user_words) == (3, 9)
    assert each.reply_seconds == 0.5
