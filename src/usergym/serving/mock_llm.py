"""A mock model server: the three common APIs with chosen latency and faults, for tests, benchmarks and dry runs.

What happens to a request depends on the seed, on its body and on how often that body came before, never on the
order in which others arrive.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from usergym.serving.mock_replies import (
    anthropic_body,
    chat_body,
    instance,
    message_of,
    responses_body,
    said,
    schema_of,
    token_ids,
)
from usergym.serving.mock_user import user_message
from usergym.types import Message

if TYPE_CHECKING:
    from aiohttp import web

Respond = Callable[[dict[str, Any]], str | Mapping[str, Any]]
"""From a request's body to the reply: its text, or an assistant's message in chat form."""

MALFORMED = (b'{"choices": [{"message": {"content": "', b"<html>busy</html>", b"{}", b'{"choices": []}', b"")
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class MockOptions:
    """How the mock server behaves."""

    host: str = "127.0.0.1"
    """The address it listens on."""
    port: int = 8000
    """The port; 0 takes a free one."""
    model: str = "mock"
    """The name in /v1/models; any name is answered."""
    key: str = ""
    """The only API key it takes; empty: any, or none."""
    reply: Literal["fixed", "echo", "computed"] = "fixed"
    """`fixed`: always `text`. `echo`: what the user said last. `computed`: a text that differs with every request."""
    text: str = "This is a mock reply."
    """The reply of `fixed`; also what a JSON schema's strings are filled with."""
    output_tokens: int | None = None
    """Output tokens it reports; None: a quarter of the reply's characters."""
    latency: float = 0.0
    """Seconds before each answer."""
    jitter: float = 0.0
    """At most so many seconds more, drawn evenly."""
    error_rate: float = 0.0
    """Share of requests answered with one of `error_statuses`."""
    error_statuses: tuple[int, ...] = (500, 502, 503)
    """HTTP statuses of those errors."""
    rate_limit: float = 0.0
    """Share of requests answered with 429."""
    rate_limit_every: int = 0
    """Every so many requests one is answered with 429; 0: none."""
    retry_after: float = 1.0
    """Seconds in the Retry-After of a 429."""
    malformed_rate: float = 0.0
    """Share of requests answered with 200 and a body that is no reply."""
    truncate_rate: float = 0.0
    """Share of requests whose answer ends half-way."""
    drop_rate: float = 0.0
    """Share of requests whose connection is closed without an answer."""
    seed: int = 0
    """Changes which requests meet a fault, and the computed replies."""

    def __post_init__(self) -> None:
        rates = ("drop_rate", "error_rate", "rate_limit", "malformed_rate", "truncate_rate")
        if any(not 0 <= getattr(self, rate) <= 1 for rate in rates) or sum(getattr(self, r) for r in rates) > 1:
            given = ", ".join(f"{rate}={getattr(self, rate):g}" for rate in rates)
            raise ValueError(f"{given}; each is a share of requests, together at most 1")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}; expected 0 (any free one) to 65535")
        if self.reply not in ("fixed", "echo", "computed"):
            raise ValueError(f"reply is {self.reply!r}; expected fixed, echo or computed")

    def faults(self) -> tuple[tuple[str, float], ...]:
        """Names and shares of the faults that may happen."""
        all_faults = (
            ("dropped", self.drop_rate),
            ("error", self.error_rate),
            ("rate_limited", self.rate_limit),
            ("malformed", self.malformed_rate),
            ("truncated", self.truncate_rate),
        )
        return tuple(fault for fault in all_faults if fault[1] > 0)


