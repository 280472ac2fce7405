"""Interchange formats, one module each: `matches(row)`, `read(row)`, `write(trajectory)`.

What a format cannot hold travels in the row's field `usergym`, so that out and in again is the same
trajectory; a row without that field is read for what it says.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec

from usergym.data.formats.carried import FIELD, carried, carry
from usergym.types import Speaker, Tool, Trajectory

NAMES = (
    "trajectories",
    "nemo_gym",
    "graded",
    "dpo",
    "humanlm",
    "userrl",
    "verl",
    "interactions",
    "sharegpt",
    "messages",
)
"""In the order in which their shapes are tried: the narrow ones first."""

ALIASES = {"sft": "messages", "usergym": "trajectories"}


class Format(Protocol):
    NESTED: tuple[str, ...]
    """Columns that are nested in a parquet file; other lists and objects are JSON text there, since their types
    differ from row to row."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether the row has this format's shape."""
        ...

    def read(self, row: Mapping[str, Any]) -> list[Trajectory]:
        """What a plain row holds; two of a preference pair. ValueError names the field and what was expected."""
        ...

    def write(
        self, trajectory: Trajectory, speaker: Speaker = "assistant", tools: Sequence[Tool] = ()
    ) -> list[dict[str, Any]]:
        """Plain rows of the conversation as `speaker` lived it; none where the format has no place for it."""
        ...


class UnknownFormat(ValueError):
    """A row that has the shape of no format."""


def name_of(name: str) -> str:
    """The format's own name. LookupError lists the formats there are."""
    known = ALIASES.get(name, name)
    if known not in NAMES:
        raise LookupError(f"no format {name!r}; there are {', '.join((*NAMES, *ALIASES))}")
    return known


def load(name: str) -> Format:
    return cast(Format, importlib.import_module(f"{__name__}.{name_of(name)}"))


def detect(row: Mapping[str, Any]) -> str:
    """The name of the format whose shape the row has. UnknownFormat says what was seen."""
    for name in NAMES:
        if load(name).matches(row):
            return name
    fields = ", ".join(map(str, row)) or "of an empty row"
    raise UnknownFormat(f"no known format has the fields {fields}; {_expected(row)}")


def _expected(row: Mapping[str, Any]) -> str:
    """What is to be given in place of a row of no known shape."""
    if row.get("prompt") and not {"reply", "response", "completion", "y"} & row.keys():
        return (
            "these are prompts, to which nobody has replied: give conversations or tuples (x, y, o), or have the "
            "prompts played, --env style:prompts=FILE"
        )
    return 'give conversations, such as {"messages": [...]}, or tuples {"x": [...], "y": "...", "o": "..."}'


def read_row(row: Mapping[str, Any], name: str | None = None) -> list[Trajectory]:
    """The trajectories of a row, whole where it carries them. ValueError names the field and what was expected."""
    if (whole := carried(row)) is not None:
        return whole
    return load(name or detect(row)).read(row)


def write_rows(
    trajectory: Trajectory,
    name: str,
    speaker: Speaker = "assistant",
    tools: Sequence[Tool] = (),
    *,
    whole: bool = True,
    parquet: bool = False,
) -> list[dict[str, Any]]:
    """Rows of a format; with `whole` each of them carries what the format cannot hold."""
    form = load(name)
    rows = form.write(trajectory, speaker, tools)
    if parquet:
        rows = [flat(row, form.NESTED) for row in rows]
    return [carry(row, [trajectory]) for row in rows] if whole and name_of(name) != "trajectories" else rows


def flat(row: Mapping[str, Any], nested: Sequence[str]) -> dict[str, Any]:
    """The row as parquet can hold it beside rows of other shapes."""
    return {
        key: msgspec.json.encode(value).decode()
        if isinstance(value, (dict, list, tuple)) and key not in nested
        else value
        for key, value in row.items()
    }


__all__ = [
    "FIELD",
    "NAMES",
    "Format",
    "UnknownFormat",
    "carry",
    "detect",
    "flat",
    "load",
    "name_of",
    "read_row",
    "write_rows",
]
