"""The customer: by rules, or played by a model that reads the task's instruction."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import msgspec

from usergym.environments.tau import words
from usergym.environments.tau.confirm import fits, generic
from usergym.models.base import Model
from usergym.types import Message, Record, Sampling, Seat, Turn
from usergym.users.base import ModelParticipant

STOP = "[[HANGS UP]]"
"""How the customer's private text says that the conversation is over. Never heard."""
PATIENCE = 3
"""How often customers repeat themselves to an agent that asks nothing and does nothing."""
GREETING = "Hello, this is the service desk. How can I help you?"
"""What a model in the customer's seat is asked first; it is not part of the conversation."""


class Wish(Record, frozen=True):
    """Something a customer wants."""

    say: str
    """Continues "I would like to"."""
    call: dict[str, Any] | None = None
    """The call that does it; None for a question, and for what the policy forbids."""
    outputs: tuple[str, ...] = ()
    """What a question is answered with."""


class RuleCustomer:
    """Tells one wish after the other, says who it is when asked, says yes to what fits a wish and no to what does
    not, accepts a refusal after insisting `insists` times, and leaves when all is done or nothing happens."""

    def __init__(self, wishes: Sequence[Wish], identity: str, insists: int = 0) -> None:
        self.seat = Seat(model="rules")
        self.wishes = wishes
        self.identity = identity
        self.insists = insists

    async def speak(self, view: Sequence[Message]) -> Turn:
        mine = [message.content for message in view if message.role == "assistant"]
        heard = [message.content for message in view if message.role == "user"]
        said, leaves = self.reply(mine, heard)
        if not leaves:
            return Turn("user", Message("assistant", said))
        return Turn("user", Message("assistant", f"{said} {STOP}"), heard=said, stop="user_stop")

    def reply(self, mine: Sequence[str], heard: Sequence[str]) -> tuple[str, bool]:
        """The next words, and whether they are the last."""
        untold = [wish for wish in self.wishes if not any(wish.say in line for line in mine)]
        current = self.wishes[len(self.wishes) - len(untold) - 1] if len(untold) < len(self.wishes) else self.wishes[0]
        if not heard:
            return f"Hello. I would like to {current.say}.", False
        last = heard[-1]
        if words.asks_to_confirm(last):
            agreed = generic(last) or any(wish.call and fits(last, wish.call) for wish in self.wishes)
            return ("Yes, please." if agreed else f"No. I would like to {current.say}."), False
        if words.refuses(last) and not current.outputs:
            if sum(map(words.refuses, heard)) <= self.insists:
                return f"I cannot accept that, please look again. I would like to {current.say}.", False
            return self.next(untold, "All right, then not.")
        if words.asks_who(last):
            return self.identity, False
        answered = bool(current.outputs) and all(words.tells(last, output) for output in current.outputs)
        if answered or words.closes(last):
            return self.next(untold, "Thank you.")
        if "?" in last:
            return f"What I need is this: I would like to {current.say}.", False
        if sum("I am waiting" in line for line in mine) >= PATIENCE:
            return "This leads nowhere. Goodbye.", True
        return f"I am waiting. I would like to {current.say}.", False

    def next(self, untold: Sequence[Wish], first: str) -> tuple[str, bool]:
        if untold:
            return f"{first} Something else: I would like to {untold[0].say}.", False
        return f"{first} Goodbye.", True


class ModelCustomer:
    """A model that has the instruction as its own; what it writes to hang up is not heard."""

    def __init__(self, model: Model, instruction: str, seed: int) -> None:
        text = _prompt().substitute(instruction=instruction, stop=STOP)
        self.seat = Seat(text, model=model.name, sampling=Sampling())
        self.model = ModelParticipant("user", model, self.seat, seed=seed)

    async def speak(self, view: Sequence[Message]) -> Turn:
        system = [message for message in view if message.role == "system"] or [Message("system", self.seat.system)]
        rest = [message for message in view if message.role != "system"]
        turn = await self.model.speak([*system, Message("user", GREETING), *rest])
        text = turn.message.content
        if not _HANGS_UP.search(text):
            return turn
        return msgspec.structs.replace(turn, heard=_HANGS_UP.sub("", text).strip(), stop="user_stop")


_HANGS_UP = re.compile(r"\[\[\s*HANGS? UP\s*\]\]|###STOP###", re.IGNORECASE)


@cache
def _prompt() -> Template:
    path = files("usergym.environments.tau") / "prompts" / "user.md"
    return Template(path.read_text(encoding="utf-8").strip())


def read_wishes(given: Sequence[Mapping[str, Any]]) -> list[Wish]:
    return [msgspec.convert(wish, Wish) for wish in given]
