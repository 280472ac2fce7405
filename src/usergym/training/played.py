"""A played conversation as a trainer takes it: one row of tokens, the spans of its turns, and their rewards."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usergym.training.credit import Preset, TrajectoryScoreMethod, TurnLevelMethod, turn_advantages
from usergym.training.tokens import only_row
from usergym.training.turns import turn_rewards
from usergym.types import Speaker, Trajectory


@dataclass(frozen=True, slots=True)
class Earned:
    """What the others of its group need to know of a conversation."""

    rewards: list[float] | None
    """Of each turn; None: not scored, so without credit and in no baseline."""
    spans: list[tuple[int, int]]
    """Of each turn, in the completion."""
    length: int
    """Of the completion."""


@dataclass(frozen=True, slots=True)
class Member:
    """`completion` is what follows the first prompt: sampled ids where `mask` is 1, what others said in between."""

    prompt: list[int]
    completion: list[int]
    mask: list[int]
    logprobs: list[float] | None
    earned: Earned
    lost: str = ""
    """Why there is nothing to learn from it: the kind of its failure, or `unscored`."""
    why: str = ""
    """In words."""
    env: str = ""

    @property
    def reward(self) -> float | None:
        return None if self.earned.rewards is None else sum(self.earned.rewards)


@dataclass(frozen=True)
class Credit:
    """How rewards become the advantages of tokens; see `credit.turn_advantages`."""

    turn_level_method: TurnLevelMethod = "R2G"
    """How rewards are spread over turns: alike, each and those after it, each its own."""
    trajectory_score_method: TrajectoryScoreMethod = "Sum"
    """What the members of a group are compared by."""
    gamma: float = 1.0
    """Discount of what comes later, a turn."""
    normalize_by_std: bool = False
    """Divide by the spread of the group's scores; biased."""
    preset: Preset = "usergym"
    """Whose formula; see docs/credit.md."""

    def __post_init__(self) -> None:
        self.advantages([], [])

    def advantages(self, members: Sequence[Earned], groups: Sequence[Hashable]) -> NDArray[np.float64]:
        """(B, length of the longest completion), aligned with the completions."""
        return turn_advantages(
            [member.rewards for member in members],
            [member.spans for member in members],
            groups,
            max((member.length for member in members), default=0),
            turn_level_method=self.turn_level_method,
            trajectory_score_method=self.trajectory_score_method,
            gamma=self.gamma,
            normalize_by_std=self.normalize_by_std,
            preset=self.preset,
        )


def _lost(trajectory: Trajectory, spoke: bool) -> tuple[str, str]:
    """The kind of a loss, and what happened."""
    if trajectory.error:
        return trajectory.error.kind, trajectory.error.message[:200]
    if not spoke:
        return "unscored", f"no reply in {trajectory.id} (its first prompt may have no room within --max-length)"
    missing = next((each.name for each in trajectory.rewards if each.weight and each.value is None), None)
    return "unscored", f"reward {missing!r} was not given" if missing else "no reward that counts"


def lost_member(filler: int, env: str, kind: str, why: str) -> Member:
    """Two masked ids: TRL takes a batch of one column for one value a row, and means over it without its mask."""
    return Member([filler], [filler] * 2, [0] * 2, [0.0] * 2, Earned(None, [], 2), kind, why, env)


def member_of(trajectory: Trajectory, speaker: Speaker, filler: int, scored: bool = True) -> Member:
    """`filler`: an id that stands, masked, for a conversation of which there is nothing to learn; with `scored`, one
    without rewards is such. Raises `Rewritten` for a conversation that is more than one row."""
    env = trajectory.task.env
    turns, rewards = turn_rewards(trajectory, speaker)
    if trajectory.error or not turns or (scored and rewards is None):
        return lost_member(filler, env, *_lost(trajectory, bool(turns)))
    row = only_row(trajectory, speaker)
    assert [span.turn for span in row.spans] == turns
    start = row.spans[0].start
    return Member(
        row.ids[:start].tolist(),
        row.ids[start:].tolist(),
        row.mask[start:].astype(int).tolist(),
        None if row.logprobs is None else row.logprobs[start:].tolist(),
        Earned(rewards, [(span.start - start, span.end - start) for span in row.spans], len(row.ids) - start),
        env=env,
    )
