"""A model asked as a configuration wants it: under the name it was given, with further fields, so many times at once,
with or without a seed."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.models.base import Model, Reply
from usergym.types import Message, Sampling, Tool


class ConfiguredModel:
    """`extra` goes before what a request has. Without `send_seed` the seed that every reply draws stays here, which
    some servers refuse and none needs; one that the request itself names (`extra["seed"]`) is sent."""

    def __init__(
        self, model: Model, extra: Mapping[str, Any] = {}, at_once: int | None = None, send_seed: bool = True
    ) -> None:
        self.model = model
        self.extra = dict(extra)
        self.places = asyncio.Semaphore(at_once) if at_once else None
        self.send_seed = send_seed

    @property
    def name(self) -> str:
        return self.model.name

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        if self.extra:
            sampling = msgspec.structs.replace(sampling, extra={**sampling.extra, **self.extra})
        if not self.send_seed:
            sampling = msgspec.structs.replace(sampling, seed=None)
        if self.places is None:
            return await self.model.reply(messages, tools, sampling)
        async with self.places:
            return await self.model.reply(messages, tools, sampling)

    async def close(self) -> None:
        await self.model.close()
