"""What a person thinks of a post: one rule from values, temper, manner and thread, with a little seeded noise."""

from random import Random
from typing import NamedTuple

from usergym.types import stable_hash
from usergym.users.population.people import weights
from usergym.users.population.spec import Attitude, Person, Post, Relation, Side, side_of
from usergym.users.population.tables import Feeling, wording

STRONG = 4
"""From this sum of weight times effect on, agreement is strong."""
NOISE = 0.08
"""Share of comments whose degree is one step off the rule, where a value of the person allows it."""


class Mind(NamedTuple):
    """The latent states, before they are put into words."""

    degree: int
    """Of agreement, -2 to 2."""
    side: Side
    value: str
    """The one that is most concerned."""
    attitude: Attitude
    """Of the person to that value."""
    effect: int
    """Of the plan on that value; 0: it touches nothing the person cares about."""
    feeling: Feeling
    intensity: int
    """0 mild, 1 moderate, 2 strong."""
    relation: Relation


def contributions(person: Person, post: Post) -> dict[str, int]:
    """Weight times effect of the values that both the person and the plan touch, in the order the post tells them."""
    weight = weights(person)
    return {value: weight[value] * effect for value, effect in post.effects if value in weight}


def rule(person: Person, post: Post) -> int:
    """The degree of agreement without noise, -2 to 2."""
    return _degree(sum(contributions(person, post).values()))


def mind(person: Person, post: Post) -> Mind:
    """The states of `person` about `post`. The noise hangs on the two ids only, so somebody with other values draws
    the same."""
    parts = contributions(person, post)
    degree = _noisy(_degree(sum(parts.values())), parts, Random(stable_hash("population noise", person.id, post.id)))
    side = side_of(degree)
    feeling = wording().emotion[person.temper][side]
    value = _concerned(parts, degree) or person.dear[0]
    return Mind(
        degree=degree,
        side=side,
        value=value,
        attitude="dear" if value in person.dear else "dismissed",
        effect=dict(post.effects).get(value, 0),
        feeling=feeling,
        intensity=min(2, max(0, abs(degree) + feeling.step)),
        relation=_relation(side, post.thread[-1].side),
    )


def _degree(total: int) -> int:
    size = 2 if abs(total) >= STRONG else min(1, abs(total))
    return size if total > 0 else -size


def _noisy(degree: int, parts: dict[str, int], random: Random) -> int:
    off, step = random.random() < NOISE, random.choice((-1, 1))
    moved = degree + step
    if not off or abs(moved) > 2 or (moved and _concerned(parts, moved) is None):
        return degree
    return moved


def _concerned(parts: dict[str, int], degree: int) -> str | None:
    """The value that speaks loudest for this side; of the undecided, the loudest of all."""
    speaking = [value for value, part in parts.items() if not degree or part * degree > 0]
    return max(speaking, key=lambda value: abs(parts[value]), default=None)


def _relation(mine: Side, theirs: Side) -> Relation:
    if "open" in (mine, theirs):
        return "open"
    return "with" if mine == theirs else "against"
