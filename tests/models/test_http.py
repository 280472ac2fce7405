"""OpenAI-compatible endpoints: what is sent, what comes back."""

import asyncio
from typing import Any

import pytest

from tests.models.odd_server import REPLY, Answer, Seen, answering
from usergym.models.base import ModelError, Reply, StopRun
from usergym.models.http import OPENAI, Dialect, HttpModel
from usergym.models.prices import Price
from usergym.models.retry import Retry
from usergym.models.transport import Options
from usergym.serving.mock_llm import MockOptions, MockServer
from usergym.types import Message, Sampling, Tool, ToolCall

QUICK = Retry(retries=2, first=0.01)
HELLO = [Message("system", "Be brief."), Message("user", "Hi")]
LOOK = Tool("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})
SCHEMA = {
    "type": "object",
    "properties": {"USER_MESSAGE": {"type": "string"}},
    "required": ["USER_MESSAGE"],
    "additionalProperties": False,
}


def ask(
    *answers: Answer,
    messages: list[Message] = HELLO,
    tools: tuple[Tool, ...] = (),
    sampling: Sampling = Sampling(),
    api: Any = "chat",
    dialect: Dialect = Dialect(),
    token_ids: bool = False,
    calls: int = 1,
) -> tuple[list[Reply], Seen]:
    async def run() -> tuple[list[Reply], Seen]:
        async with answering(*answers) as seen:
            options = Options(api=api, retry=QUICK, token_ids=token_ids)
            model = HttpModel("m", seen.url, options=options, dialect=dialect, prices={})
            try:
                return [await model.reply(messages, tools, sampling) for _ in range(calls)], seen
            finally:
                await model.close()

    return asyncio.run(run())


def chat(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> Answer:
    return Answer({"choices": [{"message": message, "finish_reason": finish}], **more})


def test_a_chat_request_carries_the_messages_and_only_the_sampling_that_was_set() -> None:
    (reply,), seen = ask(Answer())
    assert reply.message == Message("assistant", "Hello.")
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.calls) == (7, 2, 1)
    assert reply.usage.seconds > 0
    assert seen.paths == ["/v1/chat/completions"]
    rows = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert seen.bodies == [{"model": "m", "messages": rows}]


def test_every_sampling_field_reaches_the_chat_endpoint() -> None:
    sampling = Sampling(0.5, 0.9, 64, ("END",), 7, SCHEMA, "low", "look", False, {"top_k": 4})
    _, seen = ask(Answer(), tools=(LOOK,), sampling=sampling)
    body = seen.bodies[0]
    assert body["tools"][0]["function"] == {"name": "look", "description": "Looks.", "parameters": LOOK.parameters}
    assert body["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    form = body["response_format"]
    assert form["json_schema"] == {"name": "reply", "schema": SCHEMA, "strict": True}
    names = ("temperature", "top_p", "max_tokens", "stop", "seed", "reasoning_effort", "parallel_tool_calls", "top_k")
    assert [body[name] for name in names] == [0.5, 0.9, 64, ["END"], 7, "low", False, 4]


def test_openai_itself_is_given_its_own_field_for_the_bound_and_no_reasoning() -> None:
    past = [*HELLO, Message("assistant", "Hello.", "They greet me."), Message("user", "Bye")]
    _, seen = ask(Answer(), messages=past, sampling=Sampling(max_tokens=5), dialect=OPENAI)
    assert seen.bodies[0]["max_completion_tokens"] == 5
    assert "max_tokens" not in seen.bodies[0]
    assert "They greet me." not in str(seen.bodies[0])


def test_a_responses_request_and_reply_carry_tools_reasoning_and_schema() -> None:
    output = [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "I look."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Wait."}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": "it"}'},
    ]
    usage = {"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 8}}
    answer = Answer({"status": "completed", "output": output, "usage": usage})
    sampling = Sampling(max_tokens=9, json_schema=SCHEMA, reasoning_effort="high", tool_choice="auto")
    (reply,), seen = ask(answer, tools=(LOOK,), sampling=sampling, api="responses")
    call = ToolCall("c1", "look", '{"at": "it"}')
    assert reply.message == Message("assistant", "Wait.", "I look.", (call,))
    assert (reply.finish, reply.usage.cached_tokens) == ("tool_calls", 8)
    body = seen.bodies[0]
    assert seen.paths == ["/v1/responses"]
    assert body["input"][1] == {"type": "message", "role": "user", "content": "Hi"}
    assert (body["max_output_tokens"], body["reasoning"]) == (9, {"effort": "high"})
    assert body["text"]["format"]["schema"] == SCHEMA
    assert body["tools"][0]["name"] == "look"


def test_a_responses_reply_cut_at_the_bound_is_length_and_a_failed_one_is_malformed() -> None:
    cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []}
    (reply,), _ = ask(Answer(cut), api="responses")
    assert reply.finish == "length"
    text = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I was say"}]}]
    unsaid = {"status": "completed", "output": text, "usage": {"input_tokens": 9, "output_tokens": 12}}
    for bound, finish in ((12, "length"), (13, "stop"), (None, "stop")):
        (reply,), _ = ask(Answer(unsaid), sampling=Sampling(max_tokens=bound), api="responses")
        assert reply.finish == finish
    with pytest.raises(ModelError, match="boom") as error:
        ask(Answer({"status": "failed", "error": {"message": "boom"}, "output": []}), api="responses")
    assert error.value.kind == "malformed"


def test_stop_sequences_are_refused_where_the_api_has_none() -> None:
    with pytest.raises(StopRun, match="stop sequences"):
        ask(Answer(), sampling=Sampling(stop=("x",)), api="responses")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_apart_from_content_and_goes_back_in_the_field_it_came_in(field: str) -> None:
    async def run() -> None:
        async with answering(chat({"content": "Yes.", field: "Hm."}), Answer()) as seen:
            model = HttpModel("m", seen.url)
            first = await model.reply(HELLO, (), Sampling())
            assert first.message == Message("assistant", "Yes.", "Hm.")
            await model.reply([*HELLO, first.message, Message("user", "More")], (), Sampling())
            await model.close()
            assert seen.bodies[1]["messages"][2] == {"role": "assistant", "content": "Yes.", field: "Hm."}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("content", "words", "reasoning"),
    [
        ("<think>\nHm.\n</think>\n\nYes.", "Yes.", "Hm."),
        ("<think>never closed", "", "never closed"),
        ("Say <think>this</think>", "Say <think>this</think>", None),
        ("<think></think>Yes.", "Yes.", None),
    ],
)
def test_a_think_passage_is_reasoning_only_where_the_text_begins_with_it(
    content: str, words: str, reasoning: str | None
) -> None:
    (reply,), _ = ask(chat({"content": content}))
    assert (reply.message.content, reply.message.reasoning) == (words, reasoning)


