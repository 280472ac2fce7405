"""Any interchange format into any other, through the trajectory, one row at a time."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from usergym.data import formats
from usergym.data.formats import dpo
from usergym.rows import BadRow, Skipped, Writer, kind_of, read_rows
from usergym.types import Speaker, Trajectory, stable_hash

PREPARED = "train.jsonl"
"""What `usergym prepare` calls the rows that are trained on."""


@dataclass
class Converted:
    """What `convert` did."""

    format: str
    """Of what was written."""
    read: int = 0
    """Trajectories."""
    written: int = 0
    """Rows."""
    without_rows: int = 0
    """Trajectories that the format has no place for."""
    skipped: Skipped = field(default_factory=Skipped)


def read_conversations(
    source: str | Path, frm: str | None = None, *, skip_bad: bool = False, skipped: Skipped | None = None
) -> Iterator[Trajectory]:
    """Trajectories of a run folder or of a file in any format (by its rows' shape, or `frm`).

    Several rows that carry the same trajectory give it once. BadRow names file, place and field; with
    `skip_bad` it goes to `skipped`.
    """
    path = Path(source)
    if path.is_dir():
        path = _in_folder(path)
    seen: set[int] = set()
    for place, row in read_rows(path, skip_bad=skip_bad, skipped=skipped):
        try:
            found = formats.read_row(row, frm)
        except (ValueError, msgspec.MsgspecError) as error:
            bad = BadRow(place, str(error))
            if not skip_bad or skipped is None:
                raise bad from error
            skipped.add(bad)
            continue
        for trajectory in found:
            if row.get(formats.FIELD) is not None:
                key = stable_hash(msgspec.json.encode(trajectory).decode())
                if key in seen:
                    continue
                seen.add(key)
            yield trajectory


def _in_folder(folder: Path) -> Path:
    """The conversations of a run. ValueError names the file of one that `usergym prepare` wrote."""
    kept = folder / "trajectories.jsonl"
    if not kept.exists() and (folder / PREPARED).is_file():
        raise ValueError(f"{folder} is no run folder, as it holds no {kept.name}; did you mean {folder / PREPARED}?")
    return kept


def convert(
    source: str | Path,
    target: str | Path,
    to: str | None = None,
    frm: str | None = None,
    *,
    skip_bad: bool = False,
    speaker: Speaker | None = None,
) -> Converted:
    """Writes what `source` holds to `target`, as format `to` (default: our own trajectories).

    What the format cannot hold travels in the field `usergym`, so that converting back gives the same.
    Preference pairs are made of all samples of one task with different rewards. `speaker` is whose side is
    told; default the assistant's, of HumanLM rows the user's.
    """
    target, name = Path(target), formats.name_of(to or "trajectories")
    refuse_itself(source, target)
    done = Converted(name)
    found = read_conversations(source, frm, skip_bad=skip_bad, skipped=done.skipped)
    side: Speaker = speaker or ("user" if name == "humanlm" else "assistant")
    with Writer(target, whole=True) as writer:
        parquet = kind_of(target) == ".parquet"
        if name == "dpo":
            for group in by_task(_counted(found, done), target.parent):
                for row, better, worse in dpo.pairs(group, side):
                    flat = formats.flat(row, dpo.NESTED) if parquet else row
                    writer.write(formats.carry(flat, [better, worse]))
        else:
            for trajectory in _counted(found, done):
                rows = formats.write_rows(trajectory, name, side, parquet=parquet)
                done.without_rows += not rows
                for row in rows:
                    writer.write(row)
        done.written = writer.rows
    return done


def _counted(trajectories: Iterable[Trajectory], done: Converted) -> Iterator[Trajectory]:
    try:
        for trajectory in trajectories:
            done.read += 1
            yield trajectory
    except BadRow as bad:
        if isinstance(bad.__cause__, formats.UnknownFormat):
            raise BadRow(bad.place, f"{bad.problem}; --from says of which format it is all the same") from bad
        raise


def refuse_itself(source: str | Path, *targets: Path | None) -> None:
    """ValueError where the output would replace what is read, or two outputs are one file."""
    path = Path(source)
    path = path / "trajectories.jsonl" if path.is_dir() else path
    files = [path.resolve(), *(target.resolve() for target in targets if target)]
    if len(set(files)) < len(files):
        raise ValueError(f"{path}: the input and every output must be different files")


def by_task(trajectories: Iterable[Trajectory], folder: Path) -> Iterator[list[Trajectory]]:
    """The samples of each task together, wherever they stood; on disk meanwhile, in a nameless file in `folder`."""
    places: dict[int, list[int]] = {}
    with tempfile.TemporaryFile(dir=folder) as spool:
        for trajectory in trajectories:
            places.setdefault(stable_hash(trajectory.task.env, trajectory.task.id), []).append(spool.tell())
            spool.write(msgspec.json.encode(trajectory) + b"\n")
        for group in places.values():
            yield _at(spool, group)


_decode = msgspec.json.Decoder(Trajectory).decode


def _at(spool: IO[bytes], places: Sequence[int]) -> list[Trajectory]:
    found = []
    for place in places:
        spool.seek(place)
        found.append(_decode(spool.readline()))
    return found
