"""Who and what is held out: by person, by post in time, by turn, or as the source already is.

Nothing depends on the order of rows: shares are the first of an order of hashes, or the last in time.
"""

import math
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from typing import Literal

from usergym.data.prepare.users.targets import Entry, by_user
from usergym.environments.people.raw import part_of
from usergym.types import Record, stable_hash

By = Literal["user", "post", "turn", "source"]
PARTS = ("train", "val", "test")
HELD_OUT = ("val", "test")


class SplitPlan(Record, frozen=True):
    by: By
    unseen: float = 0.08
    """Share of the people of whom nothing is trained; only where split by user."""
    seen: float = 0.08
    """Share of the rest that is tested."""
    val: float = 0.02
    seed: int = 42
    texts: int = 20
    """Of a person at most, from which a persona is drawn."""


def assign(entries: Sequence[Entry], plan: SplitPlan, given: Container[str], left_out: Counter[str]) -> None:
    """Sets every entry's part. `given`: people whose persona is known; of the others who are not trained on, the
    first half (`texts` at most) is history, from which their persona is drawn, and no target."""
    match plan.by:
        case "user":
            _by_user(entries, plan)
        case "post":
            _by_post(entries, plan)
        case "turn":
            _by_turn(entries, plan)
        case "source":
            for entry in entries:
                entry.part = part_of(entry.own) or "train"
    trained = {entry.user for entry in entries if entry.part == "train"}
    for entry in entries:
        if entry.part in HELD_OUT and entry.user not in trained:
            if plan.by in ("user", "source") and (entry.unseen or plan.by == "source"):
                entry.unseen = True
            else:
                entry.part = ""
                left_out["held out, of a person who is not in train"] += 1
    for user, theirs in by_user([entry for entry in entries if entry.unseen]).items():
        if user not in given:
            for entry in theirs[: min(plan.texts, len(theirs) // 2)]:
                entry.part = "history"
                left_out["history of a person who is not in train"] += 1


def _by_user(entries: Sequence[Entry], plan: SplitPlan) -> None:
    users = _drawn({entry.user for entry in entries}, plan.seed, "user")
    unseen = set(users[: _share(len(users), plan.unseen, len(users))])
    parts = _parts(_drawn({entry.post for entry in entries if entry.user not in unseen}, plan.seed, "post"), plan)
    for entry in entries:
        entry.unseen = entry.user in unseen
        entry.part = "test" if entry.unseen else parts[entry.post]


def _by_post(entries: Sequence[Entry], plan: SplitPlan) -> None:
    first: dict[str, float] = {}
    for entry in entries:
        if entry.time is not None:
            first[entry.post] = min(entry.time, first.get(entry.post, math.inf))
    parts = _parts(sorted(first, key=lambda post: (-first[post], post)), plan)
    for entry in entries:
        entry.part = parts[entry.post]


def _by_turn(entries: Sequence[Entry], plan: SplitPlan) -> None:
    for user, theirs in by_user(entries).items():
        n = len(theirs)
        test = min(_rounded(n * plan.seen, plan.seed, "seen", user), n - 1)
        val = min(_rounded(n * plan.val, plan.seed, "val", user), n - 1 - test)
        for place, entry in enumerate(theirs):
            entry.part = "test" if place >= n - test else "val" if place >= n - test - val else "train"


def _parts(groups: Sequence[str], plan: SplitPlan) -> Mapping[str, str]:
    """Test first, then validation, the rest for training."""
    test = _share(len(groups), plan.seen, len(groups))
    val = _share(len(groups), plan.val, len(groups) - test)
    return {
        group: "test" if place < test else "val" if place < test + val else "train"
        for place, group in enumerate(groups)
    }


def _share(count: int, share: float, free: int) -> int:
    """At least one where any is asked for; one of the `free` remains."""
    return min(max(1, round(count * share)), max(0, free - 1)) if share else 0


def _rounded(value: float, *parts: object) -> int:
    """Up or down by a hash, so that small shares of many people come out right together."""
    return math.floor(value + stable_hash(*parts) / (1 << 63))


def _drawn(names: set[str], *salt: object) -> list[str]:
    return sorted(names, key=lambda name: (stable_hash(*salt, name), name))


def head(entries: Sequence[Entry], percent: float, seed: int) -> list[Entry]:
    """So many percent in a random order that is fixed by the seed; one at least, where there is one."""
    order = sorted(entries, key=lambda entry: (stable_hash(seed, "row", entry.id), entry.order))
    return order[: math.ceil(len(order) * percent / 100)]
