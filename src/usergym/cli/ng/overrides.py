"""`+key=value` as it is written on a command line, and nested values put together from it.

Values follow Hydra's grammar: true, false, null, numbers, 'quoted' or "quoted" text, [lists], {key: value}, and
everything else is text. Outside of quotes, brackets and braces a value is taken to the end of the argument, so that
an address or a path needs no quoting.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from usergym.serving.masking import is_secret, without_secrets

_ARGUMENT = re.compile(r"(\+\+|\+|~)?([^=\s]+?)(?:\s*=(.*))?", re.DOTALL)
_KEY = re.compile(r"[\w$-]+(\.[\w$-]+)*")
_INT = re.compile(r"[+-]?(0|[1-9](_?\d)*)")
_FLOAT = re.compile(
    r"[+-]?((\d(_?\d)*\.(\d(_?\d)*)?|\.\d(_?\d)*)(e[+-]?\d+)?|\d(_?\d)*e[+-]?\d+|inf|nan)", re.IGNORECASE
)
_ESCAPED = re.compile(r"\\([\\()\[\]{}:=, \t])")
_NAME = re.compile(r"[A-Za-z][\w-]*")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}


DEEPEST = 32
"""Levels that a value, a key or a configuration may have."""


class BadOverride(ValueError):
    """An argument that cannot be read: names it, and shows the right form."""


@dataclass(frozen=True, slots=True)
class Override:
    """One argument."""

    path: tuple[str, ...]
    value: Any
    text: str
    """The value as it was written."""
    delete: bool = False
    again: bool = False
    """Written with `++`: it may replace an earlier one."""

    @property
    def key(self) -> str:
        return ".".join(self.path)


def parse(argument: str) -> Override:
    """BadOverride for what is no override."""
    found = _ARGUMENT.fullmatch(argument.strip())
    if found is None or not _KEY.fullmatch(found[2]):
        raise BadOverride(f"argument {_short(argument)} is no override; write +key=value, such as +limit=5")
    sign, key, text = found[1] or "", found[2], found[3]
    path = tuple(key.split("."))
    if len(path) > DEEPEST:
        raise BadOverride(f"argument {_short(argument)} has {len(path)} levels; write at most {DEEPEST}")
    if sign == "~":
        return Override(path, None, text or "", delete=True)
    if text is None:
        raise BadOverride(f"argument {_short(argument)} has no value; write {sign or '+'}{key}=VALUE")
    try:
        value = read_value(text)
    except _Behind as error:
        rest = "" if may_be_secret(argument) else f"{error.rest!r:.40} "
        raise BadOverride(f"argument {_short(argument)}: {rest}{error}") from None
    except ValueError as error:
        raise BadOverride(f"argument {_short(argument)}: {error}") from None
    return Override(path, value, text, again=sign == "++")


def read_value(text: str) -> Any:
    """The value that `text` writes. ValueError says what is wrong and how it is written."""
    text = text.strip()
    if text[:1] not in ("[", "{", "'", '"'):
        return _plain(text)
    reader = _Reader(text)
    value = reader.value()
    reader.space()
    if reader.place < len(text):
        raise _Behind(text[reader.place :])
    return value


class _Behind(ValueError):
    """Text stands behind the end of a value."""

    def __init__(self, rest: str) -> None:
        super().__init__("stands behind the end of the value; quote the whole of it")
        self.rest = rest


def _plain(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


class _Reader:
    """Reads lists, objects and quoted text from the left."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.depth = 0

    def space(self) -> None:
        while self.text[self.place : self.place + 1].isspace():
            self.place += 1

    def peek(self) -> str:
        self.space()
        return self.text[self.place : self.place + 1]

    def value(self) -> Any:
        match self.peek():
            case "[":
                return self.items()
            case "{":
                return self.fields()
            case "'" | '"':
                return self.quoted()
        return _plain(self.bare(",]}"))

    def deeper(self) -> None:
        self.place += 1
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError(f"lists and objects stand in each other more than {DEEPEST} deep")

    def items(self) -> list[Any]:
        self.deeper()
        out: list[Any] = []
        while self.peek() != "]":
            out.append(self.value())
            self.separated("]", "a list is written [a,b]")
        self.place += 1
        self.depth -= 1
        return out

    def fields(self) -> dict[str, Any]:
        self.deeper()
        out: dict[str, Any] = {}
        while self.peek() != "}":
            key = self.quoted() if self.peek() in ("'", '"') else self.bare(":,]}")
            if self.peek() != ":" or not key:
                raise ValueError("an object is written {key: value, key: value}")
            self.place += 1
            out[key] = self.value()
            self.separated("}", "an object is written {key: value, key: value}")
        self.place += 1
        self.depth -= 1
        return out

    def separated(self, end: str, form: str) -> None:
        if self.peek() == ",":
            self.place += 1
        elif self.peek() != end:
            raise ValueError(f"expected , or {end} at character {self.place + 1}; {form}, in quotes for the shell")

    def quoted(self) -> str:
        quote = self.text[self.place]
        start = self.place + 1
        end = start
        while end < len(self.text) and self.text[end] != quote:
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise ValueError(f"the quote {quote} is not closed")
        self.place = end + 1
        return self.text[start:end].replace("\\" + quote, quote).replace("\\\\", "\\")

    def bare(self, ends: str) -> str:
        """Text up to one of `ends`; `${...}` is taken whole."""
        start, depth = self.place, 0
        while self.place < len(self.text):
            char = self.text[self.place]
            if char == "\\":
                self.place += 2
                continue
            if self.text.startswith("${", self.place):
                depth += 1
            elif depth and char == "}":
                depth -= 1
            elif not depth and char in ends:
                break
            self.place += 1
        return self.text[start : self.place].strip()


