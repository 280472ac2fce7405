"""A played conversation as a trainer takes it: one row of tokens, the spans of its turns, and their rewards."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usergym.training.credit import Preset, TrajectoryScoreMethod, TurnLevelMethod, turn_advantages
from usergym.training.tokens import only_row
from usergym.training.turns import turn_rewards
from usergym.types import Speaker, Trajectory


@dataclass(frozen=True)
class Member:
    """`completion` is what follows the first prompt: sampled ids where `mask` is 1, what others said in between."""

    prompt: list[int]
    completion: list[int]
    mask: list[int]
    logprobs: list[float] | None
    spans: list[tuple[int, int]]
    """Of each turn, in `completion`."""
    rewards: list[float] | None
    """Of each turn; None: not scored, so without credit and in no baseline."""
    lost: str = ""
    """Why there is nothing to learn from it: the kind of its failure, or `unscored`."""
    env: str = ""

    @property
    def reward(self) -> float | None:
        return None if self.rewards is None else sum(self.rewards)


@dataclass(frozen=True)
class Credit:
    """How rewards become the advantages of tokens; see `credit.turn_advantages`."""

    turn_level_method: TurnLevelMethod = "R2G"
    trajectory_score_method: TrajectoryScoreMethod = "Sum"
    gamma: float = 1.0
    normalize_by_std: bool = False
    preset: Preset = "usergym"

    def advantages(self, members: Sequence[Member], groups: Sequence[Hashable], length: int) -> NDArray[np.float64]:
        """(B, length), aligned with the completions."""
        return turn_advantages(
            [member.rewards for member in members],
            [member.spans for member in members],
            groups,
            length,
            turn_level_method=self.turn_level_method,
            trajectory_score_method=self.trajectory_score_method,
            gamma=self.gamma,
            normalize_by_std=self.normalize_by_std,
            preset=self.preset,
        )


def member_of(trajectory: Trajectory, speaker: Speaker, filler: int) -> Member:
    """`filler`: an id that stands, masked, for a conversation of which there is nothing to learn. Raises `Rewritten`
    for a conversation that is more than one row."""
    env = trajectory.task.env
    turns, rewards = turn_rewards(trajectory, speaker)
    if trajectory.error or rewards is None:
        return Member(
            [filler], [filler], [0], [0.0], [], None, trajectory.error.kind if trajectory.error else "unscored", env
        )
    row = only_row(trajectory, speaker)
    start = row.spans[0].start
    logprobs = None if row.logprobs is None else row.logprobs[start:].tolist()
    credited = [0.0] * len(row.spans)
    for turn, reward in zip(turns, rewards, strict=True):
        # An empty reply that only ended the conversation has no tokens: the one before it stands for it.
        credited[max((i for i, span in enumerate(row.spans) if span.turn <= turn), default=0)] += reward
    return Member(
        row.ids[:start].tolist(),
        row.ids[start:].tolist(),
        row.mask[start:].astype(int).tolist(),
        logprobs,
        [(span.start - start, span.end - start) for span in row.spans],
        credited,
        env=env,
    )
