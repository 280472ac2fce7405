"""Users who react to a reply by their taste: told by exact rules, or played by a model."""

import re
import tomllib
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from string import Template
from typing import Literal

import msgspec

from usergym.models.base import Model
from usergym.models.sampled import SampledModel
from usergym.types import Message, Record, Sampling, Seat, Turn, stable_hash
from usergym.users.base import ModelParticipant, SimulatorError
from usergym.users.styles.rules import Verdict, verdicts
from usergym.users.styles.spec import StyleSpec
from usergym.users.wording import punctuated, without_contractions

SAMPLING = Sampling(temperature=0.7, max_tokens=128)
"""How a model is asked for a reaction, where the run does not say otherwise."""
LONGEST = 2_000
"""Characters of a reaction."""
MOST_COMPLAINTS = 2
NEARLY = 0.5
"""Nothing broken is worse than this: the user says that it is nearly right."""

Mood = Literal["unhappy", "nearly", "content"]


@dataclass(frozen=True)
class Exchange:
    """A request, how it was answered, and the tastes of whoever asked."""

    styles: tuple[StyleSpec, ...]
    request: str
    reply: str
    answers: bool = True
    """Whether the reply is about the request at all."""
    more: bool = False
    """Whether another reply is to come."""


class Wordings(Record, frozen=True):
    """Of one rule."""

    broken: tuple[str, ...]
    """What to do instead."""
    kept: tuple[str, ...]
    """What was liked."""


class Lines(Record, frozen=True):
    """All that the users without a model say."""

    openers: dict[Mood, dict[str, tuple[str, ...]]]
    """By mood and register."""
    rules: dict[str, Wordings]
    beside_the_point: tuple[str, ...]
    again: dict[Literal["unhappy", "content"], tuple[str, ...]]
    """Added where another reply is to come."""
    unrelated: tuple[str, ...]


