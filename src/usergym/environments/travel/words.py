"""What the rule-based traveller says, and the words it listens for."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Literal


def lines(of: Literal["opening", "user"]) -> dict[str, list[str]]:
    """By occasion, the lines to choose from."""
    found: dict[str, list[str]] = _table()[of]
    return found


@cache
def listed(name: Literal["general", "wishing", "dull"]) -> frozenset[str]:
    return frozenset(_table()["listening"][name].split())


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((files("usergym.environments.travel") / "words.toml").read_text(encoding="utf-8"))
