"""Agents that are told every act, in either form of the action contract."""

import asyncio
import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from usergym.environments.travel import environment as Travel
from usergym.environments.travel.blocks import Block
from usergym.environments.travel.oracle import NATIVE, query
from usergym.environments.travel.rows import blocks_of
from usergym.models.base import Model
from usergym.models.scripted import ScriptedModel
from usergym.rollouts.engine import Cast, Limits, begin, play, seat_model
from usergym.types import Message, Task, ToolCall, Trajectory

Act = tuple[str, str]


def written(act: Act, number: int, native: bool = False) -> Message:
    choice, content = act
    if native and choice == "action":
        return Message("assistant", content)
    name, arguments = "interact_with_env", {"choice": choice, "content": content}
    if native:
        name, argument = NATIVE.get(choice, ("finish", ""))
        arguments = {argument: content} if argument else {}
    return Message("assistant", tool_calls=(ToolCall(f"call-{number}", name, json.dumps(arguments)),))


def played(
    gym: Travel, task: Task, acts: Sequence[Act], user: Model | None = None, services: dict[str, Model] | None = None
) -> Trajectory:
    """Plays the acts and stops at the limit of replies."""
    replies = [written(act, number, gym.actions == "native") for number, act in enumerate(acts)]
    cast = Cast(seat_model(ScriptedModel(replies)), user, services=services or {}, limits=Limits(replies=len(acts)))
    trajectory = asyncio.run(play(gym, begin(task, 0, 0), cast))
    assert trajectory.error is None, trajectory.error
    return trajectory


def task_of(gym: Travel, number: int = 0, split: str | None = None) -> Task:
    return next(islice(gym.tasks(split), number, None))


def blocks(task: Task) -> Sequence[Block]:
    return blocks_of(task)


def perfect(task: Task) -> list[Act]:
    acts: list[Act] = []
    for block in blocks(task):
        acts.append(("search", query(block)))
        acts += [("action", each.question) for each in block.preferences]
        acts.append(("answer", block.best_id))
    return acts


def rewards(trajectory: Trajectory, name: str) -> list[float | None]:
    return [reward.value for reward in trajectory.rewards if reward.name == name]


def heard(trajectory: Trajectory) -> list[str]:
    """What the agent was told after its acts, in order."""
    return [message.content for message in trajectory.view("assistant") if message.role in ("tool", "user")][1:]


def metric(trajectory: Trajectory) -> Any:
    (value,) = rewards(trajectory, "travel_metric")
    return value
