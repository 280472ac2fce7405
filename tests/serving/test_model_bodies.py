"""Bodies of every kind at a model's server: what is sent comes back whole, and nothing makes it stumble."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.models.test_http_formats import calling, conversations, plain
from tests.serving.real_http import client, listening
from tests.serving.test_model import CHAT, FLAT, LOOK, NESTED, RESPONSES, THOUGHTFUL, asked_of, saying
from usergym.models.base import Reply
from usergym.models.chat_format import ChatMessage
from usergym.models.fake import FakeModel
from usergym.models.http import HttpModel
from usergym.models.responses_format import Item
from usergym.models.transport import Options
from usergym.serving.bodies import Choice, Format
from usergym.serving.chat_body import ChatRequest
from usergym.serving.model import model_app
from usergym.serving.responses_body import ResponsesRequest
from usergym.types import Message, Sampling, Tokens, Usage

# Nothing is lost on the way: our client, our server, our client, our server, a model.


class Chain:
    """A model that is asked over Responses asks over chat, and a model at the end answers."""

    def __init__(self) -> None:
        self.answer = Reply(Message("assistant", ""))
        self.last = FakeModel(lambda messages, tools, sampling: self.answer)
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()

    async def open(self) -> None:
        upstream = f"{await self.stack.enter_async_context(listening(model_app(self.last)))}/v1"
        self.chat = HttpModel("m", upstream, options=Options(token_ids=True))
        middle = f"{await self.stack.enter_async_context(listening(model_app(self.chat)))}/v1"
        self.first = HttpModel("m", middle, options=Options("responses"))

    async def close(self) -> None:
        await self.first.close()
        await self.chat.close()
        await self.stack.aclose()


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    made = Chain()
    with made.runner:
        made.runner.run(made.open())
        yield made
        made.runner.run(made.close())


samplings = st.builds(
    Sampling,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    max_tokens=st.none() | st.integers(1, 2**31 - 1),
    json_schema=st.none() | st.just({"type": "object", "properties": {"a": {"type": "string"}}}),
    reasoning_effort=st.none() | st.sampled_from(["low", "high"]),
    tool_choice=st.none() | st.sampled_from(["none", "required", "look"]),
)
ids = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=5)
tokens = st.none() | ids.flatmap(
    lambda output: st.builds(
        lambda prompt, values: Tokens.of(prompt, output, values),
        ids,
        st.lists(st.floats(-50, 0, width=32), min_size=len(output), max_size=len(output)) | st.just([]),
    )
)
replies = st.builds(
    lambda message, usage, kept: Reply(message, usage, "tool_calls" if message.tool_calls else "stop", kept),
    plain | calling,
    st.builds(Usage, st.integers(1, 99), st.integers(1, 99), st.integers(0, 99)),
    tokens,
)


@settings(max_examples=60, deadline=None)
@given(messages=conversations(), sampling=samplings, answer=replies, offered=st.booleans())
def test_nothing_is_lost_between_responses_and_chat(
    chain: Chain, messages: list[Message], sampling: Sampling, answer: Reply, offered: bool
) -> None:
    chain.answer = answer
    tools = [LOOK] if offered else []
    got = chain.runner.run(chain.first.reply(messages, tools, sampling))
    wanted = sampling if offered else msgspec.structs.replace(sampling, tool_choice=None)
    assert asked_of(chain.last) == (messages, tools, wanted)
    assert got.message == answer.message
    assert got.tokens == answer.tokens
    spent, told = answer.usage, got.usage
    assert (told.input_tokens, told.output_tokens, told.cached_tokens) == (
        spent.input_tokens,
        spent.output_tokens,
        spent.cached_tokens,
    )
    # A reply over Responses that is as long as its bound counts as cut, to our client.
    cut = answer.finish == "stop" and 0 < (sampling.max_tokens or 0) <= spent.output_tokens
    assert got.finish == ("length" if cut else answer.finish)


# No body makes it stumble.

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8)
kinds = (ChatRequest, ResponsesRequest, ChatMessage, Item, Format, Choice)
names = st.sampled_from(sorted({name for kind in kinds for name in kind.__struct_fields__}))
words = st.sampled_from(
    ["user", "assistant", "system", "tool", "message", "function_call", "function_call_output", "text"]
)
anything = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5),
    max_leaves=20,
)
FULL_CHAT: dict[str, Any] = {
    "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [{"id": "a", **NESTED}]}],
    "tools": [NESTED],
    "response_format": {"type": "json_schema", "json_schema": {"schema": {}}},
    "stream": True,
    "stream_options": {"include_usage": True},
}
FULL_RESPONSES: dict[str, Any] = {
    "input": [{"role": "user", "content": "x"}, {"type": "function_call", "name": "look", "arguments": "{}"}],
    "tools": [FLAT],
    "reasoning": {"effort": "low"},
    "text": {"format": {"type": "text"}},
    "stream": True,
}


@st.composite
def mutated(draw: st.DrawFn, whole: dict[str, Any]) -> Any:
    """A good body with something odd in one place."""
    body = msgspec.json.decode(msgspec.json.encode(whole))
    here = body
    while True:
        places: list[Any] = [*here, "seed"] if isinstance(here, dict) else list(range(len(here)))
        place = draw(st.sampled_from(places))
        below = None if place == "seed" else here[place]
        if not below or not isinstance(below, dict | list) or draw(st.booleans()):
            here[place] = draw(anything)
            return body
        here = below


Send = Callable[[str, bytes], tuple[int, bytes]]


@pytest.fixture(scope="module")
def server() -> Iterator[Send]:
    stack = AsyncExitStack()
    with asyncio.Runner() as runner:
        session = runner.run(stack.enter_async_context(client(model_app(saying(THOUGHTFUL)))))

        async def send(path: str, payload: bytes) -> tuple[int, bytes]:
            async with session.post(path, data=payload) as answer:
                return answer.status, await answer.read()

        yield lambda path, payload: runner.run(send(path, payload))
        runner.run(stack.aclose())


@settings(max_examples=200, deadline=None)
@given(
    body=st.tuples(st.just(CHAT), mutated(FULL_CHAT) | anything)
    | st.tuples(st.just(RESPONSES), mutated(FULL_RESPONSES) | anything)
)
def test_an_odd_body_is_answered_or_refused(server: Send, body: tuple[str, Any]) -> None:
    path, value = body
    status, answer = server(path, msgspec.json.encode(value))
    assert status in (200, 400)
    if status == 400:
        assert msgspec.json.decode(answer)["error"]["message"]


@settings(max_examples=60, deadline=None)
@given(payload=st.binary(max_size=60) | st.text('{}[]":,0truenul\\ud8', max_size=40).map(str.encode))
def test_a_body_that_is_no_json_is_refused(server: Send, payload: bytes) -> None:
    for path in (CHAT, RESPONSES):
        assert server(path, payload)[0] == 400


@pytest.mark.parametrize(
    "payload",
    [
        b'{"messages": %b}' % (b"[" * 100_000),
        b'{"input": "x", "metadata": {"a": %b1%b}}' % (b"[" * 50_000, b"]" * 50_000),
        b'{"input": "x", "tools": %b%b}' % (b"[" * 50_000, b"]" * 50_000),
        b'{"input": "x", "seed": 1%b}' % (b"0" * 5000),
        b'{"input": "x", "temperature": 1e999}',
        b"",
        b"null",
        b"[]",
        b'"\xff"',
    ],
    ids=["open", "deep", "deep tools", "long number", "infinite", "empty", "null", "list", "bytes"],
)
def test_a_body_that_is_too_much_is_refused(server: Send, payload: bytes) -> None:
    for path in (CHAT, RESPONSES):
        assert server(path, payload)[0] == 400


def test_a_lone_surrogate_is_replaced_and_answered() -> None:
    model = saying("x")

    async def run() -> int:
        payload = b'{"messages": [{"role": "user", "content": "a \\ud83d b"}]}'
        async with client(model_app(model)) as session, session.post(CHAT, data=payload) as answer:
            return answer.status

    assert asyncio.run(run()) == 200
    assert asked_of(model)[0] == [Message("user", "a \ufffd b")]


def described(kind: type) -> type:
    """The same fields, with those that are passed on as they came open to anything: a schema can tell that."""
    fields: list[Any] = []
    for field in msgspec.structs.fields(kind):
        hint = Any if field.type is msgspec.Raw else field.type
        fields.append((field.name, hint) if field.required else (field.name, hint, None))
    return msgspec.defstruct(kind.__name__, fields, kw_only=True)


def openapi() -> dict[str, Any]:
    bodies = {CHAT: described(ChatRequest), RESPONSES: described(ResponsesRequest)}
    forms, schemas = msgspec.json.schema_components(bodies.values(), ref_template="#/components/schemas/{name}")
    paths = {}
    for path, form in zip(bodies, forms, strict=True):
        body = {"required": True, "content": {"application/json": {"schema": form}}}
        paths[path] = {"post": {"requestBody": body, "responses": {"200": {"description": "answered"}}}}
    about = {"title": "usergym", "version": "1"}
    return {"openapi": "3.1.0", "info": about, "paths": paths, "components": {"schemas": schemas}}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """The URL of a server in a thread of its own."""
    ready = threading.Event()
    urls: list[str] = []
    ends: list[Callable[[], object]] = []

    async def serve() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with listening(model_app(saying(THOUGHTFUL))) as url:
            urls.append(url)
            ends.append(lambda: loop.call_soon_threadsafe(ended.set))
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    yield urls[0]
    ends[0]()
    thread.join(10)


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_schemathesis_finds_no_body_that_fails(elsewhere: str, path: str) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    seen = set()

    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=schemathesis.openapi.from_dict(openapi())[path]["POST"].as_strategy())
    def run(case: Any) -> None:
        answer = case.call(base_url=elsewhere)
        seen.add(answer.status_code)
        assert answer.status_code in (200, 400), answer.text

    run()
    assert 200 in seen
