"""A model that was trained to think as a person before it speaks, as a model for any seat: the states first, each in
sight of those it needs, then the words in sight of all of them. Only the words are heard."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from usergym.models.base import Finish, Model, ModelError, Reply
from usergym.types import Message, Record, Sampling, Tool, Usage, stable_hash
from usergym.users.states.parsing import States, over_limit, parse_states, parse_whole, written
from usergym.users.states.prompting import room, system_prompt, transcript
from usergym.users.states.spec import LAST, Hierarchy

FILE = "states.json"
"""Beside a trained model: how it speaks."""
ATTEMPTS = 3
THINKING = 512
HUMAN, OTHERS = "HUMAN", "OTHER"


class Speech(Record, frozen=True):
    """How a trained user speaks."""

    hierarchy: Hierarchy
    states: bool = True
    """States come before the words; else the words alone."""
    shared: bool = False
    """One prompt for all levels."""
    thinking: tuple[str, ...] = ()
    """Levels that are thought about first."""

    def save(self, folder: Path) -> None:
        (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))


def read_speech(folder: Path) -> Speech | None:
    """What `save` wrote there, None where nothing did. LookupError for a file that is not one of ours."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Speech)
    except (msgspec.MsgspecError, ValueError) as error:
        raise LookupError(
            f"{path} does not say how a user speaks: {error}; train it again, or remove the file"
        ) from None


class SpeakingModel:
    """Asks `model` for each level of the hierarchy and replies with the last one; the states are the reply's reasoning,
    which nobody else hears. What the system message says is the person's persona, what was said is the thread.

    A state that cannot be read is asked for again, then left out: what follows is conditioned on the others. Without
    words after `ATTEMPTS` the reply is a ModelError. A JSON schema of one text is filled with the words.
    """

    def __init__(self, model: Model, speech: Speech) -> None:
        self.model = model
        self.speech = speech

    @property
    def name(self) -> str:
        return self.model.name

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        field = _only_text(sampling.json_schema)
        if tools:
            raise ModelError("refused", f"{self.name} speaks as a person, and calls no tools")
        persona = "\n\n".join(each.content for each in messages if each.role == "system")
        thread = Message("user", _thread([each for each in messages if each.role != "system"]))
        held: dict[str, str] = {}
        usage = Usage()
        levels = self.speech.hierarchy.judged if self.speech.states else [self.speech.hierarchy.level(LAST)]
        for level in levels:
            said, spent, failure = await self._level(level.name, persona, thread, held, sampling)
            usage += spent
            if said is not None:
                held[level.name] = said
            elif level.name == LAST:
                raise ModelError(
                    "malformed", f"{self.name} wrote no response that can be read in {ATTEMPTS} attempts: {failure}"
                )
        words = held.pop(LAST, "")
        content = json.dumps({field: words}, ensure_ascii=False) if field else words
        return Reply(Message("assistant", content, reasoning=_told(held)), usage, "stop")

    async def _level(
        self, level: str, persona: str, thread: Message, held: Mapping[str, str], sampling: Sampling
    ) -> tuple[str | None, Usage, str]:
        hierarchy, thinks = self.speech.hierarchy, level in self.speech.thinking
        system = system_prompt(hierarchy, level, persona, thinking=thinks, prefix=held, shared=self.speech.shared)
        most = room(hierarchy, level, thinking=THINKING if thinks else 0)
        usage, failure = Usage(), ""
        for attempt in range(ATTEMPTS):
            asked = msgspec.structs.replace(
                sampling,
                json_schema=None,
                max_tokens=min(most, sampling.max_tokens or most),
                seed=stable_hash(sampling.seed, level, attempt) & 0x7FFFFFFF,
            )
            reply = await self.model.reply([Message("system", system), thread], (), asked)
            usage += reply.usage
            states = read_level(reply.message.content, level, hierarchy, reply.finish)
            if states.failure is None and level not in over_limit(states, hierarchy):
                return states[level].strip(), usage, ""
            failure = states.failure or over_limit(states, hierarchy)[level]
        return None, usage, failure

    async def close(self) -> None:
        await self.model.close()


def read_level(words: str, level: str, hierarchy: Hierarchy, finish: Finish = "stop") -> States:
    """One level of a generation; `truncated` where it was cut before its end."""
    states = parse_states(words, [level], "exact_thinking") if hierarchy.tagged else parse_whole(words, level)
    if finish == "length" and (states.failure or not hierarchy.tagged):
        return States(failure="truncated")
    return States(failure="empty") if states.failure is None and not states[level].strip() else states


def _thread(messages: Sequence[Message]) -> str:
    """A single message may be a thread already."""
    if len(messages) == 1:
        return messages[0].content
    return transcript([(HUMAN if each.role == "assistant" else OTHERS, each.content) for each in messages])


def _told(states: Mapping[str, str]) -> str | None:
    return written(states) if states else None


def _only_text(schema: Mapping[str, Any] | None) -> str | None:
    """The one field of a schema that is nothing but a text; ModelError for any other schema."""
    if schema is None:
        return None
    fields = schema.get("properties") or {}
    if len(fields) == 1 and next(iter(fields.values())).get("type") == "string":
        return str(next(iter(fields)))
    raise ModelError("refused", f"a trained user writes words, not JSON with the fields {', '.join(fields) or 'none'}")
