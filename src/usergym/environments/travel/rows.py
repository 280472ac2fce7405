"""Rows of data files as tasks: our own form, UserRL's parquet rows, and the records of its travel files."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.environments.base import RowError, read_task
from usergym.environments.travel.blocks import Block
from usergym.environments.travel.userrl_files import blocks_of_record, record
from usergym.types import Message, Task, Turn

NAME = "travel"


def read(row: Mapping[str, Any], name: str, folder: str) -> Task:
    """RowError names the field that is wrong."""
    if not isinstance(row, Mapping):
        raise RowError("row", "an object", row)
    if "reward_model" in row or "prompt" in row:
        return _of_parquet(row, name, folder)
    if "dimensions" in row:
        return _of_record(row.get("id"), row, name)
    task = read_task(row)
    if task.env != name:
        raise RowError("env", name, task.env)
    blocks_of(task)
    return task


def blocks_of(task: Task) -> Sequence[Block]:
    try:
        blocks = msgspec.convert(task.data.get("blocks"), tuple[Block, ...])
    except msgspec.ValidationError as error:
        raise RowError("data.blocks", f"aspect blocks ({error})", task.data.get("blocks")) from None
    if not blocks:
        raise RowError("data.blocks", "at least one aspect block", [])
    if len({block.aspect for block in blocks}) < len(blocks):
        raise RowError("data.blocks", "one block for each aspect", [block.aspect for block in blocks])
    for place, block in enumerate(blocks):
        keys = [option.get("id") for option in block.options]
        if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
            raise RowError(f"data.blocks[{place}].options", "options with an id each, no two the same", keys)
        if block.best_id not in keys or not {block.best_id} <= set(block.correct_ids) <= set(keys):
            raise RowError(f"data.blocks[{place}].best_id", "an option's id that is among correct_ids", block.best_id)
    return blocks


_OPTION = re.compile(r"[ACFHR]\d+")


def _of_parquet(row: Mapping[str, Any], name: str, folder: str) -> Task:
    about = row.get("reward_model")
    key = about.get("id") if isinstance(about, Mapping) else ...
    if not isinstance(key, str):
        raise RowError("reward_model.id", "the id of a travel task, such as 'flight:2-39|hotel:2-4'", key)
    if not folder:
        raise RowError("reward_model.id", "the travel data that the id stands for: give travel:data=FOLDER", key)
    assert isinstance(about, Mapping)
    task = _of_record(key, record(folder, key), name)
    told, best = about.get("ground_truth"), {block["best_id"] for block in task.data["blocks"]}
    if told and set(_OPTION.findall(str(told))) != best:
        raise RowError("reward_model.ground_truth", f"the best ids of the travel data, {sorted(best)}", told)
    extra = row.get("extra_info")
    split = extra.get("split") if isinstance(extra, Mapping) else None
    prompt = row.get("prompt")
    said = [each.get("content") for each in prompt or () if isinstance(each, Mapping) and each.get("role") == "user"]
    if not said or not isinstance(said[-1], str) or not said[-1].strip():
        raise RowError("prompt", "messages, the last of the user's with the request", prompt)
    opening = (Turn("user", Message("assistant", said[-1].strip())),)
    return msgspec.structs.replace(task, opening=opening, split=split if isinstance(split, str) else None)


def _of_record(key: Any, found: Mapping[str, Any], name: str) -> Task:
    if not isinstance(key, str):
        raise RowError("id", "a text", key)
    said = found.get("initial_description")
    if not isinstance(said, str) or not said.strip():
        raise RowError("initial_description", "the user's first words", said)
    blocks = blocks_of_record(key, found)
    data = {"level": str(found.get("wanted_num", "")), "blocks": msgspec.json.decode(msgspec.json.encode(blocks))}
    task = Task(f"{name}-{key}", name, opening=(Turn("user", Message("assistant", said.strip())),), data=data)
    blocks_of(task)
    return task
