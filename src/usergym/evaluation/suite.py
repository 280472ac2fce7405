"""Which environments an evaluation plays: names of ours with options, and the fifteen names of UserRL."""

from collections.abc import Iterable
from inspect import signature
from pathlib import Path

from usergym.environments.base import load, names
from usergym.evaluation.published import table
from usergym.types import Record

SPECS = {
    **{name: f"travel:level={name.removeprefix('travel')}" for name in table().tasks if name.startswith("travel")},
    "bamboogle": "search",
}
"""What stands behind UserRL's names where it is not an environment of that name."""

GROUPS = {"userrl": tuple(table().tasks)}
"""Names for several."""


class Entry(Record, frozen=True):
    name: str
    """What its run and its line in a table are called."""
    spec: str
    """What `load` takes."""


def entries(wanted: Iterable[str]) -> list[Entry]:
    """`all` (every environment there is), `userrl` (its fifteen), or names with options, several in one text divided by
    commas: `function,calendar:level=hard,until=end,travel22`. ValueError for one that comes twice."""
    found: dict[str, Entry] = {}
    for text in wanted:
        for part in _parts(text):
            for each in names() if part == "all" else GROUPS.get(part, (part,)):
                if each in found and part not in ("all", *GROUPS):
                    raise ValueError(f"--envs names {each!r} twice")
                found[each] = Entry(each, spec_of(each))
    if not found:
        raise ValueError("--envs names no environment; give all, userrl, or names with commas between them")
    return list(found.values())


def spec_of(name: str) -> str:
    base, _, options = name.partition(":")
    spec = SPECS.get(base, base)
    return with_option(spec, options) if options else spec


def with_option(spec: str, option: str) -> str:
    return f"{spec}{',' if ':' in spec else ':'}{option}"


def _parts(text: str) -> list[str]:
    """What stands between commas; `key=value` belongs to the name before it."""
    parts: list[str] = []
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        if parts and "=" in piece and ":" not in piece.partition("=")[0]:
            parts[-1] += f",{piece}"
        else:
            parts.append(piece)
    return parts


def data_file(folder: Path, name: str, split: str) -> Path:
    """The parquet file of an evaluation name in a copy of UserRL's `data/`. ValueError where there is none."""
    base = name.partition(":")[0]
    stem = f"{base}_multiturn_onechoice" if base.startswith("travel") else f"{base}_multiturn"
    tried = (folder / stem / f"{split}.parquet", folder / f"{stem}.{split}.parquet")
    for path in tried:
        if path.exists():
            return path
    raise ValueError(f"--data {folder} has no tasks for {name}: neither {tried[0]} nor {tried[1].name}")


def with_data(spec: str, folder: Path | None) -> str:
    """The spec told where UserRL's files are, where its environment looks such things up and was not told already."""
    if folder is None or "data=" in spec or "data" not in signature(type(load(spec))).parameters:
        return spec
    return with_option(spec, f"data={folder}")
