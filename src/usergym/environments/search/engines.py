"""Live search engines as services that a world may ask: Serper and SearXNG, by one GET or POST each.

What comes back is a result list, ModelError for this conversation, or StopRun for the whole run; never an empty list
for a failure.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

import msgspec

from usergym.environments.search.index import Result
from usergym.models.base import ModelError, Reply, StopRun
from usergym.models.cache import CachedModel
from usergym.models.retry import Retry, again, retry_after
from usergym.models.transport import Key, server_words, show
from usergym.types import Message, Sampling, Tool, Usage

if TYPE_CHECKING:
    import aiohttp

Live = Literal["serper", "searxng"]
DEADLINE = 30.0
"""Seconds for one search with all its retries."""


@dataclass(frozen=True, slots=True)
class Request:
    method: Literal["GET", "POST"]
    url: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Engine:
    """What differs between engines."""

    base_url: str
    variable: str
    """Environment variable of its key; "": it wants none."""
    request: Callable[[str, str, int, str], Request]
    """Of base URL, query, how many results, key."""
    read: Callable[[Any], list[Result]]
    """ValueError for a body that is not its answer, _Silent for one that says that nobody was asked."""
    refused: str = ""
    """What 403 means."""


class _Silent(Exception):
    """The engine answered, but those behind it did not."""


class _Again(Exception):
    def __init__(self, kind: Literal["unavailable", "malformed"], text: str, asked: float | None = None) -> None:
        super().__init__(text)
        self.kind: Literal["unavailable", "malformed"] = kind
        self.asked = asked


def _serper_request(base: str, query: str, most: int, key: str) -> Request:
    headers = {"X-API-KEY": key, "Content-Type": "application/json"}
    return Request("POST", f"{base}/search", headers, msgspec.json.encode({"q": query, "num": most}))


def _serper(body: Any) -> list[Result]:
    if not isinstance(body, dict) or not ("organic" in body or "searchParameters" in body):
        raise ValueError("it has no list `organic`")
    box, graph = body.get("answerBox"), body.get("knowledgeGraph")
    first = [_result(box, "answer", "snippet")] if isinstance(box, dict) else []
    first += [_result(graph, "description")] if isinstance(graph, dict) else []
    return [each for each in (*first, *_listed(body.get("organic"), "snippet")) if each.snippet]


def _searxng_request(base: str, query: str, most: int, key: str) -> Request:
    return Request("GET", f"{base}/search?{urlencode({'q': query, 'format': 'json'})}", {}, None)


def _searxng(body: Any) -> list[Result]:
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        raise ValueError("it has no list `results`")
    found = [each for each in _listed(body["results"], "content") if each.snippet]
    if not found and body.get("unresponsive_engines"):
        raise _Silent(f"the engines behind it do not respond: {str(body['unresponsive_engines'])[:200]}")
    return found


def _listed(items: Any, snippet: str) -> list[Result]:
    return [_result(item, snippet) for item in items or () if isinstance(item, dict)]


def _result(item: Mapping[str, Any], *snippets: str) -> Result:
    said = (item.get(name) for name in snippets)
    snippet = next((" ".join(text.split()) for text in said if isinstance(text, str)), "")
    return Result(" ".join(str(item.get("title") or "").split()), snippet)


ENGINES: Mapping[str, Engine] = {
    "serper": Engine("https://google.serper.dev", "SERPER_API_KEY", _serper_request, _serper),
    "searxng": Engine(
        "http://localhost:8080",
        "",
        _searxng_request,
        _searxng,
        "allow the format json in its settings.yml (search.formats)",
    ),
}


class LiveSearch:
    """A search engine in the place of a model: asked a query, it replies with a JSON list of title and snippet. Its
    connections are closed when nobody waits for it, so it may be used from several event loops, one after the other."""

    def __init__(
        self, engine: Live, base_url: str = "", most: int = 5, retry: Retry = Retry(3), deadline: float = DEADLINE
    ):
        self.engine = ENGINES[engine]
        self.base_url = (base_url or self.engine.base_url).rstrip("/")
        if not self.base_url.startswith(("http://", "https://")):
            raise ValueError(f"base_url={show(base_url)}: expected http:// or https://")
        self.name = f"{engine}/{show(self.base_url)}/{most}"
        self.shown = show(self.base_url)
        self.most = most
        self.retry = retry
        self.deadline = deadline
        self._session: aiohttp.ClientSession | None = None
        self._waiting = 0

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        begun = time.monotonic()
        found = await self.search(messages[-1].content)
        usage = Usage(calls=1, seconds=time.monotonic() - begun)
        return Reply(Message("assistant", msgspec.json.encode(found[: self.most]).decode()), usage)

    async def search(self, query: str) -> list[Result]:
        """ModelError when there is no answer, StopRun when there will be none."""
        key = self._key()
        request = self.engine.request(self.base_url, query, self.most, key.value)
        end = asyncio.get_running_loop().time() + self.deadline
        self._waiting += 1
        try:
            return await self._persist(request, key, end)
        finally:
            self._waiting -= 1
            if not self._waiting:
                await self.close()

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _key(self) -> Key:
        variable = self.engine.variable
        value = os.environ.get(variable, "").strip() if variable else ""
        if variable and not value:
            raise StopRun(f"{self.shown} wants a key: set {variable}")
        return Key(variable, value)

    async def _persist(self, request: Request, key: Key, end: float) -> list[Result]:
        clock = asyncio.get_running_loop().time
        attempt = 0
        while True:
            try:
                return await self._try(request, key, end)
            except _Again as failure:
                wait = self.retry.wait(attempt, failure.asked)
                if attempt >= self.retry.retries or clock() + wait >= end:
                    raise ModelError(failure.kind, f"{self.shown}: {failure} ({attempt + 1} tries)") from None
            attempt += 1
            await asyncio.sleep(wait)

    async def _try(self, request: Request, key: Key, end: float) -> list[Result]:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=10))
        asked = self._session.request(
            request.method, request.url, data=request.body, headers=dict(request.headers), allow_redirects=False
        )
        try:
            async with asyncio.timeout_at(end), asked as response:
                payload, status, headers = await response.read(), response.status, response.headers
        except TimeoutError:
            raise _Again("unavailable", "no answer in time") from None
        except aiohttp.InvalidURL:
            raise StopRun(f"{self.shown} is not a URL that can be searched at") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _Again("unavailable", f"no connection ({type(error).__name__})") from None
        if not 200 <= status < 300:
            self._failed(status, payload, headers, key)
        try:
            return self.engine.read(msgspec.json.decode(payload))
        except _Silent as silent:
            raise _Again("unavailable", _hidden(str(silent), key)) from None
        except (ValueError, RecursionError) as error:
            raise _Again("malformed", f"not an answer: {_hidden(str(error), key)}") from None

    def _failed(self, status: int, payload: bytes, headers: Mapping[str, str], key: Key) -> None:
        words = _hidden(server_words(payload), key)[:300] or "(no words)"
        if status in (401, 403):
            remedy = self.engine.refused or f"check {key.variable}"
            raise StopRun(f"{self.shown} refused ({status}): {words}; {remedy}")
        if status == 402 or b"not enough credits" in payload.lower():
            raise StopRun(f"{self.shown}: the account has no credit left ({status}): {words}")
        if again(status):
            raise _Again("unavailable", f"{status} {words}", retry_after(headers))
        raise ModelError("refused", f"{self.shown}: {status} {words}")


def _hidden(text: str, key: Key) -> str:
    return " ".join((text.replace(key.value, "***") if key.value else text).split())


class KeptSearch:
    """A live search whose answers are kept in a file. Who asks and when is no part of what is asked."""

    def __init__(self, live: LiveSearch, path: str) -> None:
        self.kept = CachedModel(live, path)
        self.name = live.name

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        query = " ".join(messages[-1].content.split())
        return await self.kept.reply([Message("user", query)], (), Sampling())

    async def close(self) -> None:
        await self.kept.close()
