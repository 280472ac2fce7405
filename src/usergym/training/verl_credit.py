"""Our credit as advantage estimators of verl, which gives an estimator token rewards, masks and groups, no more.

So rewards of turns travel as token rewards, each on the last token of its turn, and turns as runs of the mask. A
conversation without a single token to learn from was not scored: it is in no baseline.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from verl.trainer.ppo.core_algos import register_adv_est

from usergym.training.credit import Preset, turn_advantages
from usergym.training.verl_setup import ESTIMATORS, PASSTHROUGH

Estimated = tuple[torch.Tensor, torch.Tensor]
"""Advantages and returns, (B, T) each; returns are the advantages, as there is no critic."""

PADDING = "pad"
"""How the group of a row begins that verl added only to fill a batch."""


class TooManyLost(RuntimeError):
    """More conversations of a step than allowed have no reward."""


def turn_estimator(preset: Preset | None) -> Callable[..., Estimated]:
    """`preset` None: `algorithm.preset`. The other settings are `algorithm.turn_level_method`,
    `.trajectory_score_method`, `.gamma`, `.normalize_by_std` and `.max_lost`; see `credit.turn_advantages`."""

    def estimated(
        token_level_rewards: torch.Tensor, response_mask: torch.Tensor, config: Any = None, index: Any = None
    ) -> Estimated:
        settings = _Settings(config)
        if index is None:
            raise ValueError("verl gave no uid of the prompts; turn-level credit needs the group of every conversation")
        rewards, mask = token_level_rewards.detach().cpu().double().numpy(), response_mask.cpu().numpy() > 0
        spans = [runs(row) for row in mask]
        earned = [[float(row[a:b].sum()) for a, b in own] or None for row, own in zip(rewards, spans, strict=True)]
        refuse_loss([str(group) for group in index], [each is None for each in earned], settings.get("max_lost", 0.5))
        chosen: Preset = preset or settings.get("preset", "usergym")
        advantages = turn_advantages(
            earned,
            spans,
            list(index),
            mask.shape[1],
            turn_level_method=settings.get("turn_level_method", "R2G"),
            trajectory_score_method=settings.get("trajectory_score_method", "Sum"),
            gamma=float(settings.get("gamma", 1.0)),
            normalize_by_std=bool(settings.get("normalize_by_std", settings.normalizes(chosen))),
            preset=chosen,
        )
        found = torch.from_numpy(advantages).to(token_level_rewards)
        return found, found

    return estimated


def token_passthrough(
    token_level_rewards: torch.Tensor, response_mask: torch.Tensor, config: Any = None, index: Any = None
) -> Estimated:
    """The token rewards are the advantages: of credit that was already given, token by token."""
    found = token_level_rewards * response_mask
    return found, found


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end of each stretch of True."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def refuse_loss(groups: Sequence[str], lost: Sequence[bool], share: float) -> None:
    """TooManyLost where more than `share` of the conversations have nothing to learn from. verl ends with it; the
    checkpoint of the step before goes on from there."""
    real = [gone for group, gone in zip(groups, lost, strict=True) if not group.startswith(PADDING)]
    if real and sum(real) > share * len(real):
        raise TooManyLost(
            f"{sum(real)} of the {len(real)} conversations of this step have no reward, more than algorithm.max_lost="
            f"{share:g} allows; the log of the agent loops says why of each. Run the same command again to go on from "
            "the last checkpoint"
        )


class _Settings:
    """`algorithm` of verl's configuration. ValueError for settings under which turns cannot be told apart."""

    def __init__(self, config: Any) -> None:
        self.config = config
        correction = self.get("rollout_correction", None)
        if correction is not None and correction.get("rollout_rs"):
            raise ValueError(
                f"algorithm.rollout_correction.rollout_rs={correction.get('rollout_rs')} takes tokens out of turns, "
                "whose borders are then lost; leave it null (rollout_is may be used)"
            )

    def normalizes(self, preset: str) -> bool:
        """verl's own setting, on by default, holds for the presets that others made; ours need not be told not to."""
        return preset in ("userrl", "grpo") and bool(self.get("norm_adv_by_std_in_grpo", True))

    def get(self, name: str, default: Any) -> Any:
        found = None if self.config is None else self.config.get(name, None)
        return default if found is None else found


for _name, _preset in ESTIMATORS.items():
    register_adv_est(_name)(turn_estimator(_preset))
register_adv_est(PASSTHROUGH)(token_passthrough)
