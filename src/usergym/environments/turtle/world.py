"""The conversation about a puzzle: questions to the user, and versions of the story to be judged."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from random import Random
from string import Template
from typing import Any, Literal

import msgspec

from usergym.environments._gym import MAX_STEPS, Actions, Gym, GymWorld, Preset
from usergym.environments._oracle import Oracle
from usergym.environments.base import JudgeError, RowError, World, tool
from usergym.environments.turtle import answering, judging, rows
from usergym.environments.turtle.story import Puzzle, Story, own, plain
from usergym.models.base import Model
from usergym.types import Message, Reward, Seat, Task, Turn, split_of, stable_hash
from usergym.users.base import Participant
from usergym.users.scripted import ScriptedParticipant

QUESTIONS = 3
"""How many the oracle asks before it tells the story."""
SOLVED = {"usergym": 0.9, "userrl": 1.0}
"""From which share of the story on a conversation ends as solved."""


class Turtle(Gym):
    """A strange short story: yes-or-no questions find out what happened.

    `judge`: versions of the story are judged by rules, or by the model that is seated as judge. `answers`: how many
    versions may be handed in; 0 is no limit. `data`: a folder or file with UserRL's stories, which are the tasks then,
    or those that rows name."""

    name = "turtle"

    def __init__(
        self,
        actions: Actions = "interact",
        preset: Preset = "usergym",
        max_steps: int = MAX_STEPS,
        judge: Literal["rules", "model"] = "rules",
        answers: int = 4,
        data: str = "",
    ) -> None:
        super().__init__(actions, preset, max_steps)
        if answers < 0:
            raise ValueError(f"answers={answers}: expected 0 (no limit) or more")
        self.judge = judge
        self.answers = answers if preset == "usergym" else 0
        self.data = data

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """Our own puzzles in the order of the seed, or the stories in `data`."""
        if self.data:
            for task in rows.tasks(self.data):
                its = split_of(task.group, validation=0.1, test=0.1)
                if split in (None, its):
                    yield msgspec.structs.replace(task, split=its if split else None)
            return
        for puzzle in Random(stable_hash("turtle", seed)).sample(own(), len(own())):
            group = f"turtle-{puzzle.id}"
            its = split_of(group, validation=0.1, test=0.1)
            if split in (None, its):
                yield self.task(puzzle, seed, group, its if split else None)

    def task(self, puzzle: Puzzle, seed: int, group: str, split: str | None) -> Task:
        random = Random(stable_hash("turtle", seed, puzzle.id))
        story = puzzle.story
        words = random.choice(_openings()).format(title=story.title, surface=story.surface)
        data = plain(story)
        opening = (Turn("user", Message("assistant", words)),)
        return Task(f"turtle-{seed}-{puzzle.id}", self.name, group, opening, data, split=split)

    def read(self, row: Mapping[str, Any]) -> Task:
        return rows.read(row, self.data)

    def start(self, task: Task) -> World:
        return TurtleWorld(task, self)


class TurtleWorld(GymWorld):
    choices = {
        "action": "a question to the person, to be answered with yes or no",
        "answer": "the whole story as you see it, in whole sentences",
    }

    def __init__(self, task: Task, gym: Turtle) -> None:
        super().__init__(task, gym)
        self.turtle = gym
        try:
            self.story = msgspec.convert(task.data, Story)
        except msgspec.ValidationError as error:
            raise RowError("data", f"a story ({error})", task.data) from None
        if not self.story.parts:
            raise RowError("data.parts", "what a solution must say", self.story.parts)
        self.best = 0.0
        self.handed_in = 0
        self.unjudged = False

    @property
    def system(self) -> str:
        if not self.turtle.answers:
            return super().system
        return f"{super().system}\n{_limits().substitute(answers=self.turtle.answers)}"

    def secrets(self) -> Sequence[str]:
        return (self.story.bottom, *(part.says for part in self.story.parts))

    def user(self, model: Model | None) -> Participant | None:
        if model is not None:
            return answering.KnowingUser(model, self.story, self.seed)
        return ScriptedParticipant("user", lambda view: answering.reply(view[-1].content, self.story))

    def oracle(self) -> Participant:
        asked = [("action", fact.ask) for fact in self.story.facts[:QUESTIONS]]
        tools = tuple(tool.name for tool in self.tools("assistant"))
        acts = [*asked, ("answer", self.solution())]
        return Oracle(acts, self.gym.actions, Seat(self.system, tools, "oracle"))

    def solution(self) -> str:
        """A version that tells every part. The rules know no other words for a statement than its own."""
        if all(part.needs for part in self.story.parts):
            return self.story.bottom
        return " ".join(part.says for part in self.story.parts)

    @tool()
    async def answer(self, content: str) -> str:
        """Hand in the whole story as you see it, in whole sentences."""
        return await self.submit(content)

    @tool()
    async def finish(self) -> str:
        """Give up and end the conversation."""
        return await self.give_up()

    async def submit(self, content: str) -> str:
        if self.stop is not None:
            return "The conversation is over."
        self.handed_in += 1
        told = judging.objection(content)
        if told is None and self.turtle.judge == "rules":
            told = judging.off_story(content, self.story)
        if told is None:
            told = await self.judged(content)
        if self.stop is None and self.turtle.answers:
            left = self.turtle.answers - self.handed_in
            told += f" Answers left: {left}."
            if left <= 0:
                self.stop = "answers_spent"
        return told

    async def judged(self, content: str) -> str:
        """Judges and rewards a version; what the agent is told of it."""
        scores, why = await self.scores(content)
        if scores is None:
            self.unjudged = True
            self.earn(None, reason=why)
            return "It could not be judged this time."
        reached = judging.overall(scores, self.story)
        if reached > self.best:
            self.earn(round(reached - self.best, 6), reason=judging.feedback(scores))
            self.best = reached
        if reached >= SOLVED[self.turtle.preset]:
            self.stop = "solved"
        return judging.feedback(scores)

    async def scores(self, content: str) -> tuple[list[float] | None, str]:
        """A score for each part; or None, and why there is none."""
        if self.turtle.judge == "rules":
            return judging.by_rules(content, self.story), ""
        try:
            verdict = await self.ask("judge", judging.question(content, self.story), judging.schema(self.story))
        except JudgeError as error:
            return None, str(error)
        scores = judging.read_scores(verdict, self.story)
        return scores, "" if scores else "the judge's verdict cannot be read"

    async def score(self) -> list[Reward]:
        solved = self.best >= SOLVED[self.turtle.preset]
        return [*self.ended(None if self.unjudged and not solved else solved), Reward("best", self.best, weight=0.0)]


@cache
def _limits() -> Template:
    return Template(
        (files("usergym.environments.turtle") / "prompts" / "limits.md").read_text(encoding="utf-8").strip()
    )


@cache
def _openings() -> tuple[str, ...]:
    text = (files("usergym.environments.turtle") / "prompts" / "openings.md").read_text(encoding="utf-8")
    return tuple(text.strip().split("\n---\n"))