def test_token_ids_and_logprobs_are_kept_where_they_were_asked_for() -> None:
    choice = {
        "message": {"content": "ab"},
        "finish_reason": "stop",
        "token_ids": [5, 6],
        "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -0.25}]},
    }
    answer = Answer({"choices": [choice], "prompt_token_ids": [1, 2, 3]})
    (reply,), seen = ask(answer, token_ids=True)
    assert seen.bodies[0]["return_token_ids"] is True
    assert reply.tokens is not None
    assert reply.tokens.kept == 0
    assert memoryview(reply.tokens.prompt_ids).cast("i").tolist() == [1, 2, 3]
    assert memoryview(reply.tokens.output_ids).cast("i").tolist() == [5, 6]
    assert memoryview(reply.tokens.logprobs).cast("f").tolist() == [-0.5, -0.25]


def test_two_turns_against_the_mock_share_their_ids() -> None:
    async def run() -> None:
        async with MockServer(MockOptions(port=0)) as server:
            model = HttpModel("m", server.url, options=Options(token_ids=True))
            first = await model.reply(HELLO, (), Sampling())
            assert first.tokens is not None
            whole = first.tokens.whole(b"")
            second = await model.reply([*HELLO, first.message, Message("user", "More")], (), Sampling())
            assert second.tokens is not None
            assert 4 * second.tokens.after(whole).kept == len(whole)
            await model.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("finish", "expected"), [("length", "length"), ("content_filter", "content_filter"), (None, "stop"), ("x", "stop")]
)
def test_the_finish_is_what_the_server_says(finish: str | None, expected: str) -> None:
    (reply,), _ = ask(chat({"content": "cut"}, finish))
    assert reply.finish == expected


def test_tool_calls_are_kept_as_written_and_given_ids_where_they_have_none() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"at": oops'}},
        {"type": "function", "function": {"name": "look", "arguments": {"at": "b"}}},
    ]
    (reply,), _ = ask(chat({"content": None, "tool_calls": calls}))
    assert reply.finish == "tool_calls"
    assert reply.message.tool_calls == (
        ToolCall("a", "look", '{"at": oops'),
        ToolCall("call_2_1", "look", '{"at":"b"}'),
    )


def test_lone_surrogates_in_a_reply_are_replaced() -> None:
    body = b'{"choices": [{"message": {"content": "a\\ud800b"}, "finish_reason": "stop"}]}'
    (reply,), _ = ask(Answer(body))
    assert reply.message.content == "a�b"


def test_the_cost_is_computed_with_cached_tokens_apart() -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 400}}

    async def run() -> Reply:
        async with answering(Answer({**REPLY, "usage": usage})) as seen:
            model = HttpModel("m", seen.url, name="x/m", prices={"x/m": Price(2.0, 10.0, 1.0)})
            try:
                return await model.reply(HELLO, (), Sampling())
            finally:
                await model.close()

    assert asyncio.run(run()).usage.cost == pytest.approx((600 * 2 + 400 * 1 + 100 * 10) / 1e6)


def test_a_schema_is_honoured_through_both_apis_of_the_mock() -> None:
    async def run(api: Any) -> str:
        async with MockServer(MockOptions(port=0)) as server:
            model = HttpModel("m", server.url, options=Options(api=api))
            reply = await model.reply(HELLO, (), Sampling(json_schema=SCHEMA))
            await model.close()
            return reply.message.content

    assert asyncio.run(run("chat")) == asyncio.run(run("responses")) == '{"USER_MESSAGE":"This is a mock reply."}'


def test_a_thousand_calls_at_once_go_through_one_model() -> None:
    async def run() -> int:
        async with MockServer(MockOptions(port=0, latency=0.3)) as server:
            model = HttpModel("m", server.url)
            replies = await asyncio.gather(*(model.reply(HELLO, (), Sampling(seed=n)) for n in range(1000)))
            await model.close()
            assert len(replies) == server.stats["ok"] == 1000
            return server.stats["most_in_flight"]

    assert asyncio.run(run()) > 300


def test_a_model_serves_a_second_event_loop() -> None:
    model = HttpModel("m", "http://replaced/v1")

    async def run() -> str:
        async with answering(Answer()) as seen:
            model._transport.url = seen.url + "/chat/completions"
            return (await model.reply(HELLO, (), Sampling())).message.content

    assert [asyncio.run(run()), asyncio.run(run())] == ["Hello.", "Hello."]
