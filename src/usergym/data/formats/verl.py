"""verl parquet rows: the prompt, which agent loop plays it (`agent_name`), and in `extra_info.usergym` the whole task,
which that loop reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.data.formats.conversation import extras, opening_of
from usergym.data.formats.messages import chat_messages
from usergym.data.formats.userrl import OWN, own_task
from usergym.environments.base import RowError
from usergym.models.chat_format import to_chat
from usergym.rollouts.gym_rows import turns_of
from usergym.rows import dropped_nulls
from usergym.types import Seat, Speaker, Task, Tool, Trajectory, stable_hash

NESTED = ("prompt", "reward_model", "extra_info")

AGENT = "usergym"
"""The name under which the agent loop that plays our environments is registered."""

_COLUMNS = ("data_source", "prompt", "ability", "reward_model", "extra_info", "agent_name")


def matches(row: Mapping[str, Any]) -> bool:
    return {"data_source", "prompt", "reward_model"} <= row.keys()


def read(row: Mapping[str, Any]) -> list[Trajectory]:
    """A task that nobody has played yet: a trajectory that has its opening only."""
    system, opening = turns_of(chat_messages(row, "prompt"), "prompt")
    if (own := own_task(row)) is not None:
        seats = {"assistant": Seat(system)} if system else {}
        return [Trajectory(own, 0, stable_hash(own.id, 0), seats, list(own.opening))]
    about, info = dropped_nulls(row.get("reward_model") or {}), dropped_nulls(row.get("extra_info") or {})
    if not isinstance(info, dict):
        raise RowError("extra_info", "an object", info)
    source = row.get("data_source")
    if not isinstance(source, str):
        raise RowError("data_source", "a text", source)
    known = {column: row[column] for column in ("ability", "agent_name") if row.get(column) is not None}
    data = {**extras(row, *_COLUMNS), **known, "data_source": source, "reward_model": about, "extra_info": info}
    split = info.get("split") if info.get("split") in ("train", "validation", "test") else None
    text = msgspec.json.encode((msgspec.to_builtins(opening), data), order="sorted").decode()
    key = info.get("task_id") or f"{source}-{stable_hash(system, text):016x}"
    task = Task(str(key), str(info.get("env") or source), opening=tuple(opening), data=data, split=split)
    seats = {"assistant": Seat(system)} if system else {}
    return [Trajectory(task, 0, stable_hash(task.id, 0), seats, list(opening))]


def write(trajectory: Trajectory, speaker: Speaker = "assistant", tools: Sequence[Tool] = ()) -> list[dict[str, Any]]:
    task = trajectory.task
    # What the user says first is in no opening where the task leaves it to the user; a prompt ends with its words.
    first = max(len(task.opening), len(opening_of(trajectory.turns)))
    prompt = to_chat(trajectory.view(speaker, until=first), "none")
    about = task.data.get("reward_model")
    row = {
        "data_source": task.data.get("data_source") or task.env,
        "prompt": [{"role": message["role"], "content": message["content"] or ""} for message in prompt],
        "ability": task.data.get("ability") or "interaction",
        "reward_model": about if isinstance(about, Mapping) and about else {"style": "rule", "ground_truth": ""},
        "extra_info": {
            "index": stable_hash(task.id) & 0x7FFFFFFF,
            "split": task.split or "train",
            "task_id": task.id,
            "env": task.env,
            OWN: msgspec.json.encode(task).decode(),
        },
        "agent_name": task.data.get("agent_name") or AGENT,
    }
    return [row]
