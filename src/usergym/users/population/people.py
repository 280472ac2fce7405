"""People of a seed, and the persona that tells of each: all that decides what they think, none of their words."""

from itertools import product
from random import Random
from typing import get_args

from msgspec.structs import replace

from usergym.types import stable_hash
from usergym.users.population.spec import Frankness, Habit, Length, Manner, Person, Register, Temper
from usergym.users.population.tables import people_tables, values

DEAR = (3, 2, 1)
"""The weight of a value that is held dear, by rank."""
DISMISSED = (-2, -1)

_MANNERS = tuple(
    Manner(*axes)
    for axes in product(get_args(Frankness), get_args(Length), get_args(Habit), get_args(Register), (True, False))
)


def people(count: int, seed: int) -> tuple[Person, ...]:
    """`count` people, the first ones of any larger count with this seed. ValueError for a count below 1."""
    if count < 1:
        raise ValueError(f"people={count}: give 1 or more")
    return tuple(_person(Random(stable_hash("population person", seed, n)), f"{seed}-{n}") for n in range(count))


def bystander(name: str, *parts: object) -> Person:
    """Somebody who speaks in a thread and has no rows of their own, drawn by `parts`."""
    random = Random(stable_hash("population bystander", *parts))
    return _person(random, "-".join(map(str, parts)), name)


def _person(random: Random, place: str, name: str | None = None) -> Person:
    tables = people_tables()
    name = name or random.choice(tables.names)
    ranked = random.sample(list(values()), len(DEAR) + len(DISMISSED))
    return Person(
        id=f"{name.lower()}-{place}",
        name=name,
        age=random.choice(tables.ages),
        place=random.choice(tables.places),
        occupation=random.choice(tables.occupations),
        interests=tuple(random.sample(tables.interests, 3)),
        dear=tuple(ranked[: len(DEAR)]),
        dismissed=tuple(ranked[len(DEAR) :]),
        temper=random.choice(get_args(Temper)),
        manner=random.choice(_MANNERS),
    )


def weights(person: Person) -> dict[str, int]:
    """What each value counts for this person; those that are not in it count nothing."""
    return dict(zip((*person.dear, *person.dismissed), (*DEAR, *DISMISSED), strict=True))


def persona(person: Person) -> dict[str, list[str]]:
    """The persona that is true of a person: five lists of short phrases, 19 in all."""
    tables = people_tables()
    manner = person.manner
    ranked = zip((*tables.dear, *tables.dismissed), (*person.dear, *person.dismissed), strict=True)
    axes = {
        "temper": person.temper,
        "frankness": manner.frankness,
        "length": manner.length,
        "habit": manner.habit,
        "register": manner.register,
        "emoji": "yes" if manner.emoji else "no",
    }
    return {
        "demographics": [person.age, person.occupation, person.place],
        "interests": list(person.interests),
        "values": [told.format(value) for told, value in ranked],
        "communication": [tables.told[axis][place] for axis, place in axes.items()],
        "statistics": [tables.statistics["length"][manner.length], tables.statistics["habit"][manner.habit]],
    }


def putting_first(person: Person, value: str) -> Person:
    """The same person with `value` before all others: what was first takes its place, or goes where it was among
    those of no weight. LookupError for what is no value."""
    if value not in values():
        raise LookupError(f"no value {value!r}; there are {', '.join(values())}")
    ranked = [*person.dear, *person.dismissed]
    if value in ranked:
        ranked[ranked.index(value)] = ranked[0]
    ranked[0] = value
    return replace(person, dear=tuple(ranked[: len(DEAR)]), dismissed=tuple(ranked[len(DEAR) :]))
