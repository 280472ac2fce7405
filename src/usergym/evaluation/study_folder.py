"""The folder of a study: which file holds what, and the two that say what the study is."""

from pathlib import Path

import msgspec

from usergym.evaluation.study_records import Item, Settings

STUDY = "study.json"
"""The settings."""
ITEMS = "items.jsonl"
"""The items, names of systems included: not for participants."""
ANSWERS = "answers.jsonl"
"""All that happened, one line after another."""
CODES = "codes.txt"
"""Of a study by invitation: the codes to hand out."""
SECRET = "secret"
"""The key of the hashes that stand for participants."""


def read_study(folder: Path) -> tuple[Settings, dict[str, Item]]:
    """ValueError where there is no study, or it cannot be read."""
    if not (folder / STUDY).is_file():
        raise ValueError(f"{folder} holds no study; `usergym study serve ITEMS --out {folder}` begins one")
    try:
        settings = msgspec.json.decode((folder / STUDY).read_bytes(), type=Settings)
        lines = (folder / ITEMS).read_bytes().splitlines()
        items = [msgspec.json.decode(line, type=Item) for line in lines]
    except msgspec.MsgspecError as error:
        raise ValueError(f"{folder}: {STUDY} or {ITEMS} cannot be read: {error}") from error
    return settings, {item.id: item for item in items}
