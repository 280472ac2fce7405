"""Conversations played through the one loop."""

import asyncio
import itertools
from collections.abc import Sequence

from usergym.environments import load
from usergym.environments.base import Environment, World
from usergym.environments.tau.outcome import outcome
from usergym.environments.tau.world import Tau
from usergym.models.base import Model
from usergym.rollouts.engine import Cast, Limits, Seating, begin, play
from usergym.types import Message, Seat, Task, ToolCall, Trajectory, Turn


def tasks(environment: Environment, count: int, split: str | None = None, seed: int = 3) -> list[Task]:
    return list(itertools.islice(environment.tasks(split, seed), count))


def own(spec: str, kind: str) -> tuple[Environment, Task]:
    """An environment and the first of its own tasks of a kind: change, tell, refuse or transfer."""
    environment = load(spec)
    for task in environment.tasks(None, 3):
        if _kind(environment, task) == kind:
            return environment, task
    raise AssertionError("it has tasks of every kind")


def _kind(environment: Environment, task: Task) -> str:
    assert isinstance(environment, Tau)
    return outcome(environment.domain(task), task.data)


def played(
    environment: Environment, task: Task, agent: Seating, user_model: Model | None = None, **more: Model
) -> Trajectory:
    cast = Cast(agent, user_model=user_model, services=more, limits=Limits(replies=environment.max_replies, turns=300))
    return asyncio.run(play(environment, begin(task, 0, 0), cast))


class Script:
    """An agent that does fixed acts: words, or a call (name, JSON text)."""

    def __init__(self, acts: Sequence[str | tuple[str, str]]) -> None:
        self.acts = acts
        self.seat = Seat(model="script")

    async def speak(self, view: Sequence[Message]) -> Turn:
        place = sum(message.role == "assistant" for message in view)
        if place >= len(self.acts):
            return Turn("assistant", Message("assistant", "I see."))
        act = self.acts[place]
        if isinstance(act, str):
            return Turn("assistant", Message("assistant", act))
        return Turn("assistant", Message("assistant", tool_calls=(ToolCall(f"c{place}", *act),)))


def script(*acts: str | tuple[str, str]) -> Seating:
    def seating(world: World, seed: int) -> Script:
        return Script(acts)

    return seating


def score(trajectory: Trajectory, name: str = "score") -> float | None:
    assert trajectory.error is None, trajectory.error
    (found,) = [reward.value for reward in trajectory.rewards if reward.name == name]
    return found
