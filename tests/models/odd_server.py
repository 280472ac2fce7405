"""Servers on loopback that answer as a test tells them to."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

REPLY = {
    "choices": [{"message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2},
}


@dataclass
class Answer:
    body: Any = field(default_factory=lambda: REPLY)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def payload(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)


@dataclass
class Seen:
    """What a server was sent."""

    url: str = ""
    paths: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


Hook = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(*answers: Answer | Hook) -> AsyncIterator[Seen]:
    """Gives the answers in turn, the last one for ever."""
    seen = Seen()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        seen.paths.append(request.path)
        seen.bodies.append(msgspec.json.decode(await request.read()))
        seen.headers.append(dict(request.headers))
        answer = answers[min(len(seen.bodies), len(answers)) - 1]
        if isinstance(answer, Answer):
            return web.Response(
                body=answer.payload, status=answer.status, headers=answer.headers, content_type="application/json"
            )
        return await answer(request)

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    seen.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield seen
    finally:
        await runner.cleanup()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
