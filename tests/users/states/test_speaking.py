"""A trained user in any seat: it thinks level by level, and only its words are heard."""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from usergym.models.base import ModelError, Reply
from usergym.models.sampled import SampledModel
from usergym.models.scripted import ScriptedModel
from usergym.serving import persona_user
from usergym.types import Message, Sampling, Tool
from usergym.users.states import load
from usergym.users.states.speaking import SpeakingModel, Speech, read_speech

SER = Speech(load("ser"))
ASKED = re.compile(r"<(\w+)>\.\.\.</\1>")


def asked_level(view: Sequence[Message]) -> str:
    (found,) = ASKED.findall(view[0].content)
    return str(found)


def spoken(
    answers: dict[str, list[str]], messages: Sequence[Message], speech: Speech = SER, sampling: Sampling = Sampling()
) -> tuple[Reply, list[Sequence[Message]]]:
    seen: list[Sequence[Message]] = []

    def answer(view: Sequence[Message]) -> str:
        seen.append(view)
        return answers[asked_level(view)].pop(0)

    return asyncio.run(SpeakingModel(ScriptedModel(answer), speech).reply(messages, (), sampling)), seen


SAID = {
    "stance": ["<stance>opposes the toll</stance>"],
    "emotion": ["<emotion>mild anger at the toll</emotion>"],
    "response": ["<response>No toll, please.</response>"],
}
VIEW = [Message("system", "puts thrift first"), Message("user", "Ann: A toll?")]


def said() -> dict[str, list[str]]:
    return {level: list(texts) for level, texts in SAID.items()}


def test_each_level_sees_those_before_it_and_only_the_words_are_heard() -> None:
    reply, seen = spoken(said(), VIEW)
    assert reply.message.content == "No toll, please."
    assert "opposes the toll" in (reply.message.reasoning or "")
    assert [asked_level(view) for view in seen] == ["stance", "emotion", "response"]
    for view in seen:
        assert "puts thrift first" in view[0].content
        assert view[1] == Message("user", "Ann: A toll?")
    assert "opposes the toll" not in seen[0][0].content
    assert "- stance: opposes the toll" in seen[1][0].content
    assert "- emotion: mild anger at the toll" in seen[2][0].content
    assert reply.usage.calls == 3


def test_a_state_that_cannot_be_read_is_asked_for_again_and_then_left_out() -> None:
    answers = {**said(), "emotion": ["I feel fine", "<emotion>" + "so " * 20 + "</emotion>", "<emotion></emotion>"]}
    reply, seen = spoken(answers, VIEW)
    assert reply.message.content == "No toll, please."
    assert "emotion" not in (reply.message.reasoning or "")
    assert len(seen) == 5


def test_without_words_there_is_no_reply_and_no_canned_one() -> None:
    with pytest.raises(ModelError, match="wrote no response that can be read in 3 attempts: format"):
        spoken({**said(), "response": ["Hm."] * 3}, VIEW)


def test_what_was_said_is_a_thread_of_names() -> None:
    view = [*VIEW, Message("assistant", "Why one?"), Message("user", "For repairs.")]
    _, seen = spoken(said(), view)
    assert seen[0][1].content == "OTHER: Ann: A toll?\n\nHUMAN: Why one?\n\nOTHER: For repairs."


TEXT, FLAG = {"type": "string"}, {"type": "boolean"}


@pytest.mark.parametrize(
    ("properties", "required", "written"),
    [
        ({"USER_MESSAGE": TEXT}, None, {"USER_MESSAGE": "No toll, please."}),
        ({"USER_MESSAGE": TEXT, "LEAVING": FLAG}, None, {"USER_MESSAGE": "No toll, please."}),
        (persona_user.SCHEMA["properties"], "all", {"USER_MESSAGE": "No toll, please.", "LEAVING": False}),
        ({"a": FLAG, "b": TEXT, "c": FLAG}, "all", {"a": False, "b": "No toll, please.", "c": False}),
        ({"said": TEXT, "thought": TEXT, "age": {"type": "integer"}}, ["said"], {"said": "No toll, please."}),
    ],
)
def test_the_one_text_of_a_schema_is_filled_and_what_must_be_yes_or_no_is_no(
    properties: dict[str, Any], required: Any, written: dict[str, Any]
) -> None:
    asked = {"type": "object", "properties": properties}
    asked |= {"required": list(properties) if required == "all" else required} if required else {}
    reply, _ = spoken(said(), VIEW, sampling=Sampling(json_schema=asked))
    assert json.loads(reply.message.content) == written


