"""Two learners drift together where an agent pleases only the user that is trained beside it: its reward rises with
that user, and not with users that stay as they were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from usergym.evaluation.statistics import Estimate, mean_interval, paired_difference
from usergym.rollouts.store import outcomes
from usergym.types import Failure, Record, Trajectory

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
    silent: int = 0
    """Conversations that were scored, in which the user never said a word of its own."""
    unmeasured: str = ""
    """Why nothing is known of the agent with this user, "" where something is; `gain` is None then."""


class Round(Record, frozen=True):
    number: int
    own: Standing
    """With the user that is trained beside it."""
    frozen: tuple[Standing, ...]
    """With users that stay as they were."""
    alarm: str = ""
    """Why this looks like drift, "" if it does not."""
    unmeasured: str = ""
    """Why nothing can be said of drift, "" if something can."""


@dataclass(frozen=True)
class Played:
    """What came of a run's conversations."""

    rewards: Rewards
    lost: int
    silent: int
    unmeasured: str


def played(run: Path) -> Played:
    """Rewards of a run by task, how many conversations have none, and in how many the user never spoke."""
    found: dict[str, list[float]] = {}
    scored = silent = unscored = 0
    failed: list[Failure] = []
    for trajectory in outcomes(run):
        reward = trajectory.reward()
        if trajectory.error:
            failed.append(trajectory.error)
        elif reward is None:
            unscored += 1
        else:
            found.setdefault(trajectory.task.id, []).append(reward)
            scored += 1
            silent += not _heard(trajectory)
    return Played(found, unscored + len(failed), silent, _unmeasured(scored, silent, unscored, failed))


def _heard(trajectory: Trajectory) -> bool:
    """Whether the user said something that the task did not have it say."""
    said = sum(turn.speaker == "user" and bool(turn.said) for turn in trajectory.turns)
    return said > sum(turn.speaker == "user" and bool(turn.said) for turn in trajectory.task.opening)


def _unmeasured(scored: int, silent: int, unscored: int, failed: Sequence[Failure]) -> str:
    if scored:
        return f"the user never spoke in {scored:,} conversations" if silent == scored else ""
    if failed:
        first = failed[0]
        return f"all {len(failed) + unscored:,} conversations failed, the first by {first.kind}: {first.message}"
    return f"none of {unscored:,} conversations has a score" if unscored else "no conversation was played"


def standing(user: str, before: Path, after: Path) -> Standing:
    """What changed between two runs of the same tasks."""
    then, now = played(before), played(after)
    why = now.unmeasured or (then.unmeasured and f"before training, {then.unmeasured}")
    gain = None if why else paired_difference(then.rewards, now.rewards)
    reward = mean_interval(now.rewards) if now.rewards else None
    return Standing(user, reward, gain, now.lost, now.silent, why)


def judged(number: int, own: Standing, frozen: Sequence[Standing]) -> Round:
    """A round, with its alarm, or why there could be none."""
    found, blind = alarm(own, frozen), [each for each in frozen if each.unmeasured]
    without = [own] if own.unmeasured else blind if len(blind) == len(frozen) else []
    why = "" if found else "; ".join(f"with {each.user}: {each.unmeasured}" for each in without)
    return Round(number, own, tuple(frozen), found, why)


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
