"""The traveller: voices what the world decided that is voiced, by rules or in a model's words."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from random import Random
from string import Template
from typing import NamedTuple

import msgspec

from usergym.environments.travel.asking import Kind
from usergym.environments.travel.blocks import Preference
from usergym.environments.travel.library import library, plain
from usergym.environments.travel.words import lines
from usergym.models.base import Model, ModelError
from usergym.types import Message, Seat, Turn, Usage, stable_hash
from usergym.users.base import SimulatorError, draw

ATTEMPTS = 3
LONGEST = 80
"""Words of a reply."""


class Topic(NamedTuple):
    """What the traveller's next words are for."""

    kind: Kind | str
    preference: Preference | None = None
    """The one to let be understood; no other is ever given to whoever speaks."""


class Traveller:
    """Rule-based: a hint of the preference as it stands, or a line for the kind of thing that was said."""

    def __init__(self, talk: "Talk", seed: int) -> None:
        self.seat = Seat(model="rules")
        self.talk = talk
        self.seed = seed

    async def speak(self, view: Sequence[Message]) -> Turn:
        said = by_rules(self.talk.topic, Random(stable_hash(self.seed, len(view))))
        return Turn("user", Message("assistant", said), state=_state(self.talk.topic))


class Talk:
    """What the world and its traveller share."""

    topic = Topic("chat")


def by_rules(topic: Topic, random: Random) -> str:
    if topic.preference is None:
        return random.choice(lines("user")[topic.kind])
    hint = random.choice(topic.preference.hints)
    if topic.kind == "asks":
        return hint
    label = library()[topic.preference.aspect].label
    return Template(random.choice(lines("user")["volunteer"])).substitute(label=label, hint=hint)


class ModelTraveller:
    """A model puts the preference, its hint and small talk into its own words. It is given that one preference and no
    other; what it must not do, name the preference outright, is checked, and asked for again. The lines for questions
    that lead nowhere are those of the rules: they hold nothing to put into words."""

    def __init__(self, talk: Talk, model: Model, seed: int) -> None:
        self.seat = Seat(_prompt("user_system").template, model=model.name)
        self.talk = talk
        self.model = model
        self.seed = seed

    async def speak(self, view: Sequence[Message]) -> Turn:
        topic = self.talk.topic
        random = Random(stable_hash(self.seed, len(view)))
        if topic.preference is None and topic.kind != "chat":
            return Turn("user", Message("assistant", by_rules(topic, random)), state=_state(topic))
        asked = [Message("system", self.seat.system), Message("user", _request(topic, view, random))]
        usage, problem = Usage(), ""
        for attempt in range(ATTEMPTS):
            seed = stable_hash(draw(self.seed, view), attempt) & 0x7FFFFFFF
            reply = await self.model.reply(asked, (), msgspec.structs.replace(self.seat.sampling, seed=seed))
            if reply.finish == "content_filter":
                raise ModelError("refused", f"{self.model.name} filtered the traveller's reply")
            usage += reply.usage
            said = reply.message.content.strip().strip('"')
            problem = "it was cut off" if reply.finish == "length" else _problem(said, topic)
            if not problem:
                return Turn("user", reply.message, heard=said, state=_state(topic), tokens=reply.tokens, usage=usage)
            again = f"That cannot be said: {problem}. Write the traveller's words again."
            asked = [*asked[:2], Message("assistant", reply.message.content), Message("user", again)]
        raise SimulatorError(f"{self.model.name} wrote no usable reply in {ATTEMPTS} attempts: {problem}")


def _state(topic: Topic) -> dict[str, str]:
    return {"intent": topic.kind, "preference": topic.preference.id if topic.preference else ""}


def _request(topic: Topic, view: Sequence[Message], random: Random) -> str:
    who = {"user": "Planner", "tool": "Planner", "assistant": "You"}
    told = [f"{who[message.role]}: {message.content}" for message in view if message.role in who]
    slots = {"conversation": "\n".join(told[-8:])}
    if topic.preference is None:
        return _prompt("user_chat").substitute(slots)
    slots |= {"preference": topic.preference.preference, "hint": random.choice(topic.preference.hints)}
    slots["label"] = library()[topic.preference.aspect].label
    return _prompt("user_voice" if topic.kind == "asks" else "user_volunteer").substitute(slots)


def _problem(said: str, topic: Topic) -> str:
    if not said:
        return "it is empty"
    if len(said.split()) > LONGEST:
        return f"it is longer than {LONGEST} words"
    if topic.preference and outright(said, topic.preference):
        return "it names the wish outright instead of letting it be understood"
    return ""


def outright(said: str, preference: Preference) -> bool:
    """Whether words name what is wanted: the preference's own sentence, or nearly all of its words."""
    text, wish = plain(said), plain(preference.preference.split(" (")[0])
    return wish in text or all(f" {word} " in text for word in wish.split() if len(word) > 2 and word != "the")


@cache
def _prompt(name: str) -> Template:
    file = files("usergym.environments.travel") / "prompts" / f"{name}.md"
    return Template(file.read_text(encoding="utf-8").strip())
