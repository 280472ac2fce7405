"""The guessing game: one thing, a user who knows it, questions, and a counted number of answers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Literal

from usergym.environments._gym import MAX_STEPS, Actions, Gym, GymWorld, Preset
from usergym.environments.base import JudgeError, tool
from usergym.environments.telepathy import guesses, peers, questions, rows
from usergym.environments.telepathy.entities import entities
from usergym.environments.telepathy.oracle import Oracle
from usergym.environments.telepathy.questions import Understood
from usergym.environments.telepathy.users import ModelUser, RuleUser, judge_question
from usergym.models.base import Model
from usergym.types import Reward, Seat, Task, split_of, stable_hash
from usergym.users.base import Participant

ATTEMPTS = 3
SAME: dict[str, Any] = {
    "type": "object",
    "properties": {"same": {"type": "boolean"}},
    "required": ["same"],
    "additionalProperties": False,
}


class Telepathy(Gym):
    """Twenty questions: the user thinks of something, and the agent finds out what.

    `attempts`: answers in one conversation; 3 unless given, and without limit (0) with `preset=userrl`. `judge`:
    an answer is compared with the names of the thing by rules, or by a model where the rules say no. `data`: the
    folder with UserRL's all_entities_refined.json, for parquet rows that do not tell the thing themselves."""

    name = rows.NAME

    def __init__(
        self,
        actions: Actions = "interact",
        preset: Preset = "usergym",
        max_steps: int = MAX_STEPS,
        attempts: int | None = None,
        judge: Literal["rules", "model"] = "rules",
        data: str = "",
    ) -> None:
        super().__init__(actions, preset, max_steps)
        if attempts is not None and attempts < 0:
            raise ValueError(f"attempts={attempts}: expected 1 or more, or 0 for no limit")
        self.attempts = (ATTEMPTS if preset == "usergym" else 0) if attempts is None else attempts
        self.judge: Literal["rules", "model"] = judge
        self.data = data

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """Each thing of the table once, in an order drawn from the seed. Things that share a name are in one split."""
        order = list(entities())
        Random(stable_hash(self.name, seed)).shuffle(order)
        for entity in order:
            if split is None or split_of(f"entity {entity.group}", validation=0.1, test=0.1) == split:
                yield rows.task_of(rows.key_of(seed, entity), entity, split)

    def read(self, row: Mapping[str, Any]) -> Task:
        """A task of ours, a row of all_entities_refined.json, or a parquet row of UserRL."""
        return rows.read(row, self.data)

    def start(self, task: Task) -> "TelepathyWorld":
        return TelepathyWorld(task, self)


class TelepathyWorld(GymWorld):
    choices = {
        "action": "one question that yes or no can answer",
        "answer": "the name of the thing, one name only",
    }

    def __init__(self, task: Task, gym: Telepathy) -> None:
        super().__init__(task, gym)
        self.entity = rows.entity_of(task)
        self.judge = gym.judge
        self.left = gym.attempts or None
        """Answers; None: no limit."""
        self.solved = False

    def secrets(self) -> Sequence[str]:
        return (self.entity.name, self.entity.gloss)

    def user(self, model: Model | None) -> Participant:
        if model is not None:
            return ModelUser(model, self.entity, self.seed)
        return RuleUser(self.entity, self.knows)

    def knows(self, question: str) -> Understood:
        if "gloss" in self.task.data:
            return peers.knows(question, self.entity)
        return questions.answer(question, self.entity)

    async def submit(self, content: str) -> str:
        if self.stop is not None:
            return "The conversation is over."
        if guesses.several(content, self.entity):
            return "Error: give one name and nothing else. This did not count as an answer."
        right = guesses.right(content, self.entity)
        if not right and self.judge == "model":
            verdict = await self.judged(content)
            if verdict is None:
                self.earn(None, reason="the judge gave no verdict")
                return "That could not be judged. It did not count as an answer."
            right = verdict
        if self.left is not None:
            self.left -= 1
        if right:
            self.solved, self.stop = True, "solved"
            self.earn(1.0, reason="right answer")
            return "That is it! The game is over."
        self.earn(0.0, reason="wrong answer")
        if self.left is not None and self.left <= 0:
            self.stop = "out_of_attempts"
            return "That is not it, and it was the last answer. The game is over."
        if self.left is None:
            return "That is not it."
        return f"That is not it. You have {self.left} answer{'s' * (self.left != 1)} left."

    async def judged(self, guess: str) -> bool | None:
        try:
            found = json.loads(await self.ask("judge", judge_question(self.entity, guess), SAME))
        except (JudgeError, ValueError, RecursionError):
            return None
        same = found.get("same") if isinstance(found, dict) else None
        return same if isinstance(same, bool) else None

    @tool()
    async def answer(self, name: str) -> str:
        """Name the thing. Answers are counted."""
        words = name.strip()
        return await self.submit(words) if words else "Error: name is empty; give the name of the thing."

    @tool()
    async def finish(self) -> str:
        """Give up."""
        return await self.give_up()

    def oracle(self) -> Participant:
        seat = Seat(self.system, tuple(each.name for each in self.tools("assistant")), "oracle")
        return Oracle(self.entity, seat, self.gym.actions == "interact", self.gym.max_replies)

    async def score(self) -> list[Reward]:
        return self.ended(self.solved)
