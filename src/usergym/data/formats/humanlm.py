"""HumanLM rows: a thread of people, one of whom, named HUMAN, is to be simulated; their next words are the target.

Three shapes are read: the raw one (`completion`, `user_id`), the one for reinforcement learning
(`reward_model.ground_truth`, `extra_info.target_user_id`) and the one for fine-tuning (`generation`). HUMAN
is the user here, everybody else is the other side. Trajectories are written as the one for reinforcement learning;
`rl_row` and `sft_row` write what is known in parts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.data.formats.conversation import extras, named
from usergym.environments.base import RowError, listed
from usergym.environments.people.raw import truth_of
from usergym.rows import dropped_nulls
from usergym.types import Message, Seat, Speaker, Task, Tool, Trajectory, Turn, stable_hash
from usergym.users.states.speaking import HUMAN

NESTED = ("prompt", "reward_model", "extra_info")

NAME = HUMAN


def matches(row: Mapping[str, Any]) -> bool:
    info, generation = row.get("extra_info"), row.get("generation")
    reinforced = isinstance(info, Mapping) and "target_user_id" in info
    tuned = isinstance(generation, Mapping) and generation.get("name") == NAME
    return "prompt" in row and (reinforced or tuned or {"completion", "user_id", "post_id"} <= row.keys())


def read(row: Mapping[str, Any]) -> list[Trajectory]:
    info = dropped_nulls(row.get("extra_info") or {})
    target = truth_of(row)
    system = ""
    turns = []
    for place, part in enumerate(dropped_nulls(listed(row, "prompt"))):
        words, name = part.get("content"), part.get("name")
        if not isinstance(words, str):
            raise RowError(f"prompt[{place}].content", "a text", words)
        if part.get("role") == "system":
            system = f"{system}\n\n{words}".strip()
        elif name == NAME or (name is None and _same_user(part, row)):
            turns.append(Turn("user", Message("assistant", words)))
        else:
            turns.append(Turn("assistant", Message("assistant", words, name=name)))
    data = dropped_nulls(extras(row, "prompt", "completion", "generation"))
    group = str(row.get("post_id") or info.get("post_id") or "")
    task_id = named("humanlm", system, turns, target, data)
    split = info.get("split") if info.get("split") in ("train", "test") else None
    split = "validation" if info.get("split") == "val" else split
    task = Task(task_id, "humanlm", group, tuple(turns), data, split=split)
    seats = {"user": Seat(system)} if system else {}
    turns = [*turns, Turn("user", Message("assistant", target))]
    return [Trajectory(task, 0, stable_hash(task_id, 0), seats, turns)]


def _same_user(part: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """In raw rows nobody is called HUMAN yet."""
    about = part.get("metadata")
    author = about.get("author") if isinstance(about, Mapping) else None
    return author is not None and author == row.get("user_id")


def write(trajectory: Trajectory, speaker: Speaker = "user", tools: Sequence[Tool] = ()) -> list[dict[str, Any]]:
    """One row whose target is the user's last words; none of a user who never spoke."""
    spoken = [n for n, turn in enumerate(trajectory.turns) if turn.speaker == "user" and turn.said]
    if not spoken:
        return []
    seat = trajectory.seats.get("user")
    said = [turn for turn in trajectory.turns[: spoken[-1]] if turn.said]
    named_turns = [(NAME if turn.speaker == "user" else turn.message.name or "assistant", turn.said) for turn in said]
    prompt = messages(seat.system if seat else "", named_turns)
    data = trajectory.task.data
    known = data.get("extra_info")
    persona = data.get("persona", "")
    info = {
        "index": stable_hash(trajectory.id) & 0x7FFFFFFF,
        "split": trajectory.task.split or "train",
        "target_user_id": str(data.get("user_id", trajectory.task.group)),
        "name": NAME,
        "persona": persona if isinstance(persona, str) else msgspec.json.encode(persona).decode(),
        "hierarchy_name": "response",
        "post_id": trajectory.task.group,
        "is_top_level": len(spoken) == 1,
    }
    info |= known if isinstance(known, Mapping) else {}
    return [rl_row(prompt, trajectory.turns[spoken[-1]].said, info, data.get("data_source") or trajectory.task.env)]


def messages(system: str, thread: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """A row's prompt, of names and words: HUMAN is the user, everybody else is not."""
    told = [{"role": "system", "content": system, "name": "system"}] if system else []
    roles = ({"role": "user" if name == NAME else "assistant", "content": text, "name": name} for name, text in thread)
    return [*told, *roles]


def rl_row(prompt: list[dict[str, str]], truth: str, info: Mapping[str, Any], source: str) -> dict[str, Any]:
    """A row for reinforcement learning; `info` becomes its `extra_info`."""
    return {
        "data_source": source,
        "prompt": prompt,
        "ability": "generation",
        "reward_model": {"style": "custom", "ground_truth": truth},
        "extra_info": dict(info),
    }


def sft_row(prompt: list[dict[str, str]], generation: str) -> dict[str, Any]:
    """A row for fine-tuning."""
    return {"prompt": prompt, "generation": {"role": "user", "name": NAME, "content": generation}}
