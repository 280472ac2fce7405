"""Which of two replies suits a user's taste better: a model is asked in both orders, and believed where they agree."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Protocol

import msgspec

from usergym.judges.verdicts import AXES, MAIN, Axis, Choice, Opinion, Verdict, alike, joined, read, schema
from usergym.models.base import Model, ModelError, Reply
from usergym.types import Message, Sampling, Usage, stable_hash

LONGEST = 32_000
"""Characters of request and replies together, about 8,000 tokens."""

QUESTIONS: Mapping[Axis, str] = {
    "style": "Which reply is written more as this user wants to be written to? Only the taste above says what is good.",
    "correctness": "Which reply has fewer mistakes of fact or of reasoning?",
    "helpfulness": "Which reply does more of what the request asks for?",
    "length": "Which reply has the length that this user would rather read?",
}

_MARKUP = re.compile(
    r"<(?=\||<SYS>|/?s>|/?(?:start|end)_of_turn>|(?:bos|eos|pad|unk)>)|\|(?=>)|\[(?=/?INST\])", re.IGNORECASE
)
"""Where the tokens begin or end by which chat templates tell messages apart."""


class Judge(Protocol):
    """Compares two replies to one request, for one taste."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str:
        """All that its verdicts depend on besides the replies; "" for one that is asked anew rather than looked up."""
        ...

    async def compare(self, request: Sequence[Message], ours: str, theirs: str) -> Verdict:
        """How our reply does against the other one. What cannot be judged is an outcome, never an exception; StopRun
        passes."""
        ...


class PairwiseJudge:
    """Asks `model` which reply the user described by `persona` would rather have.

    Two replies that are the same are a tie, and an empty one loses against words, without asking. `longest`: more
    characters than these are not judged; nothing is ever cut. A verdict that cannot be read is asked for once more,
    in plain words: without a schema and a temperature, which some servers refuse.
    """

    def __init__(
        self,
        model: Model,
        persona: str,
        *,
        axes: Sequence[Axis] = AXES,
        sampling: Sampling = Sampling(temperature=0.0, max_tokens=1024),
        longest: int = LONGEST,
        seed: int = 0,
    ) -> None:
        if MAIN not in axes:
            raise ValueError(f"axes {', '.join(axes) or 'none'}: {MAIN} must be among them")
        self.model = model
        self.persona = persona
        self.axes = tuple(dict.fromkeys(axes))
        self.sampling = sampling
        self.longest = longest
        self.seed = seed

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def fingerprint(self) -> str:
        asked = (self.name, self.persona, self.axes, self.sampling, self.longest, self.seed, _template().template)
        return f"{stable_hash(*asked):016x}"

    async def compare(self, request: Sequence[Message], ours: str, theirs: str) -> Verdict:
        """The verdict on every axis, `win` meaning `ours`."""
        if decided := without_asking(ours, theirs, self.axes):
            return decided
        length = sum(len(message.content) for message in request) + len(ours) + len(theirs)
        if length > self.longest:
            return alike("too_long", self.axes, f"{length:,} characters, and {self.longest:,} are judged")
        spent = Usage()
        orders: list[dict[Axis, Choice]] = []
        for first, second in ((ours, theirs), (theirs, ours)):
            try:
                choices, used = await self._asked(request, first, second)
            except ModelError as error:
                return alike("unavailable", self.axes, str(error)[:200], spent)
            spent += used
            if choices is None:
                return alike("unreadable", self.axes, "no verdict that can be read, twice", spent)
            orders.append(choices)
        opinions: dict[Axis, Opinion] = {axis: joined(orders[0].get(axis), orders[1].get(axis)) for axis in self.axes}
        return Verdict(opinions, usage=spent)

    async def _asked(
        self, request: Sequence[Message], first: str, second: str
    ) -> tuple[dict[Axis, Choice] | None, Usage]:
        """The choices of one order; None where two attempts gave none."""
        question = Message("user", prompt(self.persona, request, first, second, self.axes))
        seed = stable_hash(self.seed, question.content) & 0x7FFFFFFE
        asked = msgspec.structs.replace(self.sampling, seed=seed, json_schema=schema(self.axes))
        plain = Sampling(max_tokens=self.sampling.max_tokens, seed=seed + 1)
        spent = Usage()
        try:
            reply = await self.model.reply([question], (), asked)
        except ModelError as error:
            if error.kind == "unavailable":
                raise
        else:
            spent += reply.usage
            if choices := self._read(reply):
                return choices, spent
        reply = await self.model.reply([question], (), plain)
        return self._read(reply), spent + reply.usage

    def _read(self, reply: Reply) -> dict[Axis, Choice] | None:
        return read(reply.message.content, self.axes) if reply.finish == "stop" else None


def without_asking(ours: str, theirs: str, axes: Sequence[Axis] = (MAIN,)) -> Verdict | None:
    """Where the replies themselves decide."""
    if ours.strip() == theirs.strip():
        return alike("tie", axes, "the same reply")
    if not ours.strip():
        return alike("loss", axes, "an empty reply")
    return None if theirs.strip() else alike("win", axes, "against an empty reply")


def prompt(persona: str, request: Sequence[Message], first: str, second: str, axes: Sequence[Axis] = AXES) -> str:
    """What the judge reads. No piece can end before its end: the marker is a hash of all of them. What looks like a
    chat template's own token gets a space inside."""
    said = [message for message in request if message.content.strip()]
    taste, *requests, first, second = map(_shown, (persona, *(each.content for each in said), first, second))
    mark = f"{stable_hash(taste, *requests, first, second):016x}"
    pieces = (
        f"<<<{mark} request, said by the {each.role}\n{text}\n>>>{mark}"
        for each, text in zip(said, requests, strict=True)
    )
    return _template().substitute(
        mark=mark,
        taste=taste,
        request="\n\n".join(pieces),
        first=first,
        second=second,
        questions="\n".join(f"- {axis}: {QUESTIONS[axis]}" for axis in axes),
        form="{" + ", ".join(f'"{axis}": "first|second|tie|cannot_tell"' for axis in axes) + "}",
    )


def _shown(text: str) -> str:
    return _MARKUP.sub(lambda match: match[0] + " ", text).strip()


@cache
def _template() -> Template:
    file = files("usergym.judges") / "prompts" / "pairwise.md"
    return Template(file.read_text(encoding="utf-8").strip())
