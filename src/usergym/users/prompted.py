"""The model-driven user: a model writes each step of an agenda in the words of a persona, and every
message is checked before it is said."""

import json
import tomllib
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any

import msgspec

from usergym.models.base import Model, ModelError, Reply
from usergym.types import Message, Seat, Speaker, Turn, Usage, stable_hash
from usergym.users.agenda import Step, check_steps
from usergym.users.base import SimulatorError
from usergym.users.message_check import check
from usergym.users.phrases import read_constraint
from usergym.users.scripted import replies_in

KEY = "USER_MESSAGE"
PROMPT_SLOTS = ("persona", "partial_conversation_history", "agenda")
MESSAGE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {KEY: {"type": "string"}},
    "required": [KEY],
    "additionalProperties": False,
}


@cache
def default_prompt() -> str:
    return _prompt_file("user_message.md")


@cache
def default_agenda() -> Mapping[str, str]:
    """What a message is for, by kind of step: the three kinds of the calendar."""
    return tomllib.loads(_prompt_file("agenda.toml"))


class PromptedParticipant:
    """Says its steps in order, the next one by how often it has spoken, then leaves.

    A message that fails `message_check.check` is asked for again with the reason, `attempts` times in
    all; after the last it is a SimulatorError, so that it never enters a conversation. `prompt` is a
    text with the slots {persona}, {partial_conversation_history} and {agenda}; other braces are
    doubled. `agenda` holds a sentence per kind of step, its slots the step's params; a kind that is
    not in it brings its own in the param `agenda`. A step's params are read when this is made:
    ValueError names what is missing.
    """

    def __init__(
        self,
        model: Model,
        persona_text: str,
        steps: Sequence[Step],
        *,
        seat: Seat | None = None,
        speaker: Speaker = "user",
        prompt: str | None = None,
        agenda: Mapping[str, str] | None = None,
        attempts: int = 3,
        history: int = 4,
        seed: int = 0,
        hidden: Collection[str] = (),
    ) -> None:
        if attempts < 1 or history < 0:
            raise ValueError(f"attempts is {attempts}, history {history}; give at least 1 and 0")
        check_steps(steps)
        self.model = model
        self.persona_text = persona_text
        self.steps = steps
        self.seat = seat or Seat(model=model.name)
        self.speaker: Speaker = speaker
        self.prompt = default_prompt() if prompt is None else prompt
        self.attempts = attempts
        self.history = history
        self.seed = seed
        self.hidden = hidden
        check_slots("the prompt", self.prompt, PROMPT_SLOTS)
        sentences = default_agenda() if agenda is None else agenda
        self.goals = [_goal(place, step, sentences) for place, step in enumerate(steps)]
        self.instructions = [line.strip("- ") for line in self.prompt.splitlines() if "{" not in line]

    async def speak(self, view: Sequence[Message]) -> Turn:
        place = replies_in(view)
        if place >= len(self.steps):
            return Turn(self.speaker, Message("assistant", ""), heard="", stop=f"{self.speaker}_stop")
        step, goal = self.steps[place], self.goals[place]
        asked = self._asked(view, goal)
        usage, reason = Usage(), ""
        for attempt in range(self.attempts):
            reply = await self._ask(asked, stable_hash(self.seed, len(view), attempt) & 0x7FFFFFFF)
            usage += reply.usage
            words, reason = self._read(reply, step, goal)
            if words is not None:
                return Turn(
                    self.speaker,
                    reply.message,
                    heard=words,
                    state={"intent": step.kind},
                    tokens=reply.tokens,
                    usage=usage,
                )
            again = _prompt_file("ask_again.md").format(reason=reason, agenda=goal)
            asked = [*self._asked(view, goal), Message("assistant", reply.message.content), Message("user", again)]
        raise SimulatorError(
            f"{self.model.name} wrote no usable step {place} ({step.kind}) in {self.attempts} attempts: {reason}"
        )

    def _asked(self, view: Sequence[Message], goal: str) -> list[Message]:
        said = [message for message in view if message.role in ("user", "assistant") and _heard(message)]
        lines = [
            f"{'user' if message.role == 'assistant' else 'assistant'}: {_heard(message)}"
            for message in said[len(said) - min(self.history, len(said)) :]
        ]
        prompt = self.prompt.format(
            persona=self.persona_text,
            partial_conversation_history="\n".join(lines) or "(nothing has been said yet)",
            agenda=goal,
        )
        system = [Message("system", self.seat.system)] if self.seat.system else []
        return [*system, Message("user", prompt)]

    async def _ask(self, asked: Sequence[Message], seed: int) -> Reply:
        sampling = msgspec.structs.replace(self.seat.sampling, json_schema=MESSAGE_SCHEMA, seed=seed)
        reply = await self.model.reply(asked, (), sampling)
        if reply.finish == "content_filter":
            raise ModelError("refused", f"{self.model.name} filtered the user's message")
        return reply

    def _read(self, reply: Reply, step: Step, goal: str) -> tuple[str | None, str]:
        """The words of a reply, or None and why they cannot be used."""
        if reply.finish == "length":
            return None, f"it was cut off at {reply.usage.output_tokens} tokens; be brief"
        words = user_message(reply.message.content)
        if words is None:
            return None, f'it is not a JSON object with the one text "{KEY}"'
        if f'"{words}"' in self.prompt:
            return None, "it repeats the example of the instructions"
        reason = check(words, step, self.hidden, [*self.instructions, *goal.split(". ")])
        return (words, "") if reason is None else (None, reason)


def user_message(text: str) -> str | None:
    """The message in a reply `{"USER_MESSAGE": "..."}`, which may stand in a code fence; None when it
    is anything else."""
    inner = text.strip()
    if inner.startswith("```") and inner.endswith("```") and len(inner) >= 6:
        inner = inner[3:-3]
        if inner[:4].lower() == "json":
            inner = inner[4:]
    try:
        found = json.loads(inner, strict=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or set(found) != {KEY} or not isinstance(found[KEY], str):
        return None
    return str(found[KEY]).strip()


def _heard(message: Message) -> str:
    """What a message of the view said; an own one may stand there as the JSON it was written in."""
    if message.role != "assistant":
        return message.content.strip()
    words = user_message(message.content)
    return message.content.strip() if words is None else words


def _goal(place: int, step: Step, sentences: Mapping[str, str]) -> str:
    where = f"step {place} ({step.kind})"
    template = sentences.get(step.kind) or step.params.get("agenda")
    if not isinstance(template, str):
        kinds = ", ".join(sentences)
        raise ValueError(f"{where}: no agenda for this kind; there are {kinds}, or give params['agenda']")
    slots: dict[str, Any] = dict(step.params)
    if "constraint" in slots and "{constraint_meaning}" in template:
        slots["constraint_meaning"] = read_constraint(str(slots["constraint"])).meaning()
    check_slots(f"the agenda of {where}", template, tuple(slots), required=False)
    return template.format_map(slots)


def check_slots(what: str, template: str, known: Sequence[str], required: bool = True) -> None:
    try:
        slots = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise ValueError(f"{what} cannot be read: {error}; write a literal brace twice") from error
    if strange := sorted(slots - set(known)):
        raise ValueError(
            f"{what} has the slot {{{strange[0]}}}; known: {', '.join(known) or 'none'} (a literal brace is doubled)"
        )
    if required and "agenda" not in slots:
        raise ValueError(f"{what} lacks the slot {{agenda}}, without which no message has a purpose")


@cache
def _prompt_file(name: str) -> str:
    return (files("usergym.users") / "prompts" / name).read_text(encoding="utf-8")
