"""Ways to credit turns on small problems in which everything can be enumerated, and how long crediting takes.

    python benchmarks/credit.py            # four tables, in two to three minutes
    python benchmarks/credit.py --json

A problem is a tree of up to three turns with three actions each: to stop, or one of two ways to go on. Every action
earns or loses something, so length and intermediate rewards depend on the policy. All trajectories and all groups of
four are enumerated, in 10 problems with random rewards that include losses, and 10 without; gamma is 1.

`bias`: the distance of the expected gradient from the true one of E[sum of rewards], as a share of the true one's
length, with each scaled to fit best; then as it is. `variance`: of the gradient of one group, scaled likewise, by that
of usergym R2G. `optimum`: in how many problems 300 steps along the expected gradient, all of one length, end at a
policy whose likeliest trajectory is the best there is.

`by std` divides by the standard deviation of the scores of the group; `userrl` does here, and `paper` always. The last
four are no presets of the package.

Of longer conversations groups of eight are drawn, of up to ten turns with two actions each: `gains` pays 1 or 0 every
turn, `penalty` takes 0.1 a turn until 1 is earned, `mixed` does both, and ends by chance. There only variance is told.
"""

import argparse
import itertools
import json
import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from usergym.training.credit import turn_advantages, turn_credits

Floats = np.ndarray
Crediting = Callable[[Sequence[Sequence[float]], Sequence[int]], Sequence[Floats]]
"""Turn rewards of the members, and their groups: the credit of each turn."""
STOP = 0
ACTIONS = 3
LOSSES = (-0.5, 0, 0.25, 1)
GAINS = (0, 0.25, 1)


@dataclass(frozen=True)
class Path:
    """One trajectory: where each action was taken and which, what each earned, and the chance of the user's part."""

    places: tuple[int, ...]
    actions: tuple[int, ...]
    rewards: tuple[float, ...]
    chance: float


class Problem:
    """A tree of turns. `lucky`: after the last way to go on, the user answers in one of two ways by chance."""

    def __init__(self, seed: int, turns: int = 3, lucky: bool = False, earns: Sequence[float] = LOSSES):
        self.paths: list[Path] = []
        self.places = 0
        self.turns = turns
        self.lucky = lucky
        self.earns = earns
        self._grow(random.Random(seed), Path((), (), (), 1.0))
        self.rewards = [path.rewards for path in self.paths]

    def _grow(self, draw: random.Random, path: Path) -> None:
        place = self.places
        self.places += 1
        for action in range(ACTIONS):
            earned = draw.choice(self.earns)
            on = Path((*path.places, place), (*path.actions, action), (*path.rewards, float(earned)), path.chance)
            if action == STOP or len(on.actions) == self.turns:
                self.paths.append(on)
            elif self.lucky and action == ACTIONS - 1:
                for chance in (0.3, 0.7):
                    self._grow(draw, Path(on.places, on.actions, on.rewards, path.chance * chance))
            else:
                self._grow(draw, on)

    def logits(self, seed: int, scale: float = 0.7) -> Floats:
        """A policy, (places, actions)."""
        return np.random.default_rng(seed).normal(size=(self.places, ACTIONS)) * scale

    def chances(self, logits: Floats) -> Floats:
        """Of each path under the policy, (N)."""
        policy = softmax(logits)
        return np.array([path.chance * policy[path.places, path.actions].prod() for path in self.paths])

    def slopes(self, logits: Floats) -> Floats:
        """Gradient of the log-probability of each action of each path, (N, T, parameters)."""
        policy = softmax(logits)
        out = np.zeros((len(self.paths), self.turns, self.places, ACTIONS))
        for n, path in enumerate(self.paths):
            for t, (place, action) in enumerate(zip(path.places, path.actions, strict=True)):
                out[n, t, place] = -policy[place]
                out[n, t, place, action] += 1
        return out.reshape(len(self.paths), self.turns, -1)

    def returns(self, gamma: float = 1.0) -> Floats:
        return np.array([math.fsum(gamma**t * r for t, r in enumerate(each)) for each in self.rewards])

    def value(self, logits: Floats, gamma: float = 1.0) -> float:
        return float(self.chances(logits) @ self.returns(gamma))

    def gradient(self, logits: Floats, gamma: float = 1.0) -> Floats:
        """The true one, of `value`."""
        return np.einsum("n,ntp->p", self.chances(logits) * self.returns(gamma), self.slopes(logits))


