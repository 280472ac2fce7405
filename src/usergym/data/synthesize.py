"""Conversations before any agent was asked: a user with an agenda, and replies that are fixed beforehand."""

from collections.abc import Iterator, Sequence
from typing import Any

from usergym.environments.base import Environment, World
from usergym.models.base import Model, ModelError
from usergym.rollouts.engine import Seating
from usergym.types import Message, Reward, Sampling, Seat, Task, Turn
from usergym.users.base import ModelParticipant, Participant
from usergym.users.scripted import replies_in


class Synthesis(Environment):
    """Plays the tasks of an environment, whose `data["steps"]` is an agenda, with nobody under test: what is
    wanted is the user's side. Nothing is graded but that everything was said."""

    name = "synthesis"

    def __init__(self, inner: Environment) -> None:
        self.inner = inner

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        return self.inner.tasks(split, seed)

    def start(self, task: Task) -> World:
        return _SynthesisWorld(task, self.inner.start(task))


class _SynthesisWorld(World):
    def __init__(self, task: Task, inner: World) -> None:
        super().__init__(task)
        self.inner = inner

    @property
    def system(self) -> str:
        return self.inner.system

    def user(self, model: Model | None) -> Participant | None:
        self.inner.seed = self.seed
        return self.inner.user(model)

    async def score(self) -> list[Reward]:
        assert self.trajectory
        said = sum(bool(turn.said) for turn in self.trajectory.turns if turn.speaker == "user")
        return [Reward("agenda_said", float(said == len(self.task.data["steps"])))]


def seat_fixed_replies(world: World, seed: int) -> Participant:
    """An assistant that gives each step's fixed response."""
    return _FixedReplies(world.task.data["steps"], None)


def seat_fixed_replies_or(model: Model, sampling: Sampling = Sampling()) -> Seating:
    """An assistant that gives the fixed response of a step that has one, and asks the model for the others."""

    def seating(world: World, seed: int) -> Participant:
        inner = ModelParticipant("assistant", model, Seat(world.system, (), model.name, sampling), (), seed)
        return _FixedReplies(world.task.data["steps"], inner)

    return seating


class _FixedReplies:
    def __init__(self, steps: Sequence[dict[str, Any]], otherwise: ModelParticipant | None) -> None:
        self.steps = steps
        self.otherwise = otherwise
        self.seat = otherwise.seat if otherwise else Seat(model="fixed")

    async def speak(self, view: Sequence[Message]) -> Turn:
        place = replies_in(view)
        fixed = self.steps[place].get("fixed_response") if place < len(self.steps) else None
        if fixed is not None:
            return Turn("assistant", Message("assistant", fixed))
        if self.otherwise is None:
            raise ModelError("refused", f"step {place} has no fixed_response; give it one, or --assistant-model")
        return await self.otherwise.speak(view)
