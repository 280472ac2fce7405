"""Chat messages for supervised fine-tuning: `{"messages": [...], "tools": [...]}`."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.data.formats.conversation import extras, rewarded, trajectory_of
from usergym.environments.base import RowError, listed
from usergym.models.chat_format import from_chat, to_chat, tools_from_chat, tools_to_chat
from usergym.rows import dropped_nulls
from usergym.types import Message, Speaker, Tool, Trajectory

NESTED = ("messages",)


def matches(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("messages"), list)


def read(row: Mapping[str, Any]) -> list[Trajectory]:
    messages = chat_messages(row, "messages")
    data = extras(row, "messages", "tools", "reward")
    return [rewarded(trajectory_of(messages, "messages", "messages", data, chat_tools(row)), row.get("reward"))]


def write(trajectory: Trajectory, speaker: Speaker = "assistant", tools: Sequence[Tool] = ()) -> list[dict[str, Any]]:
    row: dict[str, Any] = {"messages": to_chat(trajectory.view(speaker))}
    if known := tuple(tools) or (trajectory.task.tools if speaker == "assistant" else None):
        row["tools"] = tools_to_chat(known)
    return [row]


def chat_messages(row: Mapping[str, Any], field: str) -> list[Message]:
    """Chat messages of a field. ValueError names the field and the message."""
    try:
        return from_chat(dropped_nulls(listed(row, field)))
    except RowError:
        raise
    except ValueError as error:
        raise ValueError(f"field {field!r}: {error}") from None


def chat_tools(row: Mapping[str, Any]) -> list[Tool]:
    """Tools of a row: a list in the form of chat completions, or such a list as JSON text."""
    value = row.get("tools")
    if not value:
        return []
    try:
        rows = msgspec.json.decode(value) if isinstance(value, str) else value
        return tools_from_chat([_wrapped(tool) for tool in dropped_nulls(rows)])
    except (ValueError, TypeError, AttributeError) as error:
        raise RowError("tools", f"a list of functions ({error})", value) from None


def _wrapped(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    return tool if "function" in tool else {"type": "function", "function": tool}
