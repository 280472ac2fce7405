"""What a page tells of one run: its figures, what its plots count, and the conversations it shows."""

import heapq
from collections import Counter
from dataclasses import dataclass, field
from unicodedata import category

from usergym.evaluation.metrics import TURN_GRADE, Tallies, failed_reply, replies, success_of
from usergym.types import Trajectory, stable_hash

_NOT_DRAWN = ("Cc", "Zl", "Zp", "Cs")
OUTCOMES = ("failed", "error", "unscored", "passed")
"""In the order in which a page shows them."""


@dataclass
class Gathered:
    """From one pass over a run; memory for a few numbers per task and for the conversations it will show."""

    name: str
    """As a plot can show it: without control characters and line separators."""
    samples: int
    tallies: Tallies = field(default_factory=Tallies)
    rewards: Counter[float] = field(default_factory=Counter)
    replies: Counter[int] = field(default_factory=Counter)
    failed_at: Counter[int] = field(default_factory=Counter)
    passed: Counter[int] = field(default_factory=Counter)
    """Conversations without a failed reply, by how many replies they had."""
    graded: bool = False
    """Whether replies were graded at all."""
    picks: dict[str, list[tuple[int, int, Trajectory]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = drawable(self.name)

    def add(self, trajectory: Trajectory) -> None:
        self.tallies.add(trajectory)
        reward = trajectory.reward()
        if trajectory.error is None:
            count = len(replies(trajectory))
            self.replies[count] += 1
            failed = failed_reply(trajectory)
            if failed is not None:
                self.failed_at[failed] += 1
            else:
                self.passed[count] += 1
            self.graded |= any(each.name == TURN_GRADE for each in trajectory.rewards)
        if reward is not None:
            self.rewards[round(reward, 2)] += 1
        self.pick(trajectory, reward)

    def pick(self, trajectory: Trajectory, reward: float | None) -> None:
        """Keeps a few of each outcome, chosen by a hash of the id and not by when they finished."""
        kept = self.picks.setdefault(outcome_of(trajectory, reward), [])
        place = self.tallies.whole.conversations  # never the same, so that trajectories are not compared
        heapq.heappush(kept, (-stable_hash("pick", trajectory.id), place, trajectory))
        if len(kept) > self.samples:
            heapq.heappop(kept)

    def chosen(self) -> list[Trajectory]:
        """As many of each outcome as there are and as there is room for; failed ones first."""
        waiting = {outcome: sorted(self.picks.get(outcome, ())) for outcome in OUTCOMES}
        found: dict[str, list[Trajectory]] = {outcome: [] for outcome in OUTCOMES}
        room = self.samples
        while room and any(waiting.values()):
            for outcome in [outcome for outcome in OUTCOMES if waiting[outcome]][:room]:
                found[outcome].append(waiting[outcome].pop()[2])
                room -= 1
        return [one for outcome in OUTCOMES for one in found[outcome]]


def drawable(text: str) -> str:
    return "".join(" " if category(letter) in _NOT_DRAWN else letter for letter in text)


def outcome_of(trajectory: Trajectory, reward: float | None) -> str:
    if trajectory.error:
        return "error"
    if reward is None:
        return "unscored"
    return "passed" if success_of(trajectory) == 1 else "failed"
