from collections.abc import Iterator, Sequence
from itertools import count

import pytest

from tests.rollouts.toy import Counting
from usergym.environments.base import Environment, load, names
from usergym.evaluation.conformance import leaked
from usergym.evaluation.leakage import audit
from usergym.types import Message, Reward, Seat, Task, Trajectory, Turn


class Claims(Environment):
    """Splits by argument: what the published data set does, whose claims are all in both splits."""

    name = "claims"

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        for place in count():
            yield Task(f"{split}-{place}", self.name, data={"claim": place % 7, "argument": f"{split} {place}"})

    def start(self, task: Task) -> Counting:
        return Counting(task)

    def content_keys(self, task: Task) -> list[str]:
        return [f"claim {task.data['claim']}"]


def test_content_that_occurs_in_two_splits_is_found_where_groups_are_apart() -> None:
    found = audit(Claims(), tasks=20)
    assert {leak.kind for leak in found.leaks} == {"content"}
    assert {leak.key for leak in found.leaks} == {f"claim {n}" for n in range(7)}
    assert {leak.split for leak in found.leaks} == {"validation", "test"}
    assert found.keys["group"] == {"train": 20, "validation": 20, "test": 20}
    assert found.keys["content"]["train"] == 7


@pytest.mark.parametrize("name", names())
def test_nothing_of_a_held_out_task_of_ours_occurs_in_training(name: str) -> None:
    found = audit(load(name), tasks=60)
    assert found.leaks == ()
    assert all(found.tasks.values())


def said(speaker: str, words: str) -> Turn:
    return Turn(speaker, Message("assistant", words))  # type: ignore[arg-type]


def conversation(turns: Sequence[Turn], rewards: Sequence[Reward] = ()) -> Trajectory:
    return Trajectory(Task("t", "e"), 0, 0, {"assistant": Seat("Find the fruit.")}, list(turns), list(rewards))


def test_a_secret_that_the_user_lets_slip_is_found() -> None:
    turns = [said("user", "guess"), said("assistant", "is it sweet?"), said("user", "Yes, KIWI is.")]
    told = leaked(conversation(turns), ["kiwi"])
    assert told == "turn 2 tells 'kiwi'"


def test_a_part_of_a_word_is_no_secret_told() -> None:
    assert leaked(conversation([said("user", "kiwifruit")]), ["kiwi"]) is None


def test_a_secret_that_the_agent_said_first_or_earned_is_none() -> None:
    turns = [said("user", "guess"), said("assistant", "a kiwi?"), said("user", "a kiwi it is")]
    assert leaked(conversation(turns), ["kiwi"]) is None
    turns = [said("user", "guess"), said("assistant", "a fruit"), said("user", "right, one part: kiwi")]
    assert leaked(conversation(turns, [Reward("score", 0.5, turn=1)]), ["kiwi"]) is None
    assert leaked(conversation(turns, [Reward("score", 0.0, turn=1)]), ["kiwi"]) is not None


def test_a_system_prompt_that_tells_it_is_found() -> None:
    assert leaked(conversation([said("user", "guess")]), ["the fruit"]) == "the system prompt tells 'the fruit'"
