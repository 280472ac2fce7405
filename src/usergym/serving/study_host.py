"""Runs the server of a study. Browsers of other machines may reach it, which the servers for programs refuse."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from usergym.serving.guard import is_loopback


def check_openness(host: str, url: str, invited: bool, open_to_all: bool) -> None:
    """ValueError where others could come in and nobody has said that they may."""
    if (url or not is_loopback(host)) and not (invited or open_to_all):
        raise ValueError(
            f"{url or host} can be reached from other machines; give --invite N to let in those who have a code, "
            "or --open to let in whoever comes"
        )


def serve_study(app: ASGIApp, host: str, port: int, announce: Callable[[int], None]) -> None:
    """Until SIGINT or SIGTERM; `announce` is told the port once the study answers. OSError for an address that cannot
    be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise OSError(
            f"cannot listen on {host}:{port}: {error}; give another --host or --port (0: a free one)"
        ) from None
    with listening, contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_Server(app, announce).serve([listening]))


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, app: ASGIApp, announce: Callable[[int], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=2,
                limit_concurrency=2048,
            )
        )
        self.announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets
        self.announce(sockets[0].getsockname()[1])
