"""What an evaluation comes to: the means of every environment with intervals by tasks, and their averages."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from usergym.evaluation.outcomes import Outcome
from usergym.evaluation.published import Published, gym_of, table, weight_of
from usergym.evaluation.statistics import Estimate, combined, estimate, pass_at_k, pass_hat_k
from usergym.types import Record

Metric = Literal["score", "userrl", "published", "success"]
METRICS: tuple[Metric, ...] = ("score", "userrl", "published", "success")

_EXTRA = (
    "replies",
    "effective_turns",
    "time_weighted",
    "user_turns",
    "user_words",
    "calls",
    "input_tokens",
    "output_tokens",
    "cost",
    "seconds",
    "reply_seconds",
)


class Scores(Record, frozen=True, omit_defaults=False):
    """Of one model in one environment. Means of rewards are over samples, with 95% intervals clustered by task."""

    model: str
    env: str
    tasks: int
    conversations: int
    scored: int
    unscored: int
    errors: dict[str, int]
    """Conversations that failed technically after all attempts, by kind; they count nowhere."""
    score: Estimate | None
    userrl: Estimate | None
    published: Estimate | None
    success: Estimate | None
    pass_at: dict[int, float]
    """pass@k for k = 1, 2, 4, ... over the tasks with so many samples."""
    pass_hat: dict[int, float]
    """pass^k likewise."""
    means: dict[str, float | None]
    """Of a conversation: the other columns of Outcome, where known."""
    total: dict[str, float]
    """Of all conversations, failed ones too: calls, tokens, cost, seconds."""
    stops: dict[str, int]


class Average(Record, frozen=True, omit_defaults=False):
    """Over environments."""

    model: str
    name: Literal["macro", "micro", "weighted"]
    """macro: environments alike. micro: conversations alike. weighted: by the published numbers of tasks."""
    metric: Metric
    estimate: Estimate
    envs: tuple[str, ...]
    missing: tuple[str, ...] = ()
    """Of weighted: gyms that were not evaluated."""


@dataclass(slots=True)
class _Sum:
    samples: int = 0
    total: float = 0.0
    binary: bool = True

    def add(self, value: float) -> None:
        self.samples += 1
        self.total += value
        self.binary &= value in (0.0, 1.0)


@dataclass
class Sheet:
    """Takes the outcomes of one model in one environment; memory for a few numbers per task."""

    model: str
    env: str
    conversations: int = 0
    unscored: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    tasks: dict[str, dict[Metric, _Sum]] = field(default_factory=dict)
    extra: dict[str, _Sum] = field(default_factory=lambda: {name: _Sum() for name in _EXTRA})
    spent: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        self.conversations += 1
        for name in ("calls", "input_tokens", "output_tokens", "cost", "seconds"):
            self.spent[name] += getattr(outcome, name)
        task = self.tasks.setdefault(outcome.task, {metric: _Sum() for metric in METRICS})
        if outcome.error:
            self.errors[outcome.error] += 1
            return
        self.stops[outcome.stop or "open"] += 1
        self.unscored += outcome.score is None
        for metric in METRICS:
            if (value := getattr(outcome, metric)) is not None:
                task[metric].add(value)
        for name, total in self.extra.items():
            if (value := getattr(outcome, name)) is not None:
                total.add(value)

    def estimate(self, metric: Metric) -> Estimate | None:
        sums = (task[metric] for task in self.tasks.values())
        return estimate((each.samples, each.total, each.binary) for each in sums)

    def means(self, metric: Metric) -> dict[str, float]:
        """Of each task that has a scored sample."""
        return {
            key: task[metric].total / task[metric].samples for key, task in self.tasks.items() if task[metric].samples
        }

    def scores(self) -> Scores:
        tries = [task["success"] for task in self.tasks.values() if task["success"].samples]
        most = max((each.samples for each in tries), default=0)
        ks = [2**power for power in range(most.bit_length())]
        estimates = {metric: self.estimate(metric) for metric in METRICS}
        return Scores(
            self.model,
            self.env,
            len(self.tasks),
            self.conversations,
            sum(task["score"].samples for task in self.tasks.values()),
            self.unscored,
            _sorted(self.errors),
            **estimates,
            pass_at={k: _over_tasks(tries, k, pass_at_k) for k in ks},
            pass_hat={k: _over_tasks(tries, k, pass_hat_k) for k in ks},
            means={name: each.total / each.samples if each.samples else None for name, each in self.extra.items()},
            total=dict(self.spent),
            stops=_sorted(self.stops),
        )


def _over_tasks(tries: Sequence[_Sum], k: int, chance: Callable[[int, int, int], float]) -> float:
    values = [chance(each.samples, round(each.total), k) for each in tries if each.samples >= k]
    return math.fsum(values) / len(values)


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def sheets(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], Sheet]:
    """By model and environment, in the order in which they come."""
    found: dict[tuple[str, str], Sheet] = {}
    for each in outcomes:
        key = each.model, each.env
        if key not in found:
            found[key] = Sheet(*key)
        found[key].add(each)
    return found


def averages(parts: Sequence[Scores]) -> list[Average]:
    """Of one model: macro and micro of our score and of success, and the published weighted average."""
    found: list[Average | None] = []
    metrics: tuple[Metric, ...] = ("score", "success")
    for metric in metrics:
        values = {part.env: value for part in parts if (value := getattr(part, metric)) is not None}
        found.append(_average(parts[0].model, "macro", metric, values, dict.fromkeys(values, 1.0)))
        found.append(_average(parts[0].model, "micro", metric, values, {env: v.samples for env, v in values.items()}))
    theirs = {part.env: part.published for part in parts if part.published and weight_of(part.env)}
    found.append(_average(parts[0].model, "weighted", "published", theirs, {env: weight_of(env) for env in theirs}))
    return [each for each in found if each]


def measured(parts: Sequence[Scores]) -> Published | None:
    """The line of a model as the published table would have it, over the gyms that were evaluated; None without any."""
    known = {part.env: part for part in parts if part.published and weight_of(part.env)}
    if not known:
        return None
    gyms = [gym for gym in table().models[0].gyms if gym in map(gym_of, known)]
    return Published(
        parts[0].model,
        {gym: _weighted({e: p.published for e, p in known.items() if gym_of(e) == gym}) for gym in gyms},
        _weighted({env: part.published for env, part in known.items()}),
        _weighted({env: part.means["effective_turns"] for env, part in known.items()}),
        _weighted({env: part.means["time_weighted"] for env, part in known.items()}),
    )


def _weighted(values: Mapping[str, Estimate | float | None]) -> float:
    known = {env: v.mean if isinstance(v, Estimate) else v for env, v in values.items() if v is not None}
    return math.fsum(weight_of(env) * v for env, v in known.items()) / sum(map(weight_of, known))


def _average(
    model: str,
    name: Literal["macro", "micro", "weighted"],
    metric: Metric,
    values: Mapping[str, Estimate],
    weights: Mapping[str, float],
) -> Average | None:
    total = math.fsum(weights.values())
    whole = combined((weights[env] / total, value) for env, value in values.items())
    absent = _absent(values) if name == "weighted" else ()
    return Average(model, name, metric, whole, tuple(values), absent) if whole else None


def _absent(envs: Iterable[str]) -> tuple[str, ...]:
    """Published evaluation names that none of `envs` stands for."""
    bases = {env.partition(":")[0] for env in envs}
    return tuple(name for name in table().tasks if not {name, gym_of(name)} & bases)
