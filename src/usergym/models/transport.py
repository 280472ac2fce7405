"""One POST to a model server: connections, deadline, retries, and what each failure means.

A reply, `ModelError` for this conversation, or `StopRun` for the run; the first try pays for none of it.
"""

import asyncio
import errno
import re
import socket
import sys
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from usergym.models.base import ModelError, StopRun
from usergym.models.budget import Budget
from usergym.models.retry import Retry, again, retry_after
from usergym.types import valid_text

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

KNOCK_SECONDS = 4.0
"""How long the name of a server that never answered may take to resolve."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a server is called."""

    api: Literal["chat", "responses"] = "chat"
    """`/chat/completions` or `/responses`."""
    deadline: float = 600.0
    """Seconds for one reply, with all its retries and waits."""
    attempt: float = 300.0
    """Seconds for one try; a longer one counts as lost and is asked again."""
    retry: Retry = field(default_factory=Retry)
    connections: int = 0
    """Most open connections; 0: no limit."""
    token_ids: bool = False
    """Ask for token ids and log-probabilities (vLLM's `return_token_ids`)."""


@dataclass(frozen=True, slots=True)
class Key:
    """An API key and the environment variable it came from. Its value is in no repr."""

    variable: str = ""
    value: str = field(default="", repr=False)


class _Again(Exception):
    """A failed try that may be repeated."""

    def __init__(self, kind: Literal["unavailable", "malformed"], text: str, asked: float | None = None) -> None:
        super().__init__(text)
        self.kind: Literal["unavailable", "malformed"] = kind
        self.asked = asked


