"""How the members of one group, that is samples of one task, are credited: one function for each preset.

Arrays carry their shape in the name: N scored members, T turns of the longest of them. What a member did not reach is
zero there and is cut off by the caller.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Preset = Literal["usergym", "conservative", "turnwise", "userrl", "paper", "grpo"]
TurnLevelMethod = Literal["Equalized", "R2G", "EM"]
TrajectoryScoreMethod = Literal["Sum", "Mean", "R2G"]

ETA = 1e-6
"""Added to a standard deviation before it divides."""
STEP = 1e-3
"""A hair: by this share of the largest reward in sight more is expected of a member with every turn, so that a turn
gets less than the one before it also where that one gained nothing."""


@dataclass(frozen=True, slots=True)
class Method:
    turn_level: TurnLevelMethod = "R2G"
    score: TrajectoryScoreMethod = "Sum"
    gamma: float = 1.0
    by_std: bool = False
    preset: Preset = "usergym"


@dataclass(frozen=True, slots=True)
class Credited:
    """Of one group: credit of every turn (N, T), trajectory scores (N), what each score is compared with (N)."""

    turns_NT: Floats
    scores_N: Floats
    baselines_N: Floats


class Group:
    """The rewards of the scored members of one group. Sums over members do not depend on their order, nor those over
    turns on how far a row is padded."""

    def __init__(self, rewards: Sequence[Floats], tokens: Sequence[NDArray[np.int64]], method: Method) -> None:
        self.members = rewards
        self.method = method
        self.lengths_N = np.array([len(each) for each in rewards])
        self.rewards_NT = _padded(rewards)
        self.tokens_NT = _padded(tokens)

    @property
    def size(self) -> int:
        return len(self.members)

    @cached_property
    def discounted_NT(self) -> Floats:
        return self.rewards_NT * self.method.gamma ** np.arange(self.rewards_NT.shape[1])

    @cached_property
    def returns_N(self) -> Floats:
        return np.cumsum(self.discounted_NT, axis=1)[:, -1]

    @cached_property
    def scores_N(self) -> Floats:
        """Sum: of the rewards. Mean: of the rewards. R2G: sum of the discounted rewards."""
        if self.method.score == "R2G":
            return self.returns_N
        sums_N: Floats = np.cumsum(self.rewards_NT, axis=1)[:, -1]
        return sums_N / self.lengths_N if self.method.score == "Mean" else sums_N

    @cached_property
    def to_go_NT(self) -> Floats:
        """What each turn and those after it earned, discounted from that turn on."""
        out_NT = self.rewards_NT.copy()
        for turn in range(out_NT.shape[1] - 2, -1, -1):
            out_NT[:, turn] += self.method.gamma * out_NT[:, turn + 1]
        return out_NT

    @cached_property
    def twin(self) -> dict[int, int]:
        """Of each member whose others all have one and the same sequence of rewards: one of these others."""
        keys = [(each + 0.0).tobytes() for each in self.members]
        counts = Counter(keys)
        if self.size < 2 or len(counts) > 2:
            return {}
        if len(counts) == 1:
            return {i: i - 1 for i in range(self.size)}
        return {
            i: next(j for j, other in enumerate(keys) if other != key) for i, key in enumerate(keys) if counts[key] == 1
        }


def credited(group: Group) -> Credited:
    return PRESETS[group.method.preset](group)


def usergym(group: Group) -> Credited:
    """Exact for R2G and Equalized: what a turn is compared with depends on the other members and on what its own
    member had earned before it, never on the turn itself. The score of R2G is always the discounted return, the only
    one that a reward to go can be compared with."""
    if group.size < 2:
        return _nothing(group)
    to_go = group.method.turn_level == "R2G"
    scores_N = group.returns_N if to_go else group.scores_N
    ahead_N = _ahead_of_mean(scores_N) * (group.size / (group.size - 1))
    if to_go:
        turns_NT = ahead_N[:, None] - _gained(group) + _leads_of_others(group)[:, None]
    elif group.method.turn_level == "EM":
        share_NT = bounded_map(group.rewards_NT)
        turns_NT = np.where(ahead_N[:, None] >= 0, share_NT, 1.5 - share_NT) * ahead_N[:, None]
    else:
        turns_NT = np.repeat(ahead_N[:, None], group.rewards_NT.shape[1], axis=1)
    if group.method.by_std:
        spread = spread_of(scores_N)
        turns_NT = turns_NT / (spread + ETA) if spread else np.zeros_like(turns_NT)
    return Credited(turns_NT, scores_N, scores_N - ahead_N)


def _gained(group: Group) -> Floats:
    """By how much more is expected of a member at each turn than at its first: the largest lead it has had over the
    others, turn by turn, and a hair for every turn once a reward has told it from them. It never falls, so that no turn
    has more credit than the one before it."""
    d_NT = group.discounted_NT
    above_NT = d_NT - d_NT.min(axis=0)
    # Sorted, so that the order of the members does not matter; less the smallest, so that equal ones cancel exactly.
    sums_T = np.cumsum(np.sort(above_NT, axis=0), axis=0)[-1]
    ahead_NT = (group.size * above_NT - sums_T) / (group.size - 1)
    lead_NT = _before(np.maximum.accumulate(np.cumsum(ahead_NT, axis=1), axis=1))
    in_sight_NT = _before(np.maximum.accumulate(np.abs(d_NT), axis=1))
    in_sight_NT = np.maximum(in_sight_NT, _largest_of_others(group)[:, None])
    hair_NT = STEP * np.arange(d_NT.shape[1]) * in_sight_NT
    for i, j in group.twin.items():
        own, other = group.members[i], group.members[j]
        shared = min(len(own), len(other))
        apart = np.flatnonzero(own[:shared] != other[:shared])
        hair_NT[i, : apart[0] + 1 if len(apart) else shared] = 0
    return np.maximum(lead_NT, 0) + hair_NT


def _leads_of_others(group: Group) -> Floats:
    """The mean lead of the others over each other, own turns and rewards apart, (N). It puts back what leads take off,
    so that credit is near 0 on average: without it more is made less likely than likelier, and a policy loses its
    bearings for nothing. At most nine tenths of the others' mean return, so that who earned nothing stays below 0."""
    if group.size < 3:
        return np.zeros(group.size)
    d_NT = group.discounted_NT
    above_NT = d_NT - d_NT.min(axis=0)
    sums_T = np.cumsum(np.sort(above_NT, axis=0), axis=0)[-1]
    # Of each member j (second axis) without the member i (first), who must not have a say in its own baseline.
    rest_NNT = (sums_T - above_NT[:, None, :] - above_NT[None, :, :]) / (group.size - 2)
    lead_NNT = np.maximum.accumulate(np.cumsum(above_NT[None, :, :] - rest_NNT, axis=2), axis=2)
    before_NNT = np.maximum(np.concatenate((np.zeros_like(lead_NNT[:, :, :1]), lead_NNT[:, :, :-1]), axis=2), 0)
    mean_NN = np.sum(before_NNT * _reached(group)[None, :, :], axis=2) / group.lengths_N[None, :]
    np.fill_diagonal(mean_NN, 0)
    leads_N: Floats = np.cumsum(np.sort(mean_NN, axis=1), axis=1)[:, -1] / (group.size - 1)
    others_N = (math.fsum(group.returns_N) - group.returns_N) / (group.size - 1)
    return np.minimum(leads_N, 0.9 * np.maximum(others_N, 0))


