"""The bodies of `/v1/chat/completions`: a request to our nouns, a reply to theirs."""

import time
import uuid
from array import array
from typing import Annotated, Any, TypeVar

import msgspec

from usergym.models.base import Reply
from usergym.models.chat_format import ChatMessage, to_chat
from usergym.serving.bodies import (
    Asked,
    BadRequest,
    Choice,
    Count,
    Format,
    Positive,
    Seed,
    Share,
    choice_of,
    folded,
    read,
    schema_of,
    texts_only,
)
from usergym.types import Message, Sampling, Tokens, Tool, Usage


class Effort(msgspec.Struct):
    effort: str | None = None


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class ChatRequest(msgspec.Struct):
    messages: Annotated[list[ChatMessage], msgspec.Meta(min_length=1)]
    model: str | None = None
    tools: msgspec.Raw = msgspec.Raw(b"")
    tool_choice: str | Choice | None = None
    parallel_tool_calls: bool | None = None
    temperature: Positive | None = None
    top_p: Share | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    stop: str | list[str] | None = None
    n: Count | None = None
    seed: Seed | None = None
    user: str | None = None
    response_format: Format | None = None
    reasoning_effort: str | None = None
    reasoning: Effort | None = None
    metadata: dict[str, Any] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    return_token_ids: bool | None = None
    logprobs: bool | None = None

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


_decoder = msgspec.json.Decoder(ChatRequest)
AnyChat = TypeVar("AnyChat", bound=ChatRequest)


def read_chat_request(payload: bytes) -> ChatRequest:
    """BadRequest names the field that is wrong."""
    return one_choice(read(payload, _decoder))


def one_choice(request: AnyChat) -> AnyChat:
    if request.n not in (None, 1):
        raise BadRequest(f"n: {request.n}; one request is given one choice here, ask again for more", "n")
    return request


def messages_in(request: ChatRequest) -> list[Message]:
    out = []
    for place, row in enumerate(request.messages):
        texts_only(row.content, f"messages[{place}].content")
        try:
            out.append(row.message(place))
        except ValueError as error:
            raise BadRequest(str(error), f"messages[{place}].role") from None
    return out


def asked(request: ChatRequest, tools: tuple[Tool, ...]) -> Asked:
    stop = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    sampling = Sampling(
        request.temperature,
        request.top_p,
        request.max_completion_tokens or request.max_tokens,
        tuple(filter(None, stop)),
        request.seed,
        schema_of(request.response_format, "response_format"),
        request.reasoning_effort or (request.reasoning.effort if request.reasoning else None),
        choice_of(request.tool_choice, tools),
        request.parallel_tool_calls,
    )
    return Asked(folded(messages_in(request)), tools, sampling)


def chat_body(model: str, reply: Reply, request: ChatRequest) -> dict[str, Any]:
    """A `chat.completion`."""
    (message,) = to_chat([reply.message])
    choice: dict[str, Any] = {
        "index": 0,
        "message": message,
        "finish_reason": "tool_calls" if reply.finish == "stop" and reply.message.tool_calls else reply.finish,
        "logprobs": _logprobs(reply.tokens) if request.logprobs and reply.tokens else None,
    }
    body = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        "usage": _usage(reply.usage),
    }
    if request.metadata is not None:
        body["metadata"] = request.metadata
    if request.return_token_ids and reply.tokens:
        body["prompt_token_ids"] = unpacked(reply.tokens.prompt_ids)
        choice["token_ids"] = unpacked(reply.tokens.output_ids)
    return body


def unpacked(ids: bytes) -> list[int]:
    return array("i", ids).tolist()


def _logprobs(tokens: Tokens) -> dict[str, Any] | None:
    """Tokens are called by their ids, as we do not know their texts."""
    if not tokens.logprobs:
        return None
    pairs = zip(unpacked(tokens.output_ids), array("f", tokens.logprobs), strict=True)
    rows: list[Any] = []
    for token, value in pairs:
        rows.append({"token": f"token_id:{token}", "logprob": value, "bytes": None, "top_logprobs": []})
    return {"content": rows, "refusal": None}


def _usage(usage: Usage) -> dict[str, Any] | None:
    """None where the model did not count."""
    if not usage.input_tokens and not usage.output_tokens:
        return None
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
