"""Trajectories to evaluate: real ones of the calendar, and short ones with chosen rewards."""

import asyncio
from collections.abc import Sequence
from itertools import islice

from usergym import environments
from usergym.models.base import Model
from usergym.models.fake import FakeModel
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast, Seating, seat_model
from usergym.types import Failure, Message, Reward, Sampling, Seat, Task, Tool, Trajectory, Turn, Usage


def conversation(
    task: str = "t",
    sample: int = 0,
    reward: float | None = 1.0,
    *,
    reason: str = "",
    error: Failure | None = None,
    said: str = "yes",
    agent: str = "fake",
    env: str = "toy",
) -> Trajectory:
    """One question, one answer, one reward; none where there is an error."""
    turns = [
        Turn("user", Message("assistant", "really?"), usage=Usage(7, 3, 1, 0.5, 1, 0.01)),
        Turn("assistant", Message("assistant", said), usage=Usage(10, 20, 5, 2.0, 1, 0.1)),
    ]
    rewards = [] if error else [Reward("grade", reward, reason=reason)]
    seats = {"assistant": Seat("Be brief.", model=agent), "user": Seat("Ask.", model="asker")}
    stop = None if error else "user_done"
    return Trajectory(Task(task, env), sample, 1, seats, turns, rewards, stop, error)


def calendar(agent: Seating, conversations: int = 6, repeats: int = 1) -> list[Trajectory]:
    """Real conversations about calendars, in the order of their tasks."""

    async def run() -> list[Trajectory]:
        environment = environments.load("calendar")
        tasks = islice(environment.tasks(), conversations)
        groups = [group async for group in collect(environment, tasks, Cast(agent), repeats=repeats)]
        return sorted((one for group in groups for one in group), key=lambda one: (one.task.id, one.sample))

    return asyncio.run(run())


def tired(name: str = "tired") -> Model:
    """Shows an empty calendar, whatever is asked; some calls fail for good."""

    def answer(messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Message:
        return Message("assistant", "[]", reasoning="I would rather not.")

    return FakeModel(answer, name=name)


def seat_tired(name: str = "tired") -> Seating:
    return seat_model(tired(name))
