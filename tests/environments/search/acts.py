"""Conversations of an agent that makes given acts."""

import asyncio
import json
from collections.abc import Mapping, Sequence

from usergym.environments.search.world import Search
from usergym.models.base import Model
from usergym.models.scripted import ScriptedModel
from usergym.rollouts.engine import Cast, begin, play, seat_model
from usergym.types import Message, Task, ToolCall, Trajectory

Act = tuple[str, str]


def message(env: Search, act: Act, place: int) -> Message:
    choice, content = act
    interact = env.actions == "interact"
    field = "query" if choice == "search" else "content"
    arguments = {"choice": choice, "content": content} if interact else {field: content}
    if not interact and choice == "finish":
        arguments = {}
    call = ToolCall(f"c{place}", "interact_with_env" if interact else choice, json.dumps(arguments))
    return Message("assistant", tool_calls=(call,))


async def playing(
    env: Search, task: Task, acts: Sequence[Act], services: Mapping[str, Model] | None = None
) -> Trajectory:
    replies = [message(env, act, place) for place, act in enumerate(acts)]
    replies.append(Message("assistant", "I leave it there."))
    cast = Cast(seat_model(ScriptedModel(replies)), services=services or env.services)
    return await play(env, begin(task, 0, 0), cast)


def played(env: Search, task: Task, acts: Sequence[Act], services: Mapping[str, Model] | None = None) -> Trajectory:
    return asyncio.run(playing(env, task, acts, services))


def told(trajectory: Trajectory) -> list[str]:
    return [each.content for each in trajectory.view("assistant") if each.role == "tool"]


def extra(trajectory: Trajectory, name: str) -> float | None:
    return next(reward.value for reward in trajectory.rewards if reward.name == name)
