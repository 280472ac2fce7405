"""Our own rows: a line of `trajectories.jsonl`."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.types import Speaker, Tool, Trajectory

NESTED = ()


def matches(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("task"), (Mapping, str)) and "sample" in row and "seed" in row


def read(row: Mapping[str, Any]) -> list[Trajectory]:
    try:
        return [msgspec.convert(_filled(row), Trajectory)]
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a trajectory: {error}") from None


def write(trajectory: Trajectory, speaker: Speaker = "assistant", tools: Sequence[Tool] = ()) -> list[dict[str, Any]]:
    row: dict[str, Any] = msgspec.to_builtins(trajectory)
    return [row]


def _filled(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without the columns that are null because another row has them; nested ones may be JSON text (parquet)."""
    nested = ("task", "seats", "turns", "rewards", "error")
    return {
        key: msgspec.json.decode(value) if key in nested and isinstance(value, str) else value
        for key, value in row.items()
        if value is not None
    }
