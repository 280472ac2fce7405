"""A real server on a free port of this machine, and a client for it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import uvicorn
from starlette.applications import Starlette


@asynccontextmanager
async def listening(app: Starlette) -> AsyncIterator[str]:
    """The URL of the app, without a path."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="auto"))
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:  # asyncio turns Nagle off for sockets that say TCP
        listener.bind(("127.0.0.1", 0))
        running = asyncio.create_task(server.serve([listener]))
        while not server.started:
            assert not running.done(), running.exception()
            await asyncio.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


@asynccontextmanager
async def client(app: Starlette) -> AsyncIterator[aiohttp.ClientSession]:
    """A session whose paths are the app's."""
    async with listening(app) as url, aiohttp.ClientSession(url) as session:
        yield session


async def post(session: aiohttp.ClientSession, path: str, body: Any) -> tuple[int, Any]:
    """Status and decoded body."""
    async with session.post(path, json=body) as answer:
        return answer.status, await answer.json()
