"""What a run comes to: one pass over its trajectories, memory only for a few numbers per task.

What was not scored is told, and never counted as zero.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from usergym.evaluation.statistics import Estimate, estimate, pass_at_k, pass_hat_k
from usergym.types import Record, Trajectory, Usage, stable_hash

SUCCESS = 1.0
"""A reward from here on is a success."""

TOLD_SUCCESS = "success"
"""The name of a reward, recorded only, by which an environment says whether the goal was reached."""

TURN_GRADE = "turn_grade"
"""The name of a reward that grades one reply, 0 or 1."""

NO_REWARD = "no reward was given"
"""Why a conversation is unscored that has none at all."""

_DISTINCT = 200
"""Different reasons that are counted apart; later ones are `other`."""


class Summary(Record, frozen=True, omit_defaults=False):
    """Of one agent in one environment; of all of them, with `parts`, where there are several."""

    agent: str
    env: str
    conversations: int
    tasks: int
    scored: int
    unscored: int
    """Finished, but a judge or a faulty row left no reward."""
    errors: dict[str, int]
    """Conversations that failed technically, by kind."""
    mean: float | None
    """Mean reward of the scored ones, with its 95% interval by tasks."""
    low: float | None
    high: float | None
    std: float | None
    """Standard deviation of the rewards of single samples; None with fewer than two."""
    success: float | None
    """The chance that one sample succeeds (earns the whole reward, unless the environment says what a success is),
    tasks weighed alike."""
    pass_at: dict[int, float]
    """pass@k for k = 1, 2, 4, 8, ... over the tasks that have so many samples; empty where a reward is neither
    0 nor 1 and the environment does not say what a success is."""
    pass_hat: dict[int, float]
    """pass^k likewise: all k succeed."""
    turns: float | None
    """All turns after the opening (replies, tool results, verdicts), mean over conversations without error."""
    replies: float | None
    """The agent's replies among them."""
    usage: Usage
    """All model calls, whoever made them, those of failed conversations too."""
    by_speaker: dict[str, Usage]
    stops: dict[str, int]
    """Why conversations ended."""
    reasons: dict[str, int]
    """Why rewards were lost."""
    components: dict[str, float]
    """Mean of every named reward that was given, weight or not."""
    unscored_by: dict[str, int] = {}
    """Why conversations were not scored: each reason once a conversation."""
    parts: tuple["Summary", ...] = ()

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


@dataclass(slots=True)
class _Task:
    samples: int = 0
    total: float = 0.0
    successes: int = 0
    binary: bool = True
    """Whether all rewards were 0 or 1."""
    decided: bool = True
    """Whether it is known of all samples if they succeeded: by such a reward, or since the environment says so."""


