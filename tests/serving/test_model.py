"""A model of ours as an OpenAI-compatible server: real sockets, real clients, and bodies of every kind."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from starlette.applications import Starlette

from tests.serving.real_http import client, listening, post
from usergym.models.base import BudgetSpent, Finish, ModelError, Reply, StopRun
from usergym.models.fake import FakeModel
from usergym.serving.model import model_app
from usergym.types import Message, Sampling, Tokens, Tool, ToolCall, Usage

T = TypeVar("T")

LOOK = Tool("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})
NESTED = {
    "type": "function",
    "function": {"name": "look", "description": "Looks.", "parameters": LOOK.parameters},
}
FLAT = {"type": "function", "strict": True, **NESTED["function"]}  # type: ignore[dict-item]
CALL = ToolCall("call_7", "look", '{"at": "the sky"}')
THOUGHTFUL = Reply(
    Message("assistant", "I look up.", "Where is it?", (CALL,)),
    Usage(30, 12, 20),
    "tool_calls",
    Tokens.of([1, 2], [3, 4]),
)
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"


def saying(answer: str | Message | Reply) -> FakeModel:
    return FakeModel(lambda messages, tools, sampling: answer, name="ours")


def ask(app: Starlette, path: str, **body: Any) -> tuple[int, Any]:
    async def run() -> tuple[int, Any]:
        async with client(app) as session:
            return await post(session, path, body)

    return asyncio.run(run())


def asked_of(model: FakeModel) -> tuple[list[Message], list[Tool], Sampling]:
    messages, tools, sampling = model.calls[-1]
    return list(messages), list(tools), sampling


def test_it_says_that_it_lives_and_which_model_it_serves() -> None:
    async def run() -> None:
        async with client(model_app(saying("x"))) as session:
            async with session.get("/") as answer:
                assert await answer.json() == {"status": "ok"}
            async with session.get("/v1/models") as answer:
                assert [row["id"] for row in (await answer.json())["data"]] == ["ours"]
            async with session.get("/v1/nothing") as answer:
                assert answer.status == 404
                assert "nothing" in (await answer.json())["error"]["message"]

    asyncio.run(run())


def test_a_chat_request_reaches_the_model_whole() -> None:
    model = saying(THOUGHTFUL)
    status, body = ask(
        model_app(model, sampling=Sampling(temperature=0.3, top_p=0.9)),
        CHAT,
        model="gpt-whatever",
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": "Where?"},
            {"role": "assistant", "content": "<think>Up?</think>\n\nUp.", "tool_calls": None},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "type": "function", "function":
                {"name": "look", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "a", "content": "blue"},
        ],
        tools=[NESTED, {**FLAT, "name": "other"}],
        tool_choice={"type": "function", "function": {"name": "look"}},
        parallel_tool_calls=False,
        temperature=0,
        max_tokens=5,
        max_completion_tokens=50,
        stop="END",
        seed=11,
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "r", "schema": {"type": "object"}}},
        metadata={"run": "1"},
        some_future_field={"x": 1},
    )  # fmt: skip
    assert status == 200
    messages, tools, sampling = asked_of(model)
    assert messages == [
        Message("system", "Be brief.\n\nBe kind."),
        Message("user", "Where?"),
        Message("assistant", "Up.", "Up?"),
        Message("assistant", "", tool_calls=(ToolCall("a", "look", "{}"),)),
        Message("tool", "blue", tool_call_id="a"),
    ]
    assert tools == [LOOK, Tool("other", "Looks.", LOOK.parameters)]
    assert sampling == Sampling(0, 0.9, 50, ("END",), 11, {"type": "object"}, "low", "look", False)
    assert (body["model"], body["object"], body["metadata"]) == ("ours", "chat.completion", {"run": "1"})
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["reasoning_content"] == "Where is it?"
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "look", "arguments": CALL.arguments}
    assert body["usage"]["total_tokens"] == 42
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 20}
    assert "prompt_token_ids" not in body


def test_a_responses_request_reaches_the_model_whole() -> None:
    model = saying(THOUGHTFUL)
    status, body = ask(
        model_app(model),
        RESPONSES,
        input=[
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": [{"type": "input_text", "text": "Where?"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Up?"}]},
            {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "blue"},
        ],
        instructions="Be brief.",
        tools=[FLAT, {"type": "function", "function": {"name": "bare"}}],
        tool_choice="required",
        max_output_tokens=50,
        reasoning={"effort": "high", "summary": "auto"},
        seed=11,
        text={"format": {"type": "json_schema", "name": "r", "schema": {"type": "object"}}},
        metadata={"run": "1"},
        parallel_tool_calls=False,
    )
    assert status == 200
    messages, tools, sampling = asked_of(model)
    assert messages == [
        Message("system", "Be brief.\n\nBe kind."),
        Message("user", "Where?"),
        Message("assistant", "", "Up?", (ToolCall("a", "look", "{}"),)),
        Message("tool", "blue", tool_call_id="a"),
    ]
    assert tools == [LOOK, Tool("bare", "", {})]
    assert sampling == Sampling(
        max_tokens=50,
        seed=11,
        json_schema={"type": "object"},
        reasoning_effort="high",
        tool_choice="required",
        parallel_tool_calls=False,
    )
    assert [item["type"] for item in body["output"]] == ["reasoning", "message", "function_call"]
    assert body["output"][0]["summary"] == [{"type": "summary_text", "text": "Where is it?"}]
    assert body["output"][2]["call_id"] == "call_7"
    last = body["output"][-1]
    assert (last["prompt_token_ids"], last["generation_token_ids"], last["generation_log_probs"]) == (
        [1, 2],
        [3, 4],
        [],
    )
    assert (body["status"], body["metadata"], body["parallel_tool_calls"]) == ("completed", {"run": "1"}, False)
    assert body["tools"][1]["name"] == "bare"
    assert body["text"]["format"]["name"] == "r"
    assert body["usage"]["input_tokens_details"] == {"cached_tokens": 20}


def test_words_around_parallel_calls_are_one_message_so_that_results_follow_their_calls() -> None:
    model = saying("done")
    call = {"type": "function_call", "name": "look", "arguments": "{}"}
    items = [
        {"role": "user", "content": "Go."},
        {**call, "call_id": "a"},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "And another."}]},
        {**call, "call_id": "b"},
        {"role": "assistant", "content": "Both at once."},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
    ]
    assert ask(model_app(model), RESPONSES, input=items)[0] == 200
    calls = (ToolCall("a", "look", "{}"), ToolCall("b", "look", "{}"))
    assert asked_of(model)[0][1:] == [
        Message("assistant", "Both at once.", "And another.", calls),
        Message("tool", "1", tool_call_id="a"),
        Message("tool", "2", tool_call_id="b"),
    ]


@pytest.mark.parametrize(
    ("finish", "reason", "chat"),
    [("length", "max_output_tokens", "length"), ("content_filter", "content_filter", "content_filter")],
)
def test_a_reply_that_was_cut_is_incomplete(finish: Finish, reason: str, chat: str) -> None:
    app = model_app(saying(Reply(Message("assistant", "half a"), finish=finish)))
    _, body = ask(app, RESPONSES, input="x")
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": reason})
    assert body["output"][-1]["status"] == "incomplete"
    assert body["usage"] is None
    _, body = ask(app, CHAT, messages=[{"role": "user", "content": "x"}])
    assert body["choices"][0]["finish_reason"] == chat
    assert body["usage"] is None


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (CHAT, {}, "messages"),
        (CHAT, {"messages": []}, "messages"),
        (CHAT, {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        (CHAT, {"messages": [{"role": "chair", "content": "x"}]}, "messages[0].role"),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].type"),
        (CHAT, {"tools": [{"type": "function", "function": {"name": 1}}]}, "tools[0].function.name"),
        (CHAT, {"tools": [{"type": "web_search"}]}, "tools[0]"),
        (CHAT, {"tools": {"a": 1}}, "tools"),
        (CHAT, {"tools": [NESTED], "tool_choice": {"type": "function", "name": "other"}}, "tool_choice"),
        (CHAT, {"temperature": "warm"}, "temperature"),
        (CHAT, {"max_tokens": 0}, "max_tokens"),
        (CHAT, {"n": 2}, "n"),
        (CHAT, {"response_format": {"type": "yaml"}}, "response_format.type"),
        (RESPONSES, {}, "input"),
        (RESPONSES, {"input": 3}, "input"),
        (RESPONSES, {"input": [{"type": "web_search_call"}]}, "input"),
        (RESPONSES, {"input": "x", "previous_response_id": "resp_1"}, "previous_response_id"),
        (RESPONSES, {"input": "x", "text": {"format": 3}}, "text.format"),
        (RESPONSES, {"input": "x", "metadata": []}, "metadata"),
    ],
)
def test_a_wrong_field_is_named(path: str, body: dict[str, Any], param: str) -> None:
    filled = {"messages": [{"role": "user", "content": "x"}], **body} if path == CHAT and body else body
    status, answer = ask(model_app(saying("x")), path, **filled)
    assert status == 400
    assert (answer["error"]["type"], answer["error"]["param"]) == ("invalid_request_error", param)
    assert answer["error"]["message"]


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (ModelError("unavailable", "gone"), 502, "model_error", "unavailable"),
        (ModelError("malformed", "odd"), 502, "model_error", "malformed"),
        (ModelError("refused", "too long"), 400, "invalid_request_error", "refused"),
        (StopRun("the key was refused"), 503, "stopped", "stopped"),
        (BudgetSpent("1.00 of 1.00 dollars"), 503, "stopped", "stopped"),
    ],
)
def test_a_failure_of_the_model_is_told_with_its_kind(
    error: ModelError | StopRun, status: int, kind: str, code: str
) -> None:
    async def run() -> None:
        model = FakeModel(lambda messages, tools, sampling: "back again", fail={0: error})
        async with client(model_app(model)) as session:
            found, body = await post(session, RESPONSES, {"input": "x"})
            assert found == status
            assert body["error"] == {"message": str(error), "type": kind, "param": None, "code": code}
            assert (await post(session, RESPONSES, {"input": "x"}))[0] == 200, "it serves on"

    asyncio.run(run())


def test_a_bug_in_a_model_is_told_without_a_traceback() -> None:
    async def run() -> None:
        def broken(messages: Any, tools: Any, sampling: Any) -> str:
            raise ZeroDivisionError("secret")

        async with client(model_app(FakeModel(broken))) as session:
            status, body = await post(session, RESPONSES, {"input": "x"})
        assert (status, body["error"]["type"]) == (500, "bug")
        assert "secret" not in str(body)

    asyncio.run(run())


def test_the_same_tools_are_parsed_once_and_stay_the_same_objects() -> None:
    async def run() -> None:
        model = saying("x")
        async with client(model_app(model)) as session:
            for _ in range(3):
                await post(session, RESPONSES, {"input": "x", "tools": [FLAT]})
        first, *others = [call.tools for call in model.calls]
        assert all(other[0] is first[0] for other in others)

    asyncio.run(run())


# The official client.


def with_openai(app: Starlette, use: Callable[[Any], Awaitable[T]]) -> T:
    openai = pytest.importorskip("openai")

    async def run() -> T:
        async with listening(app) as url, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any") as official:
            return await use(official)

    return asyncio.run(run())


def test_the_official_client_reads_a_chat_stream() -> None:
    async def use(official: Any) -> None:
        rows = [{"role": "user", "content": "x"}]
        options = {"include_usage": True}
        stream = official.chat.completions.stream(model="m", messages=rows, tools=[NESTED], stream_options=options)
        async with stream as events:
            kinds = [event.type async for event in events]
            whole = await events.get_final_completion()
        assert kinds[-1] == "chunk"
        assert "tool_calls.function.arguments.done" in kinds
        (choice,) = whole.choices
        assert (choice.finish_reason, choice.message.content) == ("tool_calls", "I look up.")
        assert choice.message.reasoning_content == "Where is it?"
        (call,) = choice.message.tool_calls
        assert (call.id, call.function.name, call.function.arguments) == (CALL.id, CALL.name, CALL.arguments)
        assert whole.usage.prompt_tokens_details.cached_tokens == 20
        plain_stream = await official.chat.completions.create(model="m", messages=rows, stream=True)
        chunks = [chunk async for chunk in plain_stream]
        assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "tool_calls"
        assert all(chunk.usage is None for chunk in chunks)

    with_openai(model_app(saying(THOUGHTFUL)), use)


def test_the_official_client_reads_a_responses_stream() -> None:
    async def use(official: Any) -> None:
        async with official.responses.stream(model="m", input="x", tools=[FLAT]) as events:
            seen = [event async for event in events]
            whole = await events.get_final_response()
        assert [event.sequence_number for event in seen] == list(range(len(seen)))
        assert [event.type.removeprefix("response.") for event in seen] == [
            "created",
            "in_progress",
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
        assert whole.output_text == "I look up."
        assert whole.output[-1].arguments == CALL.arguments
        assert whole.usage.total_tokens == 42
        same = await official.responses.create(model="m", input="x", tools=[FLAT])
        assert same.tools[0].strict is True
        assert [item.type for item in same.output] == [item.type for item in whole.output]

    with_openai(model_app(saying(THOUGHTFUL)), use)


def test_a_stream_that_was_cut_ends_with_incomplete() -> None:
    async def use(official: Any) -> None:
        async with official.responses.stream(model="m", input="x") as events:
            kinds = [event.type async for event in events]
        assert kinds[-1] == "response.incomplete"

    with_openai(model_app(saying(Reply(Message("assistant", "half a"), finish="length"))), use)
