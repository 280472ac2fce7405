"""What is earned: our scale, on which perfect play is exactly 1, and UserRL's numbers."""

from typing import Literal, NamedTuple

PREFERENCES, SEARCHES = 0.3, 0.1
"""Their parts of a perfect conversation; the rest, 0.6, is for the choices."""

CORRECT = 0.8
"""What a correct choice that is not the best is worth, of what the best is."""

UNIT = 1 << 20
"""Shares are whole numbers of 1/UNIT, so that they add up to exactly 1 in whatever order they are earned."""

Rewards = Literal["training", "evaluation", "paper"]


class Table(NamedTuple):
    search: float
    preference: float
    best: float = 1.0
    correct: float = CORRECT


USERRL: dict[Rewards, Table] = {
    "training": Table(0.0, 0.8),
    "evaluation": Table(0.2, 0.6),
    "paper": Table(0.2, 0.2),
}
"""As its training, its evaluation script, and its defaults have them."""


class Shares(NamedTuple):
    """What each aspect's best choice and search, and each preference, adds on our scale."""

    choices: tuple[float, ...]
    searches: tuple[float, ...]
    preferences: tuple[float, ...]


def shares(aspects: int, preferences: int) -> Shares:
    """Without preferences their part goes to the choices."""
    asked = round(PREFERENCES * UNIT) if preferences else 0
    searched = round(SEARCHES * UNIT)
    return Shares(_dealt(UNIT - asked - searched, aspects), _dealt(searched, aspects), _dealt(asked, preferences))


def _dealt(units: int, parts: int) -> tuple[float, ...]:
    """Equal parts, to one unit."""
    return tuple(((units * (n + 1)) // parts - (units * n) // parts) / UNIT for n in range(parts))
