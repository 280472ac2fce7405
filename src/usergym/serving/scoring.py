"""From a row to a reward: what a response did is lived again, and what went wrong is an error, never a zero."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.environments.base import Environment, RowError
from usergym.models.base import Model, StopRun
from usergym.rollouts.engine import Cast, begin, play
from usergym.rollouts.gym_rows import played
from usergym.serving.bodies_gym import PARAMS, Row
from usergym.serving.notices import NOTICES
from usergym.serving.web import Refused, row_refused
from usergym.types import Failure, Message, Task, Trajectory, Turn

STATUS = {
    "unavailable": 502,
    "refused": 502,
    "malformed": 502,
    "time": 504,
    "row": 422,
    "judge": 503,
    "user": 503,
    "replay": 422,
}
"""Of a failed conversation, by kind; 500 for what only a bug can be."""


MOST_ITEMS = 4000
"""Of one input or output: a conversation of so many is a mistake, and would hold up the others."""


def task_of(environment: Environment, row: Row) -> Task:
    """The row's task, with the row's tools. Refused for a row that cannot be one."""
    if all(name.startswith("_") for name in row.fields):
        raise row_refused(RowError(PARAMS, f"a row with it, {{{PARAMS!r}: {{'input': ...}}, ...}}"))
    try:
        check_length(row.params.get("input"), "responses_create_params.input")
        task = environment.read(row.fields)
    except ValueError as error:
        raise row_refused(error) from None
    # The reader's tools are the same objects for every row that brings the same ones, so they are encoded once.
    ours = row.tools and (task.tools is None or task.tools == row.tools)
    return msgspec.structs.replace(task, tools=row.tools) if ours else task


def check_length(items: Any, field: str) -> None:
    if isinstance(items, list) and len(items) > MOST_ITEMS:
        raise RowError(field, f"at most {MOST_ITEMS} items", len(items))


def items_of(row: Row) -> int:
    """How many items the row's response has."""
    response = row.fields.get("response")
    output = response.get("output") if isinstance(response, Mapping) else None
    return len(output) if isinstance(output, list) else 0


def refused_by(failure: Failure) -> Refused:
    if failure.kind == "unavailable":
        NOTICES.tell(failure.kind, failure.message)
    return Refused(STATUS.get(failure.kind, 500), failure.kind, failure.message, turn=failure.turn)


def stopped(error: StopRun) -> Refused:
    NOTICES.tell("stopped", str(error))
    return Refused(503, "stopped", str(error))


async def lived(environment: Environment, row: Row, services: Mapping[str, Model]) -> Trajectory:
    """The row's conversation with what its `response` holds, scored. Recorded tool results are left out, so the
    tools run anew. Refused where the row is faulty."""
    response = row.fields.get("response", ...)
    if not isinstance(response, Mapping):
        raise row_refused(RowError("response", "a response with its `output`", response))
    task = task_of(environment, row)
    try:
        check_length(response.get("output"), "response.output")
        turns, rest = played(response)
    except (ValueError, TypeError, AttributeError) as error:
        raise row_refused(_in_response(error)) from None
    cut = rest.get("incomplete_details")
    ending = "length" if isinstance(cut, Mapping) and cut.get("reason") == "max_output_tokens" else "recorded"
    results = {turn.message.tool_call_id: turn.message.content for turn in turns if turn.message.role == "tool"}
    acts = [turn for turn in turns if turn.message.role != "tool"]
    trajectory = begin(task, 0, 0)
    cast = Cast(agent=None, services=services)
    try:
        await play(environment, trajectory, cast, past=[*task.opening, *acts], ending=ending)
        if answered := _with_answers(acts, trajectory.turns, results):
            await play(environment, trajectory, cast, past=[*task.opening, *answered], ending=ending)
    except StopRun as error:
        raise stopped(error) from None
    return trajectory


def _in_response(error: Exception) -> ValueError:
    return error if isinstance(error, ValueError) else RowError("response", f"a Responses object ({error})")


def _with_answers(acts: Sequence[Turn], turns: Sequence[Turn], results: Mapping[str | None, str]) -> list[Turn] | None:
    """With what the user answered to words that a tool passed on; None where no tool did. Only living it shows
    which tools those are."""
    passing = {id(turn.message) for turn in turns if turn.speaker == "assistant" and turn.heard}
    if not passing:
        return None
    out: list[Turn] = []
    for turn in acts:
        out.append(turn)
        if id(turn.message) in passing:
            answers = (results[call.id] for call in turn.message.tool_calls if call.id in results)
            out.extend(Turn("user", Message("assistant", answer)) for answer in list(answers)[:1])
    return out


def verdict(trajectory: Trajectory, judged: bool = False) -> dict[str, Any]:
    """The fields that scoring adds to a row. Refused where there is no reward: that is never a zero. `judged`: a
    judge takes part, so that asking again may help."""
    if trajectory.error:
        raise refused_by(trajectory.error)
    reward = trajectory.reward()
    parts = [part for part in trajectory.rewards if part.speaker == "assistant"]
    reasons = [part.reason for part in parts if part.weight and part.reason]
    if reward is None:
        why = "; ".join(reasons) or "the environment gave no score"
        raise Refused(503 if judged else 422, "unscored", f"this conversation cannot be scored: {why}")
    return {
        "reward": reward,
        "reward_reason": "; ".join(reasons),
        "rewards": [
            {"name": part.name, "value": part.value, "weight": part.weight, "turn": part.turn, "reason": part.reason}
            for part in parts
        ],
        "stop": trajectory.stop,
    }
