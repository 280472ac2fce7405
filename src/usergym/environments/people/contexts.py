"""Where a person spoke: who they are, what was said before, and what they thought and wrote. Read from rows of
three shapes, or drawn from the population of known states."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from usergym.environments.base import RowError
from usergym.environments.people.raw import DROPPED, NoUser, part_of, read_raw
from usergym.environments.people.telling import (
    ALONE,
    BROKEN,
    NOBODY,
    UNREADABLE,
    alone,
    mentioning,
    speaker,
    thread_of,
    too_few,
    unusable,
)
from usergym.environments.people.words import stands_in
from usergym.rows import SUFFIXES, BadRow, Place, Skipped, read_rows
from usergym.types import Record, split_of, stable_hash
from usergym.users.population import population

RESPONSE = "response"
SPLITS = {"train": "train", "val": "validation", "test": "test"}
HELD_OUT = 0.15
"""The share of people each of validation and test has, where rows do not say."""
DEPTHS = ("*/train.*", "*/*/train.*", "*/*/*/train.*")
"""Where `usergym prepare users` puts files below the folder that it was given: rl/sebvgcr, rl/sebvgcr/50p."""
COPIED = "whose words stand in what is told before them"


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


class Unusable(RowError):
    """A whole row from which nothing is learned, by the rule that it breaks."""

    def __init__(self, why: str) -> None:
        super().__init__("completion", "words to learn from")
        self.args = (f"field 'completion': nothing is learned from rows {why}",)
        self.why = why


class _Found(NamedTuple):
    context: Context
    place: Place
    looked_at: bool
    """Whether it was prepared: people with too little were left out there."""


def generated(people: int, posts: int, seed: int) -> tuple[Context, ...]:
    """Of the population."""
    return tuple(context_of(row, f"population[{number}]") for number, row in enumerate(population(people, posts, seed)))


def read_contexts(path: str, skipped: Skipped | None = None) -> tuple[Context, ...]:
    """All rows of a file, or of the files of a folder, whose names then say the split. Those that cannot be used go to
    `skipped`, with the reason; ValueError where none can."""
    skipped = Skipped() if skipped is None else skipped
    found: dict[object, _Found] = {}
    for file in _files(Path(path)):
        split = part_of(file.name)
        try:
            for place, row in read_rows(file, skip_bad=True, skipped=skipped):
                try:
                    context = context_of(row, f"{file.stem}-{place.number}", split)
                except RowError as error:
                    skipped.add(BadRow(place, str(error)), _why(error))
                    continue
                # Prepared rows may say the same once for each level.
                same = (context.user, context.post, context.thread, context.truth[RESPONSE])
                found.setdefault(same, _Found(context, place, bool(row.get("extra_info"))))
        except BadRow as bad:
            raise ValueError(f"data={path}: {bad}") from None
    if unreadable := skipped.count - skipped.why.total():
        skipped.why[UNREADABLE] = unreadable
    kept = _without_lonely(list(found.values()), skipped)
    if not kept and skipped:
        raise ValueError(f"data={path} has no row that can be used: {skipped}")
    if not kept:
        raise ValueError(f"data={path} has no rows; `usergym prepare users` writes them")
    return tuple(kept)


def _why(error: RowError) -> str:
    return error.why if isinstance(error, Unusable) else NOBODY if isinstance(error, NoUser) else BROKEN


def _without_lonely(found: Sequence[_Found], skipped: Skipped) -> list[Context]:
    few = too_few(each.context.user for each in found)
    kept = []
    for each in found:
        user = each.context.user
        if user in few and not each.looked_at:
            skipped.add(BadRow(each.place, alone(user, few[user])), ALONE)
        else:
            kept.append(each.context)
    return kept


def _files(path: Path) -> Sequence[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ValueError(f"data={path}: there is no such file or folder; check the path")
    rows = (file for file in path.iterdir() if file.suffix in SUFFIXES and _holds_rows(file.name))
    in_order = list(SPLITS)  # training first
    found = sorted((in_order.index(part), file) for file in rows if (part := part_of(file.name)))
    files = [file for _, file in found]
    if not files:
        prepared = (each for depth in DEPTHS for each in sorted(path.glob(depth)) if "rl" in _below(path, each))
        below = ", ".join(dict.fromkeys(str(each.parent) for each in prepared if each.suffix in SUFFIXES))
        inside = f"; below it are those of `usergym prepare users`, so give {below}" if below else ""
        raise ValueError(f"data={path}: the folder has no train.parquet, val.parquet or test.parquet{inside}")
    return files


def _below(path: Path, file: Path) -> tuple[str, ...]:
    return path.name, *file.relative_to(path).parts


def _holds_rows(name: str) -> bool:
    return not name.startswith(DROPPED) and not name.endswith(".example.json")


def context_of(row: Mapping[str, Any], number: str, split: str | None = None) -> Context:
    """From a raw row, or one for reinforcement learning. `split`: of the file that it stands in. RowError names the
    field that is wrong, Unusable the rule that its words break."""
    raw = read_raw(row)
    thread = thread_of(((speaker(line), line.content.strip()) for line in raw.lines), raw.user)
    truth = mentioning(raw.completion, raw.user)
    if why := unusable(thread, truth):
        raise Unusable(why)
    persona = persona_text(raw.persona)
    if stands_in(truth, [*(text for _, text in thread), persona], len(thread)):
        raise Unusable(COPIED)
    post = raw.post or str(stable_hash(*chain.from_iterable(thread[:1])))
    part = part_of(raw.split) or split
    key = f"{stable_hash(raw.user, post, number, truth):016x}"
    told = SPLITS[part] if part else split_of(raw.user, HELD_OUT, HELD_OUT)
    known = {**raw.states, RESPONSE: truth}
    return Context(key, raw.user, post, persona, thread, known, told, key if part else raw.user)


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
