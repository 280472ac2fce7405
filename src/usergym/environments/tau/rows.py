"""Rows of data files as tasks: our own form, tau-bench's task lists, UserRL's parquet rows."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import msgspec

from usergym.environments.base import RowError, read_task
from usergym.environments.tau.customer import Wish
from usergym.environments.tau.domain import NAMES, Domain, Name, own_tools
from usergym.types import Task

NAME = "tau"
SPLITS = {"train": "train", "dev": "validation", "test": "test"}
"""Ours, by those of the published task lists."""

_FIELDS = ("user_id", "instruction", "actions", "outputs")
_PEER = re.compile(r"(?:tau-)?(retail|airline)-(?:(train|dev|test)-)?(\d+)")


def read(row: Mapping[str, Any], domains: Mapping[str, Domain], domain: Name | None) -> Task:
    """`domains`: those of the data folder, by name. `domain`: whose a task is that does not say so."""
    if not isinstance(row, Mapping):
        raise RowError("row", "an object", row)
    about = row.get("reward_model")
    if about is None and isinstance(row.get("data"), Mapping):
        about = row["data"].get("reward_model")
    if isinstance(about, Mapping):
        return _peer(about.get("id", ...), domains)
    if "env" in row:
        task = read_task(row)
        if task.env != NAME:
            raise RowError("env", NAME, task.env)
        check(task.data, "data.")
        return task
    if not isinstance(row.get("id"), str):
        raise RowError("id", "a text", row.get("id", ...))
    named = row.get("domain") or row["id"].split("-")[0]
    return published(row, named if named in NAMES else domain)


def published(row: Mapping[str, Any], domain: str | None) -> Task:
    """A task of a published list, its split told by its id. The customer is what must not straddle splits."""
    if domain not in NAMES:
        raise RowError("domain", f"one of {', '.join(NAMES)}, or an id that begins with it", row.get("domain", ...))
    data = {"domain": domain, "published": True} | {field: row[field] for field in _FIELDS if field in row}
    check(data, "")
    found = _PEER.fullmatch(str(row["id"]))
    split = SPLITS.get(found[2]) if found and found[2] else None
    return Task(f"{NAME}-{row['id']}", NAME, group=f"{domain}-{row['user_id']}", data=data, split=split)


def _peer(key: Any, domains: Mapping[str, Domain]) -> Task:
    """UserRL counts the published lists: `retail-000` is the first of the test list, `retail-train-000` of the
    training list. The opening line in its rows is of another conversation and is not used."""
    found = _PEER.fullmatch(key) if isinstance(key, str) else None
    if not found:
        raise RowError("reward_model.id", "an id such as retail-000, airline-000 or retail-train-000", key)
    name, split, number = found[1], found[2] or "test", int(found[3])
    if name not in domains:
        raise RowError("reward_model.id", f"a task of data that is there; give tau:data=FOLDER with {name}", key)
    wanted = f"{name}-{split}-{number:03}"
    if wanted not in domains[name].tasks:
        raise RowError("reward_model.id", f"a task of the data folder, which has no {wanted}", key)
    return published(domains[name].tasks[wanted], name)


def listed(domain: Domain, split: str | None) -> Iterator[Task]:
    for row in domain.tasks.values():
        task = published(row, domain.name)
        if split is None or task.split == split:
            yield task


class _Call(msgspec.Struct):
    name: str
    arguments: dict[str, Any]


def check(data: Mapping[str, Any], where: str) -> None:
    """RowError names the field that is wrong."""
    if data.get("domain") not in NAMES:
        raise RowError(f"{where}domain", f"one of {', '.join(get_args(Name))}", data.get("domain", ...))
    for field in ("user_id", "instruction"):
        if not isinstance(data.get(field), str):
            raise RowError(f"{where}{field}", "a text", data.get(field, ...))
    actions = data.get("actions", ...)
    try:
        calls = msgspec.convert(actions, list[_Call])
    except msgspec.ValidationError as error:
        raise RowError(f"{where}actions", f"a list of calls ({error})", actions) from None
    required = {tool.name: tool.parameters["required"] for tool in own_tools(data["domain"])}
    for place, call in enumerate(calls):
        if call.name not in required:
            raise RowError(f"{where}actions[{place}].name", f"a tool of {data['domain']}", call.name)
        if missing := [name for name in required[call.name] if name not in call.arguments]:
            raise RowError(f"{where}actions[{place}].arguments.{missing[0]}", f"an argument of {call.name}")
    outputs = data.get("outputs", [])
    if not isinstance(outputs, list) or not all(isinstance(output, str) for output in outputs):
        raise RowError(f"{where}outputs", "a list of texts", outputs)
    try:
        msgspec.convert(data.get("wishes", []), list[Wish])
    except msgspec.ValidationError as error:
        raise RowError(f"{where}wishes", f"a list of wishes ({error})", data["wishes"]) from None
    if not data.get("published"):
        spec = data.get("database")
        if not isinstance(spec, Mapping) or not all(isinstance(spec.get(key), int) for key in ("seed", "number")):
            raise RowError(f"{where}database", "an object with the numbers seed and number", spec)
