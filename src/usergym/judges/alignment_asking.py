"""How a judge is asked for one JSON object, what is shown to it, and what comes of an answer that is none."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, Generic, TypeVar

import msgspec

from usergym.judges.alignment_scores import Failure
from usergym.models.base import Model, ModelError
from usergym.types import Message, Sampling, Usage, stable_hash

T = TypeVar("T")

LONGEST = 64_000
"""Characters of the material, about 16,000 tokens."""
SAMPLING = Sampling(temperature=0.0, max_tokens=4096)

_FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL | re.IGNORECASE)
_MARKUP = re.compile(r"[<>]|\[(?=/?INST\])")
"""What a tag or a chat template's own token begins or ends with."""


class Unread(Exception):
    """An answer that holds no verdict."""

    def __init__(self, failure: Failure, why: str) -> None:
        super().__init__(why)
        self.failure: Failure = failure


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    value: T | None
    failure: Failure | None
    why: str
    usage: Usage


async def ask(
    judge: Model, question: str, schema: dict[str, Any], read: Callable[[str], T], sampling: Sampling, seed: int
) -> Answer[T]:
    """What `read` makes of the judge's words; it raises Unread for those that are no verdict. StopRun passes.

    Such an answer, and a server that refuses the request, is asked once more in plain words: without the schema and the
    temperature, which some servers do not take.
    """
    drawn = stable_hash(seed, question) & 0x7FFFFFFE
    asked = msgspec.structs.replace(sampling, seed=drawn, json_schema=schema)
    plain = Sampling(max_tokens=sampling.max_tokens, seed=drawn + 1)
    spent = Usage()
    failure: Failure = "unreadable"
    why = ""
    for each in (asked, plain):
        try:
            reply = await judge.reply([Message("user", question)], (), each)
        except ModelError as error:
            failure, why = ("unavailable" if error.kind == "unavailable" else "refused"), str(error)[:200]
            if error.kind == "unavailable":
                break
            continue
        spent += reply.usage
        if reply.finish == "length":
            failure, why = "truncated", f"cut after {reply.usage.output_tokens:,} tokens; allow more"
        elif reply.finish == "content_filter":
            failure, why = "refused", "the server filtered the answer"
        else:
            try:
                return Answer(read(reply.message.content), None, "", spent)
            except Unread as error:
                failure, why = error.failure, str(error)
    return Answer(None, failure, why, spent)


def question(template: str, material: Mapping[str, Any], form: str = "") -> str:
    """The prompt of that name with `material` in it: JSON on lines of its own between marks that are a hash of it, and
    without the signs by which tags and chat templates' tokens begin. No string of it can end before its end."""
    written = _MARKUP.sub(_escaped, json.dumps(material, ensure_ascii=False, indent=1))
    mark = f"{stable_hash(written):016x}"
    return _template(template).substitute(mark=mark, material=written, form=form)


def fingerprint(template: str) -> str:
    """What a prompt's text is known by: another text gives other answers."""
    return f"{stable_hash(_template(template).template):016x}"


def one_object(text: str) -> list[tuple[str, Any]]:
    """Keys and values, in order and with repetitions, of the JSON object that an answer consists of; a fence around it
    and thoughts before it are allowed. Objects within it are lists of pairs as well. Unread for anything else."""
    text = text.rpartition("</think>")[2].strip()
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1]
    try:
        value = json.loads(text, object_pairs_hook=_Pairs, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Unread("unreadable", f"no JSON object: {text[:80]!r}") from None
    if not isinstance(value, _Pairs):
        raise Unread("unreadable", f"JSON that is no object: {text[:80]!r}")
    return value


def fields(value: Any) -> dict[str, Any] | None:
    """The object that a value of `one_object` is; None for a value that is none, or says one key twice."""
    if not isinstance(value, _Pairs):
        return None
    found = dict(value)
    return found if len(found) == len(value) else None


class _Pairs(list[tuple[str, Any]]):
    """A JSON object, told from an array."""


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


@cache
def _template(name: str) -> Template:
    return Template((files("usergym.judges") / "prompts" / f"{name}.md").read_text(encoding="utf-8").strip())
