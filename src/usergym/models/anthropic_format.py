"""Messages in the form of Anthropic's `/v1/messages`, both ways."""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from usergym.models.base import Finish, Reply
from usergym.models.chat_format import Part, joined
from usergym.models.wire import decode
from usergym.types import Message, Tool, ToolCall, Usage

BEGIN = "(The conversation begins; speak first.)"
"""The API wants a user's message before the first reply; this stands in where nobody has spoken."""
REPLY_TOOL = "reply"
"""The tool whose forced call is a JSON reply."""

Thoughts = Mapping[str, Sequence[msgspec.Raw]]
"""Signed thinking blocks by the id of the first tool call after them. They must go back as they came."""
NONE: Thoughts = MappingProxyType({})


def to_anthropic(messages: Iterable[Message], thoughts: Thoughts = NONE) -> tuple[str, list[dict[str, Any]]]:
    """The system text and the rows; messages of one role that follow each other are one row."""
    system: list[str] = []
    rows: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            system.append(message.content)
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message, thoughts)
        if not blocks:
            continue
        if rows and rows[-1]["role"] == role:
            rows[-1]["content"].extend(blocks)
        else:
            rows.append({"role": role, "content": blocks})
    if not rows or rows[0]["role"] == "assistant":
        rows.insert(0, {"role": "user", "content": [_text(BEGIN)]})
    return "\n\n".join(system), rows


def from_anthropic(system: str, rows: Sequence[Mapping[str, Any]]) -> list[Message]:
    """The messages of a request. ValueError names the row and what is wrong in it."""
    out = [Message("system", system)] if system else []
    for place, row in enumerate(rows):
        try:
            wire = msgspec.convert(row, _Row)
            blocks = [_Block("text", text=wire.content)] if isinstance(wire.content, str) else wire.content
            if wire.role == "assistant":
                out.append(_assistant(blocks))
            elif wire.role == "user":
                out.extend(_of_user(blocks))
            else:
                raise ValueError(f"role {wire.role!r}; expected user or assistant")
        except ValueError as error:
            raise ValueError(f"message {place}: {error}") from None
    if len(out) > bool(system) and out[bool(system)] == Message("user", BEGIN):
        del out[bool(system)]
    return out


def tools_to_anthropic(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    return [
        {"name": tool.name, "description": tool.description, "input_schema": tool.parameters or {"type": "object"}}
        for tool in tools
    ]


def _blocks(message: Message, thoughts: Thoughts) -> list[Any]:
    if message.role == "tool":
        block = {"type": "tool_result", "tool_use_id": _id(message.tool_call_id or ""), "content": message.content}
        return [block]
    blocks: list[Any] = []
    if message.tool_calls:
        blocks.extend(thoughts.get(message.tool_calls[0].id, ()))
    if message.content.strip():
        blocks.append(_text(message.content))
    for call in message.tool_calls:
        blocks.append({"type": "tool_use", "id": _id(call.id), "name": call.name, "input": _input(call.arguments)})
    return blocks


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _id(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "_", text) or "call"


def _input(arguments: str) -> Any:
    """A call's arguments, which must be an object here: what is none is wrapped, so that the model sees it."""
    try:
        if isinstance(msgspec.json.decode(arguments), dict):
            return msgspec.Raw(arguments.encode())
    except msgspec.DecodeError:
        pass
    return {} if not arguments.strip() else {"invalid_arguments": arguments}


class _Block(msgspec.Struct):
    type: str
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: str | list[Part] | None = None


class _Row(msgspec.Struct):
    role: str
    content: str | list[_Block]


class _Generated(msgspec.Struct):
    type: str
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Body(msgspec.Struct):
    content: list[msgspec.Raw]
    stop_reason: str | None = None
    usage: _Usage = _Usage()


_body = msgspec.json.Decoder(_Body)
_generated = msgspec.json.Decoder(_Generated)
_FINISH: dict[str, Finish] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def read_anthropic(payload: bytes, as_json: bool = False) -> tuple[Reply, list[msgspec.Raw], int]:
    """The reply in a body, without its seconds and cost; its thinking blocks as they came; how many input tokens went
    into the prompt cache. `as_json`: the call of REPLY_TOOL is the content. msgspec errors or ValueError for a body
    that is no reply."""
    body = decode(payload, _body)
    words: list[str] = []
    reasoning: list[str] = []
    thoughts: list[msgspec.Raw] = []
    calls: list[ToolCall] = []
    for raw in body.content:
        block = decode(bytes(raw), _generated)
        if block.type == "text":
            words.append(block.text)
        elif block.type in ("thinking", "redacted_thinking"):
            reasoning.append(block.thinking)
            thoughts.append(raw.copy())
        elif block.type == "tool_use":
            calls.append(ToolCall(block.id, block.name, bytes(block.input).decode(errors="replace")))
    finish: Finish = _FINISH.get(body.stop_reason or "", "stop")
    if as_json and calls and calls[0].name == REPLY_TOOL:
        words, calls = [calls[0].arguments], []
        finish = "stop" if finish == "tool_calls" else finish
    message = Message("assistant", "".join(words), "\n\n".join(filter(None, reasoning)) or None, tuple(calls))
    used = body.usage
    cached, written = used.cache_read_input_tokens or 0, used.cache_creation_input_tokens or 0
    usage = Usage((used.input_tokens or 0) + cached + written, used.output_tokens or 0, cached, calls=1)
    return Reply(message, usage, finish), thoughts, written


def _assistant(blocks: Sequence[_Block]) -> Message:
    words = "".join(block.text or "" for block in blocks if block.type == "text")
    reasoning = "\n\n".join(block.thinking for block in blocks if block.type == "thinking" and block.thinking)
    calls = tuple(
        ToolCall(block.id or "", block.name or "", msgspec.json.encode(block.input or {}).decode())
        for block in blocks
        if block.type == "tool_use"
    )
    return Message("assistant", words, reasoning or None, calls)


def _of_user(blocks: Sequence[_Block]) -> list[Message]:
    out = [
        Message("tool", joined(block.content), tool_call_id=block.tool_use_id)
        for block in blocks
        if block.type == "tool_result"
    ]
    words = "".join(block.text or "" for block in blocks if block.type == "text")
    return [*out, Message("user", words)] if words or not out else out
