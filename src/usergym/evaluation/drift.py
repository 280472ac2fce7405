"""Two learners drift together where an agent pleases only the user that is trained beside it: its reward rises with
that user, and not with users that stay as they were."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from usergym.evaluation.statistics import Estimate, mean_interval, paired_difference
from usergym.rollouts.store import read_trajectories
from usergym.types import Record

Rewards = Mapping[str, Sequence[float]]
"""By task."""


class Standing(Record, frozen=True):
    """An agent with one user after a round, on held-out tasks."""

    user: str
    reward: Estimate | None
    gain: Estimate | None = None
    """Since before the first round, paired by task."""
    lost: int = 0
    """Conversations without a reward."""


class Round(Record, frozen=True):
    number: int
    own: Standing
    """With the user that is trained beside it."""
    frozen: tuple[Standing, ...]
    """With users that stay as they were."""
    alarm: str = ""
    """Why this looks like drift, "" if it does not."""


def rewards_of(run: Path) -> tuple[dict[str, list[float]], int]:
    """Rewards of a run by task, and how many conversations have none."""
    found: dict[str, list[float]] = {}
    lost = 0
    for trajectory in read_trajectories(run):
        reward = trajectory.reward()
        if reward is None:
            lost += 1
        else:
            found.setdefault(trajectory.task.id, []).append(reward)
    return found, lost + _failed(run)


def _failed(run: Path) -> int:
    failures = run / "failures.jsonl"
    return sum(1 for _ in failures.open("rb")) if failures.is_file() else 0


def standing(user: str, before: Path | None, after: Path) -> Standing:
    now, lost = rewards_of(after)
    gain = paired_difference(rewards_of(before)[0], now) if before else None
    return Standing(user, mean_interval(now) if now else None, gain, lost)


def alarm(own: Standing, frozen: Sequence[Standing]) -> str:
    """What speaks for drift: with a frozen user the agent got worse, or with its own it got better and with none of
    the frozen ones."""
    for each in frozen:
        if each.gain and each.gain.high is not None and each.gain.high < 0:
            return f"with {each.user} the agent lost {-each.gain.mean:.3f} since the start"
    rose = own.gain is not None and own.gain.low is not None and own.gain.low > 0
    gains = [each.gain.mean for each in frozen if each.gain]
    if rose and gains and max(gains) <= 0:
        assert own.gain is not None
        return f"with its own user the agent gained {own.gain.mean:.3f}, with no frozen user anything"
    return ""
