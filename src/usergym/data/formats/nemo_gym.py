"""NeMo Gym rows (`responses_create_params` and what the verifier needs) and rollouts (also `response`, `reward`)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from usergym.data.formats.conversation import dropped_nulls, extras, named, rewarded, turns_of
from usergym.environments.base import RowError
from usergym.models.responses_format import from_responses, to_responses, tools_from_responses, tools_to_responses
from usergym.types import Message, Seat, Speaker, Task, Tool, Trajectory, Turn, Usage, stable_hash

NESTED = ()

ENVIRONMENTS = {"workplace_assistant": "workplace"}
"""Their names of environments that are called otherwise here."""

_OWN = ("responses_create_params", "response", "reward", "_ng_rollout_index")


def matches(row: Mapping[str, Any]) -> bool:
    return "responses_create_params" in row


def read(row: Mapping[str, Any]) -> list[Trajectory]:
    """A task that nobody has played yet is a trajectory that has its opening only."""
    params = _object(row, "responses_create_params")
    asked = params.get("input", ...)
    if isinstance(asked, str):
        asked = [{"role": "user", "content": asked}]
    before = _messages(asked, "responses_create_params.input")
    system, opening = turns_of(before, "responses_create_params.input")
    tools = _tools(params.get("tools"))
    data = extras(row, *_OWN)
    if isinstance(state := data.get("exp_cal_state"), Mapping):
        data["exp_cal_state"] = {key: event for key, event in state.items() if event is not None}  # padded in parquet
    if rest := {key: value for key, value in params.items() if key not in ("input", "tools") and value is not None}:
        data["responses_create_params"] = rest
    env = environment_of(row)
    key = str(row["id"]) if "id" in row else named("", [(one.role, one.content) for one in before])[1:]
    sample = row.get("_ng_rollout_index") or 0
    task_id = f"{env}-{key}"
    seat = Seat(system, tuple(tool.name for tool in tools))
    turns = list(opening)
    if row.get("response") is not None:
        played, rest = _played(_object(row, "response"), len(opening))
        turns += played
        data["response"] = rest
        seat = msgspec.structs.replace(seat, model=rest.get("model") or "")
    task = Task(task_id, env, opening=tuple(opening), data=data, tools=tuple(tools) or None)
    trajectory = Trajectory(task, sample, stable_hash(task_id, sample), {"assistant": seat}, turns)
    return [rewarded(trajectory, row.get("reward"))]


def environment_of(row: Mapping[str, Any]) -> str:
    """Our name of the environment that the row is for; `nemo_gym` where it does not say."""
    name = str(row.get("environment_name") or "")
    if not name and "exp_cal_state" in row:
        return "calendar"
    return ENVIRONMENTS.get(name, name) or "nemo_gym"


def _object(row: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = row[field]
    if isinstance(value, str):
        value = msgspec.json.decode(value)
    if not isinstance(value, Mapping):
        raise RowError(field, "an object", value)
    return value


def _messages(items: Any, field: str) -> list[Message]:
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise RowError(field, "a text or a list of items", items)
    try:
        return from_responses([dropped_nulls(item) for item in items])
    except ValueError as error:
        raise ValueError(f"field {field!r}: {error}") from None


def _tools(value: Any) -> list[Tool]:
    try:
        return tools_from_responses(value or [])
    except (ValueError, AttributeError, TypeError) as error:
        raise RowError("responses_create_params.tools", f"a list of flat functions ({error})", value) from None


def _played(response: Mapping[str, Any], place: int) -> tuple[list[Turn], dict[str, Any]]:
    """The turns of a response, its usage on the assistant's last one; and its other fields."""
    output = response.get("output", ...)
    _, turns = turns_of(_messages(output, "response.output"), "response.output")
    rest = {key: value for key, value in response.items() if key not in ("output", "tools") and value is not None}
    usage = response.get("usage")
    last = max((n for n, turn in enumerate(turns) if turn.message.role == "assistant"), default=None)
    if isinstance(usage, Mapping) and last is not None:
        cached = (usage.get("input_tokens_details") or {}).get("cached_tokens") or 0
        spent = Usage(usage.get("input_tokens") or 0, usage.get("output_tokens") or 0, cached)
        turns[last] = msgspec.structs.replace(turns[last], usage=spent)
    return turns, rest


