"""Statistics of every number in result rows, over all of them and task by task: what a server answers and what stands
beside a file of rollouts. One pass; memory for a few numbers per row.
"""

import math
import statistics
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from usergym.evaluation.metrics import SUCCESS
from usergym.evaluation.statistics import pass_at_k
from usergym.types import stable_hash

TASK = "_ng_task_index"
TASK_FIELDS = (TASK, "task_id", "id")
"""What the rollouts of one task have in common: the first of these that a row has."""
_NOT_MEASURED = {TASK, "_ng_rollout_index", "_ng_attempt_index", "id", "task_id"}


class GymMetrics:
    """Takes rows one by one. One without a reward counts in `unscored`, never as a zero."""

    def __init__(self) -> None:
        self.rows = 0
        self.unscored = 0
        self.tasks: dict[int | str, int] = {}
        """The place of each task."""
        self.sizes = array("q")
        """Rows of each task."""
        self.columns: dict[str, tuple[array[float], array[int]]] = {}
        """Values of each number, and the places of their tasks."""

    def add(self, row: Mapping[str, Any]) -> None:
        place = self.tasks.setdefault(_task_of(row), len(self.tasks))
        if place == len(self.sizes):
            self.sizes.append(0)
        self.sizes[place] += 1
        self.rows += 1
        self.unscored += _number(row.get("reward")) is None
        response = row.get("response")
        usage = response.get("usage") if isinstance(response, Mapping) else None
        for name, value in (*row.items(), *(usage.items() if isinstance(usage, Mapping) else ())):
            if name not in _NOT_MEASURED and (number := _number(value)) is not None:
                values, tasks = self.columns.setdefault(name, (array("d"), array("q")))
                values.append(number)
                tasks.append(place)

    def aggregate(self) -> dict[str, Any]:
        """`agent_metrics`, their headlines in `key_metrics`, and one entry a task in `group_level_metrics`."""
        groups: list[dict[str, list[float]]] = [{} for _ in self.sizes]
        for name, (values, tasks) in self.columns.items():
            for value, place in zip(values, tasks, strict=True):
                groups[place].setdefault(name, []).append(value)
        whole = dict(_statistics({name: values for name, (values, _) in self.columns.items()}))
        whole |= _pass_at([group.get("reward", []) for group in groups])
        if self.rows:
            whole |= {"rollouts": self.rows, "tasks": len(self.tasks), "unscored": self.unscored}
        return {
            "agent_metrics": whole,
            "key_metrics": {name: value for name, value in whole.items() if name.startswith(("mean/", "pass@"))},
            "group_level_metrics": [
                ({TASK: key} if isinstance(key, int) else {"task": key})
                | dict(_statistics(groups[place]))
                | {"rollouts": self.sizes[place], "unscored": self.sizes[place] - len(groups[place].get("reward", ()))}
                for key, place in sorted(self.tasks.items(), key=lambda task: (isinstance(task[0], str), task[0]))
            ],
        }


def _task_of(row: Mapping[str, Any]) -> int | str:
    for field in TASK_FIELDS:
        value = row.get(field)
        if isinstance(value, str) or (type(value) is int and abs(value) < 1 << 53):
            return value if field == TASK else str(value)
    return f"{stable_hash(repr(row.get('responses_create_params'))):016x}"


def _statistics(columns: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, float]]:
    """No deviation of a single value, nothing that is not finite."""
    for name, values in columns.items():
        found = {
            "mean": statistics.fmean(values),
            "max": max(values),
            "min": min(values),
            "median": statistics.median(values),
        }
        if len(values) > 1:
            mean = found["mean"]
            found["std"] = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
        yield from ((f"{what}/{name}", value) for what, value in found.items() if math.isfinite(value))


def _pass_at(rewards: Sequence[Sequence[float]]) -> dict[str, float]:
    """pass@k for k = 1, 2, 4, ... over the tasks with so many scored rollouts; nothing unless rewards are 0 or 1."""
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
