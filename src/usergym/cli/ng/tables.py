"""Where the tables of the peer's workplace are: its rows are about people and mails that stand there."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from usergym.cli.ng.config import ConfigError, roots

VARIABLE = "USERGYM_WORKPLACE_TABLES"
_THEIRS = Path("resources_servers/workplace_assistant/csv_data")
_MARK = "emails.csv"


def tables_folder(given: str | None, settings: Mapping[str, Any]) -> Path | None:
    """The folder with the CSV files: what was asked for, else a checkout's, else the environment variable's; None
    where there is none. ConfigError for a folder that was named and holds no tables."""
    named = given or settings.get("tables") or ""
    if named:
        return _in(Path(str(named)), "workplace_tables")
    for root in roots():
        if found := next(_holding(root / _THEIRS), None):
            return found
    return _in(Path(variable), VARIABLE) if (variable := os.environ.get(VARIABLE)) else None


def _in(folder: Path, what: str) -> Path:
    found = next(_holding(folder), None)
    if found is None:
        raise ConfigError(f"{what}: {folder} holds no {_MARK}; give the folder of the workplace's CSV files")
    return found.resolve()


def _holding(folder: Path) -> Iterator[Path]:
    for each in (folder, folder / "processed", folder / "csv_data", folder / "csv_data" / "processed"):
        if (each / _MARK).is_file():
            yield each


NOTE = (
    "no workplace tables were found, so companies of our own are served (`usergym generate workplace` writes rows for "
    f"them); rows of NeMo Gym need its tables: +workplace_tables=FOLDER, or {VARIABLE}=FOLDER"
)