class Transport:
    """POSTs JSON to one URL, thousands at once from one event loop."""

    def __init__(
        self,
        url: str,
        model: str,
        headers: Mapping[str, str],
        key: Key,
        options: Options,
        budget: Budget | None = None,
        hint: str = "",
    ) -> None:
        """`hint`: how to start the server, said when nobody answers at `url`."""
        self.url = url
        self.shown = show(url)
        self.model = model
        self.options = options
        self.hint = hint
        self._key = key
        self._headers = dict(headers)
        self._budget = budget
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._knocking: asyncio.Future[None] | None = None
        self._answered = False
        self._succeeded = False

    def __repr__(self) -> str:
        return f"Transport({self.shown!r}, {self.model!r})"

    async def post(self, body: bytes, read: Callable[[bytes], T]) -> T:
        """The reply that `read` makes of the body. `read` raises ValueError or a msgspec error for one that is none."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._open(loop)
        if not self._answered:
            await self._knock(loop)
        end = loop.time() + self.options.deadline
        attempt = 0
        while True:
            try:
                return await self._try(body, read, min(end, loop.time() + self.options.attempt))
            except _Again as failure:
                wait = self.options.retry.wait(attempt, failure.asked)
                late = loop.time() + wait >= end
                if late or attempt >= self.options.retry.retries:
                    tries = f"{attempt + 1} {'try' if attempt == 0 else 'tries'}"
                    why = f"; the next would pass the deadline of {self.options.deadline:g} s" if late else ""
                    raise ModelError(failure.kind, f"{self.shown}: {failure} ({tries}{why})") from None
            attempt += 1
            await asyncio.sleep(wait)

    async def close(self) -> None:
        session, self._session, self._loop = self._session, None, None
        if session is not None:
            await session.close()

    async def _try(self, body: bytes, read: Callable[[bytes], T], end: float) -> T:
        import aiohttp

        assert self._session is not None
        if self._budget is not None:
            self._budget.request()
        try:
            async with (
                asyncio.timeout_at(end),
                self._session.post(self._target, data=body, headers=self._sent, **self._fixed) as response,
            ):
                self._answered = True
                payload = await response.read()
                status = response.status
        except TimeoutError as error:
            if not self._answered and isinstance(error, aiohttp.ConnectionTimeoutError):
                raise StopRun(self._nobody("no connection in time")) from None
            raise _Again("unavailable", "no reply in time") from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise StopRun(f"{self.shown}: {self.hide(str(error.certificate_error))}") from None
        except aiohttp.ClientConnectorError as error:
            self._refused(error.os_error)
            raise _Again("unavailable", f"no connection ({_reason(error.os_error)})") from None
        except aiohttp.InvalidURL:
            raise StopRun(f"{self.shown} is not a URL a model can be asked at") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _Again("unavailable", f"connection lost ({type(error).__name__})") from None
        if not 200 <= status < 300:
            self._failed(status, payload, response.headers)
        try:
            reply = read(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            start = self.hide(payload.decode(errors="replace"))[:200]
            raise _Again("malformed", f"not a reply: {self.hide(str(error))}; the body begins {start!r}") from None
        self._succeeded = True
        return reply

    def _failed(self, status: int, payload: bytes, headers: Mapping[str, str]) -> None:
        """Raises what an HTTP status that is no success means."""
        words = self.hide(server_words(payload))[:500] or "(no words)"
        if status in (401, 403):
            variable = self._key.variable
            remedy = f"check {variable}" if self._key.value else f"set {variable}" if variable else "it wants a key"
            raise StopRun(f"{self.shown} refused the key ({status}): {words}; {remedy}")
        if status == 402 or (status == 429 and b"insufficient_quota" in payload):
            raise StopRun(f"{self.shown}: the account has no credit left ({status}): {words}")
        if again(status):
            raise _Again("unavailable", f"{status} {words}", retry_after(headers))
        if not self._succeeded and (status in (404, 405) or 300 <= status < 400):
            where = f" (it points to {show(headers['Location'])})" if "Location" in headers else ""
            raise StopRun(f"{self.shown} does not serve model {self.model!r} ({status}){where}: {words}")
        raise ModelError("refused", f"{self.shown}: {status} {words}")

    def _refused(self, error: OSError) -> None:
        """Raises for a connection that cannot be made and will not be by waiting."""
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise StopRun("too many open files; raise `ulimit -n`, or lower --concurrency") from None
        if not self._answered:
            raise StopRun(self._nobody(_reason(error))) from None

    def _nobody(self, reason: str) -> str:
        return f"nobody answers at {self.shown} ({reason}); {self.hint}".rstrip("; ")

    def hide(self, text: str) -> str:
        """`text` without the key, on one line."""
        if key := self._key.value:
            for form in (key, quote(key, safe=""), msgspec.json.encode(key)[1:-1].decode()):
                text = text.replace(form, "***")
        return " ".join(valid_text(text).split())

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        """A session of this event loop; one of a loop that has ended is left to it."""
        import aiohttp
        from multidict import CIMultiDict
        from yarl import URL

        _allow_connections()
        secure = self.url.startswith("https:")
        # Servers drop idle connections (uvicorn after 5 s); ours go first, or a request would meet a closed one.
        connector = aiohttp.TCPConnector(
            limit=self.options.connections, ttl_dns_cache=300, keepalive_timeout=30 if secure else 4
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=20),
            skip_auto_headers=("User-Agent", "Accept"),
        )
        try:
            self._target = URL(self.url)
        except ValueError:
            raise StopRun(f"{self.shown} is not a URL a model can be asked at") from None
        self._sent = CIMultiDict({"Content-Type": "application/json", "User-Agent": "usergym", **self._headers})
        self._fixed: dict[str, Any] = {"allow_redirects": False}
        if proxy := _proxy(self.url):
            self._fixed["proxy"] = proxy
        self._knocking = None
        self._loop = loop

    async def _knock(self, loop: asyncio.AbstractEventLoop) -> None:
        """Resolves the host once before the first request: a resolver may try for longer than a person waits."""
        if self._fixed.get("proxy"):
            return
        if self._knocking is None:
            self._knocking = asyncio.ensure_future(self._resolve(loop))
        await asyncio.shield(self._knocking)

    async def _resolve(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._target.host is not None
        try:
            async with asyncio.timeout(KNOCK_SECONDS):
                await loop.getaddrinfo(self._target.host, self._target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise StopRun(self._nobody("its host name does not resolve")) from None


def server_words(payload: bytes) -> str:
    """What a server said in an error body."""
    text = payload.decode(errors="replace")
    try:
        body = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return re.sub(r"<[^<>]*>", " ", text)
    for name in ("error", "message", "detail"):
        if isinstance(body, dict) and body.get(name):
            body = body[name]
    return body if isinstance(body, str) else text


def show(url: str) -> str:
    """`url` as it may be shown: without user, password and query, which may hold a key."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))
    except ValueError:
        return "(an address that is no URL)"


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return "its host name does not resolve"
    return error.strerror or type(error).__name__


def _proxy(url: str) -> str | None:
    """The environment's proxy for `url`, looked up once rather than at each call; none for this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127.") or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _allow_connections() -> None:
    """Lifts the soft limit of open files, often 1,024, to the hard one."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
