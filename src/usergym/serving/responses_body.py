"""The bodies of `/v1/responses`: a request to our nouns, a reply to theirs."""

import time
import uuid
from array import array
from typing import Annotated, Any

import msgspec

from usergym.models.base import Reply
from usergym.models.responses_format import Item, messages_of
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
from usergym.serving.chat_body import Effort, unpacked
from usergym.types import Message, Sampling, Tokens, Tool, Usage


class _Text(msgspec.Struct):
    format: Format | None = None


class ResponsesRequest(msgspec.Struct):
    """What is echoed as it came stays raw."""

    input: str | Annotated[list[Item], msgspec.Meta(min_length=1)]
    model: str | None = None
    instructions: str | None = None
    tools: msgspec.Raw = msgspec.Raw(b"")
    tool_choice: msgspec.Raw = msgspec.Raw(b"null")
    parallel_tool_calls: bool | None = None
    temperature: Positive | None = None
    top_p: Share | None = None
    max_output_tokens: Count | None = None
    max_tokens: Count | None = None
    seed: Seed | None = None
    user: str | None = None
    text: msgspec.Raw = msgspec.Raw(b"null")
    response_format: Format | None = None
    reasoning: msgspec.Raw = msgspec.Raw(b"null")
    reasoning_effort: str | None = None
    metadata: dict[str, Any] | None = None
    truncation: str | None = None
    stream: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None


_decoder = msgspec.json.Decoder(ResponsesRequest)
_text_decoder = msgspec.json.Decoder(_Text | None)
_choice_decoder = msgspec.json.Decoder(str | Choice | None)
_effort_decoder = msgspec.json.Decoder(Effort | None)


def read_responses_request(payload: bytes) -> ResponsesRequest:
    """BadRequest names the field that is wrong."""
    request = read(payload, _decoder)
    for field in ("previous_response_id", "conversation"):
        if getattr(request, field) is not None:
            raise BadRequest(f"{field}: nothing is kept between requests; send the whole conversation as input", field)
    return request


def asked(request: ResponsesRequest, tools: tuple[Tool, ...]) -> Asked:
    text = read(bytes(request.text), _text_decoder, "text")
    form = text.format if text else None
    effort = read(bytes(request.reasoning), _effort_decoder, "reasoning")
    choice = read(bytes(request.tool_choice), _choice_decoder, "tool_choice")
    sampling = Sampling(
        request.temperature,
        request.top_p,
        request.max_output_tokens or request.max_tokens,
        seed=request.seed,
        json_schema=schema_of(form or request.response_format, "text.format" if form else "response_format"),
        reasoning_effort=(effort.effort if effort else None) or request.reasoning_effort,
        tool_choice=choice_of(choice, tools),
        parallel_tool_calls=request.parallel_tool_calls,
    )
    return Asked(folded(_messages(request), request.instructions), tools, sampling)


def _messages(request: ResponsesRequest) -> list[Message]:
    if isinstance(request.input, str):
        return [Message("user", request.input)]
    for place, item in enumerate(request.input):
        texts_only(item.content, f"input[{place}].content")
        texts_only(item.output, f"input[{place}].output")
    try:
        return messages_of(request.input)
    except ValueError as error:
        raise BadRequest(f"input: {error}", "input") from None


def output_items(message: Message, key: str, status: str = "completed", tokens: Tokens | None = None) -> list[Any]:
    """An assistant's message as output items: its reasoning, its words, its calls. `key` makes their ids; `status` is
    the last one's, which also carries the token ids."""
    out: list[dict[str, Any]] = []
    if message.reasoning:
        summary = [{"type": "summary_text", "text": message.reasoning}]
        out.append({"id": f"rs_{key}", "type": "reasoning", "summary": summary, "status": "completed"})
    if message.content or not message.tool_calls:
        part = {"type": "output_text", "text": message.content, "annotations": [], "logprobs": []}
        said = {"id": f"msg_{key}", "type": "message", "role": "assistant", "content": [part], "status": "completed"}
        out.append(said)
    for place, call in enumerate(message.tool_calls):
        made = {"call_id": call.id, "name": call.name, "arguments": call.arguments, "status": "completed"}
        out.append({"id": f"fc_{key}_{place}", "type": "function_call", **made})
    out[-1]["status"] = status
    if tokens is not None:
        out[-1]["prompt_token_ids"] = unpacked(tokens.prompt_ids)
        out[-1]["generation_token_ids"] = unpacked(tokens.output_ids)
        out[-1]["generation_log_probs"] = array("f", tokens.logprobs).tolist()
    return out


def responses_body(model: str, reply: Reply, request: ResponsesRequest, tools: bytes = b"[]") -> dict[str, Any]:
    """A `response`, with what was asked for as their servers echo it; `tools` as JSON."""
    key = uuid.uuid4().hex
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reply.finish)
    status = "incomplete" if reason else "completed"
    now = time.time()
    return {
        "id": f"resp_{key}",
        "object": "response",
        "created_at": now,
        "completed_at": None if reason else now,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens or request.max_tokens,
        "metadata": request.metadata or {},
        "model": model,
        "output": output_items(reply.message, key, status, reply.tokens),
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": request.reasoning,
        "store": False,
        "temperature": request.temperature,
        "text": {"format": {"type": "text"}} if bytes(request.text) == b"null" else request.text,
        "tool_choice": "auto" if bytes(request.tool_choice) == b"null" else request.tool_choice,
        "tools": msgspec.Raw(tools),
        "top_p": request.top_p,
        "truncation": request.truncation or "disabled",
        "usage": _usage(reply.usage),
        "user": request.user,
    }


def _usage(usage: Usage) -> dict[str, Any] | None:
    """None where the model did not count."""
    if not usage.input_tokens and not usage.output_tokens:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
