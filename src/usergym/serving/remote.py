"""A conversation whose agent is somewhere else: each of its turns comes with a request.

The engine plays it as any other, and waits in the agent's seat between two requests.
"""

import asyncio
from collections.abc import Mapping, Sequence

from usergym.environments.base import Environment, World
from usergym.models.base import Model, ModelError, StopRun
from usergym.rollouts.engine import Cast, Limits, begin, play
from usergym.types import Message, Seat, Task, Tool, ToolCall, Turn, Usage
from usergym.users.base import ModelParticipant, Participant
from usergym.users.scripted import ScriptedParticipant

GREETING = "Hello."
"""Said by a user whom nobody plays, so that the agent's turn comes."""

MOST_TURNS = 2000
"""Of one session, so that a client cannot fill the memory."""


class Stretch:
    """The turns that a model makes in the agent's seat until it says something."""

    def __init__(self, model: ModelParticipant, messages: Sequence[Message], limit: int | None) -> None:
        self.model = model
        self.messages = messages
        self.limit = limit
        self.since = 0
        self.turns: list[Turn] = []
        self.error: ModelError | StopRun | None = None

    async def speak(self, view: Sequence[Message]) -> Turn | None:
        """The next turn with tool calls; None once there is none: the world is not told the final words."""
        if not self.turns:
            self.since = len(view)
        elif len(self.turns) == self.limit:
            return None
        try:
            turn = await self.model.speak([*self.messages, *view[self.since :]])
        except (ModelError, StopRun) as error:
            self.error = error
            return None
        self.turns.append(turn)
        return turn if turn.message.tool_calls and not turn.stop else None

    def output(self, view: Sequence[Message]) -> list[Message]:
        """What was written and what the tools gave, `view` being what the agent has seen by now."""
        out = list(view[self.since :]) if self.turns else []
        last = self.turns[-1].message if self.turns else None
        return out if last is None or any(message is last for message in out) else [*out, last]

    @property
    def usage(self) -> Usage:
        return sum((turn.usage for turn in self.turns if turn.usage), Usage())


class _Chair:
    """The agent's seat."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seat = Seat(world.system, tuple(tool.name for tool in world.tools("assistant")), "remote")
        self.asked = asyncio.Event()
        self.view: Sequence[Message] = ()
        self.order: asyncio.Future[Turn | Stretch] | None = None
        self.stretch: Stretch | None = None

    async def speak(self, view: Sequence[Message]) -> Turn:
        self.view = view
        while True:
            if self.stretch and (turn := await self.stretch.speak(view)):
                return turn
            self.order = asyncio.get_running_loop().create_future()
            self.stretch = None
            self.asked.set()
            order = await self.order
            if isinstance(order, Turn):
                return order
            self.stretch = order


class Conversation:
    """One session: a world at work. Its calls run one after the other."""

    def __init__(
        self,
        environment: Environment,
        task: Task,
        seed: int = 0,
        user_model: Model | None = None,
        services: Mapping[str, Model] = {},
    ) -> None:
        self.trajectory = begin(task, 0, seed)
        self.calls = 0
        self.waiting = 0
        self.lock = asyncio.Lock()
        self.chair: _Chair | None = None
        self.changed = asyncio.Event()

        def agent(world: World, seed: int) -> Participant:
            self.chair = _Chair(world)
            self.chair.asked = self.changed
            return self.chair

        def user(world: World, seed: int) -> Participant:
            own = world.user(user_model)
            return own or ScriptedParticipant("user", [GREETING])

        cast = Cast(
            agent,
            user_model,
            None if task.opening else user,
            services,
            Limits(turns=MOST_TURNS),
        )
        self.playing = asyncio.create_task(play(environment, self.trajectory, cast))
        self.playing.add_done_callback(self._over)

    def _over(self, playing: "asyncio.Task[object]") -> None:
        if not playing.cancelled():
            playing.exception()  # StopRun; told to whoever asks next
        self.changed.set()

    @property
    def busy(self) -> bool:
        return self.waiting > 0

    def close(self) -> None:
        self.playing.cancel()

    @property
    def over(self) -> str:
        """Why nothing can be done any more, "" while it can."""
        if not self.playing.done():
            return ""
        if self.playing.cancelled():
            return "it was closed"
        if stopped := self.playing.exception():
            return str(stopped)
        error = self.trajectory.error
        return error.message if error else f"it ended ({self.trajectory.stop})"

    async def ready(self) -> None:
        """Until the agent is asked for its first turn, or nobody will be."""
        await self.changed.wait()

    @property
    def tools(self) -> Sequence[Tool]:
        return self.chair.world.tools("assistant") if self.chair else ()

    async def act(self, order: Turn | Stretch) -> Sequence[Message]:
        """Gives the agent's seat a turn, or a model that makes some; what the agent has seen when it is asked
        again, or at the end."""
        await self.changed.wait()
        if not self.playing.done():
            assert self.chair is not None
            assert self.chair.order is not None
            self.changed.clear()
            self.chair.order.set_result(order)
            await self.changed.wait()
        if self.chair is not None and not self.playing.done():
            return self.chair.view
        return self.trajectory.view("assistant")

    async def call(self, name: str, arguments: str) -> str | None:
        """The result of one tool call; None when there is none, since the conversation is over."""
        self.waiting += 1
        try:
            async with self.lock:
                self.calls += 1
                call = ToolCall(f"call_{self.calls}", name, arguments)
                view = await self.act(Turn("assistant", Message("assistant", tool_calls=(call,))))
                results = (message for message in reversed(view) if message.tool_call_id == call.id)
                found = next(results, None)
                return None if found is None else found.content
        finally:
            self.waiting -= 1

    async def play(self, stretch: Stretch) -> list[Message]:
        """What a model wrote and saw in the agent's seat."""
        self.waiting += 1
        try:
            async with self.lock:
                return stretch.output(await self.act(stretch))
        finally:
            self.waiting -= 1
