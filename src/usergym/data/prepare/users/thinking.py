"""The thought before the words: written by a model that knows both, and kept where it neither copies nor contradicts.

Thoughts come from replies that are kept by request (model, prompt, row), so an unchanged row is not asked for again.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Literal

import msgspec

from usergym.data.formats.humanlm import NAME
from usergym.data.prepare.users.asking import Refused, Tally, ask
from usergym.data.prepare.users.polarity import opposed
from usergym.data.prepare.users.targets import Target, content_id
from usergym.environments.base import RowError
from usergym.environments.people.raw import truth_of, untagged
from usergym.environments.people.words import RUN, runs, words
from usergym.judges.words import holds
from usergym.models.base import Model
from usergym.rows import read_rows
from usergym.types import Message, Sampling
from usergym.users.states.prompting import persona_text, transcript

SHORTEST, LONGEST = 15, 250
"""Words of a thought."""
SAMPLING = Sampling(temperature=0.7, max_tokens=1024)
VERDICTS = ("fits", "contradicts", "unclear")
_THOUGHT = re.compile(r"\A\s*<think>\s*(.*?)\s*</think>", re.DOTALL)
_TAG = re.compile(r"</?\w+>")
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"verdict": {"type": "string", "enum": list(VERDICTS)}},
    "required": ["verdict"],
    "additionalProperties": False,
}


class Verdict(msgspec.Struct):
    verdict: Literal["fits", "contradicts", "unclear"]


@dataclass
class Thinker:
    """Finds the thought of a target: one that is there already, or a model's."""

    model: Model | None
    judge: Model | None = None
    """Is asked whether a thought leads to what was written."""
    known: Mapping[str, str] = field(default_factory=dict)
    """Thoughts by the id of their target, or by the content id of a row as it was written."""
    tally: Tally = field(default_factory=Tally)
    reused: int = 0

    async def think(self, target: Target, persona: Mapping[str, Any] | str) -> str | None:
        """None where no thought passes; the tally says why."""
        thought = self._known(target)
        if thought is None and self.model is not None:
            messages = _messages(target, persona)
            thought = await ask(self.model, messages, SAMPLING, lambda answer: checked(answer, target), self.tally)
        if thought is None or self.judge is None:
            return thought
        return await self._judged(thought, target)

    def _known(self, target: Target) -> str | None:
        keys = (target.id, *(content_id(target.thread, target.truth, user) for user in (target.user, "")))
        found = next((self.known[key] for key in keys if key in self.known), None)
        if found is None:
            if self.model is None:
                self.tally.failed["without a thought in --trajectory-path"] += 1
            return None
        try:
            thought = checked(found, target)
        except Refused as error:
            self.tally.refused[str(error)] += 1
            if self.model is None:
                self.tally.failed[str(error)] += 1
            return None
        self.reused += 1
        return thought

    async def _judged(self, thought: str, target: Target) -> str | None:
        assert self.judge
        asked = Message("user", f"The thought:\n{thought}\n\nWhat was written:\n{target.truth}")
        sampling = Sampling(temperature=0.0, max_tokens=256, json_schema=_SCHEMA)
        judged = Tally()
        verdict = await ask(self.judge, (Message("system", _file("consistent")), asked), sampling, _verdict, judged)
        self.tally.usage += judged.usage
        if verdict is None:
            self.tally.failed["not judged: " + next(iter(judged.failed))] += 1
            return None
        if verdict == "contradicts":
            self.tally.failed["contradicts what was written, says the judge"] += 1
            return None
        return thought


def checked(answer: str, target: Target) -> str:
    """The thought as it may be trained on. Refused says what is wrong with it."""
    thought = (
        answer.rpartition("</think>")[2].strip() or answer.removeprefix("<think>").removesuffix("</think>").strip()
    )
    said = words(thought)
    if not said:
        raise Refused("empty")
    if _TAG.search(thought):
        raise Refused("with tags")
    if not SHORTEST <= len(said) <= LONGEST:
        raise Refused(f"not of {SHORTEST} to {LONGEST} words")
    truth = words(target.truth)
    own = set(runs(target.truth))
    if any(run in own for run in runs(thought)) or (2 < len(truth) < RUN and holds(said, truth)):
        raise Refused("copies what was written")
    if opposed(thought, target.truth):
        raise Refused("contradicts what was written")
    return thought


def _verdict(answer: str) -> str:
    try:
        return msgspec.json.decode(answer.rpartition("</think>")[2].strip(), type=Verdict).verdict
    except (msgspec.MsgspecError, UnicodeEncodeError):
        raise Refused("no verdict") from None


def _messages(target: Target, persona: Mapping[str, Any] | str) -> tuple[Message, Message]:
    system = Template(_file("thinking")).substitute(persona=persona_text(persona))
    return Message("system", system), Message("user", transcript([*target.thread, (f"{NAME}, at last", target.truth)]))


@cache
def _file(name: str) -> str:
    return files("usergym.data.prepare.users").joinpath(f"prompts/{name}.md").read_text(encoding="utf-8")


def thoughts_in(path: Path) -> dict[str, str]:
    """Thoughts by content id, of a file of rows `{id, thinking}` or of rows for fine-tuning that begin with a thought,
    or of all such files in a folder. ValueError where there is none."""
    found: dict[str, str] = {}
    for file in _files(path):
        found.update(each for _, row in read_rows(file) if (each := _thought(row)) is not None)
    if not found:
        raise ValueError(
            f"{path} holds no thoughts; give rows with id and thinking, or with <think> in what was generated"
        )
    return found


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for suffix in (".jsonl", ".parquet"):
        yield from sorted(path.glob(f"*{suffix}"))


def _thought(row: Mapping[str, Any]) -> tuple[str, str] | None:
    if isinstance(row.get("id"), str) and isinstance(row.get("thinking"), str):
        return row["id"], row["thinking"]
    prompt = row.get("prompt")
    try:
        written = truth_of(row)
    except RowError:
        return None
    thought = _THOUGHT.match(written)
    if thought is None or not isinstance(prompt, list):
        return None
    thread = [(part.get("name"), part.get("content")) for part in prompt if part.get("role") != "system"]
    info = row.get("extra_info")
    user = info.get("target_user_id") if isinstance(info, Mapping) else None
    return content_id(thread, untagged(written), user or ""), thought[1]
