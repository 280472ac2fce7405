"""Rows of data files as tasks, and tasks as the documented rows."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec

from usergym.environments.base import RowError, read_task
from usergym.environments.workplace.company import Spec
from usergym.environments.workplace.tools import TOOLS
from usergym.models.responses_format import from_responses, tools_from_responses, tools_to_responses
from usergym.types import Message, Task, Tool, Turn, stable_hash

NAME = "workplace"
PEER = "workplace_assistant"
"""The peer's name of this environment."""

CATEGORIES = tuple(
    f"{PEER}_{part}"
    for part in (
        "email",
        "calendar",
        "analytics",
        "project_management",
        "customer_relationship_manager",
        "multi_domain",
    )
)


def read(row: Mapping[str, Any], tools: tuple[Tool, ...], own: Spec | None = None) -> Task:
    """A task in our own form, or a row with `responses_create_params` and `ground_truth`. Its tools are kept only
    where they differ from `tools`. RowError names the field that is wrong."""
    if not isinstance(row, Mapping):
        raise RowError("row", "an object", row)
    if "responses_create_params" not in row:
        task = read_task(row)
        if task.env != NAME:
            raise RowError("env", NAME, task.env)
        if "ground_truth" in task.data:
            ground_truth(task.data["ground_truth"], "data.ground_truth")
        company(task.data.get("company"), "data.company", own)
        answers(task.data.get("answer"), "data.answer")
        return task
    params = row["responses_create_params"]
    if not isinstance(params, Mapping):
        raise RowError("responses_create_params", "an object", params)
    system, opening = _conversation(params)
    calls = ground_truth(row.get("ground_truth", ...), "ground_truth")
    company(row.get("company"), "company", own)
    own = row.get("id")
    key = f"{NAME}-{own}" if isinstance(own, str | int) else f"{NAME}-row-{stable_hash(repr(params.get('input'))):016x}"
    answers(row.get("answer"), "answer")
    data = {name: row[name] for name in _KEPT if row.get(name) is not None}
    data |= {"system": system, "ground_truth": calls}
    group = str(row.get("group") or "")
    return Task(key, NAME, group=group or key, opening=opening, data=data, tools=_tools(params.get("tools"), tools))


_KEPT = ("id", "category", "environment_name", "company", "answer", "rounds", "template")


def _conversation(params: Mapping[str, Any]) -> tuple[str, tuple[Turn, ...]]:
    field = "responses_create_params.input"
    given = params.get("input", ...)
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given or not all(isinstance(item, Mapping) for item in given):
        raise RowError(field, "a text or a list of messages", given)
    try:
        messages = from_responses([{key: value for key, value in item.items() if value is not None} for item in given])
    except ValueError as error:
        raise RowError(field, f"messages ({error})", given) from None
    system = [params["instructions"]] if isinstance(params.get("instructions"), str) else []
    system += [message.content for message in messages if message.role == "system"]
    opening = tuple(_turn(message) for message in messages if message.role != "system")
    if not opening or opening[-1].speaker != "user":
        raise RowError(field, "a last message from the user", given[-1])
    return "\n\n".join(system), opening


def _turn(message: Message) -> Turn:
    if message.role == "user":
        return Turn("user", msgspec.structs.replace(message, role="assistant"))
    return Turn("assistant", message)


def _tools(value: Any, ours: tuple[Tool, ...]) -> tuple[Tool, ...] | None:
    try:
        tools = tuple(tools_from_responses(value or ()))
    except (ValueError, AttributeError, TypeError) as error:
        raise RowError("responses_create_params.tools", f"a list of functions ({error})", value) from None
    return None if not tools or tools == ours else tools


def ground_truth(value: Any, field: str) -> list[dict[str, str]]:
    """The calls that should be made, each a name and JSON text."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError) as error:
            raise RowError(field, f"a list of calls, or one as JSON text ({error})", value) from None
    if not isinstance(value, list):
        raise RowError(field, 'a list of calls, {"name": ..., "arguments": ...}', value)
    calls = []
    for place, call in enumerate(value):
        where = f"{field}[{place}]"
        if not isinstance(call, Mapping):
            raise RowError(where, 'a call, {"name": ..., "arguments": ...}', call)
        name, arguments = call.get("name", ...), call.get("arguments", ...)
        if name not in TOOLS:
            raise RowError(f"{where}.name", "the name of one of the 27 tools", name)
        if isinstance(arguments, Mapping):
            arguments = msgspec.json.encode(arguments).decode()
        try:
            decoded = msgspec.json.decode(arguments) if isinstance(arguments, str) else None
        except (msgspec.DecodeError, RecursionError):
            decoded = None
        if not isinstance(decoded, Mapping) or any(isinstance(each, list | dict) for each in decoded.values()):
            raise RowError(f"{where}.arguments", "an object of texts and numbers, or one as JSON text", arguments)
        calls.append({"name": str(name), "arguments": str(arguments)})
    return calls


def answers(value: Any, field: str) -> None:
    """Values that a right answer tells."""
    if value is not None and not (isinstance(value, list) and all(isinstance(each, str) and each for each in value)):
        raise RowError(field, "a list of texts, each a value that a right answer tells", value)


MOST = {"people": 1_000, "emails": 10_000, "events": 10_000, "visits": 20_000, "tasks": 10_000, "customers": 10_000}
"""Of a company that a row names: building it takes a second at most."""


def company(value: Any, field: str, own: Spec | None = None) -> Spec | None:
    """The company that a task of ours plays in, not larger than MOST or the environment's `own`."""
    if value is None:
        return None
    known = {each.name for each in fields(Spec)}
    if isinstance(value, Mapping) and (strange := sorted(value.keys() - known)):
        raise RowError(f"{field}.{strange[0]}", f"only {', '.join(sorted(known))}", value[strange[0]])
    try:
        spec = msgspec.convert(value, Spec)
    except (msgspec.ValidationError, ValueError) as error:
        raise RowError(field, f"the sizes of a company ({error})", value) from None
    for name, most in MOST.items():
        largest = max(most, getattr(own, name)) if own else most
        if getattr(spec, name) > largest:
            expected = f"at most {largest:,}; a larger company is served with --env workplace:{name}=..."
            raise RowError(f"{field}.{name}", expected, getattr(spec, name))
    return spec


def to_row(task: Task, number: int, system: str, tools: tuple[Tool, ...]) -> dict[str, Any]:
    """The documented row of a task; `company`, `answer`, `rounds` and `group` are ours."""
    user = [{"role": "user", "content": turn.said} for turn in task.opening if turn.said]
    ours = ("company", "answer", "rounds", "template")
    row: dict[str, Any] = {
        "id": number,
        "responses_create_params": {
            "input": [{"role": "system", "content": system}, *user],
            "tools": tools_to_responses(task.tools or tools),
            "parallel_tool_calls": False,
            "temperature": 1.0,
        },
        "ground_truth": task.data["ground_truth"],
        "category": task.data.get("category", ""),
        "environment_name": PEER,
        "group": task.group,
    }
    return row | {name: task.data[name] for name in ours if name in task.data}
