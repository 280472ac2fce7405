"""Configurations as they may be shown: without what a field's name or the environment says is a secret."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from usergym.models.providers import PROVIDERS

MASK = "****"
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SECRET = {"key", "keys", "auth", "token", "cookie", "cookies", "bearer", "pat", "pwd"}
"""Words that make a name that of a secret, wherever they stand in it."""
_INSIDE = re.compile(
    r"(api|access|secret|private|signing|auth|client)_?(keys?|tokens?)|secret|passw|passphrase|credential|authoriz",
    re.I,
)
"""What does so within a word."""
_COUNTED = re.compile(
    r"token_?(ids?|count|limit|budget|usage|type)(_|$)|(^|_)(max|min|num|eos|bos|pad|stop)_token", re.I
)
_HEADERS = re.compile(r"headers$", re.I)
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY = re.compile(r"([?&;#])([\w.%+~-]+)=([^&;#\s'\"]+)")
_REFERENCE = re.compile(r"\$\{[\w.]+\}")
_SHORT = 4
"""A shorter secret is not looked for in other texts: it would blot out half of them."""


def is_secret(name: str) -> bool:
    words = {word.lower() for word in _WORDS.findall(name)}
    found = not _SECRET.isdisjoint(words) or _INSIDE.search(name) or _HEADERS.search(name)
    return bool(found) and not _COUNTED.search(name)


def without_secrets(text: str) -> str:
    """`text` without logins and keys in the URLs that it holds."""
    return _LOGIN.sub(f"{MASK}@", _QUERY.sub(_without_value, text))


def _without_value(found: re.Match[str]) -> str:
    mark, name, value = found.groups()
    return f"{mark}{name}={MASK}" if is_secret(unquote(name)) and value != MASK else found[0]


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
    elif isinstance(value, str):
        if secret and not _REFERENCE.fullmatch(value):
            yield value
        for _, name, text in _QUERY.findall(value):
            if is_secret(unquote(name)) and not _REFERENCE.fullmatch(text):
                yield text


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
    return without_secrets(value)
