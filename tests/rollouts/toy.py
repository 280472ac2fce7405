"""A small environment for tests of the engine: a user who counts, an agent who must say the number, a tool,
a judge."""

from collections.abc import Iterator, Sequence
from typing import Any

from usergym.environments.base import Environment, Say, World, tool
from usergym.models.base import Model
from usergym.types import Message, Reward, Seat, Task, Trajectory, Turn
from usergym.users.base import Participant
from usergym.users.scripted import ScriptedParticipant


class Counting(World):
    system = "Repeat every number."

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.right = 0
        self.looked = 0

    async def open(self) -> None:
        if self.task.data.get("asks_first"):
            await self.ask("judge", "May we begin?")

    def user(self, model: Model | None) -> Participant | None:
        if self.task.data.get("alone"):
            return None
        return ScriptedParticipant("user", [f"number {n}" for n in range(self.task.data.get("n", 3))])

    @tool()
    def look(self, where: str = "here") -> str:
        """Looks somewhere."""
        self.looked += 1
        return f"{where}: {self.looked}"

    @tool()
    def tell(self, words: str) -> Say:
        """Says words to the user."""
        return Say(words)

    @tool(by="user")
    def wave(self) -> str:
        """Waves."""
        return "waved"

    async def hears(self, speaker: str, words: str) -> None:
        if speaker == "assistant":
            self.right += words.startswith("number")
            self.reward("said", float(words.startswith("number")), weight=0.0)
            if self.task.data.get("judged"):
                verdict = await self.ask("judge", f"Is {words!r} a number?")
                self.reward("judged", float(verdict == "yes"), weight=0.0)
            if words == "quit":
                self.stop = "quit"

    async def score(self) -> list[Reward]:
        if self.task.data.get("judged_at_the_end"):
            verdict = await self.ask("judge", "How was it?")
            return [Reward("right", float(verdict == "yes"))]
        return [Reward("right", self.right / self.task.data.get("n", 3))]

    def oracle(self) -> Participant:
        return ScriptedParticipant("assistant", lambda view: view[-1].content)


class CountingEnvironment(Environment):
    name = "counting"

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        n = 0
        while True:
            yield Task(f"counting-{seed}-{n}", "counting")
            n += 1

    def start(self, task: Task) -> World:
        if task.data.get("broken"):
            raise ZeroDivisionError("a bug in the world")
        return Counting(task)


class Rivals(CountingEnvironment):
    """Judged in groups: the best of a group gets a bonus."""

    async def score_group(self, trajectories: Sequence[Trajectory], judge: Model | None) -> None:
        best = max(trajectory.reward() or 0.0 for trajectory in trajectories)
        for trajectory in trajectories:
            trajectory.rewards.append(Reward("best", float(trajectory.reward() == best)))


environment = CountingEnvironment


class Calls:
    """An agent that plays fixed turns."""

    def __init__(self, turns: Sequence[Message]) -> None:
        self.seat = Seat(model="fixed")
        self.turns = turns

    async def speak(self, view: Sequence[Message]) -> Turn:
        return Turn("assistant", self.turns[sum(message.role == "assistant" for message in view)])


def task(**data: Any) -> Task:
    return Task(f"counting-{sorted(data.items())}", "counting", data=data)
