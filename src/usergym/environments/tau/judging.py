"""Our reward: the database as it should be, the answers told; and where nothing has to change, what was asked for
instead, so that doing nothing earns nothing."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, NamedTuple

import msgspec

from usergym.environments.tau import words
from usergym.environments.tau.desk import Desk
from usergym.environments.tau.domain import Domain
from usergym.environments.tau.outcome import outcome


class Heard(NamedTuple):
    """What an agent said and did."""

    said: Sequence[str]
    met: bool
    """It looked the customer up."""
    refused: bool
    """It refused something after that."""
    transferred: bool


class Verdict(NamedTuple):
    value: float | None
    reason: str
    words_decide: bool = False
    """Whether all else is right and it depends on what was said."""


def by_rules(domain: Domain, task: Mapping[str, Any], desk: Desk, heard: Heard) -> Verdict:
    if not desk.same_as(domain.gold(task)):
        return Verdict(0.0, "the database is not as it should be")
    for output in task.get("outputs") or ():
        if not words.told(heard.said, output):
            return Verdict(0.0, f"{output} was not told")
    wanted = outcome(domain, task)
    if wanted == "change":
        return Verdict(1.0, "as it should be")
    if not heard.met:
        return Verdict(0.0, "the customer was not looked up")
    if wanted == "tell":
        return Verdict(1.0, "as it should be")
    if heard.transferred:
        return Verdict(0.0, "handed over what had to be refused") if wanted == "refuse" else Verdict(1.0, "handed over")
    if wanted == "transfer":
        return Verdict(0.0, "not handed over")
    return Verdict(float(heard.refused), "refused" if heard.refused else "neither refused nor handed over", True)


class _Refusal(msgspec.Struct):
    reason: str
    refused: bool


REFUSAL: dict[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "refused": {"type": "boolean"}},
    "required": ["reason", "refused"],
    "additionalProperties": False,
}
"""The schema of a judge's answer."""


def refusal_question(task: Mapping[str, Any], said: Sequence[str]) -> str:
    spoken = "\n".join(f"- {text}" for text in said) or "- (nothing)"
    return _question().substitute(instruction=task["instruction"], said=spoken)


def read_refusal(answer: str) -> Verdict:
    """MsgspecError for an answer that cannot be read."""
    found = msgspec.json.decode(answer, type=_Refusal)
    return Verdict(float(found.refused), found.reason)


@cache
def _question() -> Template:
    path = files("usergym.environments.tau") / "prompts" / "judge.md"
    return Template(path.read_text(encoding="utf-8").strip())
