"""The options do not give the wishes away: who asks nothing and reads only them is close to guessing."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations, islice, product
from random import Random
from typing import Any

import pytest

from tests.environments.travel.acts import blocks, metric, played
from usergym.environments.travel import environment as Travel
from usergym.environments.travel.blocks import Block, combinations_of
from usergym.environments.travel.library import library
from usergym.environments.travel.oracle import query

Option = dict[str, Any]
Guess = Callable[[Block, str], str]


def price(option: Option) -> int:
    return int(option["price"])


def of_the_trip(block: Block) -> list[Option]:
    shown = {name: value for name, value in block.arguments.items() if isinstance(value, str)}
    left = [option for option in block.options if all(option[name] == value for name, value in shown.items())]
    return sorted(left, key=price)


def anything(block: Block, _: str) -> str:
    return str(Random(block.best_id + block.key).choice(of_the_trip(block))["id"])


def cheapest(block: Block, _: str) -> str:
    return str(of_the_trip(block)[0]["id"])


def at_the_middle_price(block: Block, _: str) -> str:
    left = of_the_trip(block)
    return str(left[len(left) // 2 - 1]["id"])


def most_like_the_others(block: Block, _: str) -> str:
    left = of_the_trip(block)
    common = {field: Counter(str(option[field]) for option in left) for field in library()[block.aspect].subjects}
    alike = sorted(left, key=lambda option: -sum(count[str(option[field])] for field, count in common.items()))
    return str(min(alike[:3], key=price)["id"])


def consistent(block: Block, sizes: tuple[int, ...]) -> Iterator[tuple[str, frozenset[tuple[str, str]]]]:
    """For all wishes around which the options could have been made the best option, by the rules that make them."""
    fits = of_the_trip(block)
    others = [option for option in block.options if option not in fits]
    subjects = library()[block.aspect].subjects
    met = {
        (field, want.id): {option["id"] for option in block.options if option[field] in want.accepts}
        for field, subject in subjects.items()
        for want in subject.wants
    }
    for size in sizes:
        for fields in combinations(subjects, size):
            for chosen in product(*([(field, want.id) for want in subjects[field].wants] for field in fields)):
                count = {o["id"]: sum(o["id"] in met[each] for each in chosen) for o in block.options}
                correct = [option for option in fits if count[option["id"]] == size]
                if len(correct) not in (2, 3):
                    continue
                cheaper = [option for option in fits if price(option) < price(correct[0])]
                near = [o["id"] for o in cheaper if count[o["id"]] == size - 1]
                if not all(any(key not in met[each] for key in near) for each in chosen):
                    continue
                if any(price(o) < price(correct[0]) and count[o["id"]] == size for o in others):
                    yield correct[0]["id"], frozenset(chosen)


def by_the_structure(block: Block, _: str) -> str:
    """Knows how options are made, and how many wishes there are; takes the best of the most wishes that may be real."""
    found = Counter(best for best, _ in consistent(block, (len(block.preferences),)))
    return found.most_common(1)[0][0]


def by_the_structure_and_the_pool(block: Block, pool: str) -> str:
    """Knows besides which wishes occur together with the place."""
    size = len(block.preferences)
    share = {frozenset(each) for each in combinations_of(block.aspect, size, pool)}
    found = Counter(best for best, chosen in consistent(block, (size,)) if chosen in share)
    return found.most_common(1)[0][0]


@pytest.mark.parametrize(
    ("guess", "most"),
    [
        (anything, 0.12),
        (cheapest, 0.02),
        (at_the_middle_price, 0.18),
        (most_like_the_others, 0.2),
        (by_the_structure, 0.22),
        (by_the_structure_and_the_pool, 0.25),
    ],
)
def test_an_agent_that_never_asks_is_close_to_guessing(guess: Guess, most: float) -> None:
    values = []
    for task in islice(Travel().tasks(seed=11), 45):
        for block in blocks(task):
            key = guess(block, task.group)
            values.append(1.0 if key == block.best_id else 0.8 if key in block.correct_ids else 0.0)
    assert len(values) > 100
    assert sum(values) / len(values) < most


def test_in_whole_conversations_too() -> None:
    gym = Travel(actions="native")
    earned = []
    for task in islice(gym.tasks(seed=12), 20):
        acts = []
        for block in blocks(task):
            acts += [("search", query(block)), ("answer", by_the_structure(block, task.group))]
        earned.append(metric(played(gym, task, acts)))
    assert sum(earned) / len(earned) < 0.25


def test_the_best_is_at_any_place_among_the_prices_and_the_number_of_options_varies() -> None:
    places, counts = [], set()
    for task in islice(Travel().tasks(), 150):
        for block in blocks(task):
            left = [option["id"] for option in of_the_trip(block)]
            places.append(left.index(block.best_id) / len(left))
            counts.add(len(block.options))
    tenths = Counter(int(place * 10) for place in places)
    assert min(places) < 0.1
    assert max(places) > 0.9
    assert max(tenths.values()) < 0.25 * len(places)
    assert len(counts) > 10