class MockServer:
    """The server, for `async with`; `url` (with /v1) is known once it runs."""

    def __init__(self, options: MockOptions = MockOptions(), respond: Respond | None = None) -> None:
        self.options = options
        self.respond = respond
        self.url = ""
        self.counts: Counter[str] = Counter()
        self._seen: Counter[bytes] = Counter()
        self._faults = options.faults()
        self._drawn = bool(self._faults or options.jitter or options.reply == "computed")
        self._plain = options.reply == "fixed" and respond is None
        self._in_flight = 0
        self._runner: web.ServerRunner | None = None
        text = msgspec.json.encode(options.text)
        self._ready = (
            b'{"id":"chatcmpl-mock","object":"chat.completion","created":0,"model":%b,"choices":[{"index":0,"message":'
            b'{"role":"assistant","content":%b},"finish_reason":"stop"}],"usage":{"prompt_tokens":%%d,'
            b'"completion_tokens":%d,"total_tokens":%%d}}'
        ) % (msgspec.json.encode(options.model), text.replace(b"%", b"%%"), self._output_tokens(options.text))

    async def __aenter__(self) -> Self:
        from aiohttp import web

        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None, keepalive_timeout=75), shutdown_timeout=0.2
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.options.host, self.options.port, backlog=4096)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://{self.options.host}:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def stats(self) -> dict[str, int]:
        """Counts: `requests`, `ok`, each fault by its name, each HTTP status of an error, `most_in_flight`,
        `input_tokens`, `output_tokens`."""
        return dict(self.counts)

    async def _handle(self, request: "web.BaseRequest") -> "web.StreamResponse":
        if request.method == "GET":
            return self._get(request.path)
        self._in_flight += 1
        counts = self.counts
        counts["requests"] += 1
        counts["most_in_flight"] = max(counts["most_in_flight"], self._in_flight)
        try:
            return await self._post(request, await request.read())
        finally:
            self._in_flight -= 1

    def _get(self, path: str) -> "web.Response":
        if path == "/stats":
            return _json(self.stats)
        if path == "/v1/models":
            return _json({"object": "list", "data": [{"id": self.options.model, "object": "model"}]})
        return _error(404, f"nothing at {path}")

    async def _post(self, request: "web.BaseRequest", body: bytes) -> "web.StreamResponse":
        options = self.options
        chance = self._chance(body) if self._drawn else b""
        if options.latency or options.jitter:
            await asyncio.sleep(options.latency + (options.jitter * _share(chance, 8) if chance else 0.0))
        if options.key and options.key not in (
            request.headers.get("Authorization", "").removeprefix("Bearer "),
            request.headers.get("x-api-key"),
        ):
            return self._failed(401, "the API key is not the one this mock takes")
        every = options.rate_limit_every
        fault = "rate_limited" if every and self.counts["requests"] % every == 0 else self._fault(chance)
        if fault:
            self.counts[fault] += 1
        if fault == "dropped":
            return _dropped(request)
        if fault == "error":
            return self._failed(options.error_statuses[chance[16] % len(options.error_statuses)], "a mock error")
        if fault == "rate_limited":
            return self._failed(429, "too many requests", {"Retry-After": f"{options.retry_after:g}"})
        if fault == "malformed":
            return _response(MALFORMED[chance[16] % len(MALFORMED)])
        status, answer = self._answer(request.path, body, chance)
        if status != 200:
            return self._failed(status, answer.decode())
        if fault == "truncated":
            return await _truncated(request, answer)
        self.counts["ok"] += 1
        return _response(answer)

    def _answer(self, path: str, body: bytes, chance: bytes) -> tuple[int, bytes]:
        """Status and body: a reply, or the words of an error."""
        if self._plain and path == "/v1/chat/completions" and not any(word in body for word in _NOT_PLAIN):
            tokens = max(1, len(body) // CHARACTERS_PER_TOKEN)
            output = self._output_tokens(self.options.text)
            self._count(tokens, output)
            return 200, self._ready % (tokens, tokens + output)
        if path not in _PATHS:
            return 404, f"nothing at {path}"[:200].encode()
        try:
            request = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            return 400, f"the body is not JSON: {error}".encode()
        rows = request.get(_PATHS[path]) if isinstance(request, dict) else None
        if not isinstance(rows, list | str) or request.get("stream"):
            return 400, f"expected an object with a list {_PATHS[path]!r}, and no stream".encode()
        return 200, msgspec.json.encode(self._reply(path, request, chance, len(body)))

    def _reply(self, path: str, request: dict[str, Any], chance: bytes, length: int) -> dict[str, Any]:
        """`length`: bytes of the request, of which every four count as a token: messages, tools and all."""
        schema = schema_of(request)
        text = self._text(request, chance)
        if self.respond is not None:
            message = message_of(self.respond(request))
        else:
            if schema and "USER_MESSAGE" in (schema.get("properties") or {}) and "USER_MESSAGE" in said(request):
                text = user_message(said(request))
            words = text if schema is None else msgspec.json.encode(instance(schema, text)).decode()
            message = message_of(words)
        message, finish = _cut(message, request)
        ids: dict[str, Any] = {}
        if request.get("return_token_ids") and path == "/v1/chat/completions":
            ids = token_ids(request, message.content, finish == "length", self.options.seed)
            usage = len(ids["prompt"]), len(ids["output"])
            if not request.get("logprobs"):
                del ids["logprobs"]
        else:
            usage = max(1, length // CHARACTERS_PER_TOKEN), self._output_tokens(message.content)
        self._count(*usage)
        model = str(request.get("model", self.options.model))
        if path == "/v1/messages":
            as_tool = schema is not None and "output_config" not in request
            return anthropic_body(model, message, finish, usage, as_tool)
        if path == "/v1/responses":
            return responses_body(model, message, finish, usage)
        return chat_body(model, message, finish, usage, ids)

    def _text(self, request: dict[str, Any], chance: bytes) -> str:
        if self.options.reply == "echo":
            return said(request)
        return f"Mock reply {chance[24:32].hex()}." if self.options.reply == "computed" else self.options.text

    def _output_tokens(self, text: str) -> int:
        if self.options.output_tokens is not None:
            return self.options.output_tokens
        return max(1, len(text) // CHARACTERS_PER_TOKEN)

    def _count(self, prompt: int, output: int) -> None:
        self.counts["input_tokens"] += prompt
        self.counts["output_tokens"] += output

    def _chance(self, body: bytes) -> bytes:
        """32 random bytes of this request: the last eight are of its body alone."""
        key = hashlib.blake2b(body, digest_size=16, salt=self.options.seed.to_bytes(16, "big", signed=True)).digest()
        times = self._seen[key]
        self._seen[key] = times + 1
        return hashlib.blake2b(key + times.to_bytes(4, "big"), digest_size=24).digest() + key[:8]

    def _fault(self, chance: bytes) -> str:
        if not self._faults:
            return ""
        share = _share(chance, 0)
        for name, rate in self._faults:
            if share < rate:
                return name
            share -= rate
        return ""

    def _failed(self, status: int, words: str, headers: Mapping[str, str] | None = None) -> "web.Response":
        self.counts[str(status)] += 1
        return _error(status, words, headers)


async def serve(
    options: MockOptions, respond: Respond | None = None, announce: Callable[[str], None] | None = None
) -> None:
    """Serves until it is cancelled. `announce` is given the URL once the server listens."""
    async with MockServer(options, respond) as server:
        if announce is not None:
            announce(server.url)
        await asyncio.Event().wait()


def run(options: MockOptions, respond: Respond | None = None, announce: Callable[[str], None] | None = None) -> None:
    """`serve` from a program without a loop; KeyboardInterrupt ends it. OSError: the port is taken."""
    asyncio.run(serve(options, respond, announce))


_PATHS = {"/v1/chat/completions": "messages", "/v1/responses": "input", "/v1/messages": "messages"}
_NOT_PLAIN = (b'"response_format"', b'"return_token_ids"', b'"max_tokens"', b'"max_completion_tokens"', b'"stream"')
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


def _cut(message: Message, request: Mapping[str, Any]) -> tuple[Message, str]:
    """The message within the request's bound on output, and `length` where that cut it."""
    limit = next((request[name] for name in _LIMITS if isinstance(request.get(name), int)), None)
    if limit is None or len(message.content) <= limit * CHARACTERS_PER_TOKEN:
        return message, "stop"
    return msgspec.structs.replace(message, content=message.content[: limit * CHARACTERS_PER_TOKEN]), "length"


def _share(chance: bytes, place: int) -> float:
    return int.from_bytes(chance[place : place + 8], "big") / 2**64


def _response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> "web.Response":
    from aiohttp import web

    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def _json(value: Any) -> "web.Response":
    return _response(msgspec.json.encode(value))


def _error(status: int, words: str, headers: Mapping[str, str] | None = None) -> "web.Response":
    return _response(msgspec.json.encode({"error": {"message": words, "type": "mock"}}), status, headers)


def _dropped(request: "web.BaseRequest") -> "web.StreamResponse":
    if request.transport is not None:
        request.transport.abort()
    return _response(b"")


async def _truncated(request: "web.BaseRequest", body: bytes) -> "web.StreamResponse":
    from aiohttp import web

    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
