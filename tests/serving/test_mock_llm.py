"""The mock server does what its options say, and the same again with the same seed."""

import asyncio
import subprocess
import sys
import time
import urllib.request
from typing import Any

import aiohttp
import jsonschema
import msgspec
import pytest

from usergym.serving.mock_llm import MockOptions, MockServer, Respond
from usergym.serving.mock_replies import instance

CHAT = {"model": "any/name", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Hi there"}]}


def ask(
    options: MockOptions, *bodies: dict[str, Any], path: str = "/chat/completions", respond: Respond | None = None
) -> tuple[list[tuple[int, Any]], dict[str, int]]:
    """Status and body (None: the connection broke) of each request, and the server's counts."""

    async def run() -> tuple[list[tuple[int, Any]], dict[str, int]]:
        async with MockServer(options, respond) as server, aiohttp.ClientSession() as session:
            out: list[tuple[int, Any]] = []
            for body in bodies:
                try:
                    async with session.post(server.url + path, json=body) as response:
                        payload = await response.read()
                        out.append((response.status, payload))
                except aiohttp.ClientError:
                    out.append((0, None))
            async with session.get(server.url.removesuffix("/v1") + "/stats") as response:
                return out, await response.json()

    return asyncio.run(run())


def reply(body: dict[str, Any], options: MockOptions = MockOptions(port=0), **more: Any) -> Any:
    ((status, payload),), _ = ask(options, body, **more)
    assert status == 200
    return msgspec.json.decode(payload)


def test_the_quick_answer_is_the_same_as_the_whole_one() -> None:
    quick = reply(CHAT, MockOptions(port=0, text='50% "sure"'))
    whole = reply({**CHAT, "max_tokens": 100}, MockOptions(port=0, text='50% "sure"'))
    assert quick["choices"][0]["message"] == whole["choices"][0]["message"]
    assert quick["choices"][0]["message"]["content"] == '50% "sure"'
    assert quick["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]


@pytest.mark.parametrize("bound", [{}, {"max_tokens": 100}])
def test_the_whole_body_is_counted_with_its_tools(bound: dict[str, int]) -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "x" * 4000, "parameters": {}}}
    assert reply({**CHAT, **bound, "tools": [tool]})["usage"]["prompt_tokens"] > 1000
    flat = {"type": "function", "name": "f", "description": "x" * 4000, "parameters": {}}
    asked = {"input": "Hi", "max_output_tokens": 100, "tools": [flat]}
    assert reply(asked, path="/responses")["usage"]["input_tokens"] > 1000


def test_replies_are_fixed_echoed_or_computed() -> None:
    assert reply(CHAT)["choices"][0]["message"]["content"] == "This is a mock reply."
    echoed = reply(CHAT, MockOptions(port=0, reply="echo"))
    assert echoed["choices"][0]["message"]["content"] == "Hi there"
    bodies = [{**CHAT, "seed": seed} for seed in (1, 2, 1)]
    answers, _ = ask(MockOptions(port=0, reply="computed"), *bodies)
    one, two, again = (msgspec.json.decode(payload)["choices"][0]["message"]["content"] for _, payload in answers)
    assert one != two
    assert one == again


def test_a_function_may_answer_with_text_or_with_a_message() -> None:
    def respond(request: dict[str, Any]) -> str | dict[str, Any]:
        if request["messages"][-1]["content"] == "call":
            call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            return {"content": None, "reasoning_content": "Hm.", "tool_calls": [call]}
        return "words"

    assert reply(CHAT, respond=respond)["choices"][0]["message"]["content"] == "words"
    called = reply({"messages": [{"role": "user", "content": "call"}]}, respond=respond)["choices"][0]
    assert called["finish_reason"] == "tool_calls"
    assert called["message"]["reasoning_content"] == "Hm."
    assert called["message"]["tool_calls"][0]["function"]["name"] == "f"


