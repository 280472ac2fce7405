"""How many answers a study needs: power by simulation, with the very test that its export makes."""

import math

import numpy as np

from usergym.evaluation.study_records import POINTS
from usergym.evaluation.study_statistics import signed_rank
from usergym.evaluation.wins import Interval, wilson
from usergym.types import Record

MOST_PEOPLE = 2_000
POINTS_APART = 2.5
"""Standard deviation, in points of the scale, of the difference of two ratings on one page."""


class Assumed(Record, frozen=True, omit_defaults=False):
    """What the simulation takes for granted."""

    effect: float
    """Cohen's d: the mean difference of two systems on one page, over the standard deviation of such differences."""
    each: int = 5
    """Items that one participant compares."""
    systems: int = 3
    """All pairs of them are tested: the level is divided by the number of pairs."""
    spread: float = 0.3
    """The share of the variance that lies between participants: some see a difference where others see none."""
    level: float = 0.05

    def __post_init__(self) -> None:
        if not (self.effect > 0 and math.isfinite(self.effect)):
            raise ValueError(f"effect {self.effect}: give Cohen's d, above 0; 0.2 is small, 0.5 middling, 0.8 large")
        if not 0 <= self.spread <= 1:
            raise ValueError(f"spread {self.spread}: give a share of the variance, from 0 to 1")
        if not 0 < self.level < 1:
            raise ValueError(f"level {self.level}: give a number between 0 and 1")
        if self.each < 1 or self.systems < 2:
            raise ValueError(f"{self.each} items each, {self.systems} systems; give at least 1 and 2")

    @property
    def per_pair(self) -> float:
        return self.level / math.comb(self.systems, 2)


class Needed(Record, frozen=True, omit_defaults=False):
    """The fewest participants that reach the wanted power in the simulation."""

    assumed: Assumed
    people: int
    answers: int
    """Comparisons: participants times items each."""
    items: int
    """That so many answers go to, at `raters` answers for each."""
    raters: int
    power: float
    interval: Interval
    """Of the power, as it was simulated."""
    tried: dict[str, float]
    """Power by number of participants, as far as it was looked for."""


def power(assumed: Assumed, people: int, draws: int = 1_000, seed: int = 0) -> float:
    """The share of simulated studies of so many participants whose signed-rank test finds the difference."""
    found = 0
    for draw in range(draws):
        random = np.random.default_rng((seed, draw))
        own = random.standard_normal(people)[:, None] * math.sqrt(assumed.spread)
        noise = random.standard_normal((people, assumed.each)) * math.sqrt(1 - assumed.spread)
        apart = np.rint(POINTS_APART * (assumed.effect + own + noise)).clip(1 - POINTS, POINTS - 1)
        test = signed_rank(apart.mean(axis=1).tolist())
        found += test is not None and test.p < assumed.per_pair and test.mean > 0
    return found / draws


def needed(assumed: Assumed, wanted: float = 0.8, raters: int = 3, draws: int = 1_000, seed: int = 0) -> Needed:
    """By doubling and halving. ValueError where 2,000 participants are not enough, or power is no share."""
    if not 0 < wanted < 1:
        raise ValueError(f"power {wanted}: give a chance between 0 and 1, such as 0.8")
    tried: dict[int, float] = {}

    def reaches(people: int) -> bool:
        tried[people] = power(assumed, people, draws, seed)
        return tried[people] >= wanted

    low, high = 1, 4
    while not reaches(high):
        if high >= MOST_PEOPLE:
            raise ValueError(
                f"{high:,} participants reach a power of {tried[high]:.2f} only: some see the difference and others do "
                "not, or it is too small for a study with people"
            )
        low, high = high, min(2 * high, MOST_PEOPLE)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    reached = tried[high]
    outcomes = np.concatenate([np.ones(round(reached * draws)), np.zeros(draws - round(reached * draws))])
    answers = high * assumed.each
    return Needed(
        assumed,
        high,
        answers,
        max(assumed.each, math.ceil(answers / raters)),
        raters,
        reached,
        wilson(outcomes),
        {str(people): tried[people] for people in sorted(tried)},
    )
