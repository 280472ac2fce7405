"""JSON as servers really send it: typed where it is clean, repaired where it holds lone surrogates."""

import json
from typing import Any, TypeVar

import msgspec

from usergym.types import valid_text

T = TypeVar("T")


def decode(payload: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """The body as the decoder's type. Lone surrogates, which a sampler can produce and strict JSON readers refuse,
    are replaced. msgspec's errors or ValueError for a body that is not of that type."""
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        loose = json.loads(payload.decode(errors="replace"))
        return decoder.decode(msgspec.json.encode(_valid(loose)))


def _valid(value: Any) -> Any:
    if isinstance(value, str):
        return valid_text(value)
    if isinstance(value, list):
        return [_valid(item) for item in value]
    if isinstance(value, dict):
        return {valid_text(name): _valid(item) for name, item in value.items()}
    return value


class Encoded:
    """JSON of values that come again with every call (tool schemas, reply schemas), encoded once each.

    They are recognised by identity and kept alive here, so an identity is never another value's.
    """

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._known: dict[tuple[int, ...], tuple[Any, msgspec.Raw]] = {}

    def get(self, values: tuple[Any, ...]) -> msgspec.Raw | None:
        known = self._known.get(tuple(map(id, values)))
        return known[1] if known else None

    def put(self, values: tuple[Any, ...], form: Any) -> msgspec.Raw:
        raw = msgspec.Raw(msgspec.json.encode(form))
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[tuple(map(id, values))] = (values, raw)
        return raw


def strict_ready(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes a JSON Schema: closed objects, all of whose properties are required."""
    if isinstance(schema, list):
        return all(strict_ready(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        names = set(schema.get("properties", {}))
        if schema.get("additionalProperties") is not False or names != set(schema.get("required", ())):
            return False
    for name, value in schema.items():
        if name in ("properties", "$defs"):
            value = list(value.values())
        if name not in ("enum", "const", "default", "examples") and not strict_ready(value):
            return False
    return True
