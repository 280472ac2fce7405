"""An aspect block: what somebody wants of one aspect of a trip, how it is searched, and the options there are.

The combinations of preferences, and the places to go to, are dealt into pools; a pool belongs to one split, and a task
takes everything from one pool. So no block of a test task occurs in training, whatever tasks are made of it.
"""

from collections.abc import Sequence
from functools import cache
from itertools import combinations, product
from random import Random
from typing import Any

from usergym.environments.travel.library import Aspect, AspectName, Value, Want, library
from usergym.environments.travel.trips import CITIES, moved
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


def block(aspect: AspectName, chosen: Combination, arguments: dict[str, Any], first: int, random: Random) -> Block:
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
    options, best, correct = _options(library()[aspect], wants, arguments, random)
    key = f"{aspect}:{'+'.join(f'{field}={want}' for field, want in sorted(chosen))}"
    return Block(aspect, key, arguments, preferences, options, best, correct)


FAVOURED = 0.6
"""How often an option has the value that is favoured in a field nobody has a preference about: as often as the wanted
values occur, so that what is common among the options does not tell what is wanted."""


class _Draft:
    """An option before it has its id."""

    def __init__(self, breaks: set[str], fits: bool, price: tuple[int, int]) -> None:
        self.breaks = breaks
        self.fits = fits
        """Whether it is of this trip's places and dates."""
        self.price = price
        """The cheapest and the dearest that it may be."""


def _options(
    aspect: Aspect, wants: dict[str, Want], arguments: dict[str, Any], random: Random
) -> tuple[tuple[dict[str, Any], ...], str, tuple[str, ...]]:
    low, high = aspect.price
    best_price = random.randint(low + (high - low) * 35 // 100, low + (high - low) * 60 // 100)
    drafts = _drafts(list(wants), (low, best_price, high), random)
    taken = {best_price}
    favoured = {
        field: random.choice(subject.wants).accepts for field, subject in aspect.subjects.items() if field not in wants
    }
    random.shuffle(drafts)
    numbers = random.sample(range(1, len(drafts) + 6), len(drafts))
    options, correct, best = [], [], ""
    for draft, number in zip(drafts, numbers, strict=True):
        key = f"{aspect.letter}{number}"
        price = best_price if draft.price == (best_price, best_price) else _price(draft.price, taken, random)
        shown = {name: value for name, value in arguments.items() if isinstance(value, str)}
        option: dict[str, Any] = {"id": key, aspect.brand: random.choice(aspect.names)}
        option |= shown if draft.fits else moved(shown, random)
        for field, subject in aspect.subjects.items():
            if field in wants:
                liked, share = wants[field].accepts, float(field not in draft.breaks)
            else:
                liked, share = favoured[field], FAVOURED
            others = [value for value in subject.values if value not in liked]
            option[field] = random.choice(liked if random.random() < share else others)
        options.append({**option, "price": price})
        if draft.fits and not draft.breaks:
            correct.append((price, key))
            best = key if price == best_price else best
    return tuple(options), best, tuple(key for _, key in sorted(correct))


def _drafts(fields: Sequence[str], prices: tuple[int, int, int], random: Random) -> list[_Draft]:
    """The best one, correct but dearer ones, two that break only this or that preference (the first of them cheaper
    than the best), some that break several, and noise of other places and dates, the first of it cheap and perfect."""
    low, best, high = prices
    cheap, any_price = (low, best - 1), (low, high)
    drafts = [_Draft(set(), True, (best, best))]
    drafts += [_Draft(set(), True, (best + 1, high)) for _ in range(random.randint(1, 2))]
    for field in fields:
        drafts += [_Draft({field}, True, cheap), _Draft({field}, True, any_price)]
    for _ in range(4):
        broken = {field for field in fields if random.random() < 0.7} or {random.choice(fields)}
        drafts.append(_Draft(broken, True, any_price))
    drafts.append(_Draft(set(), False, cheap))
    for _ in range(random.randint(2, 3)):
        drafts.append(_Draft({field for field in fields if random.random() < 0.4}, False, any_price))
    return drafts


def _price(bounds: tuple[int, int], taken: set[int], random: Random) -> int:
    price = random.randint(*bounds)
    while price in taken:
        price = random.randint(*bounds)
    taken.add(price)
    return price
