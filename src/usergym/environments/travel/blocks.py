"""An aspect block: what somebody wants of one aspect of a trip, how it is searched, and the options there are.

The combinations of preferences, and the places to go to, are dealt into pools; a pool belongs to one split, and a task
takes everything from one pool. So no block of a test task occurs in training, whatever tasks are made of it.
"""

from functools import cache
from itertools import combinations, product
from random import Random
from typing import Any

from usergym.environments.travel.library import AspectName, Value, library
from usergym.environments.travel.options import DECOYS, Wishes, clash, draw
from usergym.environments.travel.trips import CITIES
from usergym.types import Record, stable_hash

POOLS = tuple(f"travel-blocks-{number}" for number in range(20))

Combination = tuple[tuple[str, str], ...]
"""A field and the id of what is wanted of it, for each preference."""


class Preference(Record, frozen=True):
    id: str
    aspect: AspectName
    subcategory: str
    preference: str
    hints: tuple[str, ...]
    """What lets it be understood without naming it; one of them is voiced."""
    keywords: tuple[str, ...]
    """A question with one of these asks for it."""
    question: str = ""
    field: str = ""
    accepts: tuple[Value, ...] = ()
    """An option satisfies it if its `field` is one of these."""


class Block(Record, frozen=True):
    aspect: AspectName
    key: str
    """Its aspect and what is wanted: what must not straddle splits."""
    arguments: dict[str, Any]
    """What a search for it must say."""
    preferences: tuple[Preference, ...]
    options: tuple[dict[str, Any], ...]
    best_id: str
    """The cheapest of the correct ones."""
    correct_ids: tuple[str, ...]
    """Options that satisfy every preference and fit the trip."""

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(option["id"] for option in self.options)


@cache
def combinations_of(aspect: AspectName, size: int, pool: str) -> tuple[Combination, ...]:
    """A pool's share of all combinations of `size` preferences, dealt in hash order."""
    subjects = library()[aspect].subjects
    wanted = {field: [(field, want.id) for want in subject.wants] for field, subject in subjects.items()}
    fields = combinations(wanted, size)
    every = [chosen for some in fields for chosen in product(*(wanted[field] for field in some))]
    every.sort(key=lambda chosen: stable_hash("block", aspect, chosen))
    return tuple(every[POOLS.index(pool) :: len(POOLS)])


def destinations(pool: str) -> tuple[str, ...]:
    """A pool's share of the cities."""
    return CITIES[POOLS.index(pool) :: len(POOLS)]


def least(aspect: AspectName, chosen: Combination) -> int:
    """How many must travel for somebody to want this."""
    subjects = library()[aspect].subjects
    return max(next(want.least for want in subjects[field].wants if want.id == key) for field, key in chosen)


def block(
    aspect: AspectName,
    chosen: Combination,
    arguments: dict[str, Any],
    first: int,
    party: int,
    pool: str,
    random: Random,
) -> Block:
    """`first`: the number of its first preference in the task."""
    subjects = library()[aspect].subjects
    wants = {field: next(want for want in subjects[field].wants if want.id == key) for field, key in chosen}
    place = arguments.get("destination") or arguments["city"]
    about = f"{library()[aspect].label} {'to' if aspect == 'flight' else 'in'} {place}"
    preferences = tuple(
        Preference(
            f"P{first + number}",
            aspect,
            subjects[field].subcategory,
            f"{want.preference.removesuffix('.')} ({about}).",
            want.hints,
            subjects[field].keywords,
            subjects[field].question,
            field,
            want.accepts,
        )
        for number, (field, want) in enumerate(wants.items())
    )
    shown = {name: value for name, value in arguments.items() if isinstance(value, str)}
    drawn = None
    while drawn is None:
        every = _with_decoys(aspect, chosen, party, pool, random)
        random.shuffle(every)
        drawn = draw(library()[aspect], [_wishes(aspect, each) for each in every], shown, random)
    correct = drawn.correct[every.index(chosen)]
    key = f"{aspect}:{'+'.join(f'{field}={want}' for field, want in sorted(chosen))}"
    return Block(aspect, key, arguments, preferences, drawn.options, correct[0], correct)


LEFT_OUT = 0.1
"""How often a decoy is passed over, so that a small pool's do not always stand together: some do not go together."""


def _with_decoys(aspect: AspectName, chosen: Combination, party: int, pool: str, random: Random) -> list[Combination]:
    """With others that the same people might want: of the same pool, so that to know its combinations tells little,
    and of other pools where it has too few."""
    found = [chosen]
    for group in (pool, *random.sample(POOLS, len(POOLS))):
        share = combinations_of(aspect, len(chosen), group)
        for other in random.sample(share, len(share)):
            if len(found) > DECOYS:
                return found
            wishes = _wishes(aspect, other)
            if other in found or least(aspect, other) > party or random.random() < LEFT_OUT:
                continue
            if not any(clash(wishes, _wishes(aspect, each), library()[aspect]) for each in found):
                found.append(other)
    return found


def _wishes(aspect: AspectName, chosen: Combination) -> Wishes:
    subjects = library()[aspect].subjects
    return {field: next(want.accepts for want in subjects[field].wants if want.id == key) for field, key in chosen}
