"""An environment in which a model of a few thousand weights earns something: the user asks for fruit a few times, and
every reply earns a tenth for each `a` in it."""

from collections.abc import Iterator

from usergym.environments.base import Environment, World
from usergym.models.base import Model
from usergym.types import Reward, Seat, Speaker, Task, split_of
from usergym.users.base import ModelParticipant, Participant
from usergym.users.scripted import ScriptedParticipant

FRUIT = ("apple", "banana", "cherry", "fig", "grape", "kiwi", "lemon", "mango", "melon", "papaya", "pear", "plum")
ASKED = ("Which fruit is ripe?", "And which one will be ripe next week?", "What else is there?", "Anything more?")


class OrchardWorld(World):
    system = "Name fruit."

    def __init__(self, task: Task, asks: int, letter: str) -> None:
        super().__init__(task)
        self.asks = asks
        self.letter = letter

    def user(self, model: Model | None) -> Participant:
        lines = [f"{self.task.id}. {line}" for line in ASKED[: self.asks]]
        if model is None:
            return ScriptedParticipant("user", lines)
        return ModelParticipant("user", model, Seat("You ask for fruit.", model=model.name), seed=self.seed)

    async def hears(self, speaker: Speaker, words: str) -> None:
        if speaker == "assistant":
            self.reward("ripe", words.count(self.letter) / 10)

    async def score(self) -> list[Reward]:
        return [Reward("played", 0.0)]


class Orchard(Environment):
    """`tasks`: how many there are; none of them is of the split `train` where `held_out` is set."""

    def __init__(self, asks: int = 2, letter: str = "a", tasks: int = 40, held_out: bool = False) -> None:
        self.asks = asks
        self.letter = letter
        self.count = tasks
        self.held_out = held_out
        self.max_replies = asks

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        for number in range(self.count):
            task = Task(f"tree-{number}", "orchard")
            if split in (None, "validation" if self.held_out else split_of(task.group, 0.3)):
                yield task

    def start(self, task: Task) -> World:
        return OrchardWorld(task, self.asks, self.letter)


environment = Orchard
