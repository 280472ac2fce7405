"""Chat messages of a foreign row as a trajectory: what every chat format has in common."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.environments.base import RowError
from usergym.types import Message, Reward, Seat, Task, Tool, Trajectory, Turn, stable_hash


def dropped_nulls(value: Any) -> Any:
    """Without the nulls that a parquet file puts where another row has a value."""
    if isinstance(value, Mapping):
        return {key: dropped_nulls(item) for key, item in value.items() if item is not None}
    return [dropped_nulls(item) for item in value] if isinstance(value, list) else value


def listed(row: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    """A field that is a list of objects. RowError otherwise."""
    value = row.get(field, ...)
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise RowError(field, "a list of objects", value)
    return value


def extras(row: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """Fields that the format does not know; they become the task's data."""
    return {key: value for key, value in row.items() if key not in (*known, "usergym") and value is not None}


def turns_of(messages: Sequence[Message], field: str) -> tuple[str, list[Turn]]:
    """The system prompt, and the turns of an assistant's view. RowError for a system message further down, which
    has no speaker."""
    start = 0
    while start < len(messages) and messages[start].role == "system":
        start += 1
    turns = []
    for place, message in enumerate(messages[start:], start):
        if message.role == "system":
            raise RowError(f"{field}[{place}].role", "system messages only at the beginning", "system")
        if message.role == "user":
            turns.append(Turn("user", msgspec.structs.replace(message, role="assistant")))
        else:
            turns.append(Turn("assistant", message))
    return "\n\n".join(message.content for message in messages[:start]), turns


def opening_of(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """What was said before the assistant's first turn."""
    first = next((place for place, turn in enumerate(turns) if turn.speaker == "assistant"), len(turns))
    return tuple(turns[:first])


def named(kind: str, *parts: Any) -> str:
    """An id made from content: the same rows have the same ids."""
    text = msgspec.json.encode(msgspec.to_builtins(parts), order="sorted").decode()
    return f"{kind}-{stable_hash(text):016x}"


def trajectory_of(
    messages: Sequence[Message],
    kind: str,
    field: str,
    data: dict[str, Any],
    tools: Sequence[Tool] = (),
    opening: int | None = None,
) -> Trajectory:
    """A recorded conversation: its task is what was said before the assistant's first turn, or the first
    `opening` messages after the system prompt."""
    system, turns = turns_of(messages, field)
    said = opening_of(turns) if opening is None else tuple(turns[:opening])
    task_id = named(kind, system, said or turns, data)
    task = Task(task_id, kind, opening=said, data=data, tools=tuple(tools) or None)
    seats = {"assistant": Seat(system, tuple(tool.name for tool in tools))} if system or tools else {}
    return Trajectory(task, 0, stable_hash(task_id, 0), seats, turns)


def rewarded(trajectory: Trajectory, value: Any, field: str = "reward") -> Trajectory:
    """With the row's reward; without one where the row has none."""
    if value is None:
        return trajectory
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RowError(field, "a number", value)
    trajectory.rewards = [Reward(field, float(value))]
    return trajectory
