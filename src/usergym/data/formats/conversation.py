"""Chat messages of a foreign row as a trajectory: what every chat format has in common."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.environments.base import RowError
from usergym.rollouts.gym_rows import turns_of
from usergym.types import Message, Reward, Seat, Task, Tool, Trajectory, Turn, stable_hash


def extras(row: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """Fields that the format does not know; they become the task's data."""
    return {key: value for key, value in row.items() if key not in (*known, "usergym") and value is not None}


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
