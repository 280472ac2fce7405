"""A whole environment in one file: the user thinks of a number, the agent finds it by asking.

usergym rollout --env examples.guess_number --model oracle --limit 20 --out guess
"""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Annotated

from msgspec import Meta

from usergym.environments.base import Environment, JudgeError, Say, World, tool
from usergym.models.base import Model
from usergym.types import Message, Reward, Seat, Task, ToolCall, Turn, split_of, stable_hash
from usergym.users.base import ModelParticipant, Participant
from usergym.users.scripted import ScriptedParticipant, replies_in


class GuessNumber(Environment):
    """The user thinks of a whole number from 1 to `highest`; the agent has `tries` tries to find it.

    With `manners` a judge is asked whether the agent was polite; that is recorded and does not count.
    """

    name = __name__
    """What tasks are recorded under, and what `load` must find it by."""

    def __init__(self, highest: int = 100, tries: int = 7, manners: bool = False) -> None:
        if highest < 1 or tries < 1:
            raise ValueError(f"highest is {highest}, tries {tries}; both must be at least 1")
        self.highest = highest
        self.tries = tries
        self.manners = manners

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        for index in count():
            key = f"guess-{self.highest}-{seed}-{index}"
            if split is None or split_of(key, test=0.1) == split:
                yield Task(key, self.name, data={"secret": 1 + stable_hash("secret", key) % self.highest})

    def start(self, task: Task) -> World:
        return Game(task, self)


class Game(World):
    def __init__(self, task: Task, rules: GuessNumber) -> None:
        super().__init__(task)
        self.rules = rules
        self.secret: int = task.data["secret"]
        self.possible = range(1, rules.highest + 1)
        self.used = 0
        self.calling: int | None = None
        """The guess of a call whose words may or may not be delivered."""
        self.guessed: int | None = None
        """The guess that the user heard last, None where the agent said something else."""

    @property
    def system(self) -> str:
        rules = self.rules
        return (
            f"The user thinks of a whole number from 1 to {rules.highest}. Find it by calling the tool `guess`; the "
            f"user answers whether the number is higher or lower. You have {rules.tries} tries, and everything you "
            "say is one."
        )

    @tool()
    def guess(self, number: Annotated[int, Meta(description="The number to ask the user about.")]) -> str:
        """Ask the user whether this is the number."""
        if not 1 <= number <= self.rules.highest:
            return f"Error: {number} is not from 1 to {self.rules.highest}; this was no try."
        if self.calling is None:
            self.calling = number
        return Say(f"Is it {number}?")

    async def hears(self, speaker: str, words: str) -> None:
        """A guess counts once the user hears it; the game ends with the user's answer."""
        if speaker == "assistant":
            self.used += 1
            self.guessed, self.calling = self.calling, None
            if self.guessed is not None:
                self.reward("ruled_out", self.narrow(self.guessed), weight=0.0)
        elif self.guessed == self.secret:
            self.stop = "found"
        elif self.used >= self.rules.tries:
            self.stop = "out_of_tries"

    def narrow(self, number: int) -> float:
        """The share of the numbers still possible that this guess rules out."""
        before = self.possible
        if number == self.secret:
            self.possible = range(number, number + 1)
        elif number < self.secret:
            self.possible = range(max(before.start, number + 1), before.stop)
        else:
            self.possible = range(before.start, min(before.stop, number))
        return 1 - len(self.possible) / len(before)

    async def score(self) -> list[Reward]:
        found = self.guessed == self.secret
        rewards = [Reward("found", float(found), reason="pass" if found else "not_found")]
        if self.rules.manners:
            rewards.append(await self.judged())
        return rewards

    async def judged(self) -> Reward:
        assert self.trajectory
        said = "\n".join(turn.said for turn in self.trajectory.turns if turn.speaker == "assistant")
        try:
            verdict = await self.ask("judge", f"Is everything said here polite? Answer yes or no.\n\n{said}")
        except JudgeError as error:
            return Reward("polite", None, weight=0.0, reason=str(error))
        return Reward("polite", float(verdict.strip().lower().startswith("yes")), weight=0.0)

    def user(self, model: Model | None) -> Participant:
        if model is None:
            return ScriptedParticipant("user", self.answer)
        system = (
            f"You think of the number {self.secret}. Somebody guesses it. Answer each guess with one word: "
            "higher, lower or yes. Never name the number."
        )
        return ModelParticipant("user", model, Seat(system, model=model.name), seed=self.seed)

    def answer(self, view: Sequence[Message]) -> str:
        """What the rule-based user says next."""
        if not replies_in(view):
            return f"I am thinking of a number from 1 to {self.rules.highest}. Which one is it?"
        if self.guessed is None:
            return "Just guess one."
        if self.guessed == self.secret:
            return "Yes!"
        return "Higher." if self.guessed < self.secret else "Lower."

    def oracle(self) -> Participant:
        tools = tuple(each.name for each in self.tools("assistant"))
        return _Knowing(self.secret, Seat(self.system, tools, model="oracle"))


class _Knowing:
    """Guesses right at once."""

    def __init__(self, secret: int, seat: Seat) -> None:
        self.secret = secret
        self.seat = seat

    async def speak(self, view: Sequence[Message]) -> Turn:
        call = ToolCall(f"call_{len(view)}", "guess", f'{{"number": {self.secret}}}')
        return Turn("assistant", Message("assistant", tool_calls=(call,)))


environment = GuessNumber
