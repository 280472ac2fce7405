"""NeMo Gym rows (`responses_create_params` and what the verifier needs) and rollouts (also `response`, `reward`)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from usergym.data.formats.conversation import extras, named, rewarded
from usergym.environments.base import RowError
from usergym.models.responses_format import to_responses, tools_from_responses, tools_to_responses
from usergym.rollouts.gym_rows import messages_of, played, response_of, turns_of
from usergym.types import Seat, Speaker, Task, Tool, Trajectory, stable_hash

NESTED = ()

ENVIRONMENTS = {"workplace_assistant": "workplace"}
"""Their names of environments that are called otherwise here."""

_OWN = ("responses_create_params", "response", "reward", "_ng_rollout_index")


def matches(row: Mapping[str, Any]) -> bool:
    return "responses_create_params" in row


def read(row: Mapping[str, Any]) -> list[Trajectory]:
    """A task that nobody has played yet is a trajectory that has its opening only."""
    params = _object(row, "responses_create_params")
    before = messages_of(params.get("input", ...), "responses_create_params.input")
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
        after, rest = played(_object(row, "response"))
        turns += after
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


def _tools(value: Any) -> list[Tool]:
    try:
        return tools_from_responses(value or [])
    except (ValueError, AttributeError, TypeError) as error:
        raise RowError("responses_create_params.tools", f"a list of flat functions ({error})", value) from None


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
    key = f"{stable_hash(trajectory.id):016x}"
    row["response"] = response_of(trajectory, speaker, known, key=key, opening=opening) | _rest(
        task.data.get("response")
    )
    if trajectory.sample:
        row["_ng_rollout_index"] = trajectory.sample
    if (reward := trajectory.reward(speaker)) is not None:
        row["reward"] = reward
    return [row]


def _rest(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


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
