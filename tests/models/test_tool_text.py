"""The text protocol: what is written is read back, and whatever a model writes is read somehow."""

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.models import tool_text
from usergym.types import Message, Tool, ToolCall

WEATHER = Tool("weather", "The weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TAGGY = st.lists(st.sampled_from(["<tool_call>", "</tool_call>", "{", "}", '"', "\\", " ", "a", ":", ","])).map("".join)
RAW = VALUES.map(json.dumps) | VALUES.map(lambda value: json.dumps(value, ensure_ascii=False)) | st.text() | TAGGY
CALLS = st.lists(st.tuples(st.text() | TAGGY, RAW), min_size=1, max_size=4)


@given(CALLS, st.sampled_from(["", "Let me look.", "Two lines.\nOf words."]))
def test_rendered_calls_parse_back_to_the_same_calls(calls: list[tuple[str, str]], words: str) -> None:
    made = tuple(ToolCall(f"call_3_{i}", name, raw) for i, (name, raw) in enumerate(calls))
    (rendered,) = tool_text.render([Message("assistant", words, tool_calls=made)])
    assert tool_text.parse(rendered.content, place=3) == (words, made)


@given(st.text() | TAGGY | st.text(alphabet=st.characters(), max_size=50).map(lambda t: f"<tool_call>{t}</tool_call>"))
def test_any_text_is_read_without_an_exception_and_can_be_stored(text: str) -> None:
    content, calls = tool_text.parse(text)
    for call in calls:
        msgspec.json.encode(call)
    if "<tool_call>" not in text:
        assert not calls
        assert content == Message("assistant", text).content


def test_arguments_are_kept_exactly_as_written() -> None:
    text = 'Sure.\n<tool_call>\n{"name": "weather", "arguments": {"city" :"Rome",  "n":1.0}}\n</tool_call>'
    assert tool_text.parse(text) == ("Sure.", (ToolCall("call_0_0", "weather", '{"city" :"Rome",  "n":1.0}'),))


@pytest.mark.parametrize(
    ("text", "content", "calls"),
    [
        ('<tool_call>{"name": "a", "arguments": {"x": }}</tool_call>', "", [("a", '{"x": }')]),
        ('<tool_call>{"name": "a", "arguments": "{\\"x\\": 1}"}</tool_call>', "", [("a", '{"x": 1}')]),
        ('<tool_call>{"name": "a"}</tool_call> done', "done", [("a", "{}")]),
        ("<tool_call>weather in Rome</tool_call>", "", [("", "weather in Rome")]),
        ('<tool_call>{"tool": "a"}</tool_call>', "", [("", '{"tool": "a"}')]),
        ('<tool_call>{"name": "a", "arguments": {}}', "", [("a", "{}")]),
        ('<tool_call>{"name": "a", "arguments": {}} There.', "There.", [("a", "{}")]),
        ('<tool_call>{"name": "a", "arguments": {"x": "cut of', "", [("a", '{"x": "cut of')]),
        ('<tool_call>{"name": "a"}<tool_call>{"name": "b"}</tool_call>', "", [("a", "{}"), ("b", "{}")]),
        ("The tag <tool_call> opens a call.", "The tag <tool_call> opens a call.", []),
        ('<tool_call> no: <tool_call>{"name": "b"}</tool_call>', "<tool_call> no:", [("b", "{}")]),
        ("nothing to call</tool_call>", "nothing to call</tool_call>", []),
    ],
)
def test_a_broken_call_is_still_private_and_keeps_what_can_be_told(
    text: str, content: str, calls: list[tuple[str, str]]
) -> None:
    said, made = tool_text.parse(text)
    assert said == content
    assert [(call.name, call.arguments) for call in made] == calls


def test_a_conversation_becomes_system_user_and_assistant_only() -> None:
    call = ToolCall("x", "weather", '{"city": "Rome"}')
    rendered = tool_text.render(
        [
            Message("system", "You are brief."),
            Message("user", "Weather?"),
            Message("assistant", "Looking.", tool_calls=(call, call)),
            Message("tool", "sunny", tool_call_id="x"),
            Message("tool", "rainy", tool_call_id="x"),
            Message("user", "Well?"),
        ],
        [WEATHER],
    )
    assert [message.role for message in rendered] == ["system", "user", "assistant", "user"]
    assert rendered[0].content.startswith("You are brief.")
    assert '"properties":{"city":{"type":"string"}}' in rendered[0].content
    assert tool_text.parse(rendered[2].content, place=0)[1][1].arguments == call.arguments
    assert rendered[3].content.index("sunny") < rendered[3].content.index("rainy") < rendered[3].content.index("Well?")
    assert not any(message.tool_calls or message.tool_call_id for message in rendered)


def test_without_a_system_prompt_the_tools_are_the_system_prompt() -> None:
    rendered = tool_text.render([Message("user", "Hi")], [WEATHER])
    assert [message.role for message in rendered] == ["system", "user"]
    assert tool_text.render([Message("user", "Hi")]) == [Message("user", "Hi")]
    (alone,) = tool_text.render([Message("system", "One."), Message("system", "Two.")], [WEATHER])
    assert alone.content.startswith("One.\n\nTwo.\n\nThese tools")


@pytest.mark.parametrize(
    "unit",
    [
        "<tool_call>",
        "<tool_call>{}",
        '<tool_call>{"',
        '<tool_call>{", ":","b":"',
        '<tool_call>{"name": "a", "arguments": {',
        "<tool_call></tool_call>",
        '<tool_call>{"a":[',
        '"name"  ',
        "<tool_call> ",
    ],
)
@pytest.mark.parametrize("closing", ["", "</tool_call>"])
def test_reading_a_megabyte_of_anything_takes_less_than_two_seconds(unit: str, closing: str) -> None:
    text = unit * (1_000_000 // len(unit)) + closing
    started = time.perf_counter()
    tool_text.parse(text)
    assert time.perf_counter() - started < 2.0
