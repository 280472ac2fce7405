"""Turn rewards of groups of conversations become the advantage of every sampled token. Pure functions, NumPy only.

What each preset computes, and why `usergym` is exact, is in `docs/credit.md`; the formulas are in `credit_formulas`.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from usergym.training.credit_formulas import (
    Floats,
    Group,
    Method,
    Preset,
    TrajectoryScoreMethod,
    TurnLevelMethod,
    credited,
)

__all__ = [
    "Filtered",
    "Method",
    "Preset",
    "Standing",
    "TrajectoryScoreMethod",
    "TurnLevelMethod",
    "filtered",
    "standings",
    "turn_advantages",
    "turn_credits",
]

TurnRewards = Sequence[Sequence[float | None] | None]


@dataclass(frozen=True, slots=True)
class Standing:
    """One scored member of a group."""

    turns: Floats
    """The credit of each of its turns."""
    score: float
    """Of the trajectory, by the trajectory score method."""
    baseline: float
    """What its score is compared with."""


@dataclass(frozen=True, slots=True)
class Filtered:
    """What of a batch teaches nothing, for a trainer's log."""

    unscored: tuple[int, ...]
    """Members without a reward: a credit of 0, and in no baseline."""
    alone: tuple[Hashable, ...]
    """Groups with fewer than two scored members: nothing to compare with."""
    flat: tuple[Hashable, ...]
    """Groups of two or more scored members in which every turn has a credit of 0."""


def turn_advantages(
    turn_rewards: TurnRewards,
    turn_spans: Sequence[Sequence[tuple[int, int]]],
    groups: Sequence[Hashable],
    length: int,
    turn_level_method: TurnLevelMethod = "R2G",
    trajectory_score_method: TrajectoryScoreMethod = "Sum",
    gamma: float = 1.0,
    normalize_by_std: bool = False,
    preset: Preset = "usergym",
) -> Floats:
    """The advantage of every token, (B, length): the credit of its turn on the turn's tokens, 0 everywhere else.

    `turn_rewards`: of each of the B members a reward for every turn. None, or a None among them: the member was not
    scored, its row is zero and no baseline knows of it.
    `turn_spans`: of each member the half-open token ranges [start, end) of its turns.
    `groups`: what each member is a sample of; members of one group are compared with each other.
    `normalize_by_std`: divide by the sample standard deviation of the group's scores, 1e-6 added. Biased. `paper`
    divides always.
    ValueError where lengths differ, spans overlap or leave the row, a reward is NaN or infinite, a name is unknown.
    """
    if len(turn_spans) != len(turn_rewards):
        raise ValueError(f"turn_spans has {len(turn_spans)} members, turn_rewards {len(turn_rewards)}; give each")
    if length < 0:
        raise ValueError(f"length is {length}; give the number of tokens of a row")
    rows, spans = _spans(turn_spans, length)
    counts = np.bincount(rows, minlength=len(turn_rewards))
    for member, rewards in enumerate(turn_rewards):
        if rewards is not None and len(rewards) != counts[member]:
            raise ValueError(f"member {member} has {len(rewards)} turn_rewards and {counts[member]} turn_spans")
    tokens = np.split(spans[:, 1] - spans[:, 0], np.cumsum(counts)[:-1]) if len(counts) else []
    credits = turn_credits(
        turn_rewards,
        groups,
        turn_level_method,
        trajectory_score_method,
        gamma,
        normalize_by_std,
        preset,
        tokens,
    )
    flat = [np.zeros(count) if each is None else each for count, each in zip(counts, credits, strict=True)]
    credit = np.concatenate([*flat, np.zeros(0)])
    if not np.isfinite(credit).all():
        largest = max(abs(reward) for each in turn_rewards for reward in each or () if reward is not None)
        raise ValueError(f"rewards as large as {largest:g} give credit that is not finite; scale them")
    return _broadcast(credit, rows, spans, len(turn_rewards), length)


