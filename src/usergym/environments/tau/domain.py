"""A domain: its databases, its policy, its tools' schemas, its tasks; and the published reward of a task."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from usergym.environments.base import RowError
from usergym.environments.tau.desk import Desk, Record
from usergym.environments.tau.tools import TOOLS, TRANSFER, WRITES
from usergym.types import Tool

Name = Literal["retail", "airline"]
NAMES: tuple[Name, ...] = get_args(Name)

TABLES: Mapping[str, tuple[str, ...]] = {
    "retail": ("products", "users", "orders"),
    "airline": ("flights", "users", "reservations"),
}
RESPOND = "respond"
"""How the published runner calls what an agent says, where it keeps that among the calls."""


class Domain:
    """`tables`: records by id, by table. Immutable: every conversation opens a desk of its own on it."""

    def __init__(
        self,
        name: str,
        tables: Mapping[str, Mapping[str, Record]],
        policy: str = "",
        tools: Sequence[Tool] = (),
        tasks: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.name = known(name)
        self.tables = tables
        self.policy = policy or _own_policy(name)
        self.tools = tuple(tools) or own_tools(name)
        self.tasks = tasks or {}

    @classmethod
    def load(cls, name: str, folder: str | Path) -> "Domain":
        """The published files in `folder`, or in the folder NAME in it: a JSON file a table, and where they are there
        policy.md, tools.json and tasks_SPLIT.jsonl. FileNotFoundError names the file that is missing."""
        inside = Path(folder)
        first = TABLES[known(name)][-1]
        if not (inside / f"{first}.json").is_file() and (inside / name).is_dir():
            inside = inside / name
        tables = {table: _table(inside / f"{table}.json") for table in TABLES[name]}
        policy, tools = inside / "policy.md", inside / "tools.json"
        return cls(
            name,
            tables,
            policy.read_text(encoding="utf-8").strip() if policy.is_file() else "",
            _schemas(tools) if tools.is_file() else (),
            {str(row["id"]): row for file in sorted(inside.glob("tasks_*.jsonl")) for row in _rows(file)},
        )

    def desk(self) -> Desk:
        return Desk(self.name, self.tables)

    def row(self, task: str | Mapping[str, Any]) -> Mapping[str, Any]:
        """A task, given itself or its id. LookupError for an id that is not among the domain's tasks."""
        if not isinstance(task, str):
            return task
        if task not in self.tasks:
            raise LookupError(f"no task {task!r} in the domain {self.name}; it has {len(self.tasks)}")
        return self.tasks[task]

    def gold(self, task: str | Mapping[str, Any]) -> Desk:
        """A desk after what should be done. What only looks something up is left out."""
        desk = self.desk()
        for action in self.row(task).get("actions") or ():
            if action["name"] in WRITES[self.name]:
                desk.call(action["name"], action["arguments"])
        return desk

    def reward(self, task: str | Mapping[str, Any], calls: Sequence[Mapping[str, Any]], said: Sequence[str]) -> float:
        """The published reward: 1 if the database is left as the task's own calls leave it and every required output
        is in something that was said (its commas dropped, letter case aside), else 0."""
        desk = self.desk()
        said = list(said)
        for call in calls:
            if call["name"] == RESPOND:
                said.append(str(call["arguments"].get("content", "")))
            elif call["name"] in WRITES[self.name]:
                desk.call(call["name"], call["arguments"])
        return self.published(task, desk, said)

    def published(self, task: str | Mapping[str, Any], desk: Desk, said: Sequence[str]) -> float:
        """`reward`, for a desk on which the calls were made already."""
        words = [text.lower().replace(",", "") for text in said]
        outputs = self.row(task).get("outputs") or ()
        told = all(any(str(output).lower() in text for text in words) for output in outputs)
        return float(told and desk.same_as(self.gold(task)))

    def changes(self, task: str | Mapping[str, Any]) -> bool:
        """Whether the task asks for a change of the database."""
        return not self.gold(task).same_as(self.desk())


def transfers(task: Mapping[str, Any]) -> bool:
    """Whether a task's own calls end with a person taking over."""
    return any(action["name"] == TRANSFER for action in task.get("actions") or ())


def known(name: str) -> str:
    if name not in NAMES:
        raise LookupError(f"no domain {name!r}; there are {', '.join(NAMES)}")
    return name


def _table(path: Path) -> dict[str, Record]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; a domain's folder holds its tables as JSON files")
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any]])
    except msgspec.MsgspecError as error:
        raise RowError(path.name, f"records by id ({error})") from None


def _rows(path: Path) -> list[dict[str, Any]]:
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise RowError(f"{path.name}, line {number}", f"a task ({error})") from None
        if not isinstance(row.get("id"), str):
            raise RowError(f"{path.name}, line {number}: id", "a text", row.get("id", ...))
        found.append(row)
    return found


class _Function(msgspec.Struct):
    function: Tool


def _schemas(path: Path) -> tuple[Tool, ...]:
    try:
        return tuple(each.function for each in msgspec.json.decode(path.read_bytes(), type=list[_Function]))
    except msgspec.MsgspecError as error:
        raise RowError(path.name, f"a list of functions ({error})") from None


@cache
def own_tools(name: str) -> tuple[Tool, ...]:
    """The schemas in our own words."""
    text = (files("usergym.environments.tau") / f"tools_{name}.json").read_text(encoding="utf-8")
    return tuple(msgspec.json.decode(text, type=list[Tool]))


@cache
def _own_policy(name: str) -> str:
    return (files("usergym.environments.tau") / "prompts" / f"policy_{name}.md").read_text(encoding="utf-8").strip()


assert TOOLS.keys() == TABLES.keys()
