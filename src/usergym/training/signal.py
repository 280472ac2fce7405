"""What a user's reaction says about each token of a reply: differences of log-probabilities become advantages.

Pure functions, NumPy only. The formulas, and what each choice does in a case that can be computed, are in
`docs/sdpo_signal.md`.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Centring = Literal["none", "sequence", "batch", "sibling"]


@dataclass(frozen=True, slots=True)
class Scored:
    """The log-probabilities, in nats, that one reply's tokens have in several contexts; all (T,)."""

    policy: Floats
    """After the request alone: log p(y|x)."""
    teacher: Floats
    """After the request and the reaction: log p(y|x,o)."""
    control: Floats | None = None
    """After the request and something that is no reaction to this reply: log p(y|x,c)."""
    reference: Floats | None = None
    """After the request alone, by the model that the policy is to stay near."""
    gated: bool = False
    """Found before to say nothing, such as a reaction that is the same to every reply."""

    def __post_init__(self) -> None:
        for name in ("teacher", "control", "reference"):
            each = getattr(self, name)
            if each is not None and each.shape != self.policy.shape:
                raise ValueError(f"{name} has the shape {each.shape}, policy {self.policy.shape}; give one reply's")


@dataclass(frozen=True, slots=True)
class Signal:
    """How differences become advantages. The order of operations: difference, gate, ignore_first_k, centring, clip,
    anchor."""

    contrast: bool = True
    """A = log p(y|x,o) - log p(y|x,c) where there is a control; without, and where there is none, minus log p(y|x)."""
    gate: float = 0.0
    """A reaction whose mean |log p(y|x,o) - log p(y|x)| is at most this many times that of its control says nothing:
    its tokens have A = 0 and are part of no mean. 0: off."""
    ignore_first_k: int = 0
    """The first tokens of each reply likewise."""
    centring: Centring = "none"
    """What is taken off: `sequence` the reply's own mean, `batch` the mean over all tokens of all replies, `sibling`
    the mean of the means of the other replies of its group, and nothing where it has no other."""
    clip: float | None = None
    """The bound of |A| of each token."""
    anchor: float = 0.0
    """beta: A -= beta (log p(y|x) - log p_reference(y|x)) on every token, also on those that say nothing. Multiplied
    with the gradient of log p(y|x), this is an unbiased gradient of the KL divergence from the reference, at the
    contexts that were visited; the same difference as a loss (k1) has an expected gradient of zero, and k3 has that of
    the KL divergence the other way round."""

    def __post_init__(self) -> None:
        if self.centring not in get_args(Centring):
            raise ValueError(f"centring is {self.centring!r}; there are {', '.join(get_args(Centring))}")
        for name in ("gate", "ignore_first_k", "anchor"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give 0 or more")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip is {self.clip}; give a number above 0, or None for no bound")

    def advantages(self, rows: Sequence[Scored | None], groups: Sequence[Hashable]) -> list[Floats | None]:
        """The advantage of every token, (T,) for each reply; None for one whose reaction failed, which is part of no
        mean.

        `groups`: what each reply answers; replies of one group are siblings.
        ValueError where the counts differ, or a row lacks what the choices need.
        """
        if len(groups) != len(rows):
            raise ValueError(f"groups has {len(groups)} members, rows {len(rows)}; give one of each")
        kept = [None if row is None else self.kept(row) for row in rows]
        raw = [None if row is None else self.difference(row) for row in rows]
        centres = _centres(self.centring, raw, kept, groups)
        out: list[Floats | None] = []
        for row, difference, counts, centre in zip(rows, raw, kept, centres, strict=True):
            if row is None or difference is None or counts is None:
                out.append(None)
                continue
            advantages = np.where(counts, difference - centre, 0.0)
            if self.clip is not None:
                advantages = advantages.clip(-self.clip, self.clip)
            if self.anchor:
                if row.reference is None:
                    raise ValueError(f"anchor is {self.anchor} and a reply has no reference; score it there too")
                advantages = advantages - self.anchor * (row.policy - row.reference)
            out.append(advantages)
        return out

    def difference(self, row: Scored) -> Floats:
        """The signal before anything is left out or taken off."""
        other = row.control if self.contrast and row.control is not None else row.policy
        return row.teacher - other

    def is_gated(self, row: Scored) -> bool:
        """Whether its reaction says nothing. ValueError where the gate is on and there is no control."""
        if row.gated or not self.gate:
            return row.gated
        if row.control is None:
            raise ValueError(f"gate is {self.gate} and a reply has no control; score it under an unrelated reaction")
        return _effect(row.teacher - row.policy) <= self.gate * _effect(row.control - row.policy)

    def kept(self, row: Scored) -> NDArray[np.bool_]:
        """Which tokens the reaction speaks about, (T,)."""
        return (np.arange(len(row.policy)) >= self.ignore_first_k) & (not self.is_gated(row))


