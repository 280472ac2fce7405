"""`/aggregate_metrics`: statistics of every number in a run's result rows, over all of them and task by task."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.evaluation.metrics import SUCCESS
from usergym.evaluation.statistics import pass_at_k
from usergym.serving.web import Refused
from usergym.types import stable_hash

TASK = "_ng_task_index"
_NOT_MEASURED = {TASK, "_ng_rollout_index", "_ng_attempt_index", "id", "task_id"}


def aggregate(body: Any) -> dict[str, Any]:
    """`agent_metrics`, their headlines in `key_metrics`, and one entry a task in `group_level_metrics`. A row
    without a reward counts in `unscored`, never as a zero. Refused for a body that holds no rows."""
    rows = body.get("verify_responses") if isinstance(body, Mapping) else body
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise Refused(422, "body", "expected {'verify_responses': [rows]}", field="verify_responses")
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(_task_of(row), []).append(row)
    unscored = sum(_number(row.get("reward")) is None for row in rows)
    whole = _statistics(rows) | _pass_at(list(groups.values()))
    if rows:
        whole |= {"rollouts": len(rows), "tasks": len(groups), "unscored": unscored}
    return {
        "agent_metrics": whole,
        "key_metrics": {name: value for name, value in whole.items() if name.startswith(("mean/", "pass@"))},
        "group_level_metrics": [
            ({TASK: key} if isinstance(key, int) else {"task": key}) | _statistics(group) | {"rollouts": len(group)}
            for key, group in groups.items()
        ],
    }


def _task_of(row: Mapping[str, Any]) -> int | str:
    """What the rollouts of one task have in common."""
    for field in (TASK, "task_id", "id"):
        value = row.get(field)
        if isinstance(value, str) or (type(value) is int and abs(value) < 1 << 53):
            return value if field == TASK else str(value)
    return f"{stable_hash(repr(row.get('responses_create_params'))):016x}"


def _statistics(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    columns: dict[str, list[float]] = {}
    for row in rows:
        usage = (row.get("response") or {}).get("usage") if isinstance(row.get("response"), Mapping) else None
        for name, value in (*row.items(), *(usage.items() if isinstance(usage, Mapping) else ())):
            if name not in _NOT_MEASURED and (number := _number(value)) is not None:
                columns.setdefault(name, []).append(number)
    out: dict[str, float] = {}
    for name, values in columns.items():
        out[f"mean/{name}"] = statistics.fmean(values)
        out[f"max/{name}"] = max(values)
        out[f"min/{name}"] = min(values)
        out[f"median/{name}"] = statistics.median(values)
        if len(values) > 1:
            out[f"std/{name}"] = statistics.stdev(values)
    return {name: value for name, value in out.items() if math.isfinite(value)}


def _pass_at(groups: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """pass@k for k = 1, 2, 4, ... over the tasks with so many scored rollouts; nothing unless rewards are 0 or 1."""
    rewards = [[number for row in group if (number := _number(row.get("reward"))) is not None] for group in groups]
    if any(value not in (0.0, 1.0) for values in rewards for value in values):
        return {}
    counts = [(len(values), sum(value >= SUCCESS for value in values)) for values in rewards if values]
    out: dict[str, float] = {}
    k = 1
    while enough := [pass_at_k(samples, successes, k) for samples, successes in counts if samples >= k]:
        out[f"pass@{k}/reward"] = statistics.fmean(enough)
        k *= 2
    return out


def _number(value: Any) -> float | None:
    """A finite number; truth values count as 0 and 1."""
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) < 1e100 else None


def aggregate_payload(body: Any) -> bytes:
    return msgspec.json.encode(aggregate(body))
