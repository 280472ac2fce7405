"""An office as its users see it: made from files or rows, worked with by calling its tools."""

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import msgspec

from usergym.environments.workplace.state import COLUMNS, PEER_NOW, SHAPE_ERRORS, OfficeBase, State
from usergym.environments.workplace.tables import Row
from usergym.environments.workplace.tools import TOOLS

FILES = {
    "emails": "emails.csv",
    "calendar": "calendar_events.csv",
    "analytics": "analytics_data.csv",
    "projects": "project_tasks.csv",
    "customers": "customer_relationship_manager_data.csv",
    "directory": "email_addresses.csv",
}


class Office(State):
    """Five tables and a directory, and the 27 tools that work on them."""

    __slots__ = ()

    @classmethod
    def from_csv(cls, folder: str | Path, now: datetime = PEER_NOW) -> Self:
        """Reads the peer's tables: six CSV files in `folder`, or in its `processed` and `raw`, or under `csv_data`.
        FileNotFoundError names the file that is missing, ValueError the column."""
        return cls(OfficeBase({name: _read_csv(Path(folder), name) for name in FILES}), now)

    @classmethod
    def from_rows(cls, tables: Mapping[str, Sequence[Mapping[str, Any]]], now: datetime = PEER_NOW) -> Self:
        """Rows by table, as in COLUMNS."""
        return cls(OfficeBase(tables), now)

    def call(self, name: str, arguments: Mapping[str, Any] | str) -> Any:
        """Runs one tool; its answer as a JSON value. What is wrong with a call is a text for the model."""
        tool = TOOLS.get(name)
        if tool is None:
            return f"Error executing tool '{name}': there is no such tool; there are {', '.join(TOOLS)}"
        try:
            if isinstance(arguments, str):
                arguments = msgspec.json.decode(arguments or "{}")
            if not isinstance(arguments, Mapping):
                raise TypeError("the arguments are not a JSON object")
            return tool(self, **arguments)
        except SHAPE_ERRORS as error:
            return f"Error executing tool '{name}': {error}"


def _read_csv(folder: Path, name: str) -> list[Row]:
    columns, file = COLUMNS[name], FILES[name]
    places = [folder / sub / file for sub in (".", "processed", "raw", "csv_data/processed", "csv_data/raw")]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"no {file} in {folder}, nor in its processed, raw or csv_data folders")
    with path.open(encoding="utf-8", newline="") as stream:
        if name == "directory":
            return [{columns[0]: line[0]} for line in csv.reader(stream) if line]
        reader = csv.DictReader(stream)
        if missing := set(columns) - set(reader.fieldnames or ()):
            raise ValueError(f"{path} has no column {', '.join(sorted(missing))}")
        order = reader.fieldnames or ()
        rows = [{column: row[column] or None for column in order if column in columns} for row in reader]
    if name == "analytics":
        for row in rows:
            row["user_engaged"] = row["user_engaged"] == "True"
    return rows
