"""The travel gym: its options, and its unlimited tasks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from random import Random
from typing import Any, Literal

import msgspec

from usergym.environments._gym import Actions, Gym, Preset
from usergym.environments.travel import rows, trips
from usergym.environments.travel.blocks import POOLS, Block, block, combinations_of, destinations, least
from usergym.environments.travel.library import AspectName
from usergym.environments.travel.pay import USERRL, Rewards
from usergym.environments.travel.world import TravelWorld
from usergym.types import Message, Task, Turn, split_of

Level = Literal["mixed", "22", "33", "44", "233", "333", "334", "444", "2222"]

LEVELS = ("22", "33", "44", "233", "333", "334", "444", "2222")
"""The preferences of each aspect, as UserRL names its files: 233 is three aspects with 2, 3 and 3."""

MAX_STEPS = 20
"""Enough for perfect play at every level; UserRL trains with 16."""


class Travel(Gym):
    """A trip to plan: wishes that the user only hints at, a search, and one best choice of each kind.

    `level`: how many aspects, and how many preferences each. `rewards`: which of UserRL's three reward tables its
    scale has. `judge`: what the agent says and searches is understood by rules, or by a model. `data`: a folder with
    UserRL's travel files, for its rows."""

    name = "travel"

    def __init__(
        self,
        actions: Actions = "interact",
        preset: Preset = "usergym",
        max_steps: int = MAX_STEPS,
        level: Level = "mixed",
        rewards: Rewards = "training",
        judge: Literal["rules", "model"] = "rules",
        data: str = "",
    ) -> None:
        super().__init__(actions, preset, max_steps)
        self.level = level
        self.rewards: Rewards = rewards
        self.judge = judge
        self.data = data

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """Unlimited. A task's blocks are of one pool of preference combinations, and a pool is in one split."""
        for number in count():
            random = Random(f"travel/{self.level}/{seed}/{number}")
            pool = random.choice(POOLS)
            if split is None or split_of(pool, validation=0.1, test=0.1) == split:
                level = random.choice(LEVELS) if self.level == "mixed" else self.level
                yield self.task(f"{self.name}-{self.level}-{seed}-{number}", level, pool, random, split)

    def task(self, key: str, level: str, pool: str, random: Random, split: str | None = None) -> Task:
        aspects = _aspects(len(level), random)
        sizes = map(int, random.sample(level, len(level)))
        chosen = {
            aspect: random.choice(combinations_of(aspect, size, pool))
            for aspect, size in zip(aspects, sizes, strict=True)
        }
        trip = trips.draw(random, destinations(pool), max(least(aspect, wanted) for aspect, wanted in chosen.items()))
        blocks: list[Block] = []
        for aspect, wanted in chosen.items():
            first = 1 + sum(len(each.preferences) for each in blocks)
            blocks.append(block(aspect, wanted, trips.arguments(aspect, trip), first, trip.party, pool, random))
        said = Message("assistant", trips.opening(trip, aspects, random))
        data = {"level": level, "blocks": msgspec.json.decode(msgspec.json.encode(blocks))}
        return Task(key, self.name, pool, (Turn("user", said),), data, split=split or split_of(pool, 0.1, 0.1))

    def content_keys(self, task: Task) -> Iterable[str]:
        """Its blocks: what must not be in another split."""
        return (block.key for block in rows.blocks_of(task))

    def read(self, row: Mapping[str, Any]) -> Task:
        return rows.read(row, self.name, self.data)

    def start(self, task: Task) -> TravelWorld:
        return TravelWorld(task, self, rows.blocks_of(task), USERRL[self.rewards], self.judge == "model")


def _aspects(number: int, random: Random) -> Sequence[AspectName]:
    """In the order in which they are told; one stays in a hotel or an apartment, not in both."""
    stay: AspectName = random.choice(("hotel", "apartment"))
    every: tuple[AspectName, ...] = ("flight", stay, "rental_car", "restaurant")
    chosen = random.sample(every, number)
    return [aspect for aspect in every if aspect in chosen]
