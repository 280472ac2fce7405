"""The one who asks for something. Whoever plays it, rules or a model, knows one wish at a time: which detail was asked
about is found out before, and nothing else of what is missing is in its context."""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Protocol

import msgspec

from usergym.environments.intention.details import Detail
from usergym.models.base import Model
from usergym.types import Message, Seat, Turn, stable_hash
from usergym.users.base import ModelParticipant


class Asked(Protocol):
    """What the world knows of the agent's latest message."""

    request: str
    seed: int
    latest: str

    @property
    def wishes(self) -> Sequence[Detail]:
        """The details that it asks about."""
        ...

    @property
    def manner(self) -> str:
        """If it asks about none: `vague`, `too_much`, `no_preference`, `no_question` or `unjudged`."""
        ...


class RuleUser:
    """Answers what was asked, a vague question vaguely, and volunteers nothing."""

    seat = Seat(model="rules")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    async def speak(self, view: Sequence[Message]) -> Turn:
        wishes = self.asked.wishes
        place = stable_hash(self.asked.seed, len(view))
        if len(wishes) > 1:
            (pattern,) = _phrases()["several"]
            words = " ".join(_filled(pattern, wish) for wish in wishes)
        elif wishes:
            words = _filled(_drawn("one", place), wishes[0])
        else:
            words = _drawn(self.asked.manner, place)
        return Turn("user", Message("assistant", words), state=_state(wishes))


class ModelUser:
    """A model that knows the request, what was said, and its wish in what it has just been asked about."""

    def __init__(self, asked: Asked, model: Model) -> None:
        self.asked = asked
        self.seat = Seat(prompt("user").substitute(request=asked.request, note="").strip(), model=model.name)
        self.model = model

    async def speak(self, view: Sequence[Message]) -> Turn:
        asked = self.asked
        if asked.manner == "unjudged":
            return await RuleUser(asked).speak(view)
        wishes = "\n".join(f"- {wish.description}: {wish.preference}" for wish in asked.wishes)
        note = prompt("user_asked").substitute(wishes=wishes) if wishes else prompt("user_not_asked").template
        system = prompt("user").substitute(request=asked.request, note=note.strip())
        said = [message for message in view if message.role != "system"]
        speaker = ModelParticipant("user", self.model, self.seat, (), asked.seed)
        turn = await speaker.speak([Message("system", system.strip()), *said])
        return msgspec.structs.replace(turn, state=_state(asked.wishes))


def _state(wishes: Sequence[Detail]) -> dict[str, list[str]]:
    return {"told": [wish.description for wish in wishes]}


def _drawn(manner: str, place: int) -> str:
    patterns = _phrases()[manner]
    return patterns[place % len(patterns)]


def _filled(pattern: str, wish: Detail) -> str:
    text = wish.preference.strip().rstrip(".")
    about = wish.description[:1].lower() + wish.description[1:]
    return pattern.format(wish=text, Wish=text[:1].upper() + text[1:], about=about)


@cache
def _phrases() -> dict[str, list[str]]:
    return tomllib.loads((files("usergym.environments.intention") / "phrases.toml").read_text(encoding="utf-8"))


@cache
def prompt(name: str) -> Template:
    path = files("usergym.environments.intention") / "prompts" / f"{name}.md"
    return Template(path.read_text(encoding="utf-8").strip())
