"""Messages to the wire and back."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.models.anthropic_format import from_anthropic, to_anthropic
from usergym.models.chat_format import from_chat, read_chat, to_chat, tools_from_chat, tools_to_chat
from usergym.models.responses_format import (
    from_responses,
    read_responses,
    to_responses,
    tools_from_responses,
    tools_to_responses,
)
from usergym.models.wire import strict_ready
from usergym.types import Message, Tool, ToolCall

texts = st.text(max_size=30)
words = texts.filter(lambda text: text.strip() and not text.lstrip().startswith("<think>"))
names = st.text("abcdefghij_", min_size=1, max_size=8)
ids = st.text("abcdefghij0123456789_-", min_size=1, max_size=12)
arguments = st.dictionaries(names, st.integers() | texts, max_size=3).map(
    lambda value: msgspec.json.encode(value).decode()
)
calls = st.builds(ToolCall, ids, names, arguments)
thoughts = st.none() | words
plain = st.builds(Message, st.just("assistant"), words, thoughts)
calling = st.builds(
    Message, st.just("assistant"), st.just("") | words, thoughts, st.lists(calls, min_size=1, max_size=3).map(tuple)
)
users = st.builds(Message, st.just("user"), words)
results = st.builds(Message, st.just("tool"), texts, tool_call_id=ids)


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """A system message, then users and assistants in turn, tool calls with their results."""
    out = [Message("system", draw(words))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        out.append(draw(users))
        for _ in range(draw(st.integers(0, 2))):
            caller = draw(calling)
            out.append(caller)
            out.extend(draw(results) for _ in caller.tool_calls)
        out.append(draw(plain))
    return out


def sent(rows: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(rows))


def without_reasoning(messages: list[Message]) -> list[Message]:
    return [msgspec.structs.replace(message, reasoning=None) for message in messages]


@given(conversations(), st.sampled_from(["reasoning_content", "reasoning"]))
def test_messages_survive_the_chat_form(messages: list[Message], field: Any) -> None:
    assert from_chat(sent(to_chat(messages, field))) == messages
    assert from_chat(sent(to_chat(messages, "none"))) == without_reasoning(messages)


@given(conversations())
def test_reasoning_written_as_a_think_passage_is_read_back(messages: list[Message]) -> None:
    def clean(text: str | None) -> bool:
        return text is None or ("think>" not in text and text == text.strip("\n"))

    if all(clean(message.reasoning) and clean(message.content) for message in messages):
        assert from_chat(sent(to_chat(messages, "think"))) == messages


@given(conversations())
def test_messages_survive_the_responses_form(messages: list[Message]) -> None:
    assert from_responses(sent(to_responses(messages))) == messages
    assert from_responses(sent(to_responses(messages, reasoning=False))) == without_reasoning(messages)


@given(conversations())
def test_messages_survive_the_anthropic_form_but_for_unsigned_reasoning(messages: list[Message]) -> None:
    system, rows = to_anthropic(messages)
    assert from_anthropic(system, sent(rows)) == without_reasoning(messages)
    roles = [row["role"] for row in rows]
    assert roles[0] == "user"
    assert all(role != after for role, after in itertools.pairwise(roles))


def test_an_assistant_who_speaks_first_is_given_a_users_row_and_loses_it_again() -> None:
    messages = [Message("system", "You are Ann."), Message("assistant", "Hello?")]
    system, rows = to_anthropic(messages)
    assert [row["role"] for row in rows] == ["user", "assistant"]
    assert from_anthropic(system, rows) == messages
    assert [row["role"] for row in to_anthropic(messages[:1])[1]] == ["user"]


def test_tools_survive_both_openai_forms() -> None:
    tools = [Tool("look", "Looks.", {"type": "object", "properties": {}})]
    assert tools_from_chat(tools_to_chat(tools)) == tools
    assert tools_from_responses(tools_to_responses(tools)) == tools


def test_items_of_a_response_are_one_message_until_the_next_thought_or_words() -> None:
    items = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "4"},
        {"role": "developer", "content": [{"type": "input_text", "text": "rule"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "one"}]},
        {"type": "message", "role": "assistant", "content": "two"},
    ]
    assert from_responses(items) == [
        Message("assistant", "", "a", (ToolCall("1", "f", "{}"),)),
        Message("tool", "4", tool_call_id="1"),
        Message("system", "rule"),
        Message("assistant", "one"),
        Message("assistant", "two"),
    ]


@pytest.mark.parametrize(
    ("read", "rows", "place"),
    [
        (from_chat, [{"role": "user", "content": "x"}, {"role": "robot", "content": "x"}], "message 1.*robot"),
        (from_chat, [{"role": "user", "content": 5}], "message 0"),
        (from_responses, [{"type": "web_search_call"}], "item 0.*web_search_call"),
        (from_responses, [{"type": "message", "role": "robot"}], "item 0.*robot"),
        (lambda rows: from_anthropic("", rows), [{"role": "system", "content": "x"}], "message 0.*system"),
        (tools_from_chat, [{"type": "function"}], "tool 0"),
        (tools_from_responses, [{"type": "web_search"}], "tool 0"),
    ],
)
def test_a_row_that_is_no_message_is_named(read: Any, rows: Any, place: str) -> None:
    with pytest.raises(ValueError, match=place):
        read(rows)


@given(st.binary(max_size=200))
def test_any_body_is_a_reply_or_an_error_that_is_caught(body: bytes) -> None:
    for read in (read_chat, read_responses):
        with pytest.raises((ValueError, msgspec.MsgspecError)):
            read(body)


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, False),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({"anyOf": [{"type": "string"}, {"enum": [{"type": "object"}]}]}, True),
        ({"type": "string"}, True),
    ],
)
def test_strict_mode_is_asked_for_only_where_it_is_taken(schema: dict[str, Any], strict: bool) -> None:
    assert strict_ready(schema) is strict
