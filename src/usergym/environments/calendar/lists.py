"""The calendar an answer shows: the last complete JSON list of objects in a text, found in linear time.

Every `[{` may begin one. Where a try breaks off, what it read is not tried again, with two exceptions: lists that
were complete inside it, and a `[{` inside what it took for a string, since prose may open a quote that the list
does not close. A quote turns inside into outside for every try alike, so no more than two tries ever differ
about a place, and each character is read a bounded number of times.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_SPACE = r"[ \t\n\r]*+"
_STRING = r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_SCALAR = rf"(?:{_STRING}|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?[0-9]++)?+|true|false|null|NaN|-?Infinity)"
_PAIR = rf"{_STRING}{_SPACE}:{_SPACE}{_SCALAR}{_SPACE}"
_FLAT = rf"\{{{_SPACE}(?:{_PAIR}(?:,{_SPACE}{_PAIR})*+)?+\}}"
_VALUE = rf"(?:{_SCALAR}|{_FLAT}){_SPACE}"

_OPENING = re.compile(r"\[[ \t\n\r]*+\{")
_PLAUSIBLE = re.compile(
    rf"\[{_SPACE}(?=\{{{_SPACE}(?:\}}|{_STRING}{_SPACE}:{_SPACE}(?:[\[{{]|{_SCALAR}{_SPACE}[,}}])))"
    rf"(?!{_FLAT}{_SPACE}[^ \t\n\r,\]])"
)
_OPENER = re.compile(rf"(?:\[|\{{{_SPACE}{_STRING}{_SPACE}:){_SPACE}(?=[\[{{])")
_OPENERS = re.compile(rf"(?:{_OPENER.pattern})*+")
_ITEMS = re.compile(rf"{_SPACE}(?P<some>{_VALUE},{_SPACE})*+(?P<last>{_VALUE})?+")
_PAIRS = re.compile(rf"{_SPACE}(?P<some>{_PAIR},{_SPACE})*+(?:(?P<last>{_PAIR})|(?P<key>{_STRING}{_SPACE}:{_SPACE}))?+")
_AFTER = re.compile(rf"{_SPACE}(?P<more>,)?+")
_BRACKET_QUOTED = re.compile(r'(?:[^"]*+"(?:[^"\\\[]++|\\.)*+")*+[^"]*+(?P<quote>"(?:[^"\\]++|\\.)*+)', re.DOTALL)
_OPENS = ("[", "{")

_decoder = json.JSONDecoder()


def _whole(text: str) -> int | float:
    return int(text) if len(text) < 20 else float(text)


_careful = json.JSONDecoder(parse_int=_whole)
"""For texts with numbers of thousands of digits, which int() refuses."""


def last_list(text: str) -> list[dict[str, Any]] | None:
    """The last complete list of objects in `text`, None where there is none.

    An empty list and a list with something else in it do not count, nor does a list inside another one.
    """
    found = None
    at = 0
    while match := _OPENING.search(text, at):
        try:
            value, at = _decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            return _last_of_broken(text, match.start()) or found
        found = _objects(value) or found
    return found


def _objects(value: Any) -> list[dict[str, Any]] | None:
    return value if value and all(type(item) is dict for item in value) else None


def _last_of_broken(text: str, at: int) -> list[dict[str, Any]] | None:
    """Decodes from behind, so that one list is decoded and not all of them."""
    for start, end in reversed(list(_spans(text, at))):
        try:
            value = _careful.decode(text[start:end])
        except RecursionError:
            continue  # nested hundreds deep: no calendar
        if objects := _objects(value):
            return objects
    return None


class _Try(NamedTuple):
    end: int | None
    """Behind the list, if it is complete."""
    broken: int
    """Where it broke off, if not."""
    inner: dict[int, int]
    """Then: begin and end of the outermost lists that are complete inside it."""


def _spans(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Begin and end of the complete lists from `at` on that begin with `[{`."""
    until = blind = at
    quote, unquote = at, at
    inner: dict[int, int] = {}
    while match := _PLAUSIBLE.search(text, at):
        start = match.start()
        at = start + 1
        if start < until:  # read before, by a try that broke off at `until`
            if end := inner.get(start):
                yield start, end
                at = end
                continue
            while unquote <= start:
                quote, unquote = _next_quote(text, unquote, until)
            if start < blind or start < quote:
                if not inner:
                    at = max(at, blind, quote)
                continue
        trial = _try(text, start)
        if trial.end:
            yield start, trial.end
            at = trial.end
            continue
        inner |= trial.inner
        blind = min(trial.broken, until)
        if trial.broken > until:
            until = trial.broken
            quote, unquote = _next_quote(text, start, until)


def _next_quote(text: str, at: int, until: int) -> tuple[int, int]:
    """Begin and end of the next string in text[at:until] that holds a bracket; (until, end of text) if none does."""
    match = _BRACKET_QUOTED.match(text, at, until)
    return match.span("quote") if match else (until, len(text))


def _try(text: str, start: int) -> _Try:
    """Reads one list from its bracket on."""
    opened = [start]
    inner: list[tuple[int, int]] = []
    at = start + 1
    fresh, between = True, False
    """Whether the container was just opened; whether a value that was opened in it was just closed."""
    while True:
        in_list = text[opened[-1]] == "["
        match = (_AFTER if between else _ITEMS if in_list else _PAIRS).match(text, at)
        assert match
        at, last = match.end(), match.lastgroup
        mark = text[at : at + 1]
        if between and last:
            fresh = between = False
            continue
        if mark in _OPENS and (last == "key" or (in_list and last != "last" and not between)):
            if fresh and last != "some" and (openers := _OPENERS.match(text, at)):  # all at once is cheaper
                opened.extend(opener.start() for opener in _OPENER.finditer(text, at, openers.end() + 1))
                at = openers.end()
            opened.append(at)
            at, fresh, between = at + 1, True, False
            continue
        may_close = between or last == "last" or (fresh and last is None)
        if not may_close or mark != ("]" if in_list else "}"):
            return _Try(None, at, dict(inner))
        at, between = at + 1, True
        begin = opened.pop()
        if not opened:
            return _Try(at, at, {})
        if in_list:
            while inner and inner[-1][0] > begin:
                inner.pop()
            inner.append((begin, at))
