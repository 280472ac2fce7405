"""Rows of data files as tasks: our own, UserRL's list of entities, and its parquet rows."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from usergym.environments.base import RowError, read_task
from usergym.environments.telepathy import peers
from usergym.environments.telepathy.entities import Entity, by_key, plain
from usergym.types import Message, Task, Turn, stable_hash

NAME = "telepathy"
FILE = "all_entities_refined.json"
"""UserRL's entities."""


def task_of(key: str, entity: Entity, split: str | None) -> Task:
    data = {"entity": entity.name, "kind": entity.kind}
    return Task(key, NAME, group=f"entity {entity.group}", opening=opening(entity.hint), data=data, split=split)


def opening(hint: str) -> tuple[Turn, ...]:
    return (Turn("user", Message("assistant", f"I am thinking of {hint}. What is it?")),)


def read(row: Mapping[str, Any], folder: str) -> Task:
    """RowError names the field that is wrong."""
    if "target_entity" in row:
        return _raw(row)
    if "reward_model" in row:
        return _parquet(row, row["reward_model"], row.get("extra_info"), folder)
    task = read_task(row)
    if task.env != NAME:
        raise RowError("env", NAME, task.env)
    if "entity" not in task.data and "reward_model" in task.data:
        found = _parquet({}, task.data["reward_model"], task.data.get("extra_info"), folder)
        return msgspec.structs.replace(task, group=found.group, data={**task.data, **found.data})
    entity_of(task)
    return task


def entity_of(task: Task) -> Entity:
    """The thing to be guessed."""
    name, kind = task.data.get("entity"), task.data.get("kind")
    if not isinstance(name, str) or not plain(name):
        raise RowError("data.entity", "the name of a thing", name)
    if not isinstance(kind, str):
        raise RowError("data.kind", "the kind of thing", kind)
    gloss = task.data.get("gloss")
    if gloss is None:
        found = by_key().get((kind, plain(name)))
        if found is None:
            raise RowError("data.entity", f"a thing of kind {kind!r} in the table, or data.gloss beside it", name)
        return found
    if not isinstance(gloss, str):
        raise RowError("data.gloss", "a text", gloss)
    hint = str(task.data.get("hint") or kind)
    also = tuple(str(other) for other in task.data.get("also") or ())
    ours = peers.kind_of(kind)
    same = peers.own(name, ours)
    if same is not None:
        return Entity(name, kind, hint, gloss, (*also, same.name, *same.also), same.size, same.years, same.values)
    return Entity(name, kind, hint, gloss, also, values=peers.values_of(ours))


def _raw(row: Mapping[str, Any]) -> Task:
    title, target = row.get("title"), row["target_entity"]
    if not isinstance(target, str) or not plain(target):
        raise RowError("target_entity", "`Name - gloss`", target)
    name, _, gloss = target.partition(" - ")
    name = title if isinstance(title, str) and plain(title) else name.strip()
    words = row.get("description")
    if not isinstance(words, str) or not words.strip():
        raise RowError("description", "what the user says first", words)
    key = row.get("id")
    return _peer(f"{NAME}-{key or name}", name, gloss or target, str(row.get("category") or ""), words, {})


def _parquet(row: Mapping[str, Any], about: Any, info: Any, folder: str) -> Task:
    if not isinstance(about, Mapping):
        raise RowError("reward_model", "an object", about)
    title, target = about.get("title"), about.get("ground_truth")
    if not isinstance(title, str) or not plain(title):
        raise RowError("reward_model.title", "the name of a thing", title)
    category = about.get("category")
    if not isinstance(target, str) or not target.strip() or not isinstance(category, str):
        listed = _listed(folder, title)
        target, category = listed["target_entity"], listed["category"]
    gloss = target.partition(" - ")[2] or target
    said = _said(row.get("prompt")) or f"I am thinking of something ({category.replace('_', ' ')}). What is it?"
    kept = {key: value for key, value in (("reward_model", about), ("extra_info", info)) if value is not None}
    task = _peer(f"{NAME}-{title}", title, gloss, category, said, kept)
    split = info.get("split") if isinstance(info, Mapping) else None
    return msgspec.structs.replace(task, split=split if split in ("train", "validation", "test") else None)


def _peer(key: str, name: str, gloss: str, category: str, said: str, kept: Mapping[str, Any]) -> Task:
    hint = said.split(".")[0].removeprefix("I am thinking of ").strip()
    also = _other_names(name, peers.kind_of(category) == peers.PERSON)
    data = {"entity": name, "kind": category, "gloss": gloss, "hint": hint, "also": also, **kept}
    same = peers.own(name, peers.kind_of(category))
    group = same.group if same else plain(name)
    first = (Turn("user", Message("assistant", said.strip())),)
    return Task(key, NAME, group=f"entity {group}", opening=first, data=data)


def _other_names(name: str, person: bool) -> list[str]:
    """What stands before or inside brackets, and the last name of a person."""
    outside, _, inside = name.partition("(")
    found = [outside.strip(), inside.rstrip(") ")] if inside else []
    if person and len(outside.split()) > 1:
        found.append(outside.split()[-1])
    return [other for other in found if plain(other)]


def _said(messages: Any) -> str:
    if not isinstance(messages, list) or not messages or not isinstance(messages[-1], Mapping):
        return ""
    words = messages[-1].get("content")
    return words.strip() if messages[-1].get("role") == "user" and isinstance(words, str) else ""


def _listed(folder: str, title: str) -> Mapping[str, Any]:
    if not folder:
        raise RowError("reward_model.ground_truth", f"`Name - gloss`, or telepathy:data=FOLDER with {FILE}")
    known = _entities(folder)
    if title not in known:
        raise RowError("reward_model.title", f"a title of {Path(folder) / FILE}", title)
    return known[title]


@lru_cache(maxsize=4)
def _entities(folder: str) -> Mapping[str, Mapping[str, Any]]:
    try:
        rows = json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))
        return {row["title"]: {"target_entity": row["target_entity"], "category": row["category"]} for row in rows}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RowError("data", f"a folder with UserRL's {FILE} ({type(error).__name__})", folder) from None


def key_of(seed: int, entity: Entity) -> str:
    slug = f"{plain(entity.kind)} {plain(entity.name)}".replace(" ", "_")
    return f"{NAME}-{seed}-{slug or stable_hash(entity.name)}"
