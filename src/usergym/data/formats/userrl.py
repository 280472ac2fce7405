"""UserRL parquet rows: a task for the tool `interact_with_env`, its gym named in `reward_model.env_name`.

Their rows name a task of their files. A row of a task of ours says all of it, in `extra_info.usergym`, which other
readers pass over.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.data.formats.conversation import extras
from usergym.data.formats.messages import chat_messages
from usergym.environments.base import RowError
from usergym.models.chat_format import to_chat
from usergym.rollouts.gym_rows import turns_of
from usergym.rows import dropped_nulls
from usergym.types import Seat, Speaker, Task, Tool, Trajectory, Turn, stable_hash

NESTED = ("prompt", "reward_model", "extra_info")

GYMS = {
    "FunctionGym": "function",
    "IntentionGym": "intention",
    "PersuadeGym": "persuasion",
    "SearchGym": "search",
    "TauGym": "tau",
    "TelepathyGym": "telepathy",
    "TravelGym": "travel",
    "TurtleGym": "turtle",
    "TurtleSoup": "turtle",
}
"""Their gyms by our environments."""

_SOURCES = {"function": "function", "intention": "intention", "persuasion": "persuade"}
"""Their `data_source` after `interact_`; the other gyms have theirs with `gym` behind it."""

TOOL = "interact_with_env"
OWN = "usergym"
"""The field of `extra_info` that holds a task of ours, as JSON text: columns of one type survive every tool."""

TRUTHS = ("expected", "answer", "answers", "target", "entity", "bottom", "ground_truth")
"""Fields of our tasks that are told in `reward_model.ground_truth`; for people, nothing is scored by it."""

_COLUMNS = ("data_source", "prompt", "ability", "reward_model", "extra_info")


def matches(row: Mapping[str, Any]) -> bool:
    reward = row.get("reward_model")
    return isinstance(reward, Mapping) and isinstance(reward.get("env_name"), str) and "extra_info" in row


def read(row: Mapping[str, Any]) -> list[Trajectory]:
    """A task that nobody has played yet: a trajectory that has its opening only."""
    about = dropped_nulls(row.get("reward_model") or {})
    info = dropped_nulls(row.get("extra_info") or {})
    gym = about.get("env_name") if isinstance(about, Mapping) else None
    if not isinstance(gym, str) or not gym:
        raise RowError("reward_model.env_name", f"the gym's name, such as {', '.join(GYMS)}", gym)
    env = GYMS.get(gym, gym)
    if (own := own_task(row)) is not None:
        system, _ = turns_of(chat_messages(row, "prompt"), "prompt")
        seats = {"assistant": Seat(system, (TOOL,))}
        return [Trajectory(own, 0, stable_hash(own.id, 0), seats, list(own.opening))]
    key = about.get("id") or about.get("title")
    if not key:
        raise RowError("reward_model.id", "the task's id, or `title`", about)
    system, opening = turns_of(chat_messages(row, "prompt"), "prompt")
    known = {column: row[column] for column in ("data_source", "ability") if row.get(column) is not None}
    data = {**extras(row, *_COLUMNS), **known, "reward_model": about, "extra_info": info}
    split = info.get("split") if info.get("split") in ("train", "validation", "test") else None
    task = Task(f"{env}-{key}", env, opening=tuple(opening), data=data, split=split)
    seats = {"assistant": Seat(system, (TOOL,))}
    return [Trajectory(task, 0, stable_hash(task.id, 0), seats, list(opening))]


def write(trajectory: Trajectory, speaker: Speaker = "assistant", tools: Sequence[Tool] = ()) -> list[dict[str, Any]]:
    task = trajectory.task
    gym = next((gym for gym, env in GYMS.items() if env == task.env), task.env)
    prompt = to_chat(trajectory.view(speaker, until=len(task.opening)), "none")
    columns = _object(task.data.get("reward_model"))
    about = {"style": "rule", "ground_truth": "", "env_name": gym, **(columns or {"id": task.id})}
    made = {"env_name": about["env_name"]} | {key: about[key] for key in ("id", "title") if key in about}
    info = {
        "index": stable_hash(task.id) & 0x7FFFFFFF,
        "split": task.split or "train",
        "need_tools_kwargs": True,
        "tools_kwargs": {TOOL: {"create_kwargs": made}},
        **_object(task.data.get("extra_info")),
    }
    source = f"interact_{_SOURCES.get(task.env, f'{task.env}gym')}"
    row = {
        "data_source": task.data.get("data_source") or source,
        "prompt": [{"content": message["content"] or "", "role": message["role"]} for message in prompt],
        "ability": task.data.get("ability") or "interaction",
        "reward_model": {key: _text(value) for key, value in about.items()},
        "extra_info": info,
    }
    return [row]


def own_task(row: Mapping[str, Any]) -> Task | None:
    """The task of ours that a row says; None where it says none. RowError for one that cannot be read."""
    info = row.get("extra_info")
    text = info.get(OWN) if isinstance(info, Mapping) else None
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Task)
    except (TypeError, msgspec.MsgspecError) as error:
        raise RowError(f"extra_info.{OWN}", f"a task that usergym wrote ({error})", text) from None


def task_row(task: Task, seat: Seat, number: int, split: str = "train", first: Sequence[Turn] = ()) -> dict[str, Any]:
    """The row of a task that nobody has played yet: its columns as theirs, and the whole of it. `first`: what the user
    says first, where the task leaves that to it; a trainer wants a prompt that ends with the user's words."""
    truth = next((task.data[field] for field in TRUTHS if task.data.get(field) is not None), "")
    named = {"id": task.id, "ground_truth": _text(truth)}
    told = task if "reward_model" in task.data else msgspec.structs.replace(task, data={"reward_model": named})
    told = msgspec.structs.replace(told, opening=(*task.opening, *first))
    (row,) = write(Trajectory(told, 0, 0, {"assistant": seat}, list(told.opening)))
    row["extra_info"] |= {"index": number, "split": task.split or split, OWN: msgspec.json.encode(task).decode()}
    return row


def _object(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
