"""A model that was trained to think as a person before it speaks, as a model for any seat: the states first, each in
sight of those it needs, then the words in sight of all of them. Only the words are heard."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from usergym.models.base import Finish, Model, ModelError, Reply
from usergym.types import Message, Record, Sampling, Tool, Usage, stable_hash
from usergym.users.states.parsing import States, over_limit, parse_states, parse_whole, without_tags, written
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
    words after `ATTEMPTS` the reply is a ModelError. Of a JSON schema the one free text is filled with the words, and
    every boolean is false; what is optional is left out.
    """

    def __init__(self, model: Model, speech: Speech) -> None:
        self.model = model
        self.speech = speech

    @property
    def name(self) -> str:
        return self.model.name

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        if sampling.json_schema is not None and (why := self.cannot_write(sampling.json_schema)):
            raise ModelError("refused", f"{self.name}: {why}")
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
        content = words if sampling.json_schema is None else filled(sampling.json_schema, words)
        return Reply(Message("assistant", content, reasoning=_told(held)), usage, "stop")

    def cannot_write(self, schema: Mapping[str, Any]) -> str | None:
        try:
            fields(schema)
        except ValueError as error:
            return str(error)
        return None

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
    if states.failure is None and hierarchy.tagged and holds_tags(states[level], hierarchy):
        return States(failure="format")
    return states


def holds_tags(text: str, hierarchy: Hierarchy) -> bool:
    """Whether a text holds a tag of any level, so that among the others it could not be told where it ends."""
    return without_tags(text, hierarchy.names) != text.strip()


def _thread(messages: Sequence[Message]) -> str:
    """A single message may be a thread already."""
    if len(messages) == 1:
        return messages[0].content
    return transcript([(HUMAN if each.role == "assistant" else OTHERS, each.content) for each in messages])


def _told(states: Mapping[str, str]) -> str | None:
    return written(states) if states else None


def fields(schema: Mapping[str, Any]) -> dict[str, bool]:
    """The fields of a JSON object that words alone can fill, with whether each is the text: one free text, and any
    number of booleans. Required ones, and where no text is required the one that may be given. ValueError for others.
    """
    known: Mapping[str, Any] = schema.get("properties") or {}
    required = [name for name in known if name in schema.get("required", ())]
    missing = [name for name in schema.get("required", ()) if name not in known]
    free = [name for name in known if _is_free(known[name])]
    if not any(name in free for name in required) and len(free) == 1:
        required += free
    texts = [name for name in required if name in free]
    if len(texts) == 1 and not missing and all(name in free or _may_be_false(known[name]) for name in required):
        return {name: name in free for name in required}
    named = ", ".join(known) or "none"
    raise ValueError(f"a trained user writes words, not JSON with the fields {named}: one free text, and yes or no")


def filled(schema: Mapping[str, Any], words: str) -> str:
    """JSON with the words, and false for the rest. ValueError as `fields`."""
    values = {name: words if text else False for name, text in fields(schema).items()}
    return json.dumps(values, ensure_ascii=False)


def _is_free(field: Mapping[str, Any]) -> bool:
    return field.get("type") == "string" and not {"enum", "const", "pattern", "format"} & field.keys()


def _may_be_false(field: Mapping[str, Any]) -> bool:
    return field.get("type") == "boolean" and field.get("const") is not True and False in field.get("enum", (False,))
