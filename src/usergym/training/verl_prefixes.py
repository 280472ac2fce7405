"""The published `hierarchy_map.pt` as prefixes that a run of usergym begins with.

There the best states are kept as `level -> key -> [{reward, field, data}]`: the text of a level, what it earned, and
the row it was written for, with every state so far at the end of its prompt.
"""

import pickle
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from usergym.environments.people.contexts import RESPONSE, Context
from usergym.environments.people.reservoir import VERSION, Prefix, Saved
from usergym.types import Record
from usergym.users.states.parsing import parse_states

MAP = "hierarchy_map"
"""The key of the map, where it was saved with what else a reward manager holds."""
TORN = (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, struct.error)
"""What torch raises for a file that is no whole one of its own."""


class Imported(Record, frozen=True):
    saved: Saved
    kept: int
    strange: int
    """Entries for rows that are not in the data."""
    unusable: int
    """Entries without a text, a reward from 0 to 1 or a row."""


def read_map(path: Path, contexts: Sequence[Context], levels: Sequence[str], step: int) -> Imported:
    """Prefixes of a `.pt` file, for those of its rows that are among `contexts`: the same person under the same post
    with the same words. `levels` are in the order of the hierarchy; `step` is that of the checkpoint.

    Plain values only are read. ValueError for a file that needs more, or that is no map.
    """
    table = _table(_loaded(path), path)
    known = {(context.user, context.post, context.truth[RESPONSE]): context.id for context in contexts}
    found: dict[str, dict[str, list[Prefix]]] = {}
    earned: dict[tuple[str, str, str], float] = {}
    entries = []
    strange = unusable = 0
    for level, entry in _entries(table, levels):
        row = _row(entry)
        text, reward = entry.get("field"), _number(entry.get("reward"))
        if row is None or not isinstance(text, str) or not text.strip() or reward is None:
            unusable += 1
        elif (context := known.get(row)) is None:
            strange += 1
        else:
            entries.append((context, level, entry))
            earned[context, level, text.strip()] = reward
    for context, level, entry in entries:
        states = _states(entry, levels[: levels.index(level) + 1])
        scores = [earned[context, name, said] for name, said in states.items() if (context, name, said) in earned]
        prefix = Prefix(states, sum(scores) / len(scores), step)
        kept = found.setdefault(context, {}).setdefault(level, [])
        if prefix not in kept:
            kept.append(prefix)
            kept.sort(key=lambda each: -each.score)
    count = sum(len(kept) for by_level in found.values() for kept in by_level.values())
    return Imported(Saved(VERSION, step, found), count, strange, unusable)


def write_map(imported: Imported, path: Path) -> None:
    """As a run's prefixes are saved, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_bytes(msgspec.json.encode(imported.saved))
    draft.replace(path)


def _loaded(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path} holds more than plain values, and to read them might run code of whoever wrote it; write it anew "
            "where it was made, as lists, tables, texts and numbers"
        ) from None
    except TORN as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"{path} cannot be read as what torch.save wrote ({reason[:120]}); check the file") from None


def _table(value: Any, path: Path) -> Mapping[str, Any]:
    found = value.get(MAP, value) if isinstance(value, Mapping) else value
    if not isinstance(found, Mapping) or not all(isinstance(each, Mapping) for each in found.values()):
        raise ValueError(f"{path} holds no map of best states; expected level -> key -> entries")
    return found


def _entries(table: Mapping[str, Any], levels: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for level in levels:
        for several in table.get(level, {}).values():
            for entry in several if isinstance(several, Sequence) and not isinstance(several, str) else [several]:
                yield level, entry if isinstance(entry, Mapping) else {}


def _row(entry: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Person, post and words."""
    data = entry.get("data")
    about = data.get("extra_info") if isinstance(data, Mapping) else None
    judged = data.get("reward_model") if isinstance(data, Mapping) else None
    if not isinstance(about, Mapping) or not isinstance(judged, Mapping):
        return None
    user, post, words = about.get("target_user_id"), about.get("post_id"), judged.get("ground_truth")
    if not isinstance(words, str) or user is None or post is None:
        return None
    return str(user), str(post), words.strip()


def _number(value: Any) -> float | None:
    if hasattr(value, "item") and getattr(value, "numel", int)() == 1:
        value = value.item()  # a tensor
    right = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if right else None


def _states(entry: Mapping[str, Any], levels: Sequence[str]) -> dict[str, str]:
    """All states up to the last of `levels`, whose text the entry itself has."""
    prompt = entry["data"].get("prompt")
    last = prompt[-1] if isinstance(prompt, Sequence) and not isinstance(prompt, str) and prompt else {}
    words = last.get("content") if isinstance(last, Mapping) else None
    held: Mapping[str, str] = parse_states(words, levels, "any") if isinstance(words, str) else {}
    before = {level: said.strip() for level in levels[:-1] if (said := held.get(level, "")) and said.strip()}
    return {**before, levels[-1]: entry["field"].strip()}
