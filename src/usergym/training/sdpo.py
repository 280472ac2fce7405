"""The loss of one SDPO step from the log-probabilities of sampled tokens: of the policy, of the policy that sampled
them, and of the teacher, which has read the user's reaction.

What each choice does, and why `usergym` is the default, is in `docs/sdpo_signal.md`.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch

Preset = Literal["usergym", "legacy-online", "legacy-offline"]


@dataclass(frozen=True, slots=True)
class _Form:
    """How a preset makes a loss of differences."""

    base: Literal["old", "policy"]
    """What the teacher is compared with: the policy that sampled, or the one in training."""
    centred: bool
    """The mean of each row is taken off its advantages."""
    ratio: bool
    """Clipped importance weights. Without them every token counts as if the policy in training had sampled it."""
    mean_of_rows: bool
    """Each row has the same weight however long it is, empty rows too; otherwise each token has."""
    ignored: int
    """The first tokens that teach nothing, unless the caller says."""


PRESETS = MappingProxyType(
    {
        "usergym": _Form("old", centred=False, ratio=True, mean_of_rows=False, ignored=0),
        "legacy-online": _Form("old", centred=True, ratio=True, mean_of_rows=True, ignored=0),
        "legacy-offline": _Form("policy", centred=False, ratio=False, mean_of_rows=True, ignored=2),
    }
)


def sdpo_loss(
    policy_logprobs: torch.Tensor,
    old_logprobs: torch.Tensor,
    teacher_logprobs: torch.Tensor,
    mask: torch.Tensor,
    preset: Preset = "usergym",
    epsilon: float = 0.2,
    ignore_first_k: int | None = None,
) -> torch.Tensor:
    """A scalar whose gradient with respect to `policy_logprobs` is minus each token's advantage, weighted; the
    advantage itself passes on no gradient. All arguments are (B, T), in nats; what `mask` leaves out may be anything.

    `usergym`: A = teacher - old, loss = -sum(min(rho A, clip(rho) A)) / tokens, where rho = exp(policy - old) and clip
    keeps it within 1 - epsilon and 1 + epsilon. Padding does not change it, nor does the cut into rows.
    `legacy-online`: A less its mean over the row, and the mean over rows of each row's mean.
    `legacy-offline`: A = teacher - policy, loss = the mean over rows of each row's mean of -A policy.
    `ignore_first_k`: so many tokens of each row count as masked: under `usergym` of those that the mask keeps, under
    the others columns. None: two under `legacy-offline`, none elsewhere. (The published offline code skips none where
    no row is longer than that; here nothing is left to learn from then.)
    Without any token the loss is zero. ValueError for shapes that differ, an unknown preset, an epsilon or an
    `ignore_first_k` that is out of range.
    """
    form = _form(preset)
    given = {"old_logprobs": old_logprobs, "teacher_logprobs": teacher_logprobs, "mask": mask}
    ignored = form.ignored if ignore_first_k is None else ignore_first_k
    _check(policy_logprobs, given, epsilon, ignored)
    kept = mask != 0
    counts = kept.cumsum(1) if preset == "usergym" else torch.arange(1, kept.size(1) + 1, device=kept.device)
    kept = kept & (counts > ignored)
    # Where nothing is kept there may be no number at all, and zero times that is none either.
    policy = torch.where(kept, policy_logprobs, 0.0)
    old, teacher = (torch.where(kept, each, 0.0).detach() for each in (old_logprobs, teacher_logprobs))
    advantages = teacher - (old if form.base == "old" else policy.detach())
    lengths = kept.sum(1, keepdim=True).clamp(min=1)
    if form.centred:
        advantages = torch.where(kept, advantages - advantages.sum(1, keepdim=True) / lengths, 0.0)
    if form.ratio:
        ratio = torch.exp(policy - old)
        clipped = ratio.clamp(1 - epsilon, 1 + epsilon)
        gains = torch.min(ratio * advantages, clipped * advantages)
    else:
        gains = advantages * policy
    if form.mean_of_rows:
        return -(gains / lengths).sum() / max(len(gains), 1)
    return -gains.sum() / kept.sum().clamp(min=1)


def _form(preset: str) -> _Form:
    if preset not in PRESETS:
        raise ValueError(f"preset is {preset!r}; there are {', '.join(PRESETS)}")
    return PRESETS[preset]


def _check(policy: torch.Tensor, given: dict[str, torch.Tensor], epsilon: float, ignored: int) -> None:
    if policy.dim() != 2:
        raise ValueError(f"policy_logprobs has the shape {tuple(policy.shape)}; give (rows, tokens)")
    for name, each in given.items():
        if each.shape != policy.shape:
            shapes = f"{tuple(each.shape)}, policy_logprobs {tuple(policy.shape)}"
            raise ValueError(f"{name} has the shape {shapes}; give one number for each token")
    if not epsilon > 0:
        raise ValueError(f"epsilon is {epsilon}; give a number above 0, such as 0.2")
    if ignored < 0:
        raise ValueError(f"ignore_first_k is {ignored}; give 0 or more")
