"""A model with sampling of its own: what the caller leaves open is filled in."""

from collections.abc import Sequence

import msgspec

from usergym.models.base import Model, Reply
from usergym.types import Message, Sampling, Tool


class SampledModel:
    """Asks `model` with `defaults` for every field that a request does not set itself."""

    def __init__(self, model: Model, defaults: Sampling) -> None:
        self.model = model
        unset = Sampling()
        self._given = {
            field: value
            for field in defaults.__struct_fields__
            if (value := getattr(defaults, field)) != getattr(unset, field)
        }

    @property
    def name(self) -> str:
        return self.model.name

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        open_fields = {
            field: value for field, value in self._given.items() if getattr(sampling, field) in (None, (), {})
        }
        filled = msgspec.structs.replace(sampling, **open_fields) if open_fields else sampling
        return await self.model.reply(messages, tools, filled)

    async def close(self) -> None:
        await self.model.close()
