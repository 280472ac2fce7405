"""Texts as vectors, from any endpoint with `/v1/embeddings` or from a model in this process."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from usergym.models import gguf
from usergym.models.base import ModelError
from usergym.models.budget import Budget
from usergym.models.providers import IN_PROCESS, UnknownModel, key_of, parse
from usergym.models.transport import Key, Options, Transport, show

Vector = Sequence[float]

BATCH = 64
"""Texts in one request."""
AT_ONCE = 8
"""Requests."""
REMEMBERED = 100_000
"""Vectors, of the texts that were asked for last."""


class Embedder(Protocol):
    @property
    def name(self) -> str: ...

    async def embed(self, texts: Sequence[str]) -> list[Vector | None]:
        """The vector of each text, None for one that has none: it failed, or is empty. StopRun passes."""
        ...

    async def close(self) -> None: ...


def cosine(one: Vector | None, other: Vector | None) -> float | None:
    """From -1 to 1; None without two vectors of one length that are not 0."""
    if one is None or other is None or len(one) != len(other):
        return None
    first, second = math.hypot(*one), math.hypot(*other)
    if not first or not second:
        return None
    return max(-1.0, min(1.0, sum(a / first * (b / second) for a, b in zip(one, other, strict=True))))


def connect_embedder(
    name: str,
    endpoint: str | None = None,
    base_url: str | None = None,
    *,
    options: Options = Options(),
    budget: Budget | None = None,
    key: Key | None = None,
    context: int = 2048,
) -> Embedder:
    """The embedding model called `name`, as models are named: `openai/text-embedding-3-large`, `vllm/M`,
    `http://HOST/v1/M`, `local/PATH.gguf`. `context`: tokens of the longest text, in this process.

    Raises UnknownModel for its name, StopRun for a missing key, LookupError for a local model that is missing.
    """
    address = parse(name, endpoint, base_url)
    if address.provider in IN_PROCESS or address.provider == "anthropic":
        raise UnknownModel(f"{name!r} gives no embeddings; name an endpoint with /v1/embeddings, or local/PATH.gguf")
    if address.provider == "local":
        return LocalEmbedder(address.model, context=context)
    key = key_of(address) if key is None else key
    return HttpEmbedder(address.model, address.base_url, name=address.name, key=key, options=options, budget=budget)


class HttpEmbedder:
    """An embedding model behind an OpenAI-compatible URL. Each different text is asked for once."""

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        name: str | None = None,
        key: Key = Key(),
        options: Options = Options(),
        budget: Budget | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`base_url`: up to and with `/v1`."""
        base_url = base_url.rstrip("/")
        self.model = model
        self.name = name or f"{show(base_url)}/{model}"
        self.failures: list[str] = []
        """What went wrong, a line for each request that gave no vectors."""
        sent = {"Authorization": f"Bearer {key.value}"} if key.value else {}
        url = base_url + "/embeddings"
        self._transport = Transport(url, model, {**sent, **(headers or {})}, key, options, budget)
        self._known: dict[str, Vector] = {}

    async def embed(self, texts: Sequence[str]) -> list[Vector | None]:
        found: dict[str, Vector | None] = {text: self._known.get(text) for text in texts if text.strip()}
        missing = [text for text, vector in found.items() if vector is None]
        turn = asyncio.Semaphore(AT_ONCE)

        async def asked(batch: list[str]) -> None:
            async with turn:
                found.update(zip(batch, await self._batch(batch), strict=True))

        await asyncio.gather(*(asked(missing[at : at + BATCH]) for at in range(0, len(missing), BATCH)))
        if len(self._known) + len(missing) > REMEMBERED:
            self._known.clear()
        self._known.update((text, vector) for text in missing if (vector := found[text]) is not None)
        return [found.get(text) for text in texts]

    async def close(self) -> None:
        await self._transport.close()

    async def _batch(self, batch: list[str]) -> Sequence[Vector | None]:
        body = msgspec.json.encode({"model": self.model, "input": batch, "encoding_format": "float"})
        try:
            return await self._transport.post(body, lambda payload: read_embeddings(payload, len(batch)))
        except ModelError as error:
            if error.kind == "refused" and len(batch) > 1:
                # One text that is too long for the server makes it refuse the whole batch.
                halves = batch[: len(batch) // 2], batch[len(batch) // 2 :]
                return [vector for half in halves for vector in await self._batch(half)]
            self.failures.append(str(error))
            return [None] * len(batch)


class LocalEmbedder:
    """An embedding model in this process: llama.cpp through xllamacpp, one text after the other. A model that does not
    say how its tokens become one vector gives their mean."""

    def __init__(self, name: str, *, context: int = 2048, threads: int = 1) -> None:
        """`name` as gguf.find takes it; `context`: tokens of the longest text. LookupError says what is missing."""
        self.name = f"local/{name.removeprefix('local/')}"
        self.failures: list[str] = []
        self._known: dict[str, Vector] = {}
        path = gguf.find(self.name)
        for mean in (False, True):
            self._server: Any = _server(self.name, str(path), context, threads, mean)
            if self._one("a") is not None:
                break
        else:
            raise LookupError(f"model {self.name!r} gives no embeddings: {self.failures[-1]}")
        self.failures.clear()

    async def embed(self, texts: Sequence[str]) -> list[Vector | None]:
        for text in dict.fromkeys(texts):
            if text.strip() and text not in self._known:
                vector = await asyncio.to_thread(self._one, text)
                if vector is not None:
                    self._known[text] = vector
        return [self._known.get(text) for text in texts]

    async def close(self) -> None:
        self._server = None

    def _one(self, text: str) -> Vector | None:
        answer = self._server.handle_embeddings({"model": self.name, "input": [text]})
        try:
            return read_embeddings(msgspec.json.encode(answer), 1)[0]
        except (msgspec.MsgspecError, ValueError):
            words = (answer.get("error") or {}).get("message", "no embedding") if isinstance(answer, dict) else ""
            self.failures.append(f"{self.name}: {words}"[:300])
            return None


def _server(name: str, path: str, context: int, threads: int, mean: bool) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise LookupError(
            f"model {name!r} runs on llama.cpp, which is not installed; get it with: pip install 'usergym[local]'"
        ) from error
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = params.n_batch = params.n_ubatch = context
    params.n_parallel = 1
    params.embedding = True
    params.verbosity = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    if mean:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise LookupError(f"model {name!r}: llama.cpp cannot load {path} for embeddings") from error


class _Row(msgspec.Struct):
    embedding: list[float]
    index: int | None = None


class _Rows(msgspec.Struct):
    data: list[_Row]


_rows = msgspec.json.Decoder(_Rows)


def read_embeddings(payload: bytes, count: int) -> list[Vector]:
    """The vectors of an `/embeddings` body in the order in which they were asked for. ValueError or a msgspec error for
    another number of them, an index that is twice or not there, a vector without a number or with an infinite one."""
    rows = _rows.decode(payload).data
    places = [place if row.index is None else row.index for place, row in enumerate(rows)]
    if sorted(places) != list(range(count)):
        raise ValueError(f"{len(rows)} embeddings for {count} texts, numbered {places[:8]}")
    ordered = [row.embedding for _, row in sorted(zip(places, rows, strict=True), key=lambda pair: pair[0])]
    if any(not vector or not all(map(math.isfinite, vector)) for vector in ordered):
        raise ValueError("an embedding without numbers")
    return list(ordered)
