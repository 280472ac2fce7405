"""Rows of data files as tasks: our own form, the peer's stories, and its rows that name one."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from usergym.environments.base import RowError, read_task
from usergym.environments.turtle.story import Part, Story, check_patterns, plain
from usergym.types import Message, Task, Turn

NAME = "turtle"
GYMS = ("TurtleGym", "TurtleSoup")


def read(row: Mapping[str, Any], data: str) -> Task:
    """RowError names the field that is wrong."""
    if not isinstance(row, Mapping):
        raise RowError("row", "an object", row)
    if "new_bottom" in row:
        return _of_story(row)
    if "reward_model" in row:
        return _of_parquet(row, data)
    if row and all(isinstance(value, Mapping) and "new_bottom" in value for value in row.values()):
        raise RowError("row", "one story; a file of stories by number is given as turtle:data=FILE", dict(row))
    task = read_task(row)
    if task.env != NAME:
        raise RowError("env", NAME, task.env)
    try:
        story = msgspec.convert(task.data, Story)
        check_patterns(story)
    except (msgspec.ValidationError, ValueError) as error:
        raise RowError("data", f"a story ({error})", task.data) from None
    return task


def tasks(data: str) -> Iterator[Task]:
    """All stories of a folder or file."""
    for story in _stories(data).values():
        yield _told(story)


def _of_story(row: Mapping[str, Any]) -> Task:
    return _told(_story(row))


def _told(story: Story) -> Task:
    words = f'Here is a puzzle, "{story.title}".\n\n{story.surface}\n\nWhat is behind it?'
    return _task(story, words, None)


def _of_parquet(row: Mapping[str, Any], data: str) -> Task:
    about = row["reward_model"]
    if not isinstance(about, Mapping) or about.get("env_name") not in GYMS:
        found = about.get("env_name", ...) if isinstance(about, Mapping) else about
        raise RowError("reward_model.env_name", " or ".join(GYMS), found)
    title = about.get("title")
    if not isinstance(title, str) or not title:
        raise RowError("reward_model.title", "the title of a story", title)
    if not data:
        raise RowError("reward_model", "what a solution must say; the row tells only a title: give turtle:data=FOLDER")
    stories = _stories(data)
    if title not in stories:
        raise RowError("reward_model.title", f"one of the {len(stories)} stories in {data}", title)
    said = [message.get("content") for message in row.get("prompt") or () if message.get("role") == "user"]
    if len(said) != 1 or not isinstance(said[0], str):
        raise RowError("prompt", "one message of the user", row.get("prompt"))
    info = row.get("extra_info")
    split = info.get("split") if isinstance(info, Mapping) else None
    return _task(stories[title], said[0].strip(), split if split in ("train", "validation", "test") else None)


def _task(story: Story, words: str, split: str | None) -> Task:
    key = f"{NAME}-{story.title}"
    return Task(key, NAME, key, (Turn("user", Message("assistant", words)),), plain(story), split=split)


def _story(row: Mapping[str, Any], where: str = "") -> Story:
    title, surface, bottom = (_text(row, field, where) for field in ("new_title", "new_surface", "new_bottom"))
    listed = row.get("evaluation", ...)
    if not isinstance(listed, list) or not listed:
        raise RowError(where + "evaluation", 'a list of {"statement": ..., "score": ...}', listed)
    parts = []
    for place, item in enumerate(listed):
        field = f"{where}evaluation[{place}]"
        says = item.get("statement", ...) if isinstance(item, Mapping) else item
        weight = item.get("score", ...) if isinstance(item, Mapping) else ...
        if not isinstance(says, str) or not says.strip():
            raise RowError(f"{field}.statement", "a text", says)
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise RowError(f"{field}.score", "a weight", weight)
        parts.append(Part(says.strip(), float(weight)))
    try:
        return Story(title, surface, bottom, tuple(parts))
    except ValueError as error:
        raise RowError(where + "evaluation", str(error), [part.weight for part in parts]) from None


def _text(row: Mapping[str, Any], field: str, where: str) -> str:
    value = row.get(field, ...)
    if not isinstance(value, str) or not value.strip():
        raise RowError(where + field, "a text", value)
    return value.strip()


@lru_cache(8)
def _stories(data: str) -> Mapping[str, Story]:
    """The stories of a folder's `stories*.json` (objects of stories by number), or of one such file, by title."""
    folder = Path(data)
    paths = sorted(folder.glob("stories*.json")) if folder.is_dir() else [folder]
    if not paths or not paths[0].is_file():
        raise RowError("data", "a folder with stories.json, or such a file", data)
    found = {}
    for path in paths:
        try:
            stories = msgspec.json.decode(path.read_bytes())
        except msgspec.DecodeError as error:
            raise RowError("data", f"JSON ({error})", str(path)) from None
        if not isinstance(stories, dict):
            raise RowError("data", "an object of stories by number", str(path))
        for number, row in stories.items():
            if not isinstance(row, Mapping):
                raise RowError(f"{path.name}[{number}]", "a story", row)
            story = _story(row, f"{path.name}[{number}].")
            found[story.title] = story
    return found
