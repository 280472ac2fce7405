"""Blocks made from other blocks: `_inherit_from: path` takes the other one over, `_copy: path` leaves it there, and a
field may be `${inherit_from:path}` or `${copy:path}` as a whole. `_delete_key: true` drops the block it stands in."""

import copy
import re
from collections.abc import Mapping
from typing import Any

from usergym.cli.ng.overrides import BadOverride, did_you_mean, merged, removed

_WHOLE = re.compile(r"\$\{(inherit_from|copy):\s*([\w.]+)\s*\}")
_KEYS = {"_inherit_from": "inherit_from", "_copy": "copy"}


def directed(values: dict[str, Any]) -> dict[str, Any]:
    """The values with all directives followed. BadOverride for a path that leads nowhere."""
    moved: list[str] = []
    out = _followed(values, values, moved, ())
    for path in moved:
        out = removed(out, tuple(path.split(".")))
    assert isinstance(out, dict)
    return out


def _followed(node: Any, whole: Mapping[str, Any], moved: list[str], trail: tuple[str, ...]) -> Any:
    if isinstance(node, str) and (found := _WHOLE.fullmatch(node)):
        return _taken(found[1], found[2], whole, moved, trail)
    if isinstance(node, list):
        return [_followed(inner, whole, moved, trail) for inner in node]
    if not isinstance(node, Mapping):
        return node
    base: dict[str, Any] = {}
    for key, kind in _KEYS.items():
        if key in node:
            base = merged(base, _taken(kind, str(node[key]), whole, moved, trail))
    own = {}
    for key, inner in node.items():
        if isinstance(inner, Mapping) and inner.get("_delete_key"):
            base.pop(key, None)
        elif key not in _KEYS:
            own[key] = _followed(inner, whole, moved, trail)
    return merged(base, own)


def _taken(kind: str, path: str, whole: Mapping[str, Any], moved: list[str], trail: tuple[str, ...]) -> Any:
    if path in trail:
        raise BadOverride(f"{kind}: {' -> '.join((*trail, path))} runs in a circle")
    found: Any = whole
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            there = found if isinstance(found, Mapping) else {}
            raise BadOverride(f"{kind}:{path}: there is no {part}{did_you_mean(part, there)}")
        found = found[part]
    if kind == "inherit_from" and path not in moved:
        moved.append(path)
    return _followed(copy.deepcopy(found), whole, moved, (*trail, path))
