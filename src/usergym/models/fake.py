"""A model that answers from a function: for tests, ours and a user's own."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from usergym.models.base import ModelError, Reply, StopRun
from usergym.models.scripted import as_reply
from usergym.types import Message, Sampling, Tool, Usage

Answer = str | Message | Reply

CHARACTERS_PER_TOKEN = 4


class Call(NamedTuple):
    """One request as it came."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    sampling: Sampling


class FakeModel:
    """Answers `function(messages, tools, sampling)`, which may be async; `calls` keeps every request.

    `latency` is in seconds. `fail` says which calls fail, counted from 0 in order of arrival, and with
    what; the function may raise as well. Usage is an estimate of 4 characters a token, unless the function
    gives a whole Reply.
    """

    def __init__(
        self,
        function: Callable[[Sequence[Message], Sequence[Tool], Sampling], Answer | Awaitable[Answer]],
        name: str = "fake",
        latency: float = 0.0,
        fail: Mapping[int, ModelError | StopRun] | None = None,
    ) -> None:
        self.function = function
        self.name = name
        self.latency = latency
        self.fail = fail or {}
        self.calls: list[Call] = []

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        started = time.perf_counter()
        number = len(self.calls)
        self.calls.append(Call(tuple(messages), tuple(tools), sampling))
        if self.latency:
            await asyncio.sleep(self.latency)
        if error := self.fail.get(number):
            raise error
        answer = self.function(messages, tools, sampling)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Reply):
            return answer
        reply = as_reply(answer, Usage())
        usage = Usage(
            input_tokens=estimated_tokens(*messages),
            output_tokens=estimated_tokens(reply.message),
            seconds=time.perf_counter() - started,
            calls=1,
        )
        return msgspec.structs.replace(reply, usage=usage)

    async def close(self) -> None:
        """Holds nothing."""


def estimated_tokens(*messages: Message) -> int:
    """About how many tokens these messages are; at least 1."""
    length = 0
    for message in messages:
        length += len(message.content) + len(message.reasoning or "")
        length += sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
    return max(1, -(-length // CHARACTERS_PER_TOKEN))
