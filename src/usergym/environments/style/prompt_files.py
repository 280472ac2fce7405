"""Requests of one's own, from a file: a text, chat messages, or interaction tuples, one in each row."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from usergym.environments.base import RowError
from usergym.models.chat_format import from_chat
from usergym.rows import BadRow, read_rows
from usergym.types import Message, Record, Turn, stable_hash
from usergym.users.unseen import has_words

FIELDS = ("prompt", "messages", "x")
SPLITS = ("train", "validation", "test")
_ROLES = {"human": "user", "gpt": "assistant"}


class Prompt(Record, frozen=True):
    """What a row asks for."""

    number: int
    """Its place in the file, from 1."""
    opening: tuple[Turn, ...]
    """Ends with the user's request."""
    system: str = ""
    group: str = ""
    split: str | None = None


def read_prompts(path: str) -> tuple[Prompt, ...]:
    """All rows of the file. ValueError names the file, the row and the field of one that asks for nothing."""
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"prompts={path}: there is no such file; check the path")
    if file.suffix == ".json" and not file.read_bytes().removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        raise ValueError(f"prompts={path}: expected a JSON list of rows")
    found = []
    try:
        for place, row in read_rows(file):
            try:
                found.append(prompt_of(row, place.number))
            except ValueError as error:
                raise BadRow(place, str(error)) from None
    except BadRow as bad:
        raise ValueError(f"prompts={path}, row {bad.place.number}: {bad.problem}") from None
    if not found:
        raise ValueError(f'prompts={path} is empty; give rows such as {{"prompt": "..."}}')
    return tuple(found)


def prompt_of(row: Any, number: int) -> Prompt:
    """RowError names the field that is wrong."""
    if not isinstance(row, Mapping):
        raise RowError("row", "an object", row)
    field = next((name for name in FIELDS if row.get(name) is not None), None)
    if field is None:
        raise RowError("prompt", "a text, or chat messages here, in `messages` or in `x`")
    messages = _messages(row[field], field)
    ends = max((place for place, each in enumerate(messages) if each.role == "user"), default=None)
    if ends is None:
        raise RowError(field, "a message of the user", row[field])
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    turns = [turn for place, each in enumerate(messages[: ends + 1]) if (turn := _turn(each, f"{field}[{place}]"))]
    split = row.get("split")
    if split is not None and split not in SPLITS:
        raise RowError("split", ", ".join(SPLITS), split)
    return Prompt(number, tuple(turns), system, _group(row, turns), split)


def _messages(value: Any, field: str) -> list[Message]:
    if isinstance(value, str):
        if not has_words(value):
            raise RowError(field, "a text that is not empty", value)
        return [Message("user", value)]
    if not isinstance(value, list):
        raise RowError(field, "a text or a list of chat messages", value)
    try:
        return from_chat([_wire(each, f"{field}[{place}]") for place, each in enumerate(value)])
    except RowError:
        raise
    except ValueError as error:
        raise RowError(field, f"chat messages ({error})", value) from None


def _wire(message: Any, field: str) -> dict[str, Any]:
    """A message in chat form; a parquet file's nulls are left out."""
    if not isinstance(message, Mapping):
        raise RowError(field, "a message with role and content", message)
    given = {key: value for key, value in message.items() if value is not None}
    if "from" not in given:
        return given
    role = str(given["from"])
    return {"role": _ROLES.get(role, role), "content": given.get("value", given.get("content"))}


def _turn(message: Message, field: str) -> Turn | None:
    """None for a message of the system, which is no turn."""
    if message.role == "system":
        return None
    if message.role == "tool" or message.tool_calls:
        raise RowError(field, "words; this environment has no tools", message.role)
    if not has_words(message.content):
        raise RowError(f"{field}.content", "a text that is not empty", message.content)
    if message.role == "user":
        return Turn("user", msgspec.structs.replace(message, role="assistant"))
    return Turn("assistant", message)


def _group(row: Mapping[str, Any], turns: list[Turn]) -> str:
    """Rows of one conversation begin alike, or say which one they are of."""
    meta = row.get("meta")
    known = meta.get("conversation_id") if isinstance(meta, Mapping) else row.get("conversation_id")
    start = known if isinstance(known, str) and known else " ".join(turns[0].said.lower().split())
    return f"prompt-{stable_hash(start):016x}"
