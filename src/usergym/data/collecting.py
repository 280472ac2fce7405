"""Rollouts collected from agent servers over HTTP: many at once, each with a deadline and bounded retries.

One that fails is a typed line beside the file and the batch goes on; a server that is gone ends the batch, and what is
missing is asked again by the same command.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import msgspec

from usergym.data.printable import one_line, printable
from usergym.data.rollout_file import RolloutFile
from usergym.data.rollout_inputs import Agent, Inputs
from usergym.models.base import StopRun
from usergym.models.retry import Retry, again, retry_after
from usergym.models.transport import server_words, show
from usergym.types import Failure

if TYPE_CHECKING:
    import aiohttp


LARGEST_REWARD = 1e9


@dataclass(frozen=True, slots=True)
class Pace:
    """How a server is asked."""

    concurrency: int = 64
    """Rollouts in flight."""
    deadline: float = 1800.0
    """Seconds one rollout may take, with its retries."""
    retry: Retry = field(default_factory=lambda: Retry(retries=3, first=0.5, longest=10.0))
    attempts: int = 3
    """How often a rollout that failed is taken up again by later calls of the command, this one counted."""


@dataclass
class Progress:
    """What has happened so far."""

    written: int = 0
    unscored: int = 0
    total: float = 0.0
    """Sum of the rewards."""
    failures: Counter[str] = field(default_factory=Counter)
    messages: dict[str, str] = field(default_factory=dict)
    """One message for each kind of failure."""


class ServerGone(ConnectionError):
    """Nobody answers any more, or whoever does is no agent: nothing further can be collected. `remedy`: what to do
    before the same command is run again."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(printable(message))
        self.remedy = remedy


class _Failed(Exception):
    """One rollout failed for good."""

    def __init__(self, kind: str, message: str, terminal: bool = False) -> None:
        super().__init__(one_line(message))
        self.kind = one_line(kind)[:100]
        self.terminal = terminal


class _Lost(Exception):
    """One try failed, and the next may not."""

    def __init__(self, message: str, asked: float | None = None, gone: bool = False) -> None:
        super().__init__(message)
        self.asked = asked
        self.gone = gone


class _Response(msgspec.Struct):
    """Looked at no further."""


class _Reply(msgspec.Struct):
    """As much of a reply as says whether it is a rollout."""

    response: _Response | None = None
    reward: float | None = None
    failure: str | None = msgspec.field(name="_ng_failure_class", default=None)
    failure_message: str | None = msgspec.field(name="_ng_failure_message", default=None)
    terminal: bool = msgspec.field(name="_ng_failure_terminal", default=False)
    error: Any = None


class _Error(msgspec.Struct):
    kind: str = ""


class _ErrorBody(msgspec.Struct):
    error: _Error


_KINDS = set(get_args(get_type_hints(Failure)["kind"]))
"""A conversation that failed so was tried again where that helps; it is not asked for twice in one batch."""

_reply = msgspec.json.Decoder(_Reply).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


