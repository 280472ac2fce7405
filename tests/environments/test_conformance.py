"""What every environment must do, on its own tasks, played through the one loop."""

import asyncio
import itertools
import json
from collections.abc import Sequence

import msgspec
import pytest

from usergym.environments import load, names
from usergym.environments.base import Environment, JudgedInGroups
from usergym.rollouts.engine import Cast, Limits, Seating, begin, play, seat_idle, seat_oracle
from usergym.types import Message, Seat, Task, ToolCall, Trajectory, Turn

LIMITS = Limits(replies=60, turns=400)
N = 12

pytestmark = pytest.mark.parametrize("name", names())


def tasks(environment: Environment, seed: int = 5, split: str | None = None) -> list[Task]:
    return list(itertools.islice(environment.tasks(split, seed), N))


def played(environment: Environment, task: Task, agent: Seating, past: Sequence[Turn] | None = None) -> Trajectory:
    return asyncio.run(play(environment, begin(task, 0, 0), Cast(agent, limits=LIMITS), past=past))


def test_it_is_found_by_its_name(name: str) -> None:
    environment = load(name)
    assert environment.name == name
    assert all(task.env == name for task in tasks(environment))
    with pytest.raises(LookupError, match="no option 'colour'"):
        load(f"{name}:colour=blue")


def test_the_same_seed_gives_the_same_tasks_and_another_seed_others(name: str) -> None:
    environment = load(name)
    assert tasks(environment) == tasks(environment)
    assert {task.id for task in tasks(environment, 5)}.isdisjoint(task.id for task in tasks(environment, 6))
    assert len({task.id for task in tasks(environment)}) == N


def test_splits_share_no_group(name: str) -> None:
    environment = load(name)
    groups = [{task.group for task in tasks(environment, split=split)} for split in ("train", "validation", "test")]
    assert all(groups)
    assert all(one.isdisjoint(other) for one, other in itertools.combinations(groups, 2))


def test_tasks_survive_a_file(name: str) -> None:
    environment = load(name)
    for task in tasks(environment):
        assert environment.read(json.loads(msgspec.json.encode(task))) == task


def test_the_oracle_earns_the_maximum(name: str) -> None:
    environment = load(name)
    for task in tasks(environment):
        trajectory = played(environment, task, seat_oracle)
        assert trajectory.error is None
        if not isinstance(environment, JudgedInGroups):
            assert trajectory.reward() == 1.0, trajectory.rewards


def test_an_idle_agent_never_earns(name: str) -> None:
    environment = load(name)
    for task in tasks(environment):
        trajectory = played(environment, task, seat_idle)
        assert trajectory.error is None
        assert trajectory.reward() == 0.0, trajectory.rewards


def test_an_agent_that_is_cut_off_at_once_earns_nothing_and_is_scored(name: str) -> None:
    environment = load(name)
    trajectory = played(environment, tasks(environment)[0], lambda world, seed: _CutOff())
    assert (trajectory.error, trajectory.reward()) == (None, 0.0)


class _CutOff:
    seat = Seat(model="cut")

    async def speak(self, view: Sequence[Message]) -> Turn:
        return Turn("assistant", Message("assistant", "Let me"), stop="length")


def test_wrong_tool_calls_are_answered_with_text(name: str) -> None:
    environment = load(name)
    world = environment.start(tasks(environment)[0])
    for speaker in ("assistant", "user"):
        known = [tool.name for tool in world.tools(speaker)]
        for tool in [*known, "no_such_tool", "__init__", "score", "hears"]:
            for arguments in ("{", "[]", "null", '{"no_such_argument": 1}', '{"a": {"b": []}}'):
                result = asyncio.run(world.call(speaker, ToolCall("1", tool, arguments)))
                assert isinstance(result, str)
                assert result
                assert tool in known or "Error" in result


def test_nothing_but_what_was_said_reaches_the_agent(name: str) -> None:
    """The agent's view is its prompt, its own turns and the user's words; what the task hides, marked here in
    every field that is not spoken, is in none of it."""
    environment = load(name)
    for task in tasks(environment):
        trajectory = played(environment, task, seat_oracle)
        said = {turn.said for turn in trajectory.turns if turn.speaker == "user"}
        for message in trajectory.view("assistant"):
            if message.role == "user":
                assert message.content in said
        first = [message.content for message in trajectory.view("assistant", until=1)]
        for secret in ("expected_calendar_states", "fixed_response", "user_intents", "ground_truth", "oracle"):
            assert not any(secret in content for content in first)
        persona = task.data.get("persona")
        if isinstance(persona, str) and persona:
            assert not any(persona in message.content for message in trajectory.view("assistant"))


def test_the_same_seed_gives_the_same_conversation(name: str) -> None:
    environment = load(name)
    for task in tasks(environment)[:4]:
        one, other = played(environment, task, seat_oracle), played(environment, task, seat_oracle)
        assert msgspec.json.encode(one) == msgspec.json.encode(other)


def test_a_conversation_lived_again_gives_the_same_rewards(name: str) -> None:
    environment = load(name)
    for task in tasks(environment)[:4]:
        for agent in (seat_oracle, seat_idle):
            once = played(environment, task, agent)
            again = asyncio.run(
                play(environment, begin(task, 0, 0), Cast(None), past=list(once.turns), ending=once.stop)
            )
            assert again.error is None
            assert (again.turns, again.rewards, again.stop) == (once.turns, once.rewards, once.stop)


def test_a_conversation_taken_up_in_the_middle_ends_as_it_did(name: str) -> None:
    environment = load(name)
    for task in tasks(environment)[:4]:
        once = played(environment, task, seat_oracle)
        for cut in range(len(task.opening), len(once.turns)):
            again = played(environment, task, seat_oracle, past=once.turns[:cut])
            assert (again.error, again.turns) == (None, once.turns)
            assert again.rewards == once.rewards
