"""A persona of which parts are withheld: which ones, a hash of the row's id decides."""

import re
from collections.abc import Mapping, Sequence

from usergym.types import stable_hash

Told = Mapping[str, Sequence[str]] | str
_PARTS = re.compile(r"(?<=[.!?;])\s+|\n+")


def dropped(told: Told, fields: float, items: float, key: str) -> dict[str, list[str]] | str:
    """Without the share `fields` of the fields, then without the share `items` of the items of each that is left,
    rounded down; one is always kept. A persona that is a text has sentences for items."""
    if isinstance(told, str):
        parts = [part.strip() for part in _PARTS.split(told) if part.strip()]
        return " ".join(_kept(parts, items, key, "text")) if items else told
    names = _kept(list(told), fields, key, "fields")
    return {name: _kept(told[name], items, key, name) for name in names}


def _kept(parts: Sequence[str], share: float, *key: str) -> list[str]:
    """In their own order."""
    gone = min(int(share * len(parts)), len(parts) - 1)
    order = sorted(range(len(parts)), key=lambda place: stable_hash("dropout", *key, parts[place], place))
    out = set(order[: max(0, gone)])
    return [part for place, part in enumerate(parts) if place not in out]
