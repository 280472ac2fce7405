"""Interaction tuples: the context x, the reply y, what the other side said next o, and `meta`.

Read in our own shape (`x`, `y`, `o`) and in that of the logs they come from (`prompt` of from/value pairs,
`completion`, `user_response`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from usergym.data.formats.conversation import extras, trajectory_of
from usergym.data.formats.messages import chat_messages
from usergym.environments.base import RowError, listed
from usergym.models.chat_format import to_chat
from usergym.rollouts.gym_rows import turns_of
from usergym.rows import dropped_nulls
from usergym.types import Message, Speaker, Tool, Trajectory

NESTED = ("x", "prompt", "meta")

_ROLES = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system"}


def matches(row: Mapping[str, Any]) -> bool:
    return {"x", "y", "o"} <= row.keys() or {"prompt", "completion", "user_response"} <= row.keys()


def read(row: Mapping[str, Any]) -> list[Trajectory]:
    own = "x" in row
    context, reply, after = ("x", "y", "o") if own else ("prompt", "completion", "user_response")
    x = chat_messages(row, context) if own else _logged(row, context)
    y, o = _text(row, reply), _text(row, after)
    messages = [*x, Message("assistant", y), Message("user", o)]
    meta = row.get("meta") or {}
    data = {**extras(row, context, reply, after, "meta"), **(dropped_nulls(meta) if isinstance(meta, Mapping) else {})}
    _, opening = turns_of(x, context)
    return [trajectory_of(messages, "interactions", context, data, opening=len(opening))]


def _text(row: Mapping[str, Any], field: str) -> str:
    """A text, or a message of a log that holds one."""
    value = row.get(field, ...)
    text = value.get("value") if isinstance(value, Mapping) else value
    if not isinstance(text, str):
        raise RowError(field, "a text, or a message with a value", value)
    return text


def _logged(row: Mapping[str, Any], field: str) -> list[Message]:
    messages = []
    for place, part in enumerate(listed(row, field)):
        role = _ROLES.get(part.get("from") or part.get("role") or "")
        if role is None:
            raise RowError(f"{field}[{place}].from", f"one of {', '.join(_ROLES)}", part.get("from", ...))
        words = part.get("value", part.get("content"))
        messages += chat_messages({field: [{"role": role, "content": words}]}, field)
    return messages


def write(trajectory: Trajectory, speaker: Speaker = "assistant", tools: Sequence[Tool] = ()) -> list[dict[str, Any]]:
    """A row for every reply that was answered."""
    view = trajectory.view(speaker)
    rows = []
    for n in range(len(view) - 1):
        if view[n].role == "assistant" and not view[n].tool_calls and view[n + 1].role == "user":
            meta = {"id": trajectory.id, "env": trajectory.task.env, "speaker": speaker, "place": n}
            rows.append({"x": to_chat(view[:n], "none"), "y": view[n].content, "o": view[n + 1].content, "meta": meta})
    return rows
