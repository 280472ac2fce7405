"""Anthropic's own API, against servers that speak it."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.models.odd_server import Answer, Seen, answering
from usergym.models.anthropic import MAX_TOKENS, AnthropicModel
from usergym.models.base import ModelError, Reply, StopRun
from usergym.models.prices import Price
from usergym.models.retry import Retry
from usergym.models.transport import Key, Options
from usergym.serving.mock_llm import MockOptions, MockServer
from usergym.types import Message, Sampling, Tool, ToolCall

HELLO = [Message("system", "Be brief."), Message("user", "Hi")]
LOOK = Tool("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"USER_MESSAGE": {"type": "string"}}, "required": ["USER_MESSAGE"]}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "signed"}
USE = {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "it"}}


def said(*blocks: dict[str, Any], stop: str = "end_turn", **usage: int) -> Answer:
    return Answer({"content": list(blocks), "stop_reason": stop, "usage": {"input_tokens": 5, **usage}})


TEXT = {"type": "text", "text": "Hello."}


def ask(
    answers: list[Answer], *requests: tuple[list[Message], Sampling], tools: tuple[Tool, ...] = ()
) -> tuple[list[Reply], Seen]:
    async def run() -> tuple[list[Reply], Seen]:
        async with answering(*answers) as seen:
            prices = {"anthropic/m": Price(3.0, 15.0, 0.3, 3.75)}
            options = Options(retry=Retry(2, 0.01))
            model = AnthropicModel("m", seen.url, key=Key("ANTHROPIC_API_KEY", "k3y"), options=options, prices=prices)
            try:
                return [await model.reply(messages, tools, sampling) for messages, sampling in requests], seen
            finally:
                await model.close()

    return asyncio.run(run())


def test_a_request_has_the_system_text_apart_a_bound_and_no_seed() -> None:
    (reply,), seen = ask([said(TEXT, output_tokens=2)], (HELLO, Sampling(0.5, 0.9, stop=("END",), seed=3)))
    assert reply.message == Message("assistant", "Hello.")
    assert seen.paths == ["/v1/messages"]
    assert seen.bodies[0] == {
        "model": "m",
        "max_tokens": MAX_TOKENS,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "temperature": 0.5,
        "top_p": 0.9,
        "stop_sequences": ["END"],
    }
    assert seen.headers[0]["x-api-key"] == "k3y"
    assert seen.headers[0]["anthropic-version"]


def test_usage_counts_cached_input_and_prices_what_was_written_to_the_cache() -> None:
    usage = {"output_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    (reply,), _ = ask([said(TEXT, **usage)], (HELLO, Sampling()))
    assert (reply.usage.input_tokens, reply.usage.cached_tokens, reply.usage.output_tokens) == (125, 100, 10)
    assert reply.usage.cost == pytest.approx((5 * 3 + 100 * 0.3 + 20 * 3.75 + 10 * 15) / 1e6)


@pytest.mark.parametrize(
    ("stop", "finish"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "content_filter")],
)
def test_stop_reasons_are_mapped(stop: str, finish: str) -> None:
    (reply,), _ = ask([said(TEXT, stop=stop)], (HELLO, Sampling()))
    assert reply.finish == finish


def test_tool_calls_and_results_are_blocks_and_neighbours_of_one_role_are_one_row() -> None:
    call = ToolCall("t1", "look", '{"at": "it"}')
    past = [
        *HELLO,
        Message("assistant", "Wait.", tool_calls=(call, ToolCall("t2", "look", "not json"))),
        Message("tool", "a wall", tool_call_id="t1"),
        Message("tool", "nothing", tool_call_id="t2"),
        Message("user", "So?"),
    ]
    sampling = Sampling(tool_choice="required")
    (reply,), seen = ask([said(TEXT, USE, stop="tool_use")], (past, sampling), tools=(LOOK,))
    assert reply.finish == "tool_calls"
    assert reply.message == Message("assistant", "Hello.", tool_calls=(ToolCall("t1", "look", '{"at":"it"}'),))
    body = seen.bodies[0]
    assert body["tool_choice"] == {"type": "any"}
    assert body["tools"] == [{"name": "look", "description": "Looks.", "input_schema": LOOK.parameters}]
    assert [row["role"] for row in body["messages"]] == ["user", "assistant", "user"]
    blocks = body["messages"][1]["content"]
    assert [block.get("input") for block in blocks] == [None, {"at": "it"}, {"invalid_arguments": "not json"}]
    assert [block["type"] for block in body["messages"][2]["content"]] == ["tool_result", "tool_result", "text"]


def test_thinking_is_reasoning_and_goes_back_signed_while_tools_run() -> None:
    first = said(THOUGHT, USE, stop="tool_use")
    used = Message("assistant", "", "Hm.", (ToolCall("t1", "look", '{"at":"it"}'),))
    later = [*HELLO, used, Message("tool", "a wall", tool_call_id="t1")]
    thinking = Sampling(0.3, reasoning_effort="low", max_tokens=100)
    replies, seen = ask([first, said(TEXT)], (HELLO, thinking), (later, thinking), tools=(LOOK,))
    assert replies[0].message == used
    assert seen.bodies[0]["thinking"]["budget_tokens"] < seen.bodies[0]["max_tokens"]
    assert "temperature" not in seen.bodies[0]
    assert seen.bodies[1]["messages"][1]["content"] == [THOUGHT, USE]


def test_a_resumed_call_whose_signed_thinking_is_lost_is_made_without_thinking() -> None:
    used = Message("assistant", "", "Hm.", (ToolCall("lost", "look", "{}"),))
    later = [*HELLO, used, Message("tool", "a wall", tool_call_id="lost")]
    _, seen = ask([said(TEXT)], (later, Sampling(reasoning_effort="high")), tools=(LOOK,))
    assert "thinking" not in seen.bodies[0]


def test_a_schema_is_a_forced_call_whose_arguments_are_the_reply() -> None:
    forced = {"type": "tool_use", "id": "t", "name": "reply", "input": {"USER_MESSAGE": "Hi"}}
    (reply,), seen = ask([said(forced, stop="tool_use")], (HELLO, Sampling(json_schema=SCHEMA)))
    assert (reply.message.content, reply.message.tool_calls) == ('{"USER_MESSAGE":"Hi"}', ())
    assert reply.finish == "stop"
    assert seen.bodies[0]["tool_choice"] == {"type": "tool", "name": "reply"}
    text = {"type": "text", "text": '{"USER_MESSAGE": "Hi"}'}
    (reply,), seen = ask([said(text)], (HELLO, Sampling(json_schema=SCHEMA)), tools=(LOOK,))
    assert seen.bodies[0]["output_config"]["format"] == {"type": "json_schema", "schema": SCHEMA}
    assert reply.message.content == '{"USER_MESSAGE": "Hi"}'


def test_an_overloaded_server_is_asked_again_and_a_bad_request_is_not() -> None:
    busy = Answer({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529)
    (reply,), seen = ask([busy, said(TEXT)], (HELLO, Sampling()))
    assert reply.message.content == "Hello."
    assert len(seen.bodies) == 2
    bad = Answer({"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long"}}, 400)
    with pytest.raises(ModelError, match="prompt is too long") as error:
        ask([bad], (HELLO, Sampling()))
    assert error.value.kind == "refused"


def test_a_refused_key_stops_the_run_and_a_body_without_content_is_malformed() -> None:
    with pytest.raises(StopRun, match="ANTHROPIC_API_KEY") as stop:
        ask([Answer({"error": {"message": "invalid x-api-key k3y"}}, 401)], (HELLO, Sampling()))
    assert "k3y" not in str(stop.value)
    with pytest.raises(ModelError) as error:
        ask([Answer({"type": "message"})], (HELLO, Sampling()))
    assert error.value.kind == "malformed"


def test_a_lone_surrogate_in_a_block_is_replaced() -> None:
    body = b'{"content": [{"type": "text", "text": "a\\ud800b"}], "stop_reason": "end_turn"}'
    (reply,), _ = ask([Answer(body)], (HELLO, Sampling()))
    assert reply.message.content == "a�b"


def test_the_mock_speaks_this_api_too() -> None:
    async def run() -> tuple[Reply, Reply]:
        async with MockServer(MockOptions(port=0, text="Well.")) as server:
            model = AnthropicModel("m", server.url)
            plain = await model.reply(HELLO, (), Sampling())
            typed = await model.reply(HELLO, (), Sampling(json_schema=SCHEMA))
            await model.close()
            return plain, typed

    plain, typed = asyncio.run(run())
    assert plain.message.content == "Well."
    assert msgspec.json.decode(typed.message.content) == {"USER_MESSAGE": "Well."}
