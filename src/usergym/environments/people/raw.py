"""A raw row, checked: a thread of messages, what a person wrote next, and who, where and when that was.

Three shapes are read: the raw one (`prompt` of role, content and metadata; `completion`), and the two that
`usergym prepare users` writes, for reinforcement learning and for fine-tuning, in which the person is called HUMAN
already.
"""

import datetime
import email.utils
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from usergym.environments.base import RowError, listed
from usergym.rows import dropped_nulls
from usergym.types import is_blank, valid_text
from usergym.users.states.speaking import HUMAN

DROPPED = "test_dropout"
"""A split that holds the rows of test once more."""
_PART = re.compile(r"(train|val|test|unseen_test|seen_test)(?:ing|idation)?(?![a-z])")
_BLOCK = re.compile(r"\s*<think>.*?</think>\s*", re.DOTALL)
_TAGS = re.compile(r"<(\w+)>\s*(.*?)\s*</\1>", re.DOTALL)
GONE = re.compile(r"\s*\[\s*(?:deleted|removed)(?: by [a-z]+)?\s*\]\s*", re.IGNORECASE)
"""What is left of a message or an account that is no more."""
_MILLISECONDS = 1e11
"""Numbers above it are no seconds: they would be after the year 5000."""


@dataclass(frozen=True, slots=True)
class Line:
    """A message of the thread, as the row has it."""

    role: str
    content: str
    about: Mapping[str, Any]
    name: str | None = None
    """The speaker, where the row says it without the help of its data set's rules."""


@dataclass(frozen=True, slots=True)
class Raw:
    lines: tuple[Line, ...]
    completion: str
    user: str
    post: str
    time: float | None
    """Seconds since 1970, UTC."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Metadata of what was written."""
    persona: Any = None
    states: Mapping[str, str] = field(default_factory=dict)
    """Latent states by level, where they are known."""
    split: str | None = None
    """As the row has it, a name that `part_of` knows."""


class NoUser(RowError):
    """A row that does not say whose words it holds."""


def read_raw(row: Mapping[str, Any]) -> Raw:
    """The row of any of the three shapes. RowError names the field that is wrong, NoUser a row without a person."""
    row = dropped_nulls(row)
    info = _mapping(row, "extra_info")
    about = _mapping(row, "metadata")
    lines = tuple(
        _line(part, place) for place, part in enumerate(listed(row, "prompt")) if part.get("role") != "system"
    )
    truth = truth_of(row)
    if "completion" not in row:
        truth = untagged(truth)
    return Raw(
        lines=lines,
        completion=valid_text(truth).strip(),
        user=_user(row, info),
        post=_identity(row.get("post_id", info.get("post_id")), "post_id") or "",
        time=when(row.get("timestamp", info.get("timestamp"))),
        about=about,
        persona=info.get("persona") or about.get("persona") or row.get("persona"),
        states=_states(about),
        split=_split(info.get("split", row.get("split"))),
    )


def truth_of(row: Mapping[str, Any]) -> str:
    """The words to be simulated, of a row of any of the three shapes. RowError where there are none."""
    about, generation = row.get("reward_model"), row.get("generation")
    for name, value in (
        ("completion", row.get("completion")),
        ("generation.content", generation.get("content") if isinstance(generation, Mapping) else None),
        ("reward_model.ground_truth", about.get("ground_truth") if isinstance(about, Mapping) else None),
    ):
        if isinstance(value, str):
            return value
        if value is not None:
            raise RowError(name, "a text", value)
    raise RowError("completion", "a text (or generation.content, or reward_model.ground_truth)")


def part_of(name: str | None) -> str | None:
    """train, val or test, by how the name of a split or of a file begins; None for any other name."""
    begins = _PART.match((name or "").lower())
    return begins[1].rpartition("_")[2] if begins else None


def untagged(text: str) -> str:
    """What was written, without thoughts and without the tags of the last block."""
    text = _BLOCK.sub("", text)
    found = _TAGS.findall(text)
    return found[-1][1] if found else text.strip()


def when(value: object) -> float | None:
    """Seconds since 1970 of a number (seconds or milliseconds), an ISO date, a mail's date, or a date of a parquet
    file; None where there is none. A date without a zone is UTC. RowError for what is no time."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime.datetime):
        return _seconds(value)
    if isinstance(value, str):
        try:
            return _number(float(value), value)
        except ValueError:
            return _dated(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RowError("timestamp", "a number of seconds or a date", value)
    return _number(float(value), value)


def _number(seconds: float, value: object) -> float:
    if not math.isfinite(seconds):
        raise RowError("timestamp", "a number of seconds or a date", value)
    return seconds / 1000 if abs(seconds) > _MILLISECONDS else seconds


def _dated(text: str) -> float:
    for read in (datetime.datetime.fromisoformat, email.utils.parsedate_to_datetime):
        try:
            return _seconds(read(text.strip()))
        except (ValueError, OverflowError):
            continue
    raise RowError("timestamp", "a number of seconds or a date", text)


def _seconds(date: datetime.datetime) -> float:
    return (date if date.tzinfo else date.replace(tzinfo=datetime.UTC)).timestamp()


def _line(part: Mapping[str, Any], place: int) -> Line:
    where = f"prompt[{place}]"
    content = part.get("content", "")
    if not isinstance(content, str):
        raise RowError(f"{where}.content", "a text", content)
    about = _mapping(part, "metadata", where)
    name = _text(part.get("name"), f"{where}.name") or None
    return Line(_text(part.get("role"), f"{where}.role"), valid_text(content), about, name)


def _user(row: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    given = row.get("user_id", info.get("target_user_id"))
    user = _identity(given, "user_id")
    if not user or user == HUMAN or GONE.fullmatch(user):
        raise NoUser("user_id", "whose words these are", given if given is not None else ...)
    return user


def _identity(value: object, field: str) -> str:
    """A text; numbers serve as names too."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value, field)


def _text(value: object, field: str) -> str:
    if value is not None and not isinstance(value, str):
        raise RowError(field, "a text", value)
    return valid_text(value or "").strip()


def _mapping(row: Mapping[str, Any], field: str, where: str = "") -> Mapping[str, Any]:
    """An object, or the JSON of one; none is an empty one."""
    value = row.get(field)
    if isinstance(value, str) and value.strip():
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            raise RowError(f"{where}.{field}".lstrip("."), "an object, or the JSON of one", value) from None
    if value is None or value == "":
        return {}
    if not isinstance(value, Mapping):
        raise RowError(f"{where}.{field}".lstrip("."), "an object, or the JSON of one", value)
    return value


def _states(about: Mapping[str, Any]) -> Mapping[str, str]:
    """Without those of which nothing can be seen, which nobody knows."""
    states = _mapping(about, "states", "metadata")
    for level, text in states.items():
        if not isinstance(text, str):
            raise RowError(f"metadata.states.{level}", "a text", text)
    return {level: text.strip() for level, text in states.items() if not is_blank(text)}


def _split(value: object) -> str | None:
    name = _text(value, "split") or None
    if name and part_of(name) is None:
        raise RowError("split", "a name that begins with train, val, test, seen_test or unseen_test", name)
    return name


def numbers(about: Mapping[str, Any], fields: Sequence[str]) -> dict[str, float]:
    """The metrics among the metadata: likes, scores, counts."""
    found = {name: about.get(name) for name in fields}
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    }