def turn_credits(
    turn_rewards: TurnRewards,
    groups: Sequence[Hashable],
    turn_level_method: TurnLevelMethod = "R2G",
    trajectory_score_method: TrajectoryScoreMethod = "Sum",
    gamma: float = 1.0,
    normalize_by_std: bool = False,
    preset: Preset = "usergym",
    turn_tokens: Sequence[Sequence[int] | NDArray[np.int64]] | None = None,
) -> list[Floats | None]:
    """The credit of every turn of every member, None for a member that was not scored.

    `turn_tokens`: how many tokens each turn has, which only `userrl` depends on; one each unless given.
    """
    method = Method(turn_level_method, trajectory_score_method, gamma, normalize_by_std, preset)
    found = standings(turn_rewards, groups, method, turn_tokens)
    return [None if each is None else each.turns for each in found]


def filtered(
    turn_rewards: TurnRewards,
    groups: Sequence[Hashable],
    turn_level_method: TurnLevelMethod = "R2G",
    trajectory_score_method: TrajectoryScoreMethod = "Sum",
    gamma: float = 1.0,
    normalize_by_std: bool = False,
    preset: Preset = "usergym",
) -> Filtered:
    """Which members and groups have no part in a step, with the same arguments as `turn_advantages`."""
    method = Method(turn_level_method, trajectory_score_method, gamma, normalize_by_std, preset)
    found = standings(turn_rewards, groups, method)
    scored: dict[Hashable, list[Standing]] = {group: [] for group in groups}
    for group, each in zip(groups, found, strict=True):
        if each is not None:
            scored[group].append(each)
    return Filtered(
        tuple(member for member, each in enumerate(found) if each is None),
        tuple(group for group, members in scored.items() if len(members) < 2),
        tuple(
            group
            for group, members in scored.items()
            if len(members) > 1 and not any(each.turns.any() for each in members)
        ),
    )


def standings(
    turn_rewards: TurnRewards,
    groups: Sequence[Hashable],
    method: Method = Method(),
    turn_tokens: Sequence[Sequence[int] | NDArray[np.int64]] | None = None,
) -> list[Standing | None]:
    """Score, baseline and turn credits of every member, None for one that was not scored. What `turn_credits` and
    `turn_advantages` are made of."""
    _check(method)
    if len(groups) != len(turn_rewards):
        raise ValueError(f"groups has {len(groups)} members, turn_rewards {len(turn_rewards)}; give one of each")
    rewards = [_rewards(member, each) for member, each in enumerate(turn_rewards)]
    tokens = _tokens(rewards, turn_tokens)
    members: dict[Hashable, list[int]] = {}
    for member, group in enumerate(groups):
        try:
            members.setdefault(group, [])
        except TypeError:
            raise ValueError(f"the group of member {member} is {group!r:.80}; give a text or a number") from None
        if rewards[member] is not None:
            members[group].append(member)
    out: list[Standing | None] = [None] * len(rewards)
    for places in members.values():
        own = [each for place in places if (each := rewards[place]) is not None]
        if not own:
            continue
        result = credited(Group(own, [tokens[place] for place in places], method))
        for row, place in enumerate(places):
            turns = result.turns_NT[row, : len(own[row])]
            out[place] = Standing(turns, float(result.scores_N[row]), float(result.baselines_N[row]))
    return out


def _check(method: Method) -> None:
    names = (
        ("turn_level_method", method.turn_level, TurnLevelMethod),
        ("trajectory_score_method", method.score, TrajectoryScoreMethod),
        ("preset", method.preset, Preset),
    )
    for name, value, kind in names:
        if value not in get_args(kind):
            raise ValueError(f"{name} is {value!r}; there are {', '.join(get_args(kind))}")
    if not 0 <= method.gamma <= 1:
        raise ValueError(f"gamma is {method.gamma}; give a number from 0 to 1")


