"""Messages in the form of `/responses`, both ways: one message is one or more items."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from usergym.models.base import Finish, Reply
from usergym.models.chat_format import Part, joined
from usergym.models.wire import decode
from usergym.types import Message, Tokens, Tool, ToolCall, Usage


def to_responses(messages: Iterable[Message], reasoning: bool = True) -> list[dict[str, Any]]:
    """Input items. An assistant's message is its reasoning, its words, then its calls. `name` has no place there."""
    out: list[dict[str, Any]] = []
    for place, message in enumerate(messages):
        if message.role == "tool":
            output = {"type": "function_call_output", "call_id": message.tool_call_id or "", "output": message.content}
            out.append(output)
            continue
        if reasoning and message.reasoning:
            thought = [{"type": "reasoning_text", "text": message.reasoning}]
            out.append({"type": "reasoning", "id": f"rs_{place}", "summary": [], "content": thought})
        if message.content or not message.tool_calls:
            out.append({"type": "message", "role": message.role, "content": message.content})
        for call in message.tool_calls:
            out.append({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments})
    return out


def from_responses(items: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Messages of input or output items. What an assistant wrote up to its next words or thought is one message, and
    so is everything around calls that still wait for their results, whose place is right behind it.
    ValueError names the item and what is wrong in it."""
    wires: list[Item] = []
    for place, item in enumerate(items):
        try:
            wires.append(msgspec.convert(item, Item))
        except msgspec.ValidationError as error:
            raise ValueError(f"item {place}: {error}") from None
    return messages_of(wires)


def messages_of(items: Sequence["Item"]) -> list[Message]:
    """`from_responses` for items that are read already."""
    out: list[Message] = []
    pending: list[Item] = []
    calling = False

    def flush() -> None:
        nonlocal calling
        if pending:
            out.append(_assistant(pending, len(out)))
            pending.clear()
            calling = False

    for place, item in enumerate(items):
        if item.type in ("message", "reasoning") and item.role in ("", "assistant"):
            if pending and not calling and (item.type == "reasoning" or pending[-1].type != "reasoning"):
                flush()
            pending.append(item)
            continue
        if item.type == "function_call":
            pending.append(item)
            calling = True
            continue
        flush()
        role = "system" if item.role == "developer" else item.role
        if item.type == "function_call_output":
            out.append(Message("tool", joined(item.output), tool_call_id=item.call_id))
        elif item.type == "message" and role in ("system", "user"):
            out.append(Message("system" if role == "system" else "user", joined(item.content)))
        else:
            kinds = "message, reasoning, function_call or function_call_output"
            raise ValueError(f"item {place}: type {item.type!r}, role {item.role!r}; expected {kinds}")
    flush()
    return out


def tools_to_responses(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "strict": False,
        }
        for tool in tools
    ]


def tools_from_responses(rows: Iterable[Mapping[str, Any]]) -> list[Tool]:
    """ValueError for a row that is not a function."""
    tools = []
    for place, row in enumerate(rows):
        if row.get("type") != "function" or not isinstance(row.get("name"), str):
            raise ValueError(f'tool {place}: expected {{"type": "function", "name": ...}}, found {row!r}')
        tools.append(Tool(row["name"], row.get("description") or "", row.get("parameters") or {}))
    return tools


class Item(msgspec.Struct):
    """One input or output item as it comes over the wire."""

    type: str = "message"
    role: str = ""
    content: str | list[Part] | None = None
    summary: list[Part] | None = None
    call_id: str | None = None
    name: str = ""
    arguments: str = ""
    output: str | list[Part] | None = None
    prompt_token_ids: list[int] | None = None
    generation_token_ids: list[int] | None = None
    generation_log_probs: list[float] | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class _Response(msgspec.Struct):
    output: list[Item]
    status: str | None = None
    incomplete_details: _Incomplete | None = None
    usage: _Usage | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Response)


def read_responses(payload: bytes, place: int = 0) -> Reply:
    """The reply in a body, without its seconds and cost. ValueError or a msgspec error for a body that is none."""
    body = decode(payload, _decoder)
    if body.status == "failed":
        raise ValueError(f"the response failed: {body.error}")
    reason = body.incomplete_details.reason if body.incomplete_details else None
    if not body.output and reason is None:
        raise ValueError(f"it has no output{f', but an error: {body.error}' if body.error else ''}")
    message = _assistant([item for item in body.output if item.role in ("", "assistant")], place)
    finish: Finish = "tool_calls" if message.tool_calls else "stop"
    if body.status == "incomplete" or reason:
        finish = "content_filter" if reason == "content_filter" else "length"
    return Reply(message, _usage(body.usage), finish, _tokens(body.output))


def _assistant(items: Sequence[Item], place: int) -> Message:
    thoughts: list[str] = []
    words: list[str] = []
    calls: list[ToolCall] = []
    for item in items:
        if item.type == "reasoning":
            thoughts.append(joined(item.content) or joined(item.summary))
        elif item.type == "message":
            words.append(joined(item.content))
        elif item.type == "function_call":
            calls.append(ToolCall(item.call_id or f"call_{place}_{len(calls)}", item.name, item.arguments))
    said, thought = ("\n\n".join(filter(None, texts)) for texts in (words, thoughts))
    return Message("assistant", said, thought or None, tuple(calls))


def _usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return Usage(calls=1)
    details, written = usage.input_tokens_details, usage.output_tokens_details
    cached = (details.cached_tokens or 0) if details else 0
    thought = (written.reasoning_tokens or 0) if written else 0
    return Usage(usage.input_tokens or 0, usage.output_tokens or 0, cached, calls=1, reasoning_tokens=thought)


def _tokens(items: Sequence[Item]) -> Tokens | None:
    """Ids as servers for training attach them: to the last item that was generated."""
    for item in reversed(items):
        if item.prompt_token_ids is not None and item.generation_token_ids is not None:
            logprobs = item.generation_log_probs or []
            if len(logprobs) != len(item.generation_token_ids):
                logprobs = []
            return Tokens.of(item.prompt_token_ids, item.generation_token_ids, logprobs)
    return None
