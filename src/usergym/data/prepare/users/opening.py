"""Where raw rows come from: a data set of the hub, a file, or a folder whose files may be its splits."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from usergym.data.prepare.sources import ENDINGS, Files, Hub, open_source
from usergym.environments.people.raw import DROPPED, part_of

_NO_ROWS = (".example.json", "manifest.json", "personas.jsonl", "thoughts.jsonl")


class PeopleHub(Hub):
    """All splits of a data set of the hub, whatever they are called."""

    def _loaded(self) -> Any:
        """Without the client's line for every attempt: the error says it once."""
        logger = logging.getLogger("huggingface_hub")
        before = logger.level
        logger.setLevel(logging.ERROR)
        try:
            return super()._loaded()
        finally:
            logger.setLevel(before)

    @property
    def splits(self) -> Sequence[str]:
        return tuple(name for name in self._loaded() if not str(name).startswith(DROPPED))


def open_people(name: str) -> Files | Hub:
    """ValueError for a path that leads nowhere, or a folder without rows."""
    path = Path(name).expanduser()
    if path.is_dir():
        return Files(name, _parts(path))
    found = open_source(name)
    return PeopleHub(found.name, found.config) if isinstance(found, Hub) else found


def _parts(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Files by the split that their names begin with; all of them together where none does."""
    for place in (folder, folder / "data"):
        files = [path for path in sorted(place.glob("*")) if path.is_file() and _holds_rows(path.name)]
        parts: dict[str, tuple[Path, ...]] = {}
        for path in files:
            part = part_of(path.name) or "all"
            parts[part] = (*parts.get(part, ()), path)
        if parts:
            return {"all": tuple(files)} if set(parts) == {"all"} else {k: v for k, v in parts.items() if k != "all"}
    raise ValueError(f"{folder}: no file that ends in one of {', '.join(ENDINGS)}; name a file, or another folder")


def _holds_rows(name: str) -> bool:
    return name.endswith(ENDINGS) and not name.startswith((".", DROPPED)) and not name.endswith(_NO_ROWS)
