"""The user of an environment's task, for an agent that is elsewhere: each request lives the conversation again."""

from collections.abc import Mapping, Sequence

from usergym.environments.base import Environment, World
from usergym.models.base import Model, ModelError
from usergym.rollouts.engine import Cast, play
from usergym.types import Failure, Message, Seat, Task, Trajectory, Turn
from usergym.users.base import Participant, SimulatorError


class EnvironmentUser:
    """Says what the task's opening has the user say, then whatever the world's own user says: rule-based, or played
    by `model`. What ends the environment's conversation ends this one."""

    def __init__(
        self,
        environment: Environment,
        task: Task,
        model: Model | None = None,
        services: Mapping[str, Model] | None = None,
        seed: int = 0,
    ) -> None:
        self.environment = environment
        self.task = task
        self.model = model
        self.services = services or {}
        self.seed = seed
        self.seat = Seat(model=model.name if model else "rules")

    async def speak(self, view: Sequence[Message]) -> Turn:
        said = [message for message in view if message.role in ("user", "assistant")]
        opening = [turn.said for turn in self.task.opening if turn.speaker == "user" and turn.said]
        spoken = sum(message.role == "assistant" for message in said)
        if spoken < len(opening):
            return Turn("user", Message("assistant", opening[spoken]))
        past = [
            Turn("user" if message.role == "assistant" else "assistant", Message("assistant", message.content))
            for message in said
        ]
        known = set(map(id, past))
        trajectory = Trajectory(self.task, 0, self.seed)
        cast = Cast(lambda world, seed: _Elsewhere(), self.model, services=self.services)
        await play(self.environment, trajectory, cast, past=past)
        for turn in trajectory.turns:
            if turn.speaker == "user" and turn.said and id(turn) not in known:
                return Turn("user", turn.message, turn.said, usage=turn.usage, stop=turn.stop or trajectory.stop)
        if trajectory.error is not None:
            raise _error(trajectory.error)
        return Turn("user", Message("assistant", ""), heard="", stop=trajectory.stop)


class _AgentsTurn(Exception):
    """The user has spoken, and the agent answers in the next request."""


class _Elsewhere:
    """The agent's seat, which is not played here."""

    seat = Seat(model="elsewhere")

    async def speak(self, view: Sequence[Message]) -> Turn:
        raise _AgentsTurn


def _error(failure: Failure) -> Exception:
    match failure.kind:
        case "unavailable" | "refused" | "malformed":
            return ModelError(failure.kind, failure.message)
    return SimulatorError(failure.message)


def check_user(environment: Environment, task: Task, model: Model | None) -> None:
    """LookupError where a task has nobody to talk to. RowError for a task that cannot be played."""
    world: World = environment.start(task)
    sits: Participant | None = world.user(model)
    if sits is None and not any(turn.speaker == "user" and turn.said for turn in task.opening):
        raise LookupError(f"nobody sits opposite the agent in task {task.id} of {environment.name}; name another task")
