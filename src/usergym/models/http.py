"""Any OpenAI-compatible endpoint as a model, through `/chat/completions` or `/responses`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from usergym.models.base import Reply, StopRun
from usergym.models.budget import Budget, price_of
from usergym.models.chat_format import ReasoningAs, read_chat, to_chat, tools_to_chat
from usergym.models.prices import Prices
from usergym.models.responses_format import read_responses, to_responses, tools_to_responses
from usergym.models.transport import Key, Options, Transport, show
from usergym.models.wire import Encoded, strict_ready
from usergym.types import Message, Sampling, Tool

_encode = msgspec.json.Encoder().encode
_TOOL_WORDS = ("auto", "none", "required")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between servers of the same API."""

    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The chat field that bounds a reply."""
    send_reasoning: bool = True
    """Whether an assistant's earlier reasoning goes back to it."""
    send_seed: bool = True


OPENAI = Dialect(max_tokens="max_completion_tokens", send_reasoning=False)


class HttpModel:
    """A model behind an OpenAI-compatible URL. One instance serves thousands of calls at once."""

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        name: str | None = None,
        key: Key = Key(),
        options: Options = Options(),
        dialect: Dialect = Dialect(),
        budget: Budget | None = None,
        prices: Prices | None = None,
        hint: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`model`: its name at the server. `base_url`: up to and with `/v1`. `name`: its name to us, which the price
        table and the cache use. `headers`: sent with every call. ValueError where `budget` bounds dollars and the
        price is unknown."""
        base_url = base_url.rstrip("/")
        self.name = name or f"{show(base_url)}/{model}"
        self.model = model
        if options.api not in ("chat", "responses"):
            raise ValueError(f"api is {options.api!r}; expected chat or responses")
        self._chat = options.api == "chat"
        self._token_ids = options.token_ids and self._chat
        self._dialect = dialect
        self._budget = budget
        self._price = price_of(self.name, prices, budget)
        sent = {"Authorization": f"Bearer {key.value}"} if key.value else {}
        path = "/chat/completions" if self._chat else "/responses"
        self._transport = Transport(base_url + path, model, {**sent, **(headers or {})}, key, options, budget, hint)
        self._encoded = Encoded()
        self._reasoning_as: ReasoningAs = "reasoning_content"

    def __repr__(self) -> str:
        return f"HttpModel({self.name!r}, {self._transport.shown!r})"

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        clock = asyncio.get_running_loop().time
        begun = clock()
        request = self._chat_request if self._chat else self._responses_request
        body = _encode(request(messages, tools, sampling))
        place = len(messages)
        reply = await self._transport.post(body, lambda payload: self._read(payload, place))
        usage = reply.usage
        cost = self._price.cost(usage) if self._price is not None else 0.0
        usage = msgspec.structs.replace(usage, seconds=clock() - begun, cost=cost)
        if self._budget is not None:
            self._budget.spend(usage)
        finish = reply.finish
        if not self._chat and finish == "stop" and 0 < (sampling.max_tokens or 0) <= usage.output_tokens:
            # llama.cpp calls a response that it cut at its bound complete.
            finish = "length"
        return msgspec.structs.replace(reply, usage=usage, finish=finish)

    async def close(self) -> None:
        await self._transport.close()

    def _read(self, payload: bytes, place: int) -> Reply:
        if not self._chat:
            return read_responses(payload, place)
        reply, where = read_chat(payload, place)
        if where is not None:
            # Reasoning goes back as this server itself writes it.
            self._reasoning_as = where
        return reply

    def _chat_request(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> dict[str, Any]:
        dialect = self._dialect
        rows = to_chat(messages, self._reasoning_as if dialect.send_reasoning else "none")
        request = _sampled({"model": self.model, "messages": rows}, sampling)
        if sampling.max_tokens is not None:
            request[dialect.max_tokens] = sampling.max_tokens
        if sampling.seed is not None and dialect.send_seed:
            request["seed"] = sampling.seed
        if sampling.stop:
            request["stop"] = sampling.stop
        if sampling.reasoning_effort is not None:
            request["reasoning_effort"] = sampling.reasoning_effort
        if tools:
            request["tools"] = self._tools(tools)
            if sampling.parallel_tool_calls is not None:
                request["parallel_tool_calls"] = sampling.parallel_tool_calls
            if (choice := sampling.tool_choice) is not None:
                named = {"type": "function", "function": {"name": choice}}
                request["tool_choice"] = choice if choice in _TOOL_WORDS else named
        if sampling.json_schema is not None:
            request["response_format"] = self._schema(sampling.json_schema)
        if self._token_ids:
            request["return_token_ids"] = request["logprobs"] = True
        return {**request, **sampling.extra} if sampling.extra else request

    def _responses_request(
        self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling
    ) -> dict[str, Any]:
        if sampling.stop:
            raise StopRun(f"{self._transport.shown} takes no stop sequences; use the chat API, or sample without them")
        items = to_responses(messages, self._dialect.send_reasoning)
        request = _sampled({"model": self.model, "input": items, "store": False}, sampling)
        if sampling.max_tokens is not None:
            request["max_output_tokens"] = sampling.max_tokens
        if sampling.reasoning_effort is not None:
            request["reasoning"] = {"effort": sampling.reasoning_effort}
        if tools:
            request["tools"] = self._tools(tools)
            if sampling.parallel_tool_calls is not None:
                request["parallel_tool_calls"] = sampling.parallel_tool_calls
            if (choice := sampling.tool_choice) is not None:
                request["tool_choice"] = choice if choice in _TOOL_WORDS else {"type": "function", "name": choice}
        if sampling.json_schema is not None:
            request["text"] = self._schema(sampling.json_schema)
        return {**request, **sampling.extra} if sampling.extra else request

    def _tools(self, tools: Sequence[Tool]) -> msgspec.Raw:
        values = tuple(tools)
        known = self._encoded.get(values)
        if known is not None:
            return known
        return self._encoded.put(values, tools_to_chat(values) if self._chat else tools_to_responses(values))

    def _schema(self, schema: dict[str, Any]) -> msgspec.Raw:
        known = self._encoded.get((schema,))
        if known is not None:
            return known
        form = {"name": "reply", "schema": schema, "strict": strict_ready(schema)}
        if self._chat:
            return self._encoded.put((schema,), {"type": "json_schema", "json_schema": form})
        return self._encoded.put((schema,), {"format": {"type": "json_schema", **form}})


def _sampled(request: dict[str, Any], sampling: Sampling) -> dict[str, Any]:
    if sampling.temperature is not None:
        request["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        request["top_p"] = sampling.top_p
    return request
