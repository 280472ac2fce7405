"""Anthropic's own Messages API as a model, on the same transport as any other server."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec

from usergym.models.anthropic_format import NONE, REPLY_TOOL, read_anthropic, to_anthropic, tools_to_anthropic
from usergym.models.base import Reply
from usergym.models.budget import Budget, price_of
from usergym.models.prices import Prices
from usergym.models.transport import Key, Options, Transport
from usergym.models.wire import Encoded
from usergym.types import Message, Sampling, Tool

VERSION = "2023-06-01"
MAX_TOKENS = 4096
"""Where the sampling names no bound: the API wants one."""
THINKING = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24_576}
"""Tokens of thinking by reasoning effort; they come on top of the reply's own bound."""
REMEMBERED = 20_000
"""Tool calls whose signed thinking is kept."""

_encode = msgspec.json.Encoder().encode


class AnthropicModel:
    """A Claude model. It takes no seed: `sampling.seed` only tells draws apart in the response cache.

    A JSON schema is a forced tool call, or `output_config` beside other tools or thinking. The API wants signed
    thinking back while tools run; it is kept here, and where it is not known (a resumed run) that one call is made
    without thinking.
    """

    def __init__(
        self,
        model: str,
        base_url: str = "https://api.anthropic.com/v1",
        *,
        name: str | None = None,
        key: Key = Key(),
        options: Options = Options(),
        budget: Budget | None = None,
        prices: Prices | None = None,
    ) -> None:
        self.name = name or f"anthropic/{model}"
        self.model = model
        self._budget = budget
        self._price = price_of(self.name, prices, budget)
        headers = {"anthropic-version": VERSION, **({"x-api-key": key.value} if key.value else {})}
        self._transport = Transport(base_url.rstrip("/") + "/messages", model, headers, key, options, budget)
        self._thoughts: OrderedDict[str, list[msgspec.Raw]] = OrderedDict()
        self._encoded = Encoded()

    def __repr__(self) -> str:
        return f"AnthropicModel({self.name!r}, {self._transport.shown!r})"

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        clock = asyncio.get_running_loop().time
        begun = clock()
        request = self._request(messages, tools, sampling)
        as_json = sampling.json_schema is not None and "output_config" not in request
        reply, thoughts, written = await self._transport.post(
            _encode(request), lambda payload: read_anthropic(payload, as_json)
        )
        if thoughts and reply.message.tool_calls:
            self._remember(reply.message.tool_calls[0].id, thoughts)
        usage = reply.usage
        cost = self._price.cost(usage, written) if self._price is not None else 0.0
        usage = msgspec.structs.replace(usage, seconds=clock() - begun, cost=cost)
        if self._budget is not None:
            self._budget.spend(usage)
        return msgspec.structs.replace(reply, usage=usage)

    async def close(self) -> None:
        await self._transport.close()

    def _request(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> dict[str, Any]:
        thinking = THINKING.get(sampling.reasoning_effort or "", 0)
        if thinking and not self._knows_thoughts(messages):
            thinking = 0
        system, rows = to_anthropic(messages, self._thoughts if thinking else NONE)
        limit = MAX_TOKENS if sampling.max_tokens is None else sampling.max_tokens
        request: dict[str, Any] = {"model": self.model, "max_tokens": limit + thinking, "messages": rows}
        if system:
            request["system"] = system
        if sampling.stop:
            request["stop_sequences"] = sampling.stop
        if thinking:
            request["thinking"] = {"type": "enabled", "budget_tokens": thinking}
        else:
            if sampling.temperature is not None:
                request["temperature"] = sampling.temperature
            if sampling.top_p is not None:
                request["top_p"] = sampling.top_p
        if tools:
            values = tuple(tools)
            request["tools"] = self._encoded.get(values) or self._encoded.put(values, tools_to_anthropic(values))
            if sampling.tool_choice is not None:
                request["tool_choice"] = _choice(sampling.tool_choice)
            if sampling.parallel_tool_calls is False:
                choice = request.get("tool_choice") or {"type": "auto"}
                if choice["type"] != "none":
                    request["tool_choice"] = {**choice, "disable_parallel_tool_use": True}
        if (schema := sampling.json_schema) is not None:
            if tools or thinking or schema.get("type") != "object":
                request["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
            else:
                request["tools"] = [{"name": REPLY_TOOL, "description": "Gives the reply.", "input_schema": schema}]
                request["tool_choice"] = {"type": "tool", "name": REPLY_TOOL}
        return {**request, **sampling.extra} if sampling.extra else request

    def _knows_thoughts(self, messages: Sequence[Message]) -> bool:
        """Whether the thinking of the tool calls that still wait for an answer in words is at hand."""
        for message in reversed(messages):
            if message.role == "user":
                return True
            if message.role == "assistant" and message.tool_calls and message.tool_calls[0].id not in self._thoughts:
                return False
        return True

    def _remember(self, call: str, thoughts: list[msgspec.Raw]) -> None:
        self._thoughts[call] = thoughts
        if len(self._thoughts) > REMEMBERED:
            self._thoughts.popitem(last=False)


def _choice(choice: str) -> dict[str, str]:
    if choice == "required":
        return {"type": "any"}
    return {"type": choice} if choice in ("auto", "none") else {"type": "tool", "name": choice}
