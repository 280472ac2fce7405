"""Played conversations as members of a group."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from tests.training import tokenizers
from tests.training.orchard import Orchard
from usergym.rollouts.engine import Cast, Limits, begin, play
from usergym.training.chat import Chat
from usergym.training.played import Credit, Earned, member_of
from usergym.training.policy import Sampled, seating
from usergym.training.tokens import Rewritten
from usergym.types import Failure, Message, Reward, Tokens, Trajectory, Turn

CHAT = Chat(tokenizers.tokenizer(tokenizers.CHATML))


def talked(said: Sequence[str], **limits: int) -> Trajectory:
    words = iter(said)

    async def sample(prompt: list[int]) -> Sampled:
        text = next(words)
        ids = CHAT.write(Message("assistant", text.removesuffix("…")))
        return Sampled(ids[:-1] if text.endswith("…") else ids)

    environment = Orchard(asks=len(said))
    task = next(environment.tasks("train"))
    made = asyncio.run(play(environment, begin(task, 0, 0), Cast(seating(CHAT, sample), limits=Limits(**limits))))
    assert made.error is None
    return made


def test_a_member_has_a_span_and_a_reward_for_every_turn_and_a_mask_for_its_own_tokens() -> None:
    member = member_of(talked(["banana", "fig", "pear"]), "assistant", 0)
    assert member.earned.rewards == pytest.approx([0.3, 0.0, 0.1])
    assert member.reward == pytest.approx(0.4)
    own = [CHAT.read(member.completion[start:end]).content for start, end in member.earned.spans]
    assert own == ["banana", "fig", "pear"]
    covered = np.zeros(len(member.completion), int)
    for start, end in member.earned.spans:
        covered[start:end] = 1
    assert covered.tolist() == member.mask
    assert member.earned.length == len(member.completion) == member.earned.spans[-1][1]
    assert (member.lost, member.env) == ("", "orchard")


def test_a_reply_that_was_cut_is_trained_and_what_was_earned_before_it_counts() -> None:
    member = member_of(talked(["banana", "papay…", "never said"]), "assistant", 0)
    assert member.earned.rewards == pytest.approx([0.3, 0.0])
    assert len(member.earned.spans) == 2


@pytest.mark.parametrize(
    ("error", "rewards", "why"),
    [
        (Failure("unavailable", "user: gone", 2), [], "unavailable"),
        (None, [Reward("ripe", None)], "unscored"),
        (None, [], "unscored"),
    ],
)
def test_what_failed_or_was_not_scored_is_masked_and_no_zero(
    error: Failure | None, rewards: list[Reward], why: str
) -> None:
    trajectory = talked(["banana"])
    trajectory.error, trajectory.rewards = error, rewards
    member = member_of(trajectory, "assistant", 9)
    assert (member.prompt, member.completion, member.mask, member.lost) == ([9], [9, 9], [0, 0], why)
    assert member.reward is None


def test_a_history_that_was_rewritten_is_refused_with_the_turn() -> None:
    trajectory = talked(["banana", "fig"])
    late = trajectory.turns[3]
    assert late.tokens
    rendered = Tokens(4, late.tokens.prompt_ids, late.tokens.output_ids)
    trajectory.turns[3] = Turn("assistant", late.message, tokens=rendered)
    with pytest.raises(Rewritten, match=r"the prompt of turn 3 .assistant. changed what came before it"):
        member_of(trajectory, "assistant", 0)


def test_advantages_are_as_long_as_the_longest_completion() -> None:
    earned = [Earned([1.0], [(0, 2)], 2), Earned([0.0, 0.0], [(0, 1), (3, 5)], 5), Earned(None, [], 1)]
    found = Credit().advantages(earned, ["one"] * 3)
    assert found.shape == (3, 5)
    assert found[0, :2].tolist() == pytest.approx([1.0, 1.0])
    assert not found[0, 2:].any()
    assert not found[2].any()
    assert Credit().advantages([], []).shape == (0, 0)
