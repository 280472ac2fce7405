"""Messages in the form of `/chat/completions`, both ways."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from usergym.models.base import Finish, Reply
from usergym.models.wire import decode
from usergym.types import Message, Role, Tokens, Tool, ToolCall, Usage

ReasoningAs = Literal["reasoning_content", "reasoning", "think", "none"]
"""Where an assistant's reasoning stands: in a field, in `<think>` before the content, or nowhere."""

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}

OPEN, CLOSE = "<think>", "</think>"


def to_chat(messages: Iterable[Message], reasoning: ReasoningAs = "reasoning_content") -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for message in messages:
        row: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.name is not None:
            row["name"] = message.name
        if message.tool_call_id is not None:
            row["tool_call_id"] = message.tool_call_id
        if message.reasoning and reasoning != "none":
            if reasoning == "think":
                row["content"] = f"{OPEN}\n{message.reasoning}\n{CLOSE}\n\n{message.content}"
            else:
                row[reasoning] = message.reasoning
        if message.tool_calls:
            if not row["content"]:
                row["content"] = None
            row["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in message.tool_calls
            ]
        out.append(row)
    return out


def from_chat(rows: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Messages of chat rows. Content may be text, null or text parts; `developer` is `system`. ValueError names
    the row and what is wrong in it."""
    out: list[Message] = []
    for place, row in enumerate(rows):
        try:
            wire = msgspec.convert(row, ChatMessage)
        except msgspec.ValidationError as error:
            raise ValueError(f"message {place}: {error}") from None
        out.append(wire.message(place))
    return out


def tools_to_chat(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in tools
    ]


def tools_from_chat(rows: Iterable[Mapping[str, Any]]) -> list[Tool]:
    """ValueError for a row that is not a function."""
    tools = []
    for place, row in enumerate(rows):
        function = row.get("function")
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise ValueError(
                f'tool {place}: expected {{"type": "function", "function": {{"name": ...}}}}, found {row!r}'
            )
        tools.append(Tool(function["name"], function.get("description") or "", function.get("parameters") or {}))
    return tools


class _Function(msgspec.Struct):
    name: str
    arguments: str | dict[str, Any] | None = None


class _Call(msgspec.Struct):
    function: _Function
    id: str | None = None


TEXT_PARTS = frozenset(
    {"", "text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text", "thinking"}
)


class Part(msgspec.Struct):
    """One part of a content list; only text has a meaning here."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None


class ChatMessage(msgspec.Struct):
    """One row of `messages` as it comes over the wire."""

    role: str = "assistant"
    content: str | list[Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    refusal: str | None = None

    def message(self, place: int) -> Message:
        """ValueError for a role that there is not; `place` is the row's, for the error and for calls without an id."""
        role = ROLES.get(self.role)
        if role is None:
            raise ValueError(f"message {place}: role {self.role!r}; expected system, user, assistant or tool")
        content, reasoning = self.text()
        return Message(role, content, reasoning, self.calls(place), self.tool_call_id, self.name)

    def text(self) -> tuple[str, str | None]:
        """Content and reasoning. A `<think>` passage that begins an assistant's content is reasoning; one that
        stands later is the speaker's words."""
        content = joined(self.content)
        reasoning = self.reasoning_content or self.reasoning or None
        if reasoning is None and self.role == "assistant" and content.lstrip().startswith(OPEN):
            thought, _, content = content.lstrip()[len(OPEN) :].partition(CLOSE)
            return content.lstrip("\n"), thought.removeprefix("\n").removesuffix("\n") or None
        return content, reasoning

    def calls(self, place: int) -> tuple[ToolCall, ...]:
        """A call without an id is given one from its place."""
        return tuple(
            ToolCall(call.id or f"call_{place}_{index}", call.function.name, arguments_text(call.function.arguments))
            for index, call in enumerate(self.tool_calls or ())
        )


class _Logprob(msgspec.Struct):
    logprob: float


class _Logprobs(msgspec.Struct):
    content: list[_Logprob] | None = None


class _Choice(msgspec.Struct):
    message: ChatMessage
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None
    token_ids: list[int] | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    prompt_token_ids: list[int] | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Completion)
_FINISH: dict[str, Finish] = {
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}


def read_chat(payload: bytes, place: int = 0) -> tuple[Reply, ReasoningAs | None]:
    """The reply in a body, without its seconds and cost, and where its reasoning stood. `place` is the number of
    messages before it. ValueError or a msgspec error for a body that is no reply."""
    body = decode(payload, _decoder)
    if not body.choices:
        raise ValueError(f"it has no choices{f', but an error: {body.error}' if body.error else ''}")
    choice = body.choices[0]
    wire = choice.message
    content, reasoning = wire.text()
    calls = wire.calls(place)
    finish: Finish = _FINISH.get(choice.finish_reason or "", "stop")
    if wire.refusal and not content:
        finish = "content_filter"
    if calls and finish == "stop":
        finish = "tool_calls"
    where: ReasoningAs | None = None
    if reasoning:
        where = "reasoning_content" if wire.reasoning_content else "reasoning" if wire.reasoning else "think"
    message = Message("assistant", content or wire.refusal or "", reasoning, calls)
    return Reply(message, _usage(body.usage), finish, _tokens(body.prompt_token_ids, choice)), where


def _usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return Usage(calls=1)
    details, written = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = (details.cached_tokens or 0) if details else 0
    thought = (written.reasoning_tokens or 0) if written else 0
    return Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0, cached, calls=1, reasoning_tokens=thought)


def _tokens(prompt_ids: list[int] | None, choice: _Choice) -> Tokens | None:
    if prompt_ids is None or choice.token_ids is None:
        return None
    content = (choice.logprobs.content if choice.logprobs else None) or []
    logprobs = [entry.logprob for entry in content] if len(content) == len(choice.token_ids) else []
    return Tokens.of(prompt_ids, choice.token_ids, logprobs)


def joined(content: str | list[Part] | None) -> str:
    """The text of a content field."""
    if isinstance(content, str):
        return content
    return "".join(part.text or part.refusal or "" for part in content or ())


def arguments_text(arguments: str | dict[str, Any] | None) -> str:
    """A call's arguments as raw JSON text; some servers send them as an object."""
    if isinstance(arguments, str):
        return arguments
    return msgspec.json.encode(arguments or {}).decode()
