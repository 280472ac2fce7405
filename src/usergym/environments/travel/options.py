"""The options of a block, drawn so that they do not tell what is wanted.

Beside the real wishes stand decoys: wishes as likely, which nobody has. The same options are made for each of them
(a best one, dearer correct ones, cheaper ones that break one wish, a cheap one of another place or date), and what
makes them does not know which wishes are the real ones.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from usergym.environments.travel.library import Aspect, Value
from usergym.environments.travel.trips import moved

Wishes = dict[str, tuple[Value, ...]]
"""For each field that matters the values that are liked."""

DECOYS = 7

_TRIES = 8


class Drawn(NamedTuple):
    options: tuple[dict[str, Any], ...]
    correct: tuple[tuple[str, ...], ...]
    """For each of the wishes the ids of the options that satisfy them and fit the trip, the cheapest first."""


class _Draft:
    """What one option must be to serve its purpose, or several."""

    def __init__(self, allowed: dict[str, set[Value]], price: tuple[int, int], fits: bool, correct: int | None) -> None:
        self.allowed = allowed
        self.price = price
        """The cheapest and the dearest that it may be."""
        self.fits = fits
        """Whether it is of this trip's places and dates."""
        self.correct = correct
        """The number of the wishes that it satisfies; an option is correct for one of them at most."""

    def takes(self, other: "_Draft", every: Sequence[Wishes]) -> bool:
        """Serves the other's purpose too, if it can."""
        if self.fits != other.fits or None not in (self.correct, other.correct):
            return False
        low, high = max(self.price[0], other.price[0]), min(self.price[1], other.price[1])
        both = {field: values & self.allowed.get(field, values) for field, values in other.allowed.items()}
        if low > high or not all(both.values()):
            return False
        allowed = {**self.allowed, **both}
        correct = other.correct if self.correct is None else self.correct
        if self.fits and any(must_satisfy(allowed, wishes) for n, wishes in enumerate(every) if n != correct):
            return False
        self.allowed, self.price, self.correct = allowed, (low, high), correct
        return True


def must_satisfy(allowed: Mapping[str, Collection[Value]], wishes: Wishes) -> bool:
    """Whether any option with the values allowed satisfies the wishes."""
    return all(field in allowed and set(allowed[field]) <= set(values) for field, values in wishes.items())


def clash(one: Wishes, other: Wishes, aspect: Aspect) -> bool:
    """Whether to break one wish of the one is to satisfy the other: the best of each would have to be the cheaper."""
    if one.keys() != other.keys():
        return False
    return any(
        must_satisfy({**one, field: [value for value in aspect.subjects[field].values if value not in liked]}, other)
        for field, liked in one.items()
    )


def draw(aspect: Aspect, every: Sequence[Wishes], shown: dict[str, str], random: Random) -> Drawn | None:
    """`every`: the real wishes and the decoys, in an order that does not tell them apart. None if these do not go
    together: every option with the wishes of one would have those of another."""
    for _ in range(_TRIES):
        drafts = _merged(list(_drafts(aspect, every, random)), every, random)
        described = [_described(aspect, draft, every, random) for draft in drafts]
        prices = _prices(drafts, random)
        if prices is not None and None not in described:
            break
    else:
        return None
    numbers = random.sample(range(1, len(drafts) + 9), len(drafts))
    options: list[dict[str, Any]] = []
    correct: list[list[tuple[int, str]]] = [[] for _ in every]
    for draft, fields, price, number in zip(drafts, described, prices, numbers, strict=True):
        key = f"{aspect.letter}{number}"
        place = shown if draft.fits else moved(shown, random)
        options.append(
            {"id": key, aspect.brand: random.choice(aspect.names), **place, **(fields or {}), "price": price}
        )
        if draft.correct is not None:
            correct[draft.correct].append((price, key))
    return Drawn(tuple(options), tuple(tuple(key for _, key in sorted(each)) for each in correct))


def _drafts(aspect: Aspect, every: Sequence[Wishes], random: Random) -> Iterator[_Draft]:
    low, high = aspect.price
    step = (high - low) // 100
    bests = random.sample(range(low + 12 * step, high - 6 * step), len(every))
    for number, (wishes, best) in enumerate(zip(every, bests, strict=True)):
        liked = {field: set(values) for field, values in wishes.items()}
        yield _Draft(dict(liked), (best, best), True, number)
        for _ in range(random.randint(1, 2)):
            yield _Draft(dict(liked), (best + 1, high), True, number)
        for field in wishes:
            others = set(aspect.subjects[field].values) - liked[field]
            yield _Draft({**liked, field: others}, (low, best - 1), True, None)
        yield _Draft(dict(liked), (low, best - 1), False, None)
    for _ in range(random.randint(1, 5)):
        yield _Draft({}, (low, high), random.random() < 0.5, None)


def _merged(drafts: list[_Draft], every: Sequence[Wishes], random: Random) -> list[_Draft]:
    random.shuffle(drafts)
    kept: list[_Draft] = []
    for draft in drafts:
        if not any(other.takes(draft, every) for other in random.sample(kept, len(kept))):
            kept.append(draft)
    random.shuffle(kept)
    return kept


def _described(aspect: Aspect, draft: _Draft, every: Sequence[Wishes], random: Random) -> dict[str, Value] | None:
    """Values for all fields; one that fits the trip satisfies no wishes but those it is for."""
    for _ in range(30):
        fields = {
            field: random.choice([value for value in subject.values if value in draft.allowed.get(field, {value})])
            for field, subject in aspect.subjects.items()
        }
        satisfied = {
            number
            for number, wishes in enumerate(every)
            if all(fields[field] in values for field, values in wishes.items())
        }
        if not draft.fits or satisfied <= {draft.correct}:
            return fields
    return None


def _prices(drafts: Sequence[_Draft], random: Random) -> list[int] | None:
    """All different, or None if the bounds leave no room for that."""
    found: dict[int, int] = {}
    for number, draft in sorted(enumerate(drafts), key=lambda each: each[1].price[1] - each[1].price[0]):
        free = set(range(draft.price[0], draft.price[1] + 1)).difference(found.values())
        if not free:
            return None
        price = random.randint(*draft.price)
        while price not in free:
            price = random.randint(*draft.price)
        found[number] = price
    return [found[number] for number in range(len(drafts))]