def test_a_reply_is_cut_at_the_bound_of_the_request() -> None:
    choice = reply({**CHAT, "max_tokens": 2})["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("This is ", "length")


def test_the_responses_and_messages_apis_answer_in_their_own_form() -> None:
    answer = reply({"model": "m", "input": "Hi"}, path="/responses")
    assert answer["output"][0]["content"][0]["text"] == "This is a mock reply."
    answer = reply({"model": "m", "max_tokens": 9, "messages": CHAT["messages"]}, path="/messages")
    assert (answer["content"], answer["stop_reason"]) == (
        [{"type": "text", "text": "This is a mock reply."}],
        "end_turn",
    )


def test_token_ids_come_with_logprobs_where_they_are_asked_for() -> None:
    answer = reply({**CHAT, "return_token_ids": True, "logprobs": True})
    choice = answer["choices"][0]
    assert len(choice["token_ids"]) == len(choice["logprobs"]["content"]) == answer["usage"]["completion_tokens"]
    assert len(answer["prompt_token_ids"]) == answer["usage"]["prompt_tokens"]
    assert all(entry["logprob"] < 0 for entry in choice["logprobs"]["content"])


SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"USER_MESSAGE": {"type": "string"}}, "required": ["USER_MESSAGE"]},
    {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}, "b": {}}, "required": ["a"]},
    {"type": "array", "items": {"enum": ["x", "y"]}, "minItems": 2},
    {"anyOf": [{"type": "null"}, {"type": "string"}]},
    {"type": ["string", "null"], "maxLength": 4},
    {"type": "string", "minLength": 40},
    {"type": "number", "exclusiveMinimum": 2},
    {"type": "integer", "maximum": -3},
    {"type": "number", "exclusiveMaximum": 0},
    {"type": "integer", "minimum": 5, "multipleOf": 4},
    {"type": "boolean"},
    {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"c": {"const": 5}}, "required": ["c"]}}},
    {"allOf": [{"type": "object"}, {"properties": {"k": {"type": "string"}}, "required": ["k"]}]},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_instance_of_a_schema_is_valid(schema: dict[str, Any]) -> None:
    jsonschema.validate(instance(schema, "some words"), schema)


def test_a_schema_is_answered_with_an_instance_of_it() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "r", "schema": SCHEMAS[0]}}
    content = reply({**CHAT, "response_format": form}, MockOptions(port=0, reply="echo"))
    assert msgspec.json.decode(content["choices"][0]["message"]["content"]) == {"USER_MESSAGE": "Hi there"}


def test_faults_come_at_their_rates_and_the_same_again_in_any_order() -> None:
    options = MockOptions(
        port=0, error_rate=0.2, rate_limit=0.1, retry_after=7, malformed_rate=0.1, truncate_rate=0.1, drop_rate=0.1
    )
    bodies = [{**CHAT, "seed": seed} for seed in range(200)]
    first, counts = ask(options, *bodies)
    second, _ = ask(options, *reversed(bodies))
    assert first == second[::-1]
    for name, share in {
        "error": 0.2, "rate_limited": 0.1, "malformed": 0.1, "truncated": 0.1, "dropped": 0.1, "ok": 0.4,
    }.items():  # fmt: skip
        assert abs(counts[name] / 200 - share) < 0.1
    assert counts["requests"] == 200
    other, _ = ask(MockOptions(port=0, error_rate=0.2, seed=1), *bodies)
    assert [status for status, _ in other] != [status for status, _ in first]


def test_a_rate_limit_comes_with_retry_after_every_so_many_requests() -> None:
    async def run() -> list[tuple[int, str | None]]:
        async with (
            MockServer(MockOptions(port=0, rate_limit_every=3, retry_after=0.5)) as server,
            aiohttp.ClientSession() as session,
        ):
            out = []
            for _ in range(6):
                async with session.post(server.url + "/chat/completions", json=CHAT) as response:
                    out.append((response.status, response.headers.get("Retry-After")))
            return out

    assert asyncio.run(run()) == [(200, None), (200, None), (429, "0.5")] * 2


def test_latency_is_waited_for_without_holding_others_up() -> None:
    async def run() -> float:
        async with MockServer(MockOptions(port=0, latency=0.2)) as server, aiohttp.ClientSession() as session:

            async def one() -> None:
                async with session.post(server.url + "/chat/completions", json=CHAT) as response:
                    await response.read()

            begun = time.monotonic()
            await asyncio.gather(*(one() for _ in range(50)))
            return time.monotonic() - begun

    assert 0.2 <= asyncio.run(run()) < 2


def test_a_wrong_key_a_wrong_path_and_a_wrong_body_are_refused() -> None:
    assert ask(MockOptions(port=0, key="k"), CHAT)[0][0][0] == 401
    assert ask(MockOptions(port=0), CHAT, path="/embeddings")[0][0][0] == 404
    assert ask(MockOptions(port=0), {"messages": 5, "max_tokens": 1})[0][0][0] == 400
    assert ask(MockOptions(port=0), {**CHAT, "stream": True})[0][0][0] == 400


@pytest.mark.parametrize("options", [{"error_rate": 1.5}, {"error_rate": 0.6, "drop_rate": 0.6}, {"reply": "loud"}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        MockOptions(**options)


PROGRAM = """
from usergym.serving.mock_llm import MockOptions, run
run(MockOptions(port=0), announce=lambda url: print(url, flush=True))
"""


def test_it_runs_as_a_program_that_says_where_it_listens() -> None:
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        with urllib.request.urlopen(url + "/models", timeout=10) as response:
            assert msgspec.json.decode(response.read())["data"][0]["id"] == "mock"
    finally:
        program.terminate()
        program.wait()
        if program.stdout is not None:
            program.stdout.close()
