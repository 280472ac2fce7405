"""What a file of rollouts comes to: one pass over it, memory for a few numbers per task."""

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from usergym.evaluation.statistics import Estimate, estimate


class _Ref(msgspec.Struct):
    name: str = ""


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Response(msgspec.Struct):
    usage: _Usage | None = None


class Line(msgspec.Struct):
    """As much of a rollout as is counted."""

    task: int = msgspec.field(name="_ng_task_index", default=0)
    rollout: int = msgspec.field(name="_ng_rollout_index", default=0)
    agent: _Ref | str | None = msgspec.field(name="agent_ref", default=None)
    reward: float | None = None
    category: Any = None
    response: _Response | None = None

    @property
    def agent_name(self) -> str:
        return self.agent.name if isinstance(self.agent, _Ref) else self.agent or ""


_line = msgspec.json.Decoder(Line).decode


@dataclass
class Numbers:
    """Rewards and tokens of some rollouts."""

    rows: int = 0
    unscored: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    rewards: "array[float]" = field(default_factory=lambda: array("d"))
    tasks: "array[int]" = field(default_factory=lambda: array("q"))
    """The task of each reward."""

    def add(self, line: Line) -> None:
        self.rows += 1
        usage = line.response.usage if line.response else None
        if usage:
            self.input_tokens += usage.input_tokens or 0
            self.output_tokens += usage.output_tokens or 0
        if line.reward is None:
            self.unscored += 1
        else:
            self.rewards.append(line.reward)
            self.tasks.append(line.task)

    def by_task(self) -> dict[int, list[float]]:
        out: dict[int, list[float]] = defaultdict(list)
        for task, reward in zip(self.tasks, self.rewards, strict=True):
            out[task].append(reward)
        return out

    def mean(self) -> Estimate | None:
        """Mean reward with its interval, tasks being what is independent."""
        groups = self.by_task().values()
        return estimate((len(group), math.fsum(group), all(value in (0, 1) for value in group)) for group in groups)


@dataclass
class Summary:
    """The whole, and its parts by agent and by category."""

    whole: Numbers = field(default_factory=Numbers)
    agents: dict[str, Numbers] = field(default_factory=dict)
    categories: dict[str, Numbers] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, line: Line) -> None:
        self.whole.add(line)
        self.agents.setdefault(line.agent_name, Numbers()).add(line)
        if isinstance(line.category, str):
            self.categories.setdefault(line.category, Numbers()).add(line)


def summarise(path: Path, failures: Mapping[Any, Any] = {}) -> Summary:
    """Of a file of rollouts. `failures`: those that have no line, each with its `kind`."""
    summary = Summary()
    with path.open("rb") as file:
        for line in file:
            if not line.isspace():
                summary.add(_line(line))
    summary.failures.update(each.kind for each in failures.values())
    return summary


def aggregate(summary: Summary) -> list[dict[str, Any]]:
    """As the peer writes it: of each agent its numbers, and the rewards of each task."""
    return [
        {
            "agent_ref": {"type": "responses_api_agents", "name": name},
            "agent_metrics": dict(_described("reward", numbers.rewards)),
            "key_metrics": {key: value for key, value in _described("reward", numbers.rewards) if key == "mean/reward"},
            "group_level_metrics": [
                {"_ng_task_index": task, "count": len(rewards), **dict(_described("reward", rewards))}
                for task, rewards in sorted(numbers.by_task().items())
            ],
        }
        for name, numbers in sorted(summary.agents.items())
    ]


def _described(name: str, values: Any) -> Iterator[tuple[str, float]]:
    """Nothing where there is nothing; no deviation of a single value."""
    count = len(values)
    if not count:
        return
    ordered = sorted(values)
    mean = math.fsum(values) / count
    yield f"mean/{name}", mean
    yield f"max/{name}", ordered[-1]
    yield f"min/{name}", ordered[0]
    yield f"median/{name}", (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    if count > 1:
        yield f"std/{name}", math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
