"""Dates and times as people and models write them."""

from datetime import datetime
from functools import lru_cache
from typing import Any

_DAYS = ("%Y/%m/%d", "%m/%d/%Y", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y")
_FORMS = tuple(f"{day}{time}" for day in _DAYS for time in ("", " %H:%M", " %H:%M:%S"))


def timestamp(value: Any) -> datetime:
    """A naive time; midnight for a date alone. ValueError for what is none, TypeError for what is no text."""
    if not isinstance(value, str):
        raise TypeError(f"Cannot convert input [{value!r}] of type {type(value).__name__} to a time")
    return _read(value.strip())


@lru_cache(maxsize=8192)
def _read(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        pass
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    raise ValueError(f"Unknown datetime string format, unable to parse: {text}")
