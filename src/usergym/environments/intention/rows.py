"""Rows of data files as tasks: our own, UserRL's lists of vague tasks, and its parquet rows."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from usergym.environments.base import RowError, read_task
from usergym.environments.intention.details import Detail
from usergym.types import Message, Task, Turn, stable_hash

NAME = "intention"
FILES = {"train": "all_intentions_train.json", "test": "all_intentions_test.json"}
PEER = "IntentionGym"


class Published:
    """UserRL's lists of vague tasks in a folder, read when they are first needed."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        if folder and not any((Path(folder) / name).is_file() for name in FILES.values()):
            raise ValueError(f"data={folder}: there is no {' and no '.join(FILES.values())} in this folder")

    @cached_property
    def rows(self) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
        """The split and the row of each id."""
        found: dict[str, tuple[str, Mapping[str, Any]]] = {}
        for split, name in FILES.items():
            path = Path(self.folder) / name
            if self.folder and path.is_file():
                found |= {str(row.get("id")): (split, row) for row in _listed(path)}
        return found


def _listed(path: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(path.read_bytes())
    except ValueError as error:
        raise RowError(path.name, f"a JSON list ({error})") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RowError(path.name, "a JSON list of objects", rows)
    return rows


def read(row: Mapping[str, Any], published: Published) -> Task:
    """RowError names the field that is wrong."""
    if not isinstance(row, Mapping):
        raise RowError("row", "an object", row)
    if "missing_details" in row:
        return _listed_row(row, published.rows.get(str(row.get("id")), (None,))[0])
    if "reward_model" in row:
        return _parquet_row(row, published)
    task = read_task(row)
    if task.env != NAME:
        raise RowError("env", NAME, task.env)
    details_of(task)
    return task


def _listed_row(row: Mapping[str, Any], split: str | None, opening: str = "") -> Task:
    request = _text(row, "task")
    key = f"{NAME}-{_text(row, 'id')}"
    given = row["missing_details"]
    if not isinstance(given, list) or not given:
        raise RowError("missing_details", "a list of one or more details", given)
    random = Random(stable_hash("preferences", key))
    details = [_detail(detail, f"missing_details[{place}]", random) for place, detail in enumerate(given)]
    data: dict[str, Any] = {"category": str(row.get("category") or ""), "request": request, "details": details}
    turns = (Turn("user", Message("assistant", opening or request)),)
    return Task(key, NAME, opening=turns, data=data, split=split)


def _detail(given: Any, field: str, random: Random) -> dict[str, Any]:
    """A published detail, and the option that the user of this task wants."""
    if not isinstance(given, Mapping):
        raise RowError(field, "an object", given)
    importance = given.get("importance", ...)
    if str(importance) not in ("1", "2", "3"):
        raise RowError(f"{field}.importance", "1, 2 or 3", importance)
    options = given.get("options", ...)
    if not isinstance(options, list) or not options or not all(isinstance(each, str) and each for each in options):
        raise RowError(f"{field}.options", "a list of one or more texts", options)
    return {
        "description": _text(given, "description", field),
        "importance": int(importance),
        "inquiry": _text(given, "inquiry", field),
        "options": options,
        "preference": random.choice(options),
    }


def _parquet_row(row: Mapping[str, Any], published: Published) -> Task:
    about = row["reward_model"]
    if not isinstance(about, Mapping) or about.get("env_name") != PEER:
        raise RowError(
            "reward_model.env_name", PEER, about.get("env_name", ...) if isinstance(about, Mapping) else about
        )
    key = _text(about, "id", "reward_model")
    if key not in published.rows:
        where = f"in {published.folder}" if published.folder else "; give their folder: intention:data=FOLDER"
        raise RowError("reward_model.id", f"an id of {' or '.join(FILES.values())} {where}".replace(" ;", ";"), key)
    own, details = published.rows[key]
    info = row.get("extra_info")
    split = info.get("split") if isinstance(info, Mapping) else None
    split = split if split in ("train", "validation", "test") else own
    return _listed_row(details, split, _said(row.get("prompt")))


def _said(prompt: Any) -> str:
    """The user's words in a row's prompt, "" if there are none."""
    for message in prompt if isinstance(prompt, list) else ():
        if isinstance(message, Mapping) and message.get("role") == "user" and isinstance(message.get("content"), str):
            return str(message["content"]).strip()
    return ""


def _text(row: Mapping[str, Any], field: str, inside: str = "") -> str:
    found = row.get(field, ...)
    if not isinstance(found, str) or not found.strip():
        raise RowError(f"{inside}.{field}" if inside else field, "a text", found)
    return found.strip()


def details_of(task: Task) -> tuple[str, tuple[Detail, ...]]:
    """The request of a task and what it leaves open."""
    request = task.data.get("request", ...)
    if not isinstance(request, str) or not request:
        raise RowError("data.request", "a text", request)
    try:
        details = msgspec.convert(task.data.get("details"), tuple[Detail, ...])
    except msgspec.ValidationError as error:
        raise RowError("data.details", f"a list of details ({error})", task.data.get("details", ...)) from None
    if not details:
        raise RowError("data.details", "one or more details", [])
    if not task.opening:
        raise RowError("opening", "the user's request as the first turn", list(task.opening))
    return request, details
