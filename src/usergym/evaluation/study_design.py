"""Who compares what, and where each candidate stands on the page: drawn from seeds, balanced by squares.

Within one participant the places of the candidates follow a Williams square (Williams 1949,
doi.org/10.1071/CH9490149): in every block of its rows each system stands at each place equally often, and each
directly behind each other one equally often.
"""

import random
from collections.abc import Iterable, Mapping

from usergym.evaluation.study_records import POINTS
from usergym.types import stable_hash


def williams(size: int) -> list[tuple[int, ...]]:
    """The rows of the square of `size` letters: as many as letters where that is even, else twice as many."""
    first, low, high = [0], 1, size - 1
    while len(first) < size:
        first.append(low if len(first) % 2 else high)
        low, high = (low + 1, high) if len(first) % 2 == 0 else (low, high - 1)
    rows = [tuple((letter + shift) % size for letter in first) for shift in range(size)]
    return rows if size % 2 == 0 else [*rows, *(row[::-1] for row in rows)]


def order(seed: int, participant: str, systems: tuple[str, ...], place: int) -> tuple[int, ...]:
    """The candidates of the participant's comparison number `place` (from 0) among these systems, as places in
    `systems`. Which system is which letter of the square, and the order of its rows, are the participant's own."""
    rows = williams(len(systems))
    block, row = divmod(place, len(rows))
    letters = list(range(len(systems)))
    random.Random(stable_hash("letters", seed, participant, *systems)).shuffle(letters)
    random.Random(stable_hash("rows", seed, participant, block, *systems)).shuffle(rows)
    return tuple(letters[each] for each in rows[row])


def check(seed: int, participant: str, place: int, items_each: int, checks: int) -> int:
    """What the attention check of comparison number `place` wants chosen, 1 to 10; 0 where it has none."""
    draw = random.Random(stable_hash("checks", seed, participant))
    places = set(draw.sample(range(items_each), min(checks, items_each)))
    return 1 + stable_hash("check", seed, participant, place) % POINTS if place in places else 0


def next_item(seed: int, participant: str, counts: Mapping[str, int], seen: Iterable[str], raters: int) -> str | None:
    """The item with the fewest answers that this participant has not seen; None where none wants more. `counts`: the
    answers of every item, those under way included."""
    known = set(seen)
    wanting = [item for item, count in counts.items() if count < raters and item not in known]
    return min(wanting, key=lambda item: (counts[item], stable_hash(seed, participant, item)), default=None)
