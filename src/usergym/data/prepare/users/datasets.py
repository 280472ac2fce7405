"""What is particular to each data set: who is speaking, what its posts are made of, and which rows are none.

The names, fields and numbers are those of the published pipeline.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from usergym.environments.base import RowError
from usergym.environments.people import telling
from usergym.environments.people.raw import GONE, Line, Raw, when
from usergym.types import Record

ASSISTANT = "assistant"
WEEK = 7 * 24 * 3600.0
METRICS = ("score", "likes", "like_count", "claps", "num_comments", "reply_count", "views", "helpful_vote", "rating")
_HEADER = re.compile(r"\A\s*POLITICS\s*(?:\n|\Z)")


class Dataset(Record, frozen=True):
    """The rules of one data set."""

    name: str
    media: str
    """Goes into `media_source`."""
    repo: str = ""
    """Its rows on the hub; "" where there are none."""
    authors: tuple[str, ...] = ()
    """Metadata of a message that names its speaker, the first that is there; else its role does."""
    post_fields: tuple[str, ...] = ()
    """Metadata of the post that are told, in this order."""
    percent: float = 100.0
    """Share of the training rows that the published runs used."""
    min_chars: int = 1
    """Of a target."""
    chat: bool = False
    """Everybody but the assistant is the person."""


_BOOK = ("categories", "title", "subtitle", "price", "author", "description", "features", "details")
_ALL = (
    Dataset("reddit", "reddit", "snap-stanford/humanual-opinion", telling.AUTHORS, percent=50),
    Dataset(
        "youtube",
        "youtube",
        "snap-stanford/humanual-news",
        ("channelTitle", "authorDisplayName"),
        ("title", "description", "transcript"),
        percent=5,
    ),
    Dataset("medium", "medium", "snap-stanford/humanual-politics", percent=25),
    Dataset("amazon", "amazon", "snap-stanford/humanual-book", ("store", "user"), _BOOK),
    Dataset("wildchat_english", "wildchat", "snap-stanford/humanual-chat", chat=True),
    Dataset("enron", "email", "snap-stanford/humanual-email", min_chars=10),
    Dataset("plain", "thread", "", telling.AUTHORS),
)
DATASETS: Mapping[str, Dataset] = {each.name: each for each in _ALL}
ALIASES = {"wildchat": "wildchat_english"}


def dataset(name: str) -> Dataset:
    """LookupError lists what there is."""
    found = DATASETS.get(ALIASES.get(name, name))
    if found is None:
        raise LookupError(f"no data set {name!r}; there are {', '.join((*DATASETS, *ALIASES))}")
    return found


def speaker(line: Line, rules: Dataset) -> str:
    """Who says it, by the name that `user_id` uses."""
    if line.name:
        return line.name
    if rules.chat and ("gpt" in line.role.lower() or line.role == ASSISTANT):
        return ASSISTANT
    return telling.speaker(line, rules.authors)


def words_of(line: Line, place: int, rules: Dataset) -> str:
    """What is told of a message: of a post that is described by fields, the fields."""
    text = _HEADER.sub("", line.content).strip() if rules.name == "medium" else line.content.strip()
    if place > 0 or not rules.post_fields:
        return text
    told = [(field, _flat(line.about.get(field))) for field in rules.post_fields]
    parts = [f"{field}: {words}" for field, words in told if words and words not in text]
    return "\n".join([*parts, *([text] if text else [])])


def _flat(value: Any) -> str:
    """A field of a product or a video in words."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {words}" for name, each in value.items() if (words := _flat(each)))
    if isinstance(value, Sequence):
        return ", ".join(words for each in value if (words := _flat(each)))
    return "" if value is None or isinstance(value, bool) else str(value)


def refused(raw: Raw, lines: Sequence[tuple[str, str]], rules: Dataset) -> str | None:
    """Why the data set's own rules leave a row out."""
    rule = _RULES.get(rules.name)
    return rule(raw, lines) if rule else None


def _reddit(raw: Raw, lines: Sequence[tuple[str, str]]) -> str | None:
    if GONE.fullmatch(raw.completion):
        return "deleted or removed"
    return "under a deleted or removed message" if any(GONE.fullmatch(text) for _, text in lines) else None


def _youtube(raw: Raw, lines: Sequence[tuple[str, str]]) -> str | None:
    return "beginning with @" if raw.completion.startswith("@") else None


def _wildchat(raw: Raw, lines: Sequence[tuple[str, str]]) -> str | None:
    for about in (raw.about, *(line.about for line in raw.lines)):
        language = about.get("language")
        if isinstance(language, str) and language.strip().lower() not in ("", "english", "en"):
            return "in another language than English"
    if not all(text for _, text in lines):
        return "behind an empty message"
    return None if any(name == ASSISTANT for name, _ in lines) else "that open a conversation"


def _enron(raw: Raw, lines: Sequence[tuple[str, str]]) -> str | None:
    return None if lines else f"more than {WEEK / 86400:.0f} days after the mail before"


_RULES: Mapping[str, Callable[[Raw, Sequence[tuple[str, str]]], str | None]] = {
    "reddit": _reddit,
    "youtube": _youtube,
    "wildchat_english": _wildchat,
    "enron": _enron,
}


def connected(raw: Raw, rules: Dataset) -> tuple[Line, ...]:
    """The messages that belong to the thread: of mails, those behind the last gap of more than a week."""
    if rules.name != "enron":
        return raw.lines
    begin = 0
    times = [_time(line, place) for place, line in enumerate(raw.lines)] + [raw.time]
    for place in range(1, len(times)):
        before, after = times[place - 1], times[place]
        if before is not None and after is not None and after - before > WEEK:
            begin = place
    return raw.lines[begin:]


def _time(line: Line, place: int) -> float | None:
    try:
        return when(line.about.get("timestamp", line.about.get("date")))
    except RowError as error:
        raise RowError(f"prompt[{place}].metadata.timestamp", "a number of seconds or a date") from error
