"""The word tables, read once, and streams of chance that are the same in every process."""

import random
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from usergym.types import stable_hash

ID_DIGITS = 8


@cache
def table(name: str) -> dict[str, Any]:
    """One file of `words/`."""
    text = (files(__package__) / "words" / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def stream(seed: int, part: str) -> random.Random:
    return random.Random(stable_hash("workplace company", seed, part))


def shuffled_ids(count: int, chance: random.Random) -> list[str]:
    """Every id once; the order says nothing."""
    ids = [f"{number:0{ID_DIGITS}}" for number in range(count)]
    chance.shuffle(ids)
    return ids
