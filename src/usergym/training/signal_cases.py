"""What a signal is measured on: a context, a reply, a reaction to it, and a remark that has nothing to do with it."""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec

from usergym.models.chat_format import from_chat
from usergym.types import Message, Record, Tool, stable_hash

Kind = Literal["reinforce", "constrain"]
Control = Literal["unrelated", "shuffled", "empty", "none"]
"""What stands in the reaction's place beside it."""


class Case(Record, frozen=True):
    id: str
    messages: tuple[Message, ...]
    """The context x; behind a `head` only what was said since."""
    reaction: str
    """o."""
    kind: Kind | None = None
    """Whether the reaction wants more of the same, or something else; None where nobody knows."""
    control: str | None = None
    """A remark that has nothing to do with the reply; None: one is chosen."""
    request: str = ""
    """What the reply answers: cases of one request share what is sampled for it. By default the case stands alone."""
    draw: int = 0
    """Which of the replies that are sampled for the request."""
    reply: str | None = None
    """y as text, to be spelled in the model's tokens. None, without `reply_ids`: still to be sampled."""
    reply_ids: tuple[int, ...] = ()
    """y as sampled."""
    prompt_ids: tuple[int, ...] = ()
    """x as recorded; none where it was never in tokens."""
    head: tuple[int, ...] = ()
    """The first ids of `prompt_ids`, up to the end of the reply before."""
    tools: tuple[Tool, ...] = ()

    def __post_init__(self) -> None:
        if not self.request:
            msgspec.structs.force_setattr(self, "request", self.id)

    @property
    def sample(self) -> tuple[str, int] | None:
        """Which sampled reply belongs to it; None where it brings one."""
        return (self.request, self.draw) if self.reply is None and not self.reply_ids else None


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    """One entry of a file of cases: a case for each reaction."""

    prompt: str | list[dict[str, Any]]
    unrelated: str | None = None
    reinforce: str | None = None
    constrain: str | None = None
    id: str = ""
    system: str = ""
    reply: str | None = None

    def cases(self, number: int) -> list[Case]:
        name = self.id or f"{number}"
        said: tuple[tuple[Kind, str | None], ...] = (("reinforce", self.reinforce), ("constrain", self.constrain))
        messages = _messages(self.prompt, self.system)
        made = [
            Case(f"{name}/{kind}", messages, text, kind, self.unrelated, name, reply=self.reply)
            for kind, text in said
            if text is not None
        ]
        if not made:
            raise ValueError("it has no reaction; give reinforce, constrain, or both")
        return made


class _Documented(msgspec.Struct):
    """An entry of the published analysis; its other fields are passed over."""

    raw_prompt: str | list[dict[str, Any]]
    feedback_followup: str
    unrelated_followup: str | None = None
    kind: Kind | None = None
    id: str = ""

    def cases(self, number: int) -> list[Case]:
        messages = _messages(self.raw_prompt, "")
        request = f"{stable_hash(msgspec.json.encode(messages).decode()):016x}"
        name = self.id or f"{number}"
        return [Case(name, messages, self.feedback_followup, self.kind, self.unrelated_followup, request)]


def own() -> list[Case]:
    """Our fourteen cases: seven requests, two reactions to each."""
    return _cases(_own()["request"], "signal_cases.toml")


def remark(case: Case, seed: int) -> str:
    """A remark that has nothing to do with a recorded reply: drawn from ours, the same for the same case and seed."""
    remarks: Sequence[str] = _own()["remarks"]
    return remarks[stable_hash("remark", seed, case.id) % len(remarks)]


@cache
def _own() -> dict[str, Any]:
    return tomllib.loads((files("usergym.training") / "signal_cases.toml").read_text(encoding="utf-8"))


def read(path: Path) -> list[Case]:
    """The cases of a TOML or JSON file: entries `prompt`, `unrelated`, `reinforce`, `constrain` as ours, or
    `raw_prompt`, `unrelated_followup`, `feedback_followup`. ValueError names the entry and what is wrong with it."""
    text = path.read_text(encoding="utf-8")
    try:
        value = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}; give a .toml or .json file of cases") from None
    entries = value.get("request", value.get("cases")) if isinstance(value, dict) else value
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path} holds no cases; give a list of them, in TOML each under [[request]]")
    return _cases(entries, str(path))


def _cases(entries: Sequence[Any], where: str) -> list[Case]:
    made: list[Case] = []
    for number, entry in enumerate(entries, 1):
        kind: type[_Request | _Documented] = _Request
        if isinstance(entry, dict) and "raw_prompt" in entry:
            kind = _Documented
        try:
            made += msgspec.convert(entry, kind).cases(number)
        except (msgspec.ValidationError, ValueError) as error:
            raise ValueError(f"{where}, case {number}: {error}") from None
    ids = [case.id for case in made]
    if twice := sorted({each for each in ids if ids.count(each) > 1}):
        raise ValueError(f"{where}: the id {twice[0]!r} stands there more than once; give each case its own")
    return made


def repeated(cases: Sequence[Case], count: int) -> list[Case]:
    """So many cases: the first of them, or all and then again, each time with another reply."""
    made = []
    for place in range(count):
        case, lap = cases[place % len(cases)], place // len(cases)
        if lap:
            case = msgspec.structs.replace(case, id=f"{case.id}#{lap + 1}", draw=lap)
        made.append(case)
    return made


def chosen(cases: Iterable[Case], id: str | None) -> list[Case]:
    """Those of one id: of a case, its request or its conversation. ValueError, with some ids that there are, for
    none."""
    found = list(cases)
    if id is None:
        return found
    kept = [case for case in found if id == case.id or case.id.startswith((f"{id}/", f"{id}:", f"{id}#"))]
    if not kept:
        raise ValueError(f"no case {id!r}; there are {', '.join(case.id for case in found[:6])}")
    return kept


def with_replies(cases: Iterable[Case], replies: Mapping[tuple[str, int], Sequence[int]]) -> list[Case]:
    """The cases with the ids sampled for their requests; those that bring a reply keep it."""
    return [
        msgspec.structs.replace(case, reply_ids=tuple(replies[case.sample]))
        if case.sample and case.sample in replies
        else case
        for case in cases
    ]


def _messages(prompt: str | list[dict[str, Any]], system: str) -> tuple[Message, ...]:
    said = [Message("user", prompt)] if isinstance(prompt, str) else from_chat(prompt)
    if not any(message.content.strip() for message in said):
        raise ValueError("its prompt is empty")
    return (Message("system", system), *said) if system else tuple(said)
