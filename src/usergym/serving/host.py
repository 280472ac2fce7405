"""Runs servers: one process, one event loop, a socket each."""

import asyncio
import contextlib
import errno
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp

from usergym.models.base import Model
from usergym.serving.guard import BODY_LIMIT, Guard, is_loopback

Kind = Literal["head", "model", "resources", "agent", "user", "mcp"]

GRACE = 0.5
"""Seconds that requests in flight have when the end comes."""
BACKLOG = 4096
FILES = 65_535


@dataclass
class Service:
    """One server. A port of 0 takes a free one; `port` then says which."""

    name: str
    kind: Kind
    app: ASGIApp
    host: str = "127.0.0.1"
    port: int = 0
    implementation: str = ""
    """What a NeMo Gym configuration calls the program behind it."""
    started: float = 0.0
    """When it began to listen, in seconds since the epoch."""
    end: Callable[[], None] = lambda: None
    """Called when it no longer listens."""

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class Taken(OSError):
    """Another program listens where `service` should."""

    def __init__(self, message: str, service: Service) -> None:
        super().__init__(message)
        self.service = service


Announce = Callable[[Sequence[Service]], None]


async def serve(
    services: Sequence[Service],
    *,
    token: str = "",
    announce: Announce = lambda services: None,
    models: Sequence[Model] = (),
    body_limit: int = BODY_LIMIT,
) -> None:
    """Serves until SIGINT or SIGTERM, or until it is cancelled. `announce` is called once all of them answer;
    `models` are closed at the end. ValueError for an address that would be open to others without a token,
    OSError for one that is taken."""
    for service in services:
        check_exposure(service.host, token)
    allow_many_files()
    sockets = _listen(services)
    servers = [
        _Server(service, Guard(service.app, token=token, body_limit=body_limit, host=service.host))
        for service in services
    ]
    ended = asyncio.Event()
    running: list[asyncio.Task[None]] = []
    try:
        with _signals(ended):
            for server, listening in zip(servers, sockets, strict=True):
                running.append(asyncio.create_task(server.serve([listening])))
            for server in servers:
                await server.listens.wait()
            announce(services)
            await ended.wait()
    finally:
        await _finish(servers, running)
        for listening in sockets:
            listening.close()
        for service in services:
            service.end()
        for model in models:
            await model.close()


async def _finish(servers: Sequence["_Server"], running: Sequence["asyncio.Task[None]"]) -> None:
    """What is in flight is waited for a moment, then cancelled."""
    for server in servers:
        server.should_exit = True
    if not running:
        return
    _, late = await asyncio.wait(running, timeout=GRACE)
    if late:
        for server in servers:
            server.force_exit = True
            for task in list(server.server_state.tasks):
                task.cancel()
        _, late = await asyncio.wait(late, timeout=GRACE)
        for task in late:
            task.cancel()


class _Server(uvicorn.Server):
    """Leaves signals to `serve`, and tells when it listens."""

    def __init__(self, service: Service, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                loop="none",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=75,
            )
        )
        self.service = service
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.service.started = time.time()
        self.listens.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(services: Sequence[Service]) -> list[socket.socket]:
    """A socket for each, and each service's port. OSError names the address that cannot be had, and what to do."""
    sockets: list[socket.socket] = []
    try:
        for service in services:
            sockets.append(_bound(service))
            service.port = sockets[-1].getsockname()[1]
    except OSError:
        for listening in sockets:
            listening.close()
        raise
    return sockets


def _bound(service: Service) -> socket.socket:
    where = f"{service.host}:{service.port}"
    if not 0 <= service.port <= 65535:
        raise OSError(
            f"cannot listen on {where} for {service.name!r}: give a port from 1 to 65535, or 0 for a free one"
        )
    try:
        # With its protocol named, or asyncio leaves Nagle's algorithm on and every answer waits 40 ms.
        found = socket.getaddrinfo(service.host, service.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OSError(f"cannot listen on {where} for {service.name!r}: {error}; give another host or port") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        cannot = f"cannot listen on {where} for {service.name!r}"
        if error.errno == errno.EADDRINUSE:
            why = "another program listens there; give another port, or 0 for a free one"
            raise Taken(f"{cannot}: {why}", service) from None
        raise OSError(f"{cannot}: {error}; give another host or port") from None
    return listening


@contextlib.contextmanager
def _signals(ended: asyncio.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set the event; a second one ends the process the usual way."""
    loop = asyncio.get_running_loop()
    caught = (signal.SIGINT, signal.SIGTERM)

    def end() -> None:
        for each in caught:
            loop.remove_signal_handler(each)
        ended.set()

    try:
        for each in caught:
            loop.add_signal_handler(each, end)
    except (ValueError, RuntimeError, NotImplementedError):
        yield  # not in the main thread: whoever runs the loop ends it
        return
    try:
        yield
    finally:
        for each in caught:
            loop.remove_signal_handler(each)


def check_exposure(
    host: str, token: str, remedy: str = "give one with --token-variable NAME, or serve on 127.0.0.1"
) -> None:
    """ValueError for an address that others can reach while no token is wanted of them."""
    if not token and not is_loopback(host):
        raise ValueError(f"{host} can be reached from other machines, and no token is set; {remedy}")


def allow_many_files() -> None:
    """A connection is a file, and the usual bound of 1024 is soon met."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def run(main: Coroutine[Any, Any, None]) -> None:
    """`asyncio.run` on uvloop where it is there."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