async def collect(
    inputs: Inputs,
    agents: Mapping[str, Agent],
    file: RolloutFile,
    pace: Pace = Pace(),
    headers: Mapping[str, str] | None = None,
    advance: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Plays what `file` lacks. ServerGone when the server went; all that had come in is in the file."""
    import aiohttp

    collector = _Collector(inputs, agents, file, pace, advance)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4, ttl_dns_cache=300)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=20),
        headers={"Content-Type": "application/json", "User-Agent": "usergym", **(headers or {})},
    ) as session:
        await collector.run(session)
    return collector.progress


class _Collector:
    def __init__(
        self,
        inputs: Inputs,
        agents: Mapping[str, Agent],
        file: RolloutFile,
        pace: Pace,
        advance: Callable[[Progress], None],
    ) -> None:
        self.inputs = inputs
        self.urls = [agents[name].url.rstrip("/") + "/run" for name in inputs.names]
        self.file = file
        self.pace = pace
        self.advance = advance
        self.progress = Progress()
        self.places = self._places()

    def _places(self) -> Iterator[int]:
        todo = self.file.todo(self.inputs, self.pace.attempts)
        place = todo.find(1)
        while place >= 0:
            yield place
            place = todo.find(1, place + 1)

    async def run(self, session: "aiohttp.ClientSession") -> None:
        source = os.open(self.inputs.draft, os.O_RDONLY)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.pace.concurrency, len(self.inputs))):
                    group.create_task(self._work(session, source))
        except* (ServerGone, OSError, StopRun) as errors:
            raise _first(errors) from None
        finally:
            os.close(source)

    async def _work(self, session: "aiohttp.ClientSession", source: int) -> None:
        inputs = self.inputs
        for place in self.places:
            start = inputs.offsets[place]
            body = os.pread(source, inputs.offsets[place + 1] - start, start)
            row, rollout = divmod(place, inputs.repeats)
            task = inputs.tasks[row]
            try:
                reply, payload = await self._ask(session, self.urls[inputs.agents[row]], body)
            except _Failed as failed:
                self.file.fail(task, rollout, failed.kind, str(failed), failed.terminal)
                self.progress.failures[failed.kind] += 1
                self.progress.messages.setdefault(failed.kind, str(failed))
            else:
                self.file.write(task, rollout, _line(body, payload))
                self.progress.written += 1
                self.progress.unscored += reply.reward is None
                self.progress.total += reply.reward or 0.0
            self.advance(self.progress)

    async def _ask(self, session: "aiohttp.ClientSession", url: str, body: bytes) -> tuple[_Reply, bytes]:
        clock = asyncio.get_running_loop().time
        end = clock() + self.pace.deadline
        attempt = 0
        while True:
            try:
                return await self._try(session, url, body, end)
            except _Lost as lost:
                wait = self.pace.retry.wait(attempt, lost.asked)
                if attempt >= self.pace.retry.retries or clock() + wait >= end:
                    if lost.gone:
                        raise ServerGone(
                            f"nobody answers at {show(url)} any more ({lost})", "start the servers"
                        ) from None
                    tries = f"{attempt + 1} {'try' if attempt == 0 else 'tries'}"
                    raise _Failed("unavailable", f"{lost} ({tries})") from None
            attempt += 1
            await asyncio.sleep(wait)

    async def _try(self, session: "aiohttp.ClientSession", url: str, body: bytes, end: float) -> tuple[_Reply, bytes]:
        import aiohttp

        try:
            async with asyncio.timeout_at(end), session.post(url, data=body, allow_redirects=False) as response:
                payload = await response.read()
                status = response.status
        except TimeoutError:
            raise _Failed("time", f"no answer within {self.pace.deadline:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise _Lost(error.os_error.strerror or type(error.os_error).__name__, gone=True) from None
        except aiohttp.InvalidURL:
            raise ServerGone(f"{show(url)} is no URL of an agent server", "name an agent server") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _Lost(f"connection lost ({type(error).__name__})") from None
        if status != 200:
            raise self._refused(url, status, payload, response.headers)
        try:
            reply = _reply(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _Failed("malformed", f"not a rollout: {error}; the body begins {payload[:100]!r}") from None
        if reply.reward is not None and not abs(reply.reward) < LARGEST_REWARD:
            raise _Failed("malformed", f"a reward of {reply.reward:g} is none")
        if reply.failure:
            words = reply.failure_message or (_encode(reply.error).decode() if reply.error else "(no words)")
            raise _Failed(reply.failure, words[:500], reply.terminal)
        if reply.response is None:
            raise _Failed("malformed", f"the agent's reply has no response: {payload[:200].decode(errors='replace')}")
        return reply, payload

    def _refused(self, url: str, status: int, payload: bytes, headers: Mapping[str, str]) -> Exception:
        """What an HTTP status that is no success means."""
        words = " ".join(server_words(payload).split())[:500] or "(no words)"
        kind = _kind(payload)
        if kind == "stopped":
            return ServerGone(
                f"the agent's model cannot be asked: {words}",
                "mend that (a key or an address is given to ng_run or usergym serve when it starts)",
            )
        if kind in _KINDS:
            return _Failed(kind, words, status in (400, 422))
        if status in (401, 403):
            remedy = "set USERGYM_TOKEN to the token that the servers were started with"
            return ServerGone(f"{show(url)} wants another token ({status}): {words}", remedy)
        if status in (404, 405):
            return ServerGone(f"{show(url)} is no agent server ({status}): {words}", "name an agent server")
        if again(status):
            return _Lost(f"{status} {words}", retry_after(headers))
        return _Failed("refused", f"{status} {words}", status in (400, 413, 422))


def _kind(payload: bytes) -> str:
    """The kind of failure that our own servers name in an error body."""
    try:
        return msgspec.json.decode(payload, type=_ErrorBody).error.kind
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _line(body: bytes, payload: bytes) -> bytes:
    """The row's fields, over them the reply's, then which rollout it is."""
    sent = _fields(body)
    named = {key: sent.pop(key) for key in ("_ng_task_index", "_ng_rollout_index", "agent_ref")}
    line = _encode({**sent, **_fields(payload), **named})
    if b"\n" in line or b"\r" in line:  # between tokens: a server may send its JSON in many lines
        line = msgspec.json.format(line, indent=-1)
    return line + b"\n"


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    """What ended the batch; a full disk rather than the connections that it cut."""
    flat = list(_flat(errors))
    return next((error for error in flat if not isinstance(error, ServerGone)), flat[0])


def _flat(errors: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _flat(error)
        else:
            yield error