def _largest_of_others(group: Group) -> Floats:
    """The largest absolute reward of the other members; 0 where these all have the same return."""
    largest_N = np.abs(group.discounted_NT).max(axis=1)
    first, second = np.argsort(largest_N)[::-1][:2]
    out_N = np.full(group.size, largest_N[first])
    out_N[first] = largest_N[second]
    values, where_N, counts = np.unique(group.returns_N, return_inverse=True, return_counts=True)
    if len(values) == 1:
        out_N[:] = 0
    elif len(values) == 2:
        out_N[counts[where_N] == 1] = 0
    return out_N


def conservative(group: Group) -> Credited:
    """As `usergym`, but a turn that lost reward is never reinforced. Biased."""
    exact = usergym(group)
    turns_NT = np.where(group.rewards_NT < 0, np.minimum(exact.turns_NT, 0), exact.turns_NT)
    return Credited(turns_NT, exact.scores_N, exact.baselines_N)


def turnwise(group: Group) -> Credited:
    """What each turn and those after it earned, discounted from that turn on, less the mean of the same of the others
    at the same turn, 0 where they had ended. Exact at a gamma of 1 and the quietest there; below 1 it is biased towards
    what is earned soon, for far less noise. EM takes the turn's own reward alone."""
    if group.size < 2 or group.method.turn_level == "Equalized":
        return usergym(group)
    own_NT = group.to_go_NT if group.method.turn_level == "R2G" else bounded_map(group.rewards_NT) - 0.5
    own_NT = own_NT * _reached(group)
    above_NT = own_NT - own_NT.min(axis=0)
    sums_T = np.cumsum(np.sort(above_NT, axis=0), axis=0)[-1]
    turns_NT = (group.size * above_NT - sums_T) / (group.size - 1)
    if group.method.by_std:
        spread = spread_of(group.scores_N)
        turns_NT = turns_NT / (spread + ETA) if spread else np.zeros_like(turns_NT)
    others_N = (math.fsum(group.scores_N) - group.scores_N) / (group.size - 1)
    return Credited(turns_NT, group.scores_N, others_N)


