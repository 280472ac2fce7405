"""Claims as tasks, and rows of data files as tasks: our own, and UserRL's, whose claims come without points."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from usergym.environments.base import RowError, read_task
from usergym.environments.persuasion.claims import Claim
from usergym.judges.words import sentences, words
from usergym.types import Message, Task, Turn, stable_hash

NAME = "persuasion"
PEER = "PersuadeGym"
OPENINGS = (
    "I am convinced of this: {claim} {argument}",
    "{claim} I strongly agree with that. {argument}",
    "Let me tell you what I think. {claim} {argument}",
)
_FIELDS = Claim.__struct_fields__
SHORTEST_REASON = 6
"""Words of a sentence of an argument that is one of its reasons."""


class Published:
    """Lists of `{id, claim, argument}` in a folder, read when they are first needed."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        if folder and not Path(folder).is_dir():
            raise ValueError(f"data={folder}: there is no such folder")

    @cached_property
    def rows(self) -> Mapping[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for path in sorted(Path(self.folder).glob("*.json")) if self.folder else ():
            try:
                listed = json.loads(path.read_bytes())
            except ValueError as error:
                raise RowError(path.name, f"JSON ({error})") from None
            for row in listed if isinstance(listed, list) else ():
                if isinstance(row, dict) and {"id", "claim", "argument"} <= row.keys():
                    found[str(row["id"])] = row
        return found


def task(key: str, claim: Claim, split: str | None, seed: int) -> Task:
    """Of one of our own claims."""
    data = msgspec.json.decode(msgspec.json.encode(claim))
    pattern = OPENINGS[stable_hash(key, seed) % len(OPENINGS)]
    words = pattern.format(claim=claim.claim, argument=claim.argument)
    opening = (Turn("user", Message("assistant", words)),)
    return Task(key, NAME, group=f"claim-{claim.key}", opening=opening, data=data, split=split)


def read(row: Mapping[str, Any], published: Published) -> Task:
    """RowError names the field that is wrong."""
    if not isinstance(row, Mapping):
        raise RowError("row", "an object", row)
    if "reward_model" in row:
        return _parquet_row(row, published)
    if "claim" in row:
        return _of(row, "", None, "")
    found = read_task(row)
    if found.env != NAME:
        raise RowError("env", NAME, found.env)
    claim_of(found)
    return found


def _of(row: Mapping[str, Any], inside: str, split: str | None, said: str) -> Task:
    key, claim, argument = (_text(row, field, inside) for field in ("id", "claim", "argument"))
    reasons = [found for found in sentences(argument) if len(words(found)) >= SHORTEST_REASON] or [argument]
    data = {"claim": claim, "argument": argument, "reasons": reasons}
    opening = (Turn("user", Message("assistant", said or f"{claim.rstrip('.')}. {argument}")),)
    group = f"claim-{stable_hash(' '.join(words(claim))):016x}"
    return Task(f"{NAME}-{key}", NAME, group=group, opening=opening, data=data, split=split)


def _parquet_row(row: Mapping[str, Any], published: Published) -> Task:
    about = row["reward_model"]
    if not isinstance(about, Mapping) or about.get("env_name") != PEER:
        found = about.get("env_name", ...) if isinstance(about, Mapping) else about
        raise RowError("reward_model.env_name", PEER, found)
    info = row.get("extra_info")
    split = info.get("split") if isinstance(info, Mapping) else None
    split = split if split in ("train", "validation", "test") else None
    said = _said(row.get("prompt"))
    if about.get("claim") and about.get("argument"):
        return _of(about, "reward_model.", split, said)
    key = _text(about, "id", "reward_model.")
    if key not in published.rows:
        where = (
            f"a list of {published.folder}" if published.folder else "a file; give its folder: persuasion:data=FOLDER"
        )
        raise RowError("reward_model.claim", f"claim and argument here, or the id {key!r} in {where}")
    return _of(published.rows[key], "", split, said)


def _said(prompt: Any) -> str:
    """The user's words in a row's prompt, "" if there are none."""
    for message in prompt if isinstance(prompt, list) else ():
        if isinstance(message, Mapping) and message.get("role") == "user" and isinstance(message.get("content"), str):
            return str(message["content"]).strip()
    return ""


def _text(row: Mapping[str, Any], field: str, inside: str) -> str:
    found = row.get(field, ...)
    if not isinstance(found, str) or not found.strip():
        raise RowError(inside + field, "a text", found)
    return found.strip()


def claim_of(task: Task) -> Claim:
    try:
        claim = msgspec.convert({name: task.data[name] for name in _FIELDS if name in task.data}, Claim)
    except msgspec.ValidationError as error:
        raise RowError("data", f"claim, argument, reasons and points ({error})", dict(task.data)) from None
    wrong = [point.answers for point in claim.points if point.answers is not None]
    if any(not 0 <= place < len(claim.reasons) for place in wrong):
        raise RowError("data.points", f"answers to the reasons 0 to {len(claim.reasons) - 1}", wrong)
    if not task.opening:
        raise RowError("opening", "the user's opinion as the first turn", list(task.opening))
    return claim
