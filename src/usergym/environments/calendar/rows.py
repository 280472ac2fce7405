"""Rows of data files as tasks, and a generated conversation as a row."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.environments.base import RowError, read_task
from usergym.environments.calendar.clock import DAY, minutes
from usergym.types import Message, Task, Trajectory, Turn, stable_hash, valid_text
from usergym.users.agenda import Step, check_steps
from usergym.users.persona import Persona
from usergym.users.phrases import CALENDAR_KINDS

INTENTS = tuple(CALENDAR_KINDS)

_PARAMS = (
    ("event_name", str, "a text"),
    ("duration", int, "whole minutes"),
    ("event_id", int | str, "a whole number or a text"),
    ("constraint", str, "a text"),
)
"""What a step's params are, where its kind needs them."""


def read(row: Mapping[str, Any]) -> Task:
    """A task in our own form, a conversation (`user_prompts`, `expected_calendar_states`), or a NeMo Gym row
    (`responses_create_params`, `exp_cal_state`). RowError names the field that is wrong."""
    if not isinstance(row, Mapping):
        raise RowError("row", "an object", row)
    if "responses_create_params" in row:
        return _nemo_row(row)
    if "data" in row and "env" in row:
        return _own(row)
    if "expected_calendar_states" in row or "user_prompts" in row:
        return _conversation(row)
    raise RowError("expected_calendar_states", "it, or responses_create_params, or a task with env and data", ...)


def _own(row: Mapping[str, Any]) -> Task:
    task = read_task(row)
    if task.env != "calendar":
        raise RowError("env", "calendar", task.env)
    states = _states(task.data.get("expected_calendar_states", ...), "data.expected_calendar_states", holes=True)
    _times(task.data, "data.")
    _level(task.data, "data.")
    _texts(task.data.get("user_intents") or [], "data.user_intents")
    steps, prompts = task.data.get("steps"), task.data.get("user_prompts")
    if prompts is not None:
        _texts(prompts, "data.user_prompts")
    elif steps is None and not task.opening:
        raise RowError("data.steps", "steps, user_prompts or an opening: nobody says anything", ...)
    _described(task.data, "data.")
    said = len(prompts if prompts is not None else steps or ())
    if len(states) < said:
        raise RowError("data.expected_calendar_states", f"one state for each of {said} messages", len(states))
    return msgspec.structs.replace(task, data={**task.data, "expected_calendar_states": states})


def _conversation(row: Mapping[str, Any]) -> Task:
    prompts = _texts(row.get("user_prompts", ...), "user_prompts")
    if not prompts:
        raise RowError("user_prompts", "at least one message", prompts)
    states = _states(row.get("expected_calendar_states", ...), "expected_calendar_states")
    if len(states) == len(prompts) + 1 and states[-1] == states[-2]:
        states.pop()  # some files repeat the last one
    if len(states) != len(prompts):
        raise RowError("expected_calendar_states", f"one state for each of {len(prompts)} prompts", len(states))
    intents = _texts(row.get("user_intents") or [], "user_intents")
    if intents and len(intents) != len(prompts):
        raise RowError("user_intents", f"one for each of {len(prompts)} prompts", len(intents))
    if strange := next((intent for intent in intents if intent not in INTENTS), None):
        raise RowError("user_intents", " or ".join(INTENTS), strange)
    _level(row, "")
    _times(row, "")
    _described(row, "")
    sample = row.get("sample_id")
    if not isinstance(sample, str | int | None) or isinstance(sample, bool):
        raise RowError("sample_id", "a text or a whole number", sample)
    key = (
        sample if isinstance(sample, str) else _key(f"calendar-{'row' if sample is None else sample}", prompts, states)
    )
    data = {field: row[field] for field in _KEPT if row.get(field) is not None}
    if "level" not in data:
        data["level"] = "hard" if stable_hash(key) % 2 else "easy"
    return Task(
        key,
        "calendar",
        data={
            **_window(states),
            **data,
            "user_prompts": prompts,
            "user_intents": intents,
            "expected_calendar_states": states,
        },
    )


def _described(row: Mapping[str, Any], where: str) -> None:
    """What goes with a conversation is of the type it should be."""
    for field, kind, expected in (
        ("persona", str, "a text"),
        ("profile", Mapping, "an object"),
        ("events", list, "a list of objects"),
    ):
        value = row.get(field)
        if value is not None and not isinstance(value, kind):
            raise RowError(where + field, expected, value)
    if row.get("profile") is not None:
        try:
            msgspec.convert(row["profile"], Persona)
        except msgspec.ValidationError as error:
            raise RowError(f"{where}profile", f"a persona ({error})", row["profile"]) from error
    if row.get("steps") is not None:
        _steps(row["steps"], f"{where}steps")


def _steps(value: Any, field: str) -> None:
    """Each of a known kind, with the params that its words are made of."""
    try:
        steps = msgspec.convert(value, list[Step])
        check_steps(steps)
    except (msgspec.ValidationError, ValueError) as error:
        raise RowError(field, f"a list of steps ({error})", value) from error
    for place, step in enumerate(steps):
        if step.kind not in INTENTS:
            raise RowError(f"{field}[{place}].kind", " or ".join(INTENTS), step.kind)
        for param, kind, expected in _PARAMS:
            if param in CALENDAR_KINDS[step.kind]:
                found = step.params[param]
                if not isinstance(found, kind) or isinstance(found, bool):
                    raise RowError(f"{field}[{place}].params.{param}", expected, found)


