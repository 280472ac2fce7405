"""Rows of others as items and responses of a study, read strictly: what is wrong is told by its field."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from usergym.evaluation.study_records import FEWEST, MOST, Item, Said
from usergym.types import is_blank

LONGEST = 20_000
"""Characters of a text; nobody reads a longer one."""


@dataclass(frozen=True)
class Response:
    """What one system wrote for one task."""

    id: str
    context: tuple[Said, ...]
    text: str
    persona: str = ""
    truth: str = ""


class _Row(msgspec.Struct):
    id: str | int | None = None
    context: Any = None
    candidates: Any = None
    response: str | None = None
    persona: Any = ""
    truth: str | None = None


def item_of(raw: Mapping[str, Any], number: int) -> Item:
    """`number` is the id of a row without one. ValueError where it is no item."""
    row = _row(raw)
    given = row.candidates
    if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
        raise ValueError("candidates: expected an object of texts, {system name: text}")
    if not FEWEST <= len(given) <= MOST:
        raise ValueError(f"candidates: {len(given)} of them; a page shows {FEWEST} to {MOST}")
    if empty := [name for name, text in given.items() if is_blank(text)]:
        raise ValueError(f"candidates: that of {empty[0]!r} is empty; leave the item out, or the candidate")
    item = Item(_id(row, number), context_of(row.context), dict(given), persona_of(row.persona), row.truth or "")
    check_length(item)
    return item


def _row(raw: Mapping[str, Any]) -> _Row:
    try:
        return msgspec.convert(raw, _Row)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def _id(row: _Row, number: int) -> str:
    return str(number if row.id is None else row.id)


def check_length(item: Item) -> None:
    """ValueError for a text that nobody would read to its end."""
    texts = {"persona": item.persona, "truth": item.truth, **{f"candidates.{k}": v for k, v in item.candidates.items()}}
    texts |= {f"context[{place}]": said.text for place, said in enumerate(item.context)}
    for name, text in texts.items():
        if len(text) > LONGEST:
            raise ValueError(f"{name}: {len(text):,} characters; a text may have {LONGEST:,}")


def response_of(raw: Mapping[str, Any], number: int) -> Response:
    """ValueError where it is none."""
    row = _row(raw)
    if row.response is None:
        raise ValueError("expected {id, context, response}, or the trajectories of a run")
    return Response(_id(row, number), context_of(row.context), row.response, persona_of(row.persona), row.truth or "")


def context_of(value: Any) -> tuple[Said, ...]:
    """A text, or a list of messages: {name or role or speaker, text or content}, or [name, text]."""
    if isinstance(value, str):
        return (Said("", value),) if value.strip() else ()
    if not isinstance(value, list | tuple):
        raise ValueError("context: expected a text, or a list of messages {name, text}")
    return tuple(_said(each, place) for place, each in enumerate(value))


def _said(value: Any, place: int) -> Said:
    if isinstance(value, dict):
        name = next((value[key] for key in ("name", "speaker", "role") if value.get(key)), "")
        text = next((value[key] for key in ("text", "content") if key in value), None)
    elif isinstance(value, list | tuple) and len(value) == 2:
        name, text = value
    else:
        name = text = None
    if not isinstance(name, str) or not isinstance(text, str):
        raise ValueError(f"context[{place}]: expected {{name, text}}")
    return Said(name, text)


def persona_of(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {persona_of(each)}" for key, each in value.items() if each)
    if isinstance(value, list):
        return "\n".join(persona_of(each) for each in value)
    return str(value)