@cache
def lines() -> Lines:
    text = (files("usergym.users.styles") / "reactions.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Lines)


class RuleReactor:
    """Says what the exact rules of its styles found, in at most 40 words of its own: what to do instead for the worst
    broken rules, or what it liked. The words depend on the verdicts, `seed` and the place in the conversation.

    `latest` gives the exchange to react to. SimulatorError where no rule of the styles is exact.
    """

    seat = Seat(model="rules")

    def __init__(self, latest: Callable[[], Exchange], seed: int = 0) -> None:
        self.latest = latest
        self.seed = seed

    async def speak(self, view: Sequence[Message]) -> Turn:
        exchange = self.latest()
        found = verdicts(exchange.styles, exchange.reply)
        words = told(exchange, found, stable_hash(self.seed, len(view)))
        broken = [verdict.rule for verdict in found if verdict.score < 1]
        return Turn("user", Message("assistant", words), state={"broken": broken, "answers": exchange.answers})


class UnrelatedReactor:
    """Says something that has nothing to do with the reply, nor with any style: a control."""

    seat = Seat(model="unrelated")

    def __init__(self, latest: Callable[[], Exchange], seed: int = 0) -> None:
        self.latest = latest
        self.seed = seed

    async def speak(self, view: Sequence[Message]) -> Turn:
        random = Random(stable_hash("unrelated", self.seed, len(view)))
        said = [random.choice(lines().unrelated)]
        if self.latest().more:
            said.append(random.choice(lines().again["content"]))
        return Turn("user", Message("assistant", " ".join(said)))


class ModelReactor:
    """A model that has the tastes of the styles, and reads the request and the reply.

    Whatever the run says about sampling goes before `sampling`. SimulatorError for a reaction that is empty, cut or
    longer than 2,000 characters: it is never replaced by another text.
    """

    def __init__(
        self, latest: Callable[[], Exchange], model: Model, seed: int = 0, sampling: Sampling = SAMPLING
    ) -> None:
        self.latest = latest
        self.model = _asked_with(model, sampling)
        self.seed = seed
        self.seat = Seat(system_of(latest().styles), model=model.name)

    async def speak(self, view: Sequence[Message]) -> Turn:
        seed = stable_hash(self.seed, len(view))
        speaker = ModelParticipant("user", self.model, Seat(), (), seed)
        turn = await speaker.speak(asked(self.latest()))
        said = turn.message.content.strip()
        if not said:
            raise SimulatorError("the user's reaction was empty")
        if len(said) > LONGEST:
            raise SimulatorError(
                f"the user's reaction has {len(said):,} characters; a reaction has at most {LONGEST:,}: "
                "give a smaller max_tokens or another user model"
            )
        return msgspec.structs.replace(turn, heard=None if said == turn.message.content else said)


def _asked_with(model: Model, defaults: Sampling) -> Model:
    """`model` with defaults for what neither the request nor the run sets."""
    if not isinstance(model, SampledModel):
        return SampledModel(model, defaults)
    run = copy(model)
    run.model = SampledModel(model.model, defaults)
    return run


def told(exchange: Exchange, found: Sequence[Verdict], draw: int) -> str:
    """The reaction to these verdicts; `draw` picks the words. SimulatorError where there are no verdicts."""
    if not found:
        names = ", ".join(style.name for style in exchange.styles)
        raise SimulatorError(f"no rule of {names} is exact, so only a model can react; give --user-model")
    random = Random(draw)
    table = lines()
    broken = sorted((each for each in found if each.score < 1), key=lambda each: each.score)
    mood: Mood = "content"
    if broken or not exchange.answers:
        mood = "nearly" if exchange.answers and broken[0].score >= NEARLY else "unhappy"
        said = [] if exchange.answers else [random.choice(table.beside_the_point)]
        said += [random.choice(table.rules[each.rule].broken) for each in broken[: MOST_COMPLAINTS - len(said)]]
    else:
        liked = random.sample([each.rule for each in found], min(len(found), random.choice((1, 2))))
        said = [random.choice(table.rules[rule].kept) for rule in liked]
    register = next((style.axes["register"] for style in exchange.styles if "register" in style.axes), "plain")
    openers = table.openers[mood]
    if exchange.answers and random.random() < 0.6:
        said.insert(0, random.choice(openers.get(register, openers["plain"])))
    if exchange.more:
        said.append(random.choice(table.again["content" if mood == "content" else "unhappy"]))
    return _in_register(" ".join(said), register)


def _in_register(text: str, register: str) -> str:
    if register == "professional":
        return without_contractions(text)
    return punctuated(text, "light") if register == "casual" else text


def system_of(styles: Sequence[StyleSpec]) -> str:
    """The system prompt of a model that has these tastes, all of them at once."""
    personas = [style.persona.strip() for style in styles]
    if len(personas) > 1:
        personas.insert(0, "All of what follows is true of you, one and the same person.")
    return _prompt("react_system").substitute(taste="\n\n".join(personas))


def asked(exchange: Exchange) -> list[Message]:
    """What a model is asked for a reaction."""
    user = _prompt("react_user").substitute(
        request=quoted(exchange.request),
        reply=quoted(exchange.reply),
        more=_prompt("react_more").template if exchange.more else "",
    )
    return [Message("system", system_of(exchange.styles)), Message("user", user)]


_CHAT_MARK = re.compile(r"<(?=[|\uff5c])|<(?=/?(?:s|bos|eos|think|start_of_turn|end_of_turn)>)|\[(?=/?INST\])", re.I)


def quoted(text: str) -> str:
    """`text` with "| " before each of its lines, so that no line of it can pass for one of the prompt, and with the
    marks of chat templates broken up, so that none of them ends the message."""
    return "\n".join(f"| {line}" for line in _CHAT_MARK.sub(lambda mark: f"{mark[0]} ", text).splitlines() or [""])


@cache
def _prompt(name: str) -> Template:
    path = files("usergym.users") / "prompts" / f"{name}.md"
    return Template(path.read_text(encoding="utf-8").rstrip("\n"))
