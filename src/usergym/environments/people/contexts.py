"""Where a person spoke: who they are, what was said before, and what they thought and wrote. Read from rows of
three shapes, or drawn from the population of known states."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from usergym.environments.base import RowError
from usergym.rows import BadRow, read_rows
from usergym.types import Record, split_of, stable_hash
from usergym.users.population import population

HUMAN = "HUMAN"
RESPONSE = "response"
SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test", "test_dropout": "test"}
HELD_OUT = 0.15
"""The share of people each of validation and test has, where rows do not say."""


class Context(Record, frozen=True):
    """One thing that a person wrote, and where."""

    id: str
    user: str
    post: str
    persona: str
    thread: tuple[tuple[str, str], ...]
    """Names and words before it; the person is HUMAN."""
    truth: dict[str, str]
    """`response`, and the states where they are known."""
    split: str
    group: str
    """What is on one side of a split: the person, or, where the data says the split, this alone."""


def generated(people: int, posts: int, seed: int) -> tuple[Context, ...]:
    """Of the population."""
    return tuple(context_of(row, f"population[{number}]") for number, row in enumerate(population(people, posts, seed)))


def read_contexts(path: str) -> tuple[Context, ...]:
    """All rows of a file, or of the files of a folder, whose names then say the split. ValueError names the file, the
    row and the field of one that cannot be used."""
    found: dict[object, Context] = {}
    for file in _files(Path(path)):
        split = SPLITS.get(file.name.split(".")[0])
        try:
            for place, row in read_rows(file):
                try:
                    context = context_of(row, f"{file.stem}-{place.number}", split)
                except RowError as error:
                    raise BadRow(place, str(error)) from None
                # Prepared rows may say the same once for each level.
                found.setdefault((context.user, context.post, context.thread, context.truth[RESPONSE]), context)
        except BadRow as bad:
            raise ValueError(f"data={path}: {bad}") from None
    if not found:
        raise ValueError(f"data={path} has no rows; `usergym prepare users` writes them")
    return tuple(found.values())


def _files(path: Path) -> Sequence[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ValueError(f"data={path}: there is no such file or folder; check the path")
    named = (path / f"{name}{suffix}" for name in SPLITS for suffix in (".parquet", ".jsonl", ".json"))
    files = [file for file in named if file.is_file() and not file.name.startswith("test_dropout")]
    if not files:
        raise ValueError(f"data={path}: the folder has no train.parquet, val.parquet or test.parquet")
    return files


def context_of(row: Any, number: str, split: str | None = None) -> Context:
    """From a raw row, or one for reinforcement learning. RowError names the field that is wrong."""
    if not isinstance(row, Mapping):
        raise RowError("row", "an object", row)
    info = row.get("extra_info")
    about: Mapping[str, Any] = info if isinstance(info, Mapping) else row
    user = about.get("target_user_id") or row.get("user_id")
    if not isinstance(user, str) or not user.strip():
        raise RowError("user_id", "a text: whose words these are", user)
    own = row.get("metadata")
    known: Mapping[str, Any] = own if isinstance(own, Mapping) else {}
    prompt = row.get("prompt")
    if not isinstance(prompt, Sequence) or isinstance(prompt, str):
        raise RowError("prompt", "a list of messages", prompt)
    thread = tuple(_said(message, place, user) for place, message in enumerate(prompt) if not _is_system(message))
    post = str(row.get("post_id") or about.get("post_id") or stable_hash(*chain.from_iterable(thread[:1])))
    given = SPLITS.get(str(about.get("split"))) or split
    told = given or split_of(user, HELD_OUT, HELD_OUT)
    persona = persona_text(about.get("persona") or known.get("persona"))
    key = f"{stable_hash(user, post, number, _target(row)):016x}"
    truth = {**_states(known), RESPONSE: _target(row)}
    return Context(key, user, post, persona, thread, truth, told, key if given else user)


def _target(row: Mapping[str, Any]) -> str:
    judged = row.get("reward_model")
    found = row.get("completion") or (judged.get("ground_truth") if isinstance(judged, Mapping) else None)
    if not isinstance(found, str) or not found.strip():
        raise RowError("completion", "what the person wrote (or reward_model.ground_truth)", found)
    return found.strip()


def _states(metadata: Mapping[str, Any]) -> dict[str, str]:
    states = metadata.get("states")
    if states is None:
        return {}
    if not isinstance(states, Mapping):
        raise RowError("metadata.states", "texts by level", states)
    return {str(level): str(text) for level, text in states.items() if text}


def _is_system(message: Any) -> bool:
    return isinstance(message, Mapping) and message.get("role") == "system"


def _said(message: Any, place: int, user: str) -> tuple[str, str]:
    if not isinstance(message, Mapping) or not isinstance(message.get("content"), str):
        raise RowError(f"prompt[{place}].content", "a text", message)
    about = message.get("metadata")
    author = about.get("author") if isinstance(about, Mapping) else None
    name = str(message.get("name") or author or message.get("role") or "somebody")
    return HUMAN if name == user else name, message["content"]


def persona_text(persona: Any) -> str:
    """A text as it is; fields with their items, one line each."""
    if persona is None:
        return ""
    if isinstance(persona, str):
        try:
            decoded = msgspec.json.decode(persona)
        except msgspec.DecodeError:
            return persona.strip()
        return persona_text(decoded) if isinstance(decoded, Mapping) else persona.strip()
    if not isinstance(persona, Mapping):
        raise RowError("persona", "a text, or items by field", persona)
    return "\n".join(f"{field}: {_items(value)}" for field, value in persona.items() if value)


def _items(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_items(each)}" for name, each in value.items() if each)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(_items(each) for each in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def of_split(contexts: Sequence[Context], split: str | None) -> Iterator[Context]:
    return (context for context in contexts if split is None or context.split == split)