def userrl(group: Group) -> Credited:
    """The numbers of UserRL's code: the normalised score, handed out to tokens in proportion to their turn's credit,
    so that tokens with a credit have it on average. Its `Sum` is a mean rounded to four digits; so is `Mean` here."""
    method = group.method
    scores_N = group.scores_N
    if method.score != "R2G":
        sums_N = np.cumsum(group.rewards_NT, axis=1)[:, -1]
        scores_N = np.array([round(float(each), 4) for each in sums_N / group.lengths_N])
    alone = group.size == 1
    ahead_N = scores_N if alone else _ahead_of_mean(scores_N)
    baselines_N = scores_N - ahead_N
    if method.by_std:
        ahead_N = ahead_N / ((1.0 if alone else _sample_std(scores_N)) + ETA)
    raw_NT = _raw_credit(group)
    if method.turn_level == "EM":
        raw_NT = np.array([[round(float(each), 4) for each in row] for row in raw_NT])
    weights_NT = np.where(_reached(group), raw_NT, 0.0) * group.tokens_NT
    sums_N = np.cumsum(weights_NT, axis=1)[:, -1]
    counts_N = np.sum(group.tokens_NT * (weights_NT != 0), axis=1)
    scale_N = np.divide(ahead_N * counts_N, sums_N, out=np.zeros_like(sums_N), where=sums_N != 0)
    return Credited(raw_NT * scale_N[:, None], scores_N, baselines_N)


def paper(group: Group) -> Credited:
    """UserRL's published formula: (credit of the turn - mean score) / (standard deviation of the scores + eta), with
    the scores and credits as published, not rounded. A group without spread is left out."""
    scores_N = group.scores_N
    spread = spread_of(scores_N)
    if not spread:
        return _nothing(group)
    mean = math.fsum(scores_N) / group.size
    turns_NT = (_raw_credit(group) - mean) / (spread + ETA)
    return Credited(turns_NT, scores_N, np.full(group.size, mean))


def grpo(group: Group) -> Credited:
    """Score minus the mean score of the group, own included, on every token."""
    scores_N = group.scores_N
    if group.size < 2:
        return _nothing(group)
    ahead_N = _ahead_of_mean(scores_N)
    baselines_N = scores_N - ahead_N
    if group.method.by_std:
        spread = spread_of(scores_N)
        ahead_N = ahead_N / (spread + ETA) if spread else np.zeros_like(ahead_N)
    return Credited(np.repeat(ahead_N[:, None], group.rewards_NT.shape[1], axis=1), scores_N, baselines_N)


PRESETS: dict[Preset, Callable[[Group], Credited]] = {
    "usergym": usergym,
    "conservative": conservative,
    "turnwise": turnwise,
    "userrl": userrl,
    "paper": paper,
    "grpo": grpo,
}


def exponential_map(rewards: Floats) -> Floats:
    """0 to 0.5, 1 to 1, concave; unbounded below for losses."""
    mapped: Floats = 0.5 + 0.5 * np.expm1(-2 * rewards) / math.expm1(-2)
    return mapped


def bounded_map(rewards: Floats) -> Floats:
    """As `exponential_map` for gains; losses mirrored about 0.5, so that all lies between -0.08 and 1.08."""
    mapped: Floats = 0.5 + 0.5 * np.sign(rewards) * np.expm1(-2 * np.abs(rewards)) / math.expm1(-2)
    return mapped


def _ahead_of_mean(scores_N: Floats) -> Floats:
    """Each score less the mean of all; exactly 0 where they are equal, as a rounded mean would not give."""
    ahead_N: Floats = (len(scores_N) * scores_N - math.fsum(scores_N)) / len(scores_N)
    return ahead_N


def spread_of(scores_N: Floats) -> float:
    """Sample standard deviation; 0 where the scores differ by rounding only, or there are fewer than two."""
    spread = _sample_std(scores_N) if len(scores_N) > 1 else 0.0
    return spread if spread > 1e-9 * float(np.abs(scores_N).max()) else 0.0


def _sample_std(scores_N: Floats) -> float:
    mean = math.fsum(scores_N) / len(scores_N)
    return math.sqrt(math.fsum((scores_N - mean) ** 2) / (len(scores_N) - 1))


def _raw_credit(group: Group) -> Floats:
    """What UserRL calls the turn-level reward."""
    if group.method.turn_level == "R2G":
        return group.to_go_NT
    if group.method.turn_level == "EM":
        return exponential_map(group.rewards_NT)
    return np.ones_like(group.rewards_NT)


def _nothing(group: Group) -> Credited:
    return Credited(np.zeros_like(group.rewards_NT), group.scores_N, group.scores_N)


def _reached(group: Group) -> NDArray[np.bool_]:
    reached: NDArray[np.bool_] = np.arange(group.rewards_NT.shape[1]) < group.lengths_N[:, None]
    return reached


def _before(running_NT: Floats) -> Floats:
    """A running value as it stood before each turn."""
    out_NT = np.zeros_like(running_NT)
    out_NT[:, 1:] = running_NT[:, :-1]
    return out_NT


def _padded(rows: Sequence[NDArray[np.float64]] | Sequence[NDArray[np.int64]]) -> Floats:
    out_NT = np.zeros((len(rows), max(map(len, rows))))
    for place, row in enumerate(rows):
        out_NT[place, : len(row)] = row
    return out_NT