class Groups:
    """All groups of `size` paths, without regard to order, with the credit of every turn of every member."""

    def __init__(self, problem: Problem, size: int, credit: Crediting) -> None:
        self.problem = problem
        self.members = np.array(
            list(itertools.combinations_with_replacement(range(len(problem.paths)), size)), dtype=np.int64
        )
        orders = [math.factorial(size) / _repeats(row) for row in self.members]
        self.orders = np.array(orders)
        rewards = [problem.rewards[n] for row in self.members for n in row]
        found = credit(rewards, [group for group in range(len(self.members)) for _ in range(size)])
        self.credits = np.zeros((*self.members.shape, problem.turns))
        for place, each in enumerate(found):
            self.credits[place // size, place % size, : len(each)] = each

    def chances(self, logits: Floats) -> Floats:
        return self.orders * self.problem.chances(logits)[self.members].prod(axis=1)

    def gradients(self, logits: Floats) -> Floats:
        """Of each group: the sum over members and turns of credit x slope, (groups, parameters)."""
        slopes = self.problem.slopes(logits)
        out = np.zeros((len(self.members), slopes.shape[2]))
        for column in range(self.members.shape[1]):
            out += np.einsum("mt,mtp->mp", self.credits[:, column], slopes[self.members[:, column]])
        return out

    def expected(self, logits: Floats) -> Floats:
        """Of the gradient of one group, without going through all of them: first the credit that each turn of each path
        has on average."""
        chances = self.chances(logits)
        mean = np.zeros((len(self.problem.paths), self.problem.turns))
        for column in range(self.members.shape[1]):
            np.add.at(mean, self.members[:, column], chances[:, None] * self.credits[:, column])
        return np.einsum("nt,ntp->p", mean, self.problem.slopes(logits))

    def variance(self, logits: Floats) -> float:
        found = self.gradients(logits)
        chances = self.chances(logits)
        return float(chances @ (found**2).sum(axis=1) - ((chances @ found) ** 2).sum())


def _repeats(row: Floats) -> int:
    return math.prod(math.factorial(count) for count in np.unique(row, return_counts=True)[1])


def softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def ours(preset: str, turn_level: str = "R2G", score: str = "Sum", gamma: float = 1.0, std: bool = False) -> Crediting:
    def credit(rewards: Sequence[Sequence[float]], groups: Sequence[int]) -> Sequence[Floats]:
        found = turn_credits(rewards, groups, turn_level, score, gamma, std, preset)
        return [each for each in found if each is not None]

    return credit


def to_go_alone(rewards: Sequence[Sequence[float]], groups: Sequence[int]) -> Sequence[Floats]:
    """Reward to go less the mean return of the other members, whatever a member earned so far."""
    returns = np.array([sum(each) for each in rewards])
    sums = np.bincount(groups, weights=returns)[groups]
    others = (sums - returns) / (np.bincount(groups)[groups] - 1)
    return [np.cumsum(each[::-1])[::-1] - mean for each, mean in zip(rewards, others, strict=True)]


def by_turn_index(kind: str) -> Crediting:
    """Baselines by the index of the turn, which the package does not offer. `reached`: reward to go less its mean over
    the members that have such a turn, own included. `rewards`: the same reward by reward, then summed to go. `others`:
    reward to go less its mean over the other members, 0 for those that ended before."""

    def credit(rewards: Sequence[Sequence[float]], groups: Sequence[int]) -> Sequence[Floats]:
        together: dict[int, list[int]] = {}
        for member, group in enumerate(groups):
            together.setdefault(group, []).append(member)
        out: list[Floats] = [np.zeros(0)] * len(rewards)
        for members in together.values():
            longest = max(len(rewards[m]) for m in members)
            table = np.zeros((len(members), longest))
            there = np.zeros((len(members), longest))
            for row, m in enumerate(members):
                table[row, : len(rewards[m])] = rewards[m]
                there[row, : len(rewards[m])] = 1
            found = _by_index(kind, table, there)
            for row, m in enumerate(members):
                out[m] = found[row, : len(rewards[m])]
        return out

    return credit


def _by_index(kind: str, table: Floats, there: Floats) -> Floats:
    to_go = table[:, ::-1].cumsum(axis=1)[:, ::-1]
    if kind == "others":
        return to_go - (to_go.sum(axis=0) - to_go) / (len(table) - 1)
    values = to_go if kind == "reached" else table
    centred = (values - (values * there).sum(axis=0) / there.sum(axis=0)) * there
    return centred if kind == "reached" else centred[:, ::-1].cumsum(axis=1)[:, ::-1]


WAYS: dict[str, Crediting] = {
    "usergym R2G": ours("usergym"),
    "usergym Equalized": ours("usergym", "Equalized"),
    "usergym EM": ours("usergym", "EM"),
    "usergym R2G, by std": ours("usergym", std=True),
    "conservative R2G": ours("conservative"),
    "conservative Equalized": ours("conservative", "Equalized"),
    "grpo": ours("grpo"),
    "grpo, by std": ours("grpo", std=True),
    "userrl Equalized/Sum": ours("userrl", "Equalized", std=True),
    "userrl Equalized/R2G": ours("userrl", "Equalized", "R2G", std=True),
    "userrl R2G/Sum": ours("userrl", std=True),
    "userrl R2G/R2G": ours("userrl", "R2G", "R2G", std=True),
    "userrl EM/Sum": ours("userrl", "EM", std=True),
    "userrl EM/R2G": ours("userrl", "EM", "R2G", std=True),
    "paper Equalized/Sum": ours("paper", "Equalized"),
    "paper R2G/Sum": ours("paper"),
    "paper EM/Sum": ours("paper", "EM"),
    "to go less mean return": to_go_alone,
    "turn index, own included": by_turn_index("reached"),
    "turn index, reward by reward": by_turn_index("rewards"),
    "turn index, others only": by_turn_index("others"),
}
PROBLEMS = 10
SIZE = 4
STEPS = 300
STEP = 0.3


def climbs(problem: Problem, groups: Groups) -> bool:
    """Whether ascent along the expected gradient ends at the best trajectory."""
    logits = np.zeros((problem.places, ACTIONS))
    for _ in range(STEPS):
        slope = groups.expected(logits)
        length = float(np.linalg.norm(slope))
        if length < 1e-12:
            break
        logits += STEP * (slope / length).reshape(logits.shape)
    likeliest = int(problem.chances(logits).argmax())
    return bool(problem.returns()[likeliest] > problem.returns().max() - 1e-9)


def measure(ways: dict[str, Crediting], problems: int, earns: Sequence[float]) -> list[dict[str, object]]:
    found: dict[str, list[tuple[float, float, float, bool]]] = {name: [] for name in ways}
    for seed in range(problems):
        problem = Problem(seed, earns=earns)
        logits = problem.logits(seed)
        true = problem.gradient(logits) * SIZE
        norm = float(np.linalg.norm(true))
        reference = Groups(problem, SIZE, WAYS["usergym R2G"]).variance(logits)
        for name, credit in ways.items():
            groups = Groups(problem, SIZE, credit)
            expected = groups.expected(logits)
            fit = float(expected @ true) / max(float(expected @ expected), 1e-30)
            scaled = float(np.linalg.norm(max(fit, 0) * expected - true)) / norm
            plain = float(np.linalg.norm(expected - true)) / norm
            # A way that only scales the gradient, as 1/std does, would else be called noisy or quiet by its scale.
            variance = max(fit, 0) ** 2 * groups.variance(logits) / reference
            found[name].append((scaled, plain, variance, climbs(problem, groups)))
    return [
        {
            "credit": name,
            "bias": statistics.fmean(row[0] for row in rows),
            "bias_unscaled": statistics.fmean(row[1] for row in rows),
            "variance": statistics.fmean(row[2] for row in rows),
            "optimum": sum(row[3] for row in rows),
            "problems": problems,
        }
        for name, rows in found.items()
    ]


LONG = {
    "gains": (lambda draw, action: (float(draw.random() < (0.6 if action else 0.4)), False)),
    "penalty": (lambda draw, action: (0.9, True) if draw.random() < (0.35 if action else 0.1) else (-0.1, False)),
    "mixed": (
        lambda draw, action: (
            0.5 * (draw.random() < (0.4 if action else 0.2)) - 0.25 * (draw.random() < 0.3),
            draw.random() < 0.15,
        )
    ),
}
"""What an action earns, and whether it ends the conversation."""
EXACT = ("usergym R2G", "usergym Equalized", "to go less mean return", "turn index, others only")


def long_variance(kind: str, groups: int = 600, size: int = 8, turns: int = 10) -> dict[str, float]:
    """Variance of the gradient of one group of longer conversations, by that of usergym R2G."""
    draw = random.Random(0)
    likely = np.random.default_rng(0).normal(0.5, 0.1, size=turns).clip(0.1, 0.9)
    rewards: list[list[float]] = []
    slopes: list[list[float]] = []
    for _ in range(groups * size):
        rewards.append([])
        slopes.append([])
        for turn in range(turns):
            action = draw.random() < likely[turn]
            earned, over = LONG[kind](draw, action)
            rewards[-1].append(earned)
            slopes[-1].append(action - likely[turn])
            if over:
                break
    of = [member // size for member in range(len(rewards))]
    out = {}
    for name in EXACT:
        found = np.zeros((groups, turns))
        for member, (slope, credit) in enumerate(zip(slopes, WAYS[name](rewards, of), strict=True)):
            found[of[member], : len(slope)] += credit * slope
        out[name] = float(found.var(axis=0).sum())
    return {name: each / out["usergym R2G"] for name, each in out.items()}


def timed() -> list[dict[str, object]]:
    out: list[dict[str, object]] = []
    for members, turns, length in ((32, 4, 512), (1024, 16, 8192)):
        draw = np.random.default_rng(0)
        rewards = draw.choice([0, 0, 0.5, 1], size=(members, turns)).tolist()
        each = length // turns
        spans = [[(turn * each, turn * each + each // 2) for turn in range(turns)] for _ in range(members)]
        groups = [member // 8 for member in range(members)]
        for preset in ("usergym", "userrl"):
            seconds = []
            for _ in range(11):
                started = time.perf_counter()
                turn_advantages(rewards, spans, groups, length, preset=preset)  # type: ignore[arg-type]
                seconds.append(time.perf_counter() - started)
            took = statistics.median(seconds) * 1000
            out.append({"members": members, "turns": turns, "tokens": length, "preset": preset, "milliseconds": took})
    return out


def bias_table(rows: list[dict[str, object]], title: str) -> Table:
    table = Table(title=title)
    for column in ("credit", "bias", "bias as it is", "variance", "optimum"):
        table.add_column(column, justify="left" if column == "credit" else "right", no_wrap=True)
    for row in rows:
        bias, plain = (f"{row[key]:.3f}" if row[key] > 1e-10 else "0" for key in ("bias", "bias_unscaled"))
        table.add_row(str(row["credit"]), bias, plain, f"{row['variance']:.2f}", f"{row['optimum']}/{row['problems']}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--problems", type=int, default=PROBLEMS)
    options = parser.parse_args()
    found = {name: measure(WAYS, options.problems, earns) for name, earns in (("losses", LOSSES), ("gains", GAINS))}
    long = {kind: long_variance(kind) for kind in LONG}
    times = timed()
    if options.json:
        print(json.dumps({**found, "long": long, "time": times}))
        return
    console = Console(width=100)
    for rows, earns in zip(found.values(), (LOSSES, GAINS), strict=True):
        console.print(bias_table(rows, f"rewards of {', '.join(map(str, earns))}: {options.problems} problems"))
    table = Table("variance over ten turns", *LONG, title="exact ways, by usergym R2G")
    for name in EXACT:
        table.add_row(name, *(f"{each[name]:.2f}" for each in long.values()))
    console.print(table)
    table = Table("conversations", "turns", "tokens", "preset", "milliseconds", title="turn_advantages")
    for row in times:
        shown = (row["members"], row["turns"], row["tokens"], row["preset"])
        table.add_row(
            *(f"{each:,}" if isinstance(each, int) else str(each) for each in shown), f"{row['milliseconds']:.1f}"
        )
    console.print(table)


if __name__ == "__main__":
    main()
