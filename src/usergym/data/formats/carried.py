"""The field `usergym` of a foreign row: what it was written from, without the texts that the row says itself."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from usergym.environments.base import RowError
from usergym.types import Trajectory

FIELD = "usergym"
_LONG = 12
"""Shorter texts are repeated rather than referred to."""


def carry(row: dict[str, Any], trajectories: Sequence[Trajectory]) -> dict[str, Any]:
    """The row with the field that makes it whole. A text, because columns of one type survive every tool."""
    places: dict[str, int] = {}
    for place, text in enumerate(_texts(row)):
        places.setdefault(text, place)
    whole = [_referring(msgspec.to_builtins(trajectory), places) for trajectory in trajectories]
    kept = {"columns": sorted(row), "print": _fingerprint(row, row), "trajectories": whole}
    return {**row, FIELD: msgspec.json.encode(kept).decode()}


def carried(row: Mapping[str, Any]) -> list[Trajectory] | None:
    """The trajectories of a row that `carry` made; None for a plain row. RowError when the row was edited since:
    the field would then contradict it."""
    text = row.get(FIELD)
    if text is None:
        return None
    try:
        kept = msgspec.json.decode(text, type=_Kept)
    except (TypeError, msgspec.MsgspecError) as error:
        raise RowError(
            FIELD, f"what usergym wrote ({error}); remove the field to read the row as it stands", text
        ) from None
    if _fingerprint(row, kept.columns) != kept.print:
        raise RowError(
            FIELD, "the unedited row this was written with; remove the field to read the row as it stands", text
        )
    texts = list(_texts({column: row[column] for column in kept.columns if column in row}))
    try:
        return [msgspec.convert(_referred(one, texts), Trajectory) for one in kept.trajectories]
    except (msgspec.ValidationError, IndexError) as error:
        raise RowError(FIELD, f"trajectories ({error})", text) from error


class _Kept(msgspec.Struct):
    columns: list[str]
    print: str
    trajectories: list[Any]


def _texts(value: Any) -> Iterator[str]:
    """Long texts of a row, in an order that does not depend on that of its columns."""
    if isinstance(value, str):
        if len(value) >= _LONG:
            yield value
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield from _texts(value[key])
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)


def _referring(value: Any, places: Mapping[str, int]) -> Any:
    if isinstance(value, str):
        return {"$": places[value]} if value in places else value
    if isinstance(value, (list, tuple)):
        return [_referring(item, places) for item in value]
    if isinstance(value, dict):
        inner = {key: _referring(item, places) for key, item in value.items()}
        return {"$": inner} if "$" in inner else inner
    return value


def _referred(value: Any, texts: Sequence[str]) -> Any:
    if isinstance(value, list):
        return [_referred(item, texts) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$"}:
        inner = value["$"]
        return texts[inner] if isinstance(inner, int) else {key: _referred(inner[key], texts) for key in inner}
    return {key: _referred(item, texts) for key, item in value.items()}


def _fingerprint(row: Mapping[str, Any], columns: Any) -> str:
    """Of what the columns say: not of nulls, nor of 1 against 1.0, which a parquet file adds and mixes."""
    normal = _normal({column: row.get(column) for column in columns})
    return hashlib.blake2b(msgspec.json.encode(normal, order="sorted"), digest_size=8).hexdigest()


def _normal(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _normal(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_normal(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