def write(trajectory: Trajectory, speaker: Speaker = "assistant", tools: Sequence[Tool] = ()) -> list[dict[str, Any]]:
    """One row: a task's while nothing was said after its opening, else a rollout's."""
    task = trajectory.task
    known = tools_to_responses(tuple(tools) or (task.tools or () if speaker == "assistant" else ()))
    opening = len(task.opening)
    data = {key: value for key, value in task.data.items() if key not in _OWN}
    row = {"responses_create_params": {**_rest(task.data.get("responses_create_params")), "tools": known}, **data}
    before = trajectory.view(speaker, until=opening)
    row["responses_create_params"]["input"] = to_responses(before, reasoning=False)
    if len(trajectory.turns) <= opening and not trajectory.rewards:
        return [row]
    after = trajectory.view(speaker)[len(before) :]
    seat = trajectory.seats.get(speaker) or Seat()
    row["response"] = {
        "id": f"resp_{stable_hash(trajectory.id):016x}",
        "created_at": 0.0,
        "model": seat.model,
        "object": "response",
        "output": [_output(item, n) for n, item in enumerate(to_responses(after))],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": known,
        "usage": _usage(trajectory.usage(speaker)) if any(turn.usage for turn in trajectory.turns) else None,
        **_rest(task.data.get("response")),
    }
    if trajectory.sample:
        row["_ng_rollout_index"] = trajectory.sample
    if (reward := trajectory.reward(speaker)) is not None:
        row["reward"] = reward
    return [row]


def _usage(spent: Usage) -> dict[str, Any]:
    return {
        "input_tokens": spent.input_tokens,
        "input_tokens_details": {"cached_tokens": spent.cached_tokens},
        "output_tokens": spent.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": spent.input_tokens + spent.output_tokens,
    }


def _rest(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _output(item: Mapping[str, Any], place: int) -> dict[str, Any]:
    """An output item with the fields that their schema demands; reasoning stands in its summary there."""
    match item:
        case {"type": "reasoning", "content": [{"text": str(text)}]}:
            return {"id": f"rs_{place}", "summary": [{"text": text, "type": "summary_text"}], "type": "reasoning"}
        case {"type": "message", "role": "assistant", "content": str(text)}:
            part = {"annotations": [], "text": text, "type": "output_text"}
            said = {"id": f"msg_{place}", "content": [part], "role": "assistant"}
            return {**said, "status": "completed", "type": "message"}
        case {"type": "function_call"}:
            return {**item, "id": f"fc_{place}", "status": "completed"}
    return dict(item)


def training_row(
    trajectory: Trajectory, fields: Callable[[Task, int], Mapping[str, Any] | None], tools: Sequence[Tool] = ()
) -> dict[str, Any] | str:
    """The conversation up to the last user message that the agent answered, for training on the answer; or why
    there is no row: `unanswered`, or `nothing expected`.

    `fields(task, n)` says what the verifier needs after the user's n-th message, None when nothing is expected.
    """
    turns = trajectory.turns
    answer = max((n for n, turn in enumerate(turns) if turn.speaker == "assistant" and turn.said), default=0)
    if "exp_cal_state" in trajectory.task.data:
        answer = min(answer, len(trajectory.task.opening))
    asked = max((n for n, turn in enumerate(turns[:answer]) if turn.speaker == "user" and turn.said), default=None)
    if asked is None:
        return "unanswered"
    heard = sum(turn.speaker == "user" and bool(turn.said) for turn in turns[: asked + 1])
    expected = fields(trajectory.task, heard)
    if expected is None:
        return "nothing expected"
    messages = to_responses(trajectory.view("assistant", until=asked + 1), reasoning=False)
    plain = [
        {"role": item["role"], "content": item["content"]} if item["type"] == "message" else item for item in messages
    ]
    known = tools_to_responses(tools or trajectory.task.tools or ())
    params = {**_rest(trajectory.task.data.get("responses_create_params")), "input": plain, "tools": known}
    return {"responses_create_params": params, **expected}


def expected_fields(task: Task, heard: int) -> Mapping[str, Any] | None:
    """What the verifier needs by the task's data: the calendar's state after that message, else the data of the
    row that the task came from."""
    states = task.data.get("expected_calendar_states")
    if states is not None and not isinstance(states, list):
        raise RowError("expected_calendar_states", "a list of states", states)
    state = states[min(heard, len(states)) - 1] if states else task.data.get("exp_cal_state")
    if states is not None or "exp_cal_state" in task.data:
        return {"exp_cal_state": state} if state else None
    return {key: value for key, value in task.data.items() if key not in _OWN}
