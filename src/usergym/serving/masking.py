"""Configurations as they may be shown: without what a field's name or the environment says is a secret."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from usergym.models.providers import PROVIDERS

MASK = "****"
_SECRET = re.compile(
    r"(^|[_.-])(api_?key|key|secret|password|passwd|passphrase|credentials?|authorization|token|cookie|bearer)s?$", re.I
)
_COUNTED = re.compile(r"(^|_)(max|min|num|input|output|total|new|prompt|completion|n)_(\w+_)?tokens$", re.I)
_HEADERS = re.compile(r"headers$", re.I)
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
_REFERENCE = re.compile(r"\$\{[\w.]+\}")
_SHORT = 4
"""A shorter secret is not looked for in other texts: it would blot out half of them."""


def is_secret(name: str) -> bool:
    return bool(_SECRET.search(name) or _HEADERS.search(name)) and not _COUNTED.search(name)


def masked(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with every secret masked, also where its text stands in another field, and logins in URLs."""
    found = {secret for secret in (*_secrets(values), *_keys()) if len(secret) >= _SHORT}
    shown = _masked(values, sorted(found, key=len, reverse=True), False)
    assert isinstance(shown, dict)
    return shown


def _keys() -> Iterator[str]:
    """The API keys of this process."""
    for provider in PROVIDERS.values():
        yield from filter(None, (os.environ.get(variable, "").strip() for variable in provider.keys))


def _secrets(value: Any, secret: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _secrets(inner, secret or is_secret(str(name)))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _secrets(inner, secret)
    elif secret and isinstance(value, str) and not _REFERENCE.fullmatch(value):
        yield value


def _masked(value: Any, secrets: Sequence[str], secret: bool) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _masked(inner, secrets, secret or is_secret(str(name))) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_masked(inner, secrets, secret) for inner in value]
    if value is None or isinstance(value, bool) or value in ("", "???"):
        return value
    if not isinstance(value, str):
        return MASK if secret else value
    if secret:
        return value if _REFERENCE.fullmatch(value) else MASK
    for each in secrets:
        value = value.replace(each, MASK)
    return _LOGIN.sub(f"{MASK}@", value)
