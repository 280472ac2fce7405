"""Replies that were paid once are not paid again: a file of them, keyed by request and draw."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from usergym.models.base import Model, Reply, StopRun
from usergym.types import Message, Sampling, Tool

FLUSH_SECONDS = 0.5
FLUSH_REPLIES = 256

_key_bytes = msgspec.json.Encoder(order="deterministic").encode
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Reply)


class CachedModel:
    """Answers from the SQLite file at `path` what was asked before, and asks `model` for the rest.

    The key holds the model's name, the messages, the tools and the sampling with its seed, so n samples of one
    conversation stay n. A hit has `usage.calls`, `seconds` and `cost` 0. Failures are not kept. Replies are written
    in batches: a kill loses the last half second of them, never the file.
    """

    def __init__(self, model: Model, path: str | Path) -> None:
        """StopRun where the file cannot be opened or is something else."""
        self.model = model
        self.path = Path(path)
        self.hits = 0
        self.misses = 0
        self._waiting: dict[bytes, bytes] = {}
        self._timer: asyncio.TimerHandle | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.execute("CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, reply BLOB) WITHOUT ROWID")
        except (sqlite3.Error, OSError) as error:
            raise StopRun(f"cache {self.path} cannot be used: {error}; name another file, or remove it") from None

    @property
    def name(self) -> str:
        return self.model.name

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        key = self._key(messages, tools, sampling)
        known = self._find(key)
        if known is not None:
            self.hits += 1
            return known
        self.misses += 1
        reply = await self.model.reply(messages, tools, sampling)
        self._waiting[key] = _encoder.encode(reply)
        if len(self._waiting) >= FLUSH_REPLIES:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._late)
        return reply

    async def close(self) -> None:
        """Writes what waits and closes the file and the model."""
        try:
            self._flush()
        finally:
            self._file.close()
            await self.model.close()

    def _key(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> bytes:
        whole = _key_bytes((1, self.model.name, messages, tools, sampling))
        return hashlib.blake2b(whole, digest_size=20).digest()

    def _find(self, key: bytes) -> Reply | None:
        stored = self._waiting.get(key)
        if stored is None:
            try:
                row = self._file.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
            except sqlite3.Error as error:
                raise StopRun(f"cache {self.path} cannot be read: {error}; remove it, or run without a cache") from None
            if row is None:
                return None
            stored = row[0]
        try:
            reply = _decoder.decode(stored)
        except msgspec.MsgspecError:
            return None
        usage = msgspec.structs.replace(reply.usage, calls=0, seconds=0.0, cost=0.0)
        return msgspec.structs.replace(reply, usage=usage)

    def _late(self) -> None:
        self._timer = None
        try:
            self._write()
        except sqlite3.Error:
            # Kept in memory; the next flush that has a caller says what is wrong.
            return

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._write()
        except sqlite3.Error as error:
            raise StopRun(f"cache {self.path} cannot be written: {error}") from None

    def _write(self) -> None:
        if not self._waiting:
            return
        self._file.execute("BEGIN IMMEDIATE")
        try:
            self._file.executemany("INSERT OR REPLACE INTO replies VALUES (?, ?)", list(self._waiting.items()))
            self._file.execute("COMMIT")
        except sqlite3.Error:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise
        self._waiting.clear()
