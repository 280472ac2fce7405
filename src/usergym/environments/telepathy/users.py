"""Who thinks of the thing: by rules, from the table, or a model that knows the thing and of whom only yes, no or maybe
is heard."""

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import msgspec

from usergym.environments.telepathy import questions
from usergym.environments.telepathy.entities import Entity
from usergym.environments.telepathy.questions import Understood
from usergym.environments.telepathy.words import simple
from usergym.models.base import Model
from usergym.types import Message, Sampling, Seat, Turn, Usage, stable_hash
from usergym.users.base import SimulatorError

YES, NO, MAYBE = "Yes.", "No.", "Maybe."
UNKNOWN = "I cannot tell. Please ask it in other words, or ask something else."
OPEN = "Please ask something that yes or no can answer."
ONE = "One short question at a time, please."
NAMED = "That is a guess, not a question. Give it as your answer."
LETTERS = "I talk about the thing, not about its name."
WORDS = {"yes": YES, "no": NO, "maybe": MAYBE, "unknown": UNKNOWN}

ATTEMPTS = 3
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": ["Yes", "No", "Maybe"]}},
    "required": ["answer"],
    "additionalProperties": False,
}

Knows = Callable[[str], Understood]
"""What is known of the thing: the verdict on a question."""


def question_in(text: str) -> str:
    """The question of a message: its last sentence, if what stands before is no question."""
    parts = [part.strip() for part in re.split(r"(?<=[?!.])\s+|\n+", text.strip()) if part.strip()]
    asked = [part for part in parts if part.endswith("?")]
    return (asked or parts or [""])[-1]


def refusal(text: str, entity: Entity) -> str | None:
    """Why a message gets no answer; None for a question to answer."""
    question = question_in(text)
    asked = simple(question)
    if text.count("?") > 1 or len(text) > questions.LONGEST:
        return ONE
    if questions.OPEN.match(asked) or not asked:
        return OPEN
    if questions.LETTERS.search(asked):
        return LETTERS
    return NAMED if questions.named(question, entity) else None


class RuleUser:
    """Keeps nothing: an answer depends on the question only."""

    seat = Seat(model="rules")

    def __init__(self, entity: Entity, knows: Knows) -> None:
        self.entity = entity
        self.knows = knows

    async def speak(self, view: Sequence[Message]) -> Turn:
        return Turn("user", Message("assistant", self.reply(_last(view))))

    def reply(self, text: str) -> str:
        refused = refusal(text, self.entity)
        if refused:
            return refused
        verdict, plainly = self.knows(question_in(text))
        if plainly and verdict != "unknown":
            return f'You mean "{plainly}": {WORDS[verdict]}'
        return WORDS[verdict]


class ModelUser:
    """Its own earlier answers are in its view, so that it can stay consistent. What is no question is refused by the
    same rules as above, and what is heard of it is one of three words, whatever it wrote."""

    def __init__(self, model: Model, entity: Entity, seed: int) -> None:
        self.model = model
        self.entity = entity
        self.seed = seed
        system = _prompt("user").substitute(name=entity.name, gloss=entity.gloss)
        self.seat = Seat(system, model=model.name, sampling=Sampling(json_schema=SCHEMA))

    async def speak(self, view: Sequence[Message]) -> Turn:
        refused = refusal(_last(view), self.entity)
        if refused:
            return Turn("user", Message("assistant", refused))
        usage = Usage()
        for attempt in range(ATTEMPTS):
            seed = stable_hash(self.seed, len(view), attempt) & 0x7FFFFFFF
            reply = await self.model.reply(view, (), msgspec.structs.replace(self.seat.sampling, seed=seed))
            usage += reply.usage
            word = answer_in(reply.message.content)
            if word and reply.finish == "stop":
                return Turn("user", reply.message, heard=f"{word}.", tokens=reply.tokens, usage=usage)
        raise SimulatorError(f"{self.model.name} gave neither Yes, No nor Maybe in {ATTEMPTS} attempts")


def answer_in(text: str) -> str | None:
    """Yes, No or Maybe, as JSON, in a code fence, or the bare word."""
    inner = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    word: Any = inner
    if inner.startswith("{"):
        try:
            found = json.loads(inner)
        except (ValueError, RecursionError):
            return None
        word = found.get("answer") if isinstance(found, dict) else None
    word = word.strip(" .!\"'").capitalize() if isinstance(word, str) else None
    return word if word in ("Yes", "No", "Maybe") else None


def judge_question(entity: Entity, guess: str) -> str:
    return _prompt("same").substitute(name=entity.name, gloss=entity.gloss, guess=guess)


def _last(view: Sequence[Message]) -> str:
    return next((message.content for message in reversed(view) if message.role == "user"), "")


@cache
def _prompt(name: str) -> Template:
    text = (files("usergym.environments.telepathy") / "prompts" / f"{name}.md").read_text(encoding="utf-8")
    return Template(text.strip())