_KEPT = (
    "persona",
    "profile",
    "events",
    "steps",
    "smalltalk_factor",
    "constraint_eagerness",
    "level",
    "min_time",
    "max_time",
)


def _nemo_row(row: Mapping[str, Any]) -> Task:
    params = row["responses_create_params"]
    if not isinstance(params, Mapping):
        raise RowError("responses_create_params", "an object", params)
    if params.get("tools"):
        raise RowError("responses_create_params.tools", "none, since a calendar is kept in words", params["tools"])
    given = params.get("input", ...)
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise RowError("responses_create_params.input", "a text or a list of messages", given)
    system = [params["instructions"]] if isinstance(params.get("instructions"), str) else []
    opening = []
    for place, item in enumerate(given):
        where = f"responses_create_params.input[{place}]"
        role, text = _message(item, where)
        if role in ("system", "developer"):
            system.append(text)
        else:
            opening.append(Turn("user" if role == "user" else "assistant", Message("assistant", text)))
    if not opening or opening[-1].speaker != "user":
        raise RowError("responses_create_params.input", "a last message from the user", given[-1])
    state = _state(row.get("exp_cal_state", ...), "exp_cal_state")
    asked = sum(turn.speaker == "user" for turn in opening)
    states = [*[None] * (asked - 1), state]
    data = {
        "expected_calendar_states": states,
        "system": "\n\n".join(system) if system else None,
        "level": "hard",
        **_window([state]),
    }
    own = row.get("id", row.get("task_id"))
    key = str(own) if isinstance(own, str | int) else _key("calendar-row", given, state)
    return Task(key, "calendar", opening=tuple(opening), data=data)


def _message(item: object, where: str) -> tuple[str, str]:
    if not isinstance(item, Mapping) or item.get("role") not in ("system", "developer", "user", "assistant"):
        raise RowError(where, "a message with role system, developer, user or assistant", item)
    content = item.get("content", ...)
    if isinstance(content, list) and all(
        isinstance(part, Mapping) and isinstance(part.get("text"), str) for part in content
    ):
        content = "".join(part["text"] for part in content)
    if not isinstance(content, str):
        raise RowError(f"{where}.content", "a text", content)
    return item["role"], content


def _states(value: Any, field: str, holes: bool = False) -> list[Any]:
    if not isinstance(value, list):
        raise RowError(field, "a list of states", value)
    return [
        None if holes and state is None else _state(state, f"{field}[{place}]") for place, state in enumerate(value)
    ]


def _state(value: Any, field: str) -> dict[str, Any]:
    """An expected state without the nulls that pad it in some files."""
    if not isinstance(value, Mapping):
        raise RowError(field, "an object of events by id", value)
    state = {str(key): event for key, event in value.items() if event is not None}
    for key, event in state.items():
        if not isinstance(event, Mapping):
            raise RowError(f"{field}.{key}", "an object", event)
    return state


def _texts(value: Any, field: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise RowError(field, "a list of texts", value)
    return [valid_text(text) for text in value]


def _times(row: Mapping[str, Any], where: str) -> None:
    for field in ("min_time", "max_time"):
        value = row.get(field)
        if value is not None and (type(value) is not int or not 0 <= value <= DAY):
            raise RowError(f"{where}{field}", f"minutes from midnight, 0 to {DAY}", value)


def _level(row: Mapping[str, Any], where: str) -> None:
    if row.get("level") not in (None, "easy", "hard"):
        raise RowError(f"{where}level", "easy or hard", row["level"])


def _window(states: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The window the states tell, for the agent's prompt."""
    for event in (event for state in states for event in state.values()):
        earliest, latest = minutes(event.get("min_time")), minutes(event.get("max_time"))
        if earliest is not None and latest is not None:
            return {"min_time": earliest, "max_time": latest}
    return {}


def _key(prefix: str, *parts: object) -> str:
    return f"{prefix}-{stable_hash(*map(repr, parts)):016x}"


def states_of(task: Task) -> Sequence[Mapping[str, Any] | None]:
    """What is expected after each of the user's messages. A task that was made from a recorded rollout has the
    last one only, in `exp_cal_state`; None stands for the others, whose answers are not graded."""
    data = task.data
    if (states := data.get("expected_calendar_states")) is None and "exp_cal_state" in data:
        asked = sum(turn.speaker == "user" and bool(turn.said) for turn in task.opening)
        states = [*[None] * (asked - 1), _state(data["exp_cal_state"], "exp_cal_state")]
    if states is None:
        raise RowError("data.expected_calendar_states", "one state for each of the user's messages")
    return _states(states, "data.expected_calendar_states", holes=True)


def to_row(trajectory: Trajectory) -> dict[str, Any]:
    """A generated conversation in the documented form; `level` and the window are ours. What the user said is
    taken from the conversation, everything else from its task."""
    data = trajectory.task.data
    prompts = [turn.said for turn in trajectory.turns if turn.speaker == "user" and turn.said]
    row = {
        "sample_id": trajectory.task.id if not trajectory.sample else trajectory.id,
        "persona": data.get("persona", ""),
        "events": data.get("events", []),
        "expected_calendar_states": data["expected_calendar_states"][: len(prompts)],
        "user_prompts": prompts,
        "user_intents": list(data.get("user_intents") or [])[: len(prompts)],
    }
    ours = ("smalltalk_factor", "constraint_eagerness", "level", "min_time", "max_time")
    return row | {field: data[field] for field in ours if field in data}