def _rewards(member: int, rewards: Sequence[float | None] | None) -> Floats | None:
    if rewards is None:
        return None
    if not len(rewards):
        raise ValueError(f"member {member} has no turns; give None for a member that is not scored")
    for turn, reward in enumerate(rewards):
        try:
            sound = reward is None or math.isfinite(reward)
        except TypeError:
            sound = False
        if not sound:
            raise ValueError(
                f"the reward of turn {turn} of member {member} is {reward!r:.80}; "
                "give a finite number, or None for not scored"
            )
    if any(reward is None for reward in rewards):
        return None
    return np.array(rewards, dtype=np.float64)


def _tokens(
    rewards: Sequence[Floats | None], turn_tokens: Sequence[Sequence[int] | NDArray[np.int64]] | None
) -> Sequence[NDArray[np.int64]]:
    if turn_tokens is None:
        return [np.ones(0 if each is None else len(each), dtype=np.int64) for each in rewards]
    if len(turn_tokens) != len(rewards):
        raise ValueError(f"turn_tokens has {len(turn_tokens)} members, turn_rewards {len(rewards)}; give one of each")
    for member, (each, counts) in enumerate(zip(rewards, turn_tokens, strict=True)):
        if each is not None and len(each) != len(counts):
            raise ValueError(f"member {member} has {len(each)} turn_rewards and {len(counts)} turn_tokens")
    return [np.asarray(each, dtype=np.int64) for each in turn_tokens]


def _spans(turn_spans: Sequence[Sequence[tuple[int, int]]], length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The member of every span, and the spans, (S,) and (S, 2)."""
    rows = np.repeat(np.arange(len(turn_spans)), [len(spans) for spans in turn_spans])
    flat = [span for spans in turn_spans for span in spans]
    try:
        spans = np.array(flat or np.zeros((0, 2), dtype=np.int64))
    except ValueError:
        spans = np.zeros(0)
    if spans.dtype.kind not in "iu" or spans.ndim != 2 or spans.shape[1] != 2:
        raise ValueError("turn_spans holds something that is no pair of whole numbers; give (start, end) for each turn")
    spans = spans.astype(np.int64)
    outside = (spans[:, 0] < 0) | (spans[:, 1] < spans[:, 0]) | (spans[:, 1] > length)
    _refuse_spans(outside, rows, spans, lambda: f"is outside of the row; give 0 <= start <= end <= {length}")
    order = np.lexsort((spans[:, 1], spans[:, 0], rows))
    clash = np.zeros(len(spans), dtype=np.bool_)
    clash[order[1:]] = (np.diff(rows[order]) == 0) & (spans[order[1:], 0] < spans[order[:-1], 1])
    _refuse_spans(clash, rows, spans, lambda: "begins before another one ends; turns share no token")
    return rows, spans


def _refuse_spans(wrong: Any, rows: NDArray[np.int64], spans: NDArray[np.int64], why: Callable[[], str]) -> None:
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        turn = place - int(np.searchsorted(rows, rows[place]))
        raise ValueError(f"span {tuple(spans[place].tolist())} of turn {turn} of member {rows[place]} {why()}")


def _broadcast(credits: Floats, rows: NDArray[np.int64], spans: NDArray[np.int64], members: int, length: int) -> Floats:
    """(members, length): every span filled with its credit. Gaps and spans, in the order of the tokens, are repeated
    as often as they are long."""
    order = np.lexsort((spans[:, 1], spans[:, 0], rows))
    starts = rows[order] * length + spans[order, 0]
    ends = rows[order] * length + spans[order, 1]
    values = np.zeros(2 * len(order) + 1)
    values[1::2] = credits[order]
    borders = np.zeros(2 * len(order) + 2, dtype=np.int64)
    borders[1:-1:2], borders[2:-1:2], borders[-1] = starts, ends, members * length
    return np.repeat(values, np.diff(borders)).reshape(members, length)
