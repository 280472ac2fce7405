"""Our own databases and tasks, from numbers: the same number, the same shop or airline and the same customers."""

import itertools
from collections.abc import Iterator, Sequence
from functools import lru_cache
from random import Random

from usergym.environments.tau.domain import Domain, Name
from usergym.environments.tau.generate import air_wishes, airline, shop, shop_wishes
from usergym.environments.tau.generate.drafts import draw
from usergym.types import Task, split_of, stable_hash

PER_CUSTOMER = 3
"""Tasks at most. Customers of further databases have further ones."""

_TABLES = {"retail": shop.tables, "airline": airline.tables}
_KINDS = {"retail": shop_wishes.KINDS, "airline": air_wishes.KINDS}


@lru_cache(maxsize=256)
def domain(name: str, seed: int, number: int) -> Domain:
    return Domain(name, _TABLES[name](Random(stable_hash("tau", name, seed, number))))


def tasks(domains: Sequence[Name], split: str | None, seed: int) -> Iterator[Task]:
    """Without end, the domains in turn. The customer is what must not straddle splits."""
    streams = [_tasks(name, split, seed) for name in domains]
    return itertools.chain.from_iterable(zip(*streams, strict=True))


def _tasks(name: Name, split: str | None, seed: int) -> Iterator[Task]:
    for number in itertools.count():
        found = domain(name, seed, number)
        for user_id in found.tables["users"]:
            group = f"{name}-{user_id}"
            if split is not None and split_of(group, validation=0.1, test=0.1) != split:
                continue
            told: set[str] = set()
            for place in range(PER_CUSTOMER):
                key = f"tau-{name}-{seed}-{number}-{user_id}-{place}"
                data = draw(Random(stable_hash(key)), found, user_id, _KINDS[name])
                if data["instruction"] in told:
                    continue
                told.add(data["instruction"])
                data |= {"domain": name, "database": {"seed": seed, "number": number}}
                yield Task(key, "tau", group=group, data=data, split=split)
