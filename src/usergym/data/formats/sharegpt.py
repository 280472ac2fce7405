"""ShareGPT: `{"conversations": [{"from", "value"}], "system", "tools"}`; calls and results are rounds of their own."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.data.formats.conversation import extras, rewarded, trajectory_of
from usergym.data.formats.messages import chat_tools
from usergym.environments.base import RowError, listed
from usergym.models.chat_format import from_chat
from usergym.types import Message, Speaker, Tool, ToolCall, Trajectory

NESTED = ("conversations",)

_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "function_call": "function_call",
    "observation": "tool",
    "tool": "tool",
    "function_response": "tool",
    "system": "system",
}


def matches(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("conversations"), list)


def read(row: Mapping[str, Any]) -> list[Trajectory]:
    messages = [Message("system", str(row["system"]))] if row.get("system") else []
    waiting: list[str] = []
    for place, part in enumerate(listed(row, "conversations")):
        field = f"conversations[{place}]"
        role, value = _ROLES.get(part.get("from", "")), part.get("value")
        if role is None:
            raise RowError(f"{field}.from", f"one of {', '.join(_ROLES)}", part.get("from", ...))
        if not isinstance(value, str):
            raise RowError(f"{field}.value", "a text", part.get("value", ...))
        if role == "function_call":
            asked = _calls(value, field, place)
            if messages and messages[-1].role == "assistant" and not messages[-1].tool_calls:
                asked = msgspec.structs.replace(messages.pop(), tool_calls=asked.tool_calls)
            waiting.extend(call.id for call in asked.tool_calls)
            messages.append(asked)
        elif role == "tool":
            messages.append(Message("tool", value, tool_call_id=waiting.pop(0) if waiting else None))
        else:
            messages.extend(from_chat([{"role": role, "content": value}]))
    data = extras(row, "conversations", "system", "tools", "reward")
    return [rewarded(trajectory_of(messages, "sharegpt", "conversations", data, chat_tools(row)), row.get("reward"))]


def _calls(value: str, field: str, place: int) -> Message:
    (thought,) = from_chat([{"role": "assistant", "content": value}])
    try:
        found = json.loads(thought.content)
        calls = tuple(
            ToolCall(f"call_{place}_{n}", call["name"], _text(call.get("arguments", {})))
            for n, call in enumerate(found if isinstance(found, list) else [found])
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise RowError(f"{field}.value", 'JSON {"name", "arguments"}, or a list of such', value) from None
    return Message("assistant", "", thought.reasoning, calls)


def _text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def write(trajectory: Trajectory, speaker: Speaker = "assistant", tools: Sequence[Tool] = ()) -> list[dict[str, Any]]:
    row: dict[str, Any] = {"conversations": []}
    for message in trajectory.view(speaker):
        if message.role == "system":
            row["system"] = message.content
        else:
            row["conversations"].extend(_parts(message))
    if known := tuple(tools) or (trajectory.task.tools if speaker == "assistant" else None):
        row["tools"] = msgspec.json.encode(known).decode()
    return [row]


def _parts(message: Message) -> list[dict[str, str]]:
    """Words beside a call stand as a `gpt` round before it."""
    if message.role == "user":
        return [{"from": "human", "value": message.content}]
    if message.role == "tool":
        return [{"from": "observation", "value": message.content}]
    thought = f"<think>\n{message.reasoning}\n</think>\n\n" if message.reasoning else ""
    if not message.tool_calls:
        return [{"from": "gpt", "value": thought + message.content}]
    calls = [{"name": call.name, "arguments": _parsed(call.arguments)} for call in message.tool_calls]
    asked = json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)
    if not message.content:
        return [{"from": "function_call", "value": thought + asked}]
    return [{"from": "gpt", "value": thought + message.content}, {"from": "function_call", "value": asked}]


def _parsed(arguments: str) -> Any:
    """The arguments as an object; as their text where the model wrote no JSON."""
    try:
        found = msgspec.json.decode(arguments)
    except (msgspec.MsgspecError, RecursionError):
        return arguments
    return found if isinstance(found, dict) else arguments
