"""Held-out requests, each answered once: an environment without a user who reacts and without a reward, so that one
reply can be compared under any number of tastes."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from usergym.environments.base import Environment, World
from usergym.rollouts.store import read_trajectories
from usergym.types import Message, Record, Speaker, Task, Trajectory, stable_hash

ENV = "answers"


class _Answering(World):
    def __init__(self, task: Task, taste: str) -> None:
        super().__init__(task)
        self.taste = taste

    @property
    def system(self) -> str:
        return "\n\n".join(part for part in (self.task.data.get("system", ""), self.taste) if part)

    async def hears(self, speaker: Speaker, words: str) -> None:
        if speaker == "assistant":
            self.stop = "answered"


class Answers(Environment):
    """Requests of other environments; `taste` in the agent's system prompt makes it an in-context oracle."""

    name = ENV
    max_replies = 1

    def __init__(self, taste: str = "") -> None:
        self.taste = taste

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """None of its own."""
        return iter(())

    def start(self, task: Task) -> World:
        return _Answering(task, self.taste)


def request_task(task: Task, system: str) -> Task:
    """What a task of another environment opens with, as a task of this one: its id is a hash of what is asked."""
    data = {"system": system} if system else {}
    key = stable_hash(system, *((turn.speaker, turn.said) for turn in task.opening))
    return Task(f"{ENV}/{key:016x}", ENV, opening=task.opening, data=data)


def request_of(task: Task) -> list[Message]:
    """What is asked, as an assistant sees it."""
    return Trajectory(task, 0, 0, turns=list(task.opening)).view("assistant")


class Answered(Record, frozen=True):
    """One reply."""

    text: str
    cut: bool
    """It reached the limit of tokens."""


def read_answers(folder: Path) -> dict[tuple[str, int], Answered]:
    """The replies of a run folder, by task and sample."""
    return {(each.task.id, each.sample): _answer(each) for each in read_trajectories(folder)}


def _answer(trajectory: Trajectory) -> Answered:
    said = [turn.said for turn in trajectory.turns[len(trajectory.task.opening) :] if turn.speaker == "assistant"]
    return Answered(said[-1] if said else "", trajectory.stop == "length")


def key_of_prompt(text: str) -> int:
    """Of a prompt, whatever its case and white space."""
    return stable_hash(" ".join(text.casefold().split()))


def trained_prompts(folder: Path) -> set[int] | None:
    """Keys of all that users asked first in the conversations that a training run kept; None where it kept none."""
    files = sorted(folder.glob("trajectories*.jsonl"))
    if not files:
        return None
    return {key_of_prompt(words) for file in files for each in read_trajectories(file) for words in _asked_first(each)}


def _asked_first(trajectory: Trajectory) -> Iterable[str]:
    """What was said before the first reply that was sampled."""
    for place, turn in enumerate(trajectory.turns):
        if turn.speaker == "assistant" and place >= len(trajectory.task.opening):
            return
        if turn.speaker == "user" and (said := turn.said):
            yield said


def last_request(task: Task) -> str:
    return next(turn.said for turn in reversed(task.opening) if turn.speaker == "user")