@dataclass(frozen=True, slots=True)
class Summary:
    """The signals of a step, for a log. None: nothing to take it from."""

    replies: int
    failed: int
    """Without a reaction."""
    gated: float | None
    """The share of reactions that say nothing."""
    mean: float | None
    """Of the differences before centring, over tokens: long replies weigh more."""
    mean_reply: float | None
    """The mean of each reply's mean: all replies weigh the same."""
    std: float | None
    """Of the differences, over tokens."""
    effect: float | None
    """The mean |log p(y|x,o) - log p(y|x)| over tokens."""
    control_effect: float | None
    """The same of the controls."""
    clipped: float | None
    """The share of tokens at the bound."""


def summary(signal: Signal, rows: Sequence[Scored | None], groups: Sequence[Hashable]) -> Summary:
    """What the reactions of a step said."""
    there = [row for row in rows if row is not None]
    kept = [signal.kept(row) for row in there]
    said = [signal.difference(row)[counts] for row, counts in zip(there, kept, strict=True)]
    tokens = np.concatenate([np.zeros(0), *said])
    unbound = Signal(signal.contrast, signal.gate, signal.ignore_first_k, signal.centring)
    over = [
        np.abs(each[counts]) >= (np.inf if signal.clip is None else signal.clip)
        for each, counts in zip((a for a in unbound.advantages(rows, groups) if a is not None), kept, strict=True)
    ]
    return Summary(
        replies=len(rows),
        failed=len(rows) - len(there),
        gated=_mean([float(signal.is_gated(row)) for row in there]),
        mean=_mean(tokens),
        mean_reply=_mean([float(each.mean()) for each in said if each.size]),
        std=float(tokens.std()) if tokens.size else None,
        effect=_mean(np.concatenate([np.zeros(0), *(np.abs(row.teacher - row.policy) for row in there)])),
        control_effect=_mean(
            np.concatenate([np.zeros(0), *(np.abs(r.control - r.policy) for r in there if r.control is not None)])
        ),
        clipped=_mean(np.concatenate([np.zeros(0), *over])),
    )


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _effect(difference: Floats) -> float:
    return float(np.abs(difference).mean()) if difference.size else 0.0


def _centres(
    centring: Centring,
    raw: Sequence[Floats | None],
    kept: Sequence[NDArray[np.bool_] | None],
    groups: Sequence[Hashable],
) -> list[float]:
    """What is taken off every token of each reply."""
    said = [
        each[counts] if each is not None and counts is not None else np.zeros(0)
        for each, counts in zip(raw, kept, strict=True)
    ]
    if centring == "none":
        return [0.0] * len(said)
    if centring == "batch":
        return [_mean(np.concatenate([np.zeros(0), *said])) or 0.0] * len(said)
    means = {place: float(each.mean()) for place, each in enumerate(said) if each.size}
    if centring == "sequence":
        return [means.get(place, 0.0) for place in range(len(said))]
    return _of_siblings(means, groups)


def _of_siblings(means: Mapping[int, float], groups: Sequence[Hashable]) -> list[float]:
    members: dict[Hashable, list[int]] = {}
    for place in means:
        members.setdefault(groups[place], []).append(place)
    out = [0.0] * len(groups)
    for places in members.values():
        for place in places:
            others = [means[other] for other in places if other != place]
            out[place] = sum(others) / len(others) if others else 0.0
    return out
