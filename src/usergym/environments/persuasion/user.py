"""The one who holds the opinion: rules, or a model, which declares privately where it stands if nobody else says so."""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, Protocol

import msgspec

from usergym.environments.persuasion.claims import STANCES
from usergym.environments.persuasion.stance import Mind, Reaction
from usergym.models.base import Model, ModelError, StopRun
from usergym.models.speaks import person
from usergym.types import Message, Seat, Turn, Usage, stable_hash
from usergym.users.base import SimulatorError, draw, seeded

ATTEMPTS = 3
WORDS: dict[str, Any] = {
    "type": "object",
    "properties": {"response": {"type": "string"}},
    "required": ["response"],
    "additionalProperties": False,
}
DECLARED: dict[str, Any] = {
    "type": "object",
    "properties": {"response": {"type": "string"}, "stance": {"type": "string", "enum": list(STANCES)}},
    "required": ["response", "stance"],
    "additionalProperties": False,
}


class Holder(Protocol):
    """What the world knows of the user."""

    mind: Mind
    reaction: Reaction
    """To the agent's latest message."""
    seed: int
    told: bool
    """Whether a model is told where it stands, because rules decide that."""
    declares: bool
    """Whether the model itself says where it stands."""


class RuleUser:
    """Says how the latest message struck it."""

    seat = Seat(model="rules")

    def __init__(self, holder: Holder) -> None:
        self.holder = holder

    async def speak(self, view: Sequence[Message]) -> Turn:
        mind, reaction = self.holder.mind, self.holder.reaction
        kind: str = reaction
        hint = mind.claim.reasons[0] if mind.claim.reasons else mind.claim.argument
        left = mind.left()
        if reaction == "asked":
            kind = "asked" if left else "asked_reason"
            hint = mind.claim.points[left[0]].topic if left else hint
        patterns = _toml("phrases.toml")[kind]
        pattern = patterns[stable_hash(self.holder.seed, len(view)) % len(patterns)]
        return Turn("user", Message("assistant", pattern.format(hint=hint)), state={"stance": STANCES[mind.level]})


class _Said(msgspec.Struct):
    response: str
    stance: str = ""


class ModelUser:
    """A model that says something, and declares a stance where nobody else judges it. One that is not on the list is
    asked for again, three times in all, and then a SimulatorError: it never freezes a conversation. A model that speaks
    as a person is told who it is, and not how to reply; StopRun where it was to declare a stance, which it cannot."""

    def __init__(self, holder: Holder, model: Model) -> None:
        self.holder = holder
        self.model = model
        self.schema = DECLARED if holder.declares else WORDS
        self.person = person(model)
        if self.person and (why := self.person.cannot_write(self.schema)):
            raise StopRun(
                f"judge=user has the user declare its stance, and {model.name} cannot ({why}); start it again with "
                "persuasion:judge=rules, or with persuasion:judge=model and --judge-model"
            )
        self.seat = Seat(self.system(""), model=model.name)

    def system(self, note: str) -> str:
        claim = self.holder.mind.claim
        who = prompt("user").substitute(claim=claim.claim, argument=claim.argument, note=note).strip()
        if self.person:
            return who
        how = prompt("user_declares" if self.holder.declares else "user_words").substitute(stances=", ".join(STANCES))
        return f"{who}\n{how.strip()}"

    async def speak(self, view: Sequence[Message]) -> Turn:
        holder, note = self.holder, ""
        if holder.told:
            feeling = _toml("prompts/feelings.toml")[holder.reaction]
            note = prompt("user_note").substitute(stance=STANCES[holder.mind.level], feeling=feeling)
        asked = [Message("system", self.system(note)), *(message for message in view if message.role != "system")]
        sampling = msgspec.structs.replace(self.seat.sampling, json_schema=self.schema)
        usage, reason = Usage(), ""
        for attempt in range(ATTEMPTS):
            seed = draw(stable_hash(holder.seed, attempt), view)
            reply = await self.model.reply(asked, (), seeded(sampling, seed))
            usage += reply.usage
            if reply.finish == "content_filter":
                raise ModelError("refused", f"{self.model.name} filtered the user's reply")
            said, reason = _read(reply.message.content, reply.finish, holder.declares)
            if said:
                state = {"stance": stance_of(said.stance)} if holder.declares else None
                heard = said.response.strip()
                return Turn("user", reply.message, heard=heard, state=state, tokens=reply.tokens, usage=usage)
        raise SimulatorError(f"{self.model.name} gave no usable reply in {ATTEMPTS} attempts: {reason}")


def _read(text: str, finish: str, declares: bool) -> tuple[_Said | None, str]:
    """What was said, or why it cannot be used."""
    if finish == "length":
        return None, "it was cut off"
    inner = text.strip().removeprefix("```json").strip("`").strip()
    try:
        said = msgspec.json.decode(inner, type=_Said)
    except msgspec.MsgspecError as error:
        return None, f"it is not the JSON object that was asked for ({error})"
    if not said.response.strip():
        return None, "`response` is empty"
    if declares and stance_of(said.stance) is None:
        return None, f"the stance {said.stance[:80]!r} is none of {', '.join(STANCES)}"
    return said, ""


def stance_of(text: object) -> str | None:
    """The stance that a text names; None for anything else."""
    known = {stance.lower(): stance for stance in STANCES}
    return known.get(text.strip().lower()) if isinstance(text, str) else None


@cache
def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((files("usergym.environments.persuasion") / name).read_text(encoding="utf-8"))


@cache
def prompt(name: str) -> Template:
    path = files("usergym.environments.persuasion") / "prompts" / f"{name}.md"
    return Template(path.read_text(encoding="utf-8").rstrip())