@dataclass(slots=True)
class Spread:
    """Standard deviation of a stream (Welford), exact also where the mean is large."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        step = value - self.mean
        self.mean += step / self.count
        self.squares += step * (value - self.mean)

    def std(self) -> float | None:
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else None


@dataclass
class Tally:
    """Counts trajectories of one agent in one environment."""

    agent: str
    env: str
    conversations: int = 0
    unscored: int = 0
    finished: int = 0
    turns: int = 0
    replies: int = 0
    spread: Spread = field(default_factory=Spread)
    errors: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    unscored_by: Counter[str] = field(default_factory=Counter)
    by_speaker: dict[str, Usage] = field(default_factory=dict)
    components: dict[str, list[float]] = field(default_factory=dict)
    tasks: dict[int, _Task] = field(default_factory=dict)

    def add(self, trajectory: Trajectory) -> None:
        self.conversations += 1
        for turn in trajectory.turns:
            if turn.usage:
                self.by_speaker[turn.speaker] = self.by_speaker.get(turn.speaker, Usage()) + turn.usage
        task = self.tasks.setdefault(stable_hash(trajectory.task.env, trajectory.task.id), _Task())
        if trajectory.error:
            self.errors[trajectory.error.kind] += 1
            return
        self.finished += 1
        self.stops[trajectory.stop or "open"] += 1
        self.turns += len(trajectory.turns) - len(trajectory.task.opening)
        self.replies += len(replies(trajectory))
        self.add_components(trajectory)
        reward = trajectory.reward()
        if reward is None:
            self.unscored += 1
            for reason in {*unscored_by(trajectory)} or {NO_REWARD}:
                _count(self.unscored_by, reason)
            return
        self.spread.add(reward)
        task.samples += 1
        task.total += reward
        success = success_of(trajectory)
        task.successes += success == 1
        task.decided &= success is not None and (reward in (0.0, 1.0) or _tells_success(trajectory))
        task.binary &= reward in (0.0, 1.0)
        if reward < SUCCESS:
            for reason in lost_by(trajectory):
                _count(self.reasons, reason)

    def add_components(self, trajectory: Trajectory) -> None:
        for reward in trajectory.rewards:
            if reward.value is not None:
                total = self.components.setdefault(reward.name, [0.0, 0])
                total[0] += reward.value
                total[1] += 1

    def summary(self) -> Summary:
        tasks = [task for task in self.tasks.values() if task.samples]
        mean = self.estimate()
        most = max((task.samples for task in tasks), default=0)
        decided = all(task.decided for task in tasks)
        ks = [2**power for power in range(most.bit_length())] if decided else []
        usage = Usage()
        for spent in self.by_speaker.values():
            usage += spent
        return Summary(
            self.agent,
            self.env,
            self.conversations,
            len(self.tasks),
            sum(task.samples for task in tasks),
            self.unscored,
            _sorted(self.errors),
            mean.mean if mean else None,
            mean.low if mean else None,
            mean.high if mean else None,
            self.spread.std(),
            sum(task.successes / task.samples for task in tasks) / len(tasks) if tasks else None,
            {k: _over_tasks([pass_at_k(t.samples, t.successes, k) for t in tasks if t.samples >= k]) for k in ks},
            {k: _over_tasks([pass_hat_k(t.samples, t.successes, k) for t in tasks if t.samples >= k]) for k in ks},
            self.turns / self.finished if self.finished else None,
            self.replies / self.finished if self.finished else None,
            usage,
            dict(sorted(self.by_speaker.items())),
            _sorted(self.stops),
            _sorted(self.reasons),
            {name: total / count for name, (total, count) in sorted(self.components.items())},
            _sorted(self.unscored_by),
        )

    def estimate(self) -> Estimate | None:
        return estimate((task.samples, task.total, task.binary) for task in self.tasks.values())


def _over_tasks(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _count(counts: Counter[str], reason: str) -> None:
    counts[reason if reason in counts or len(counts) < _DISTINCT else "other"] += 1


class Tallies:
    """Counts trajectories by agent and environment, as they come."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], Tally] = {}
        self.whole = Tally("", "")

    def add(self, trajectory: Trajectory) -> None:
        key = agent_of(trajectory), trajectory.task.env
        if key not in self.parts:
            self.parts[key] = Tally(*key)
        self.parts[key].add(trajectory)
        self.whole.add(trajectory)

    def summary(self) -> Summary:
        if len(self.parts) == 1:
            return next(iter(self.parts.values())).summary()
        parts = tuple(self.parts[key].summary() for key in sorted(self.parts))
        whole = self.whole.summary()
        agents, envs = ({part.agent for part in parts}, {part.env for part in parts})
        agent, env = (", ".join(sorted(names)) for names in (agents, envs))
        return msgspec.structs.replace(whole, agent=agent, env=env, parts=parts)


def summarise(trajectories: Iterable[Trajectory]) -> Summary:
    """The whole, and its parts by agent and environment where there are several."""
    tallies = Tallies()
    for trajectory in trajectories:
        tallies.add(trajectory)
    return tallies.summary()


def agent_of(trajectory: Trajectory) -> str:
    """The model in the assistant's seat; `unknown` where nothing was recorded."""
    seat = trajectory.seats.get("assistant")
    return (seat.model if seat else "") or "unknown"


def success_of(trajectory: Trajectory) -> float | None:
    """1 or 0: what the environment recorded as `success`, else whether the whole reward was earned; None where it
    is not known."""
    reward = trajectory.reward()
    if trajectory.error:
        return None
    for each in trajectory.rewards:
        if each.name == TOLD_SUCCESS:
            return each.value
    return None if reward is None else float(reward >= SUCCESS)


def _tells_success(trajectory: Trajectory) -> bool:
    return any(each.name == TOLD_SUCCESS for each in trajectory.rewards)


def replies(trajectory: Trajectory) -> list[int]:
    """Indices of the agent's replies after the opening."""
    start = len(trajectory.task.opening)
    turns = enumerate(trajectory.turns)
    return [n for n, turn in turns if n >= start and turn.speaker == "assistant" and turn.message.role == "assistant"]


def unscored_by(trajectory: Trajectory) -> Iterator[str]:
    """Why the rewards that count are None, the kind of each."""
    for reward in trajectory.rewards:
        if reward.value is None and reward.weight and reward.speaker == "assistant":
            yield _kind(reward.reason) or f"{reward.name} was not given"


def lost_by(trajectory: Trajectory) -> Iterator[str]:
    """Reasons of the rewards that were not earned, the first 80 characters of each."""
    for reward in trajectory.rewards:
        if reward.weight > 0 and reward.speaker == "assistant" and reward.reason and (reward.value or 0) < SUCCESS:
            yield _kind(reward.reason)


def _kind(reason: str) -> str:
    """What stands behind it is of one task."""
    return reason.partition(": ")[0][:80]


def failed_reply(trajectory: Trajectory) -> int | None:
    """Which of the agent's replies, from 1, was the first to be graded 0, or was cut off or empty, which ends a
    conversation before it is graded; None where none was."""
    places = {place: number for number, place in enumerate(replies(trajectory), 1)}
    failed = [
        places[reward.turn]
        for reward in trajectory.rewards
        if reward.name == TURN_GRADE and reward.value == 0 and reward.turn in places
    ]
    if trajectory.stop in ("length", "silent") and trajectory.turns[-1].speaker == "assistant":
        failed.append(len(places))
    return min(failed, default=None)
