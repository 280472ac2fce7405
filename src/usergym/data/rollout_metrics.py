"""What a file of rollouts comes to: one pass over it, memory for a few numbers per task."""

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from usergym.data.printable import one_line
from usergym.evaluation.gym_metrics import TASK_FIELDS, GymMetrics
from usergym.evaluation.statistics import Estimate, estimate

_MOST = 1e15
"""A number beyond it counts nothing: sums of such have no end."""


class _Ref(msgspec.Struct):
    name: str = ""


class _Response(msgspec.Struct):
    usage: Any = None

    def tokens(self, name: str) -> int:
        """0 for what is no count."""
        found = self.usage.get(name) if isinstance(self.usage, dict) else None
        return found if type(found) is int and 0 <= found < _MOST else 0


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
        if line.response:
            self.input_tokens += line.response.tokens("input_tokens")
            self.output_tokens += line.response.tokens("output_tokens")
        if line.reward is None or abs(line.reward) >= _MOST:
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
    metrics: dict[str, GymMetrics] = field(default_factory=dict)
    """Of each agent, every number."""

    def add(self, line: Line) -> None:
        self.whole.add(line)
        self.agents.setdefault(one_line(line.agent_name), Numbers()).add(line)
        if isinstance(line.category, str):
            self.categories.setdefault(one_line(line.category), Numbers()).add(line)


def summarise(path: Path, failures: Mapping[Any, Any] = {}) -> Summary:
    """Of a file of rollouts. `failures`: those that have no line, each with its `kind`."""
    summary = Summary()
    if path.exists():
        with path.open("rb") as file:
            for text in file:
                if not text.isspace():
                    line = _line(text)
                    summary.add(line)
                    summary.metrics.setdefault(line.agent_name, GymMetrics()).add(_numbers_in(text))
    summary.failures.update(one_line(each.kind) for each in failures.values())
    return summary


_COUNTED = frozenset((b"-", b"t", b"f", *(b"%d" % digit for digit in range(10))))
"""What numbers and truth values begin with."""


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_any: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Any)
_response = msgspec.json.Decoder(_Response | None).decode


def _numbers_in(text: bytes) -> dict[str, Any]:
    """A row without what cannot be counted, which is nearly all of it."""
    fields = _fields(text)
    row = {
        name: _any.decode(value)
        for name, value in fields.items()
        if name in TASK_FIELDS or bytes(memoryview(value)[:1]) in _COUNTED
    }
    response = _response(fields["response"]) if "response" in fields else None
    usage = response.usage if response and isinstance(response.usage, dict) else {}
    return {
        **{name: value for name, value in row.items() if name in TASK_FIELDS or abs(value) < _MOST},
        "response": {"usage": {name: value for name, value in usage.items() if not _huge(value)}},
    }


def _huge(value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) >= _MOST


def aggregate(summary: Summary) -> list[dict[str, Any]]:
    """As the peer writes it: of each agent its numbers, and those of each task."""
    return [
        {"agent_ref": {"type": "responses_api_agents", "name": name}, **metrics.aggregate()}
        for name, metrics in sorted(summary.metrics.items())
    ]