def put_together(overrides: Iterable[Override]) -> dict[str, Any]:
    """Nested values of the overrides that set something. BadOverride for a key that is given twice without `++`, or
    that is both a value and an object."""
    out: dict[str, Any] = {}
    given: set[tuple[str, ...]] = set()
    for override in overrides:
        if override.delete:
            continue
        if override.path in given and not override.again:
            raise BadOverride(f"{override.key} is given twice; give it once, or ++{override.key}=VALUE to replace it")
        given.add(override.path)
        place = out
        for part in override.path[:-1]:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                what = "a value" if may_be_secret(override.key) else f"{inner!r:.40}"
                raise BadOverride(f"{override.key}: {part} is already {what}, which has no fields")
            place = inner
        name = override.path[-1]
        both = isinstance(place.get(name), dict) and isinstance(override.value, dict)
        place[name] = merged(place[name], override.value) if both else override.value
    return out


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """`second` over `first`: objects are merged field by field, everything else is replaced."""
    out = dict(first)
    for key, value in second.items():
        mine = out.get(key)
        both = isinstance(mine, Mapping) and isinstance(value, Mapping)
        out[key] = merged(mine, value) if both else value  # type: ignore[arg-type]
    return out


def removed(values: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """`values` without what stands at `path`. BadOverride where nothing does."""
    out = dict(values)
    if path[0] not in out or (len(path) > 1 and not isinstance(out[path[0]], Mapping)):
        raise BadOverride(f"~{'.'.join(path)}: there is no {path[0]}{did_you_mean(path[0], out)}")
    if len(path) == 1:
        del out[path[0]]
    else:
        out[path[0]] = removed(out[path[0]], path[1:])
    return out


def did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _short(argument: str) -> str:
    """An argument as it may be shown: without the value where that may be a key."""
    name, given, _ = argument.partition("=")
    return repr(f"{name}=..." if given and may_be_secret(argument) else without_secrets(argument))[:120]


def may_be_secret(text: str) -> bool:
    """Whether a name in an argument is that of a secret."""
    return any(is_secret(word) for word in _NAME.findall(text))