@pytest.mark.parametrize(
    ("properties", "required"),
    [
        ({"a": TEXT, "b": {"type": "integer"}}, ["a", "b"]),
        ({"a": TEXT, "b": TEXT}, ["a", "b"]),
        ({"a": TEXT, "b": TEXT}, []),
        ({"a": TEXT, "b": {"type": "string", "enum": ["x"]}}, ["a", "b"]),
        ({"a": FLAG}, ["a"]),
        ({"a": TEXT, "b": {"type": "boolean", "const": True}}, ["a", "b"]),
        ({"a": TEXT}, ["a", "b"]),
        ({}, []),
    ],
)
def test_a_schema_that_words_do_not_fill_is_refused_before_anything_is_asked(
    properties: dict[str, Any], required: list[str]
) -> None:
    asked = {"type": "object", "properties": properties, "required": required}
    nobody: dict[str, list[str]] = {}
    with pytest.raises(ModelError, match=f"not JSON with the fields {', '.join(properties) or 'none'}"):
        spoken(nobody, VIEW, sampling=Sampling(json_schema=asked))


def test_tools_are_refused() -> None:
    with pytest.raises(ModelError, match="calls no tools"):
        asyncio.run(SpeakingModel(ScriptedModel(["x"]), SER).reply(VIEW, [Tool("look", "", {})], Sampling()))


def test_a_trained_user_is_served_with_who_it_is_and_what_was_said_and_never_leaves_by_itself() -> None:
    seen: list[Sequence[Message]] = []
    lines = [
        *("<stance>for it</stance>", "<emotion>calm</emotion>", "<response>No toll.</response>"),
        *("<stance>for it</stance>", "<emotion>calm</emotion>", "<response>Fewer cars.</response>"),
    ]

    def answer(view: Sequence[Message]) -> str:
        seen.append(view)
        return lines.pop(0)

    model = SampledModel(SpeakingModel(ScriptedModel(answer), SER), Sampling(0.5))
    user = persona_user.PersonaUser(model, "a nurse who hates tolls", "no toll", replies=2)
    view = [Message("user", "A toll?"), Message("assistant", "No toll."), Message("user", "Why?")]
    turn = asyncio.run(user.speak(view))
    assert (turn.said, turn.stop, len(seen)) == ("Fewer cars.", None, 6)  # the first one had been said before
    for told in seen:
        assert "a nurse who hates tolls" in told[0].content
        assert "What they want now: no toll" in told[0].content
        assert told[1].content == "OTHER: A toll?\n\nHUMAN: No toll.\n\nOTHER: Why?"
    over = [*view, Message("assistant", "Fewer cars."), Message("user", "I see.")]
    assert asyncio.run(user.speak(over)).stop == "user_stop"


def test_words_alone_where_no_states_were_learned() -> None:
    reply, seen = spoken(said(), VIEW, msgspec.structs.replace(SER, states=False))
    assert (reply.message.content, reply.message.reasoning, len(seen)) == ("No toll, please.", None, 1)


def test_how_a_user_speaks_is_kept_beside_its_model(tmp_path: Path) -> None:
    assert read_speech(tmp_path) is None
    speech = Speech(load("sebvgcr"), shared=True, thinking=("response",))
    speech.save(tmp_path)
    assert read_speech(tmp_path) == speech
    (tmp_path / "states.json").write_text("{}")
    with pytest.raises(LookupError, match=r"states\.json does not say how a user speaks"):
        read_speech(tmp_path)
