"""Where rows come from: local files of a data set's shape, or the hub; split by split, and in a random order if asked.

Rows stream. For a random order local rows wait on disk, in a nameless file, with eight bytes of memory each; the hub's
rows are on disk anyway. Both are read in the order in which `datasets` shuffles with the same seed.
"""

import itertools
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np

from usergym.rows import SUFFIXES, MissingPackage, Place, Skipped, kind_of, read_rows

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

NAMES = {"train": ("train",), "validation": ("validation", "valid", "val")}
"""How the names of a folder's files begin, by split."""
ENDINGS = (*SUFFIXES, *(f"{suffix}.gz" for suffix in SUFFIXES[:2]))


@dataclass(frozen=True)
class Read(Generic[T_co]):
    """A row and where it stood."""

    place: Place
    index: int
    """In its split, as stored, from 0."""
    order: int
    """In its split, as read, from 0."""
    row: T_co


class Source(Protocol[T_co]):
    @property
    def name(self) -> str: ...

    @property
    def splits(self) -> Sequence[str]:
        """`("train", "validation")` where the source is split, else one name."""
        ...

    def told(self) -> list[str]:
        """What would be read, in lines."""
        ...

    def files(self) -> list[Path]:
        """The local files that are read."""
        ...

    def rows(self, split: str, *, seed: int | None = None, skipped: Skipped | None = None) -> Iterator[Read[T_co]]:
        """All rows of a split, in a random order with `seed`. BadRow, or with `skipped` they go there."""
        ...


@dataclass(frozen=True)
class Files:
    """Local files of one shape."""

    name: str
    parts: dict[str, tuple[Path, ...]]
    """Files by split."""

    @property
    def splits(self) -> Sequence[str]:
        return tuple(self.parts)

    def told(self) -> list[str]:
        return [
            f"{split}: {path} ({path.stat().st_size:,} bytes)" for split, paths in self.parts.items() for path in paths
        ]

    def files(self) -> list[Path]:
        return [path for paths in self.parts.values() for path in paths]

    def rows(
        self, split: str, *, seed: int | None = None, skipped: Skipped | None = None
    ) -> Iterator[Read[dict[str, Any]]]:
        stored = itertools.chain.from_iterable(
            read_rows(path, skip_bad=skipped is not None, skipped=skipped) for path in self.parts[split]
        )
        if seed is not None:
            return shuffled(stored, seed)
        return (Read(place, number, number, row) for number, (place, row) in enumerate(stored))


def shuffled(
    stored: Iterable[tuple[Place, T]], seed: int, decode: Callable[[bytes], T] = msgspec.msgpack.decode
) -> Iterator[Read[T]]:
    """Rows in a random order, on disk meanwhile; `decode` reads what MessagePack wrote."""
    starts, places, sources = array("q"), array("q"), array("q")
    paths: list[Path] = []
    with tempfile.TemporaryFile() as spool:
        for place, row in stored:
            if not paths or paths[-1] != place.path:
                paths.append(place.path)
            starts.append(spool.tell())
            places.append(place.number)
            sources.append(len(paths) - 1)
            spool.write(msgspec.msgpack.encode(row, enc_hook=str))
        starts.append(spool.tell())
        for order, index in enumerate(permutation(len(places), seed)):
            spool.seek(starts[index])
            row = decode(spool.read(starts[index + 1] - starts[index]))
            yield Read(Place(paths[sources[index]], places[index]), index, order, row)


def permutation(rows: int, seed: int) -> Iterator[int]:
    """The order in which `datasets` shuffles so many rows."""
    return map(int, np.random.default_rng(seed).permutation(rows))


class HubRow(Place):
    """Where a row of the hub stands."""

    def __str__(self) -> str:
        return f"{self.path}, row {self.number}"


@dataclass(frozen=True)
class Hub:
    """A data set of the hub, or of its cache on this machine."""

    name: str
    config: str | None = None

    @property
    def splits(self) -> Sequence[str]:
        there = self._loaded()
        found = tuple(name for name in NAMES if name in there)
        if "train" not in found:
            raise ValueError(f"{self.name} has no split train, only {', '.join(there)}; give a file or a folder")
        return found

    def told(self) -> list[str]:
        _datasets(self.name)
        return [f"{self.name} from the hub" + (f", configuration {self.config}" if self.config else "")]

    def files(self) -> list[Path]:
        return []

    def rows(
        self, split: str, *, seed: int | None = None, skipped: Skipped | None = None
    ) -> Iterator[Read[dict[str, Any]]]:
        rows = self._loaded()[split]
        where = Path(f"{self.name} [{split}]")
        if seed is None:  # one after the other they come in batches, which is faster
            return (Read(HubRow(where, index + 1), index, index, row) for index, row in enumerate(rows))
        order = enumerate(permutation(len(rows), seed))
        return (Read(HubRow(where, index + 1), index, number, rows[index]) for number, index in order)

    def _loaded(self) -> Any:
        """Splits by name; `datasets` keeps them on disk, so loading twice costs little."""
        datasets = _datasets(self.name)
        try:
            try:
                return datasets.load_dataset(self.name, self.config)
            except RuntimeError as error:
                if "scripts" not in str(error):
                    raise
                # The hub keeps a converted copy of data sets that came with code, one folder for each configuration.
                return datasets.load_dataset(self.name, data_dir=self.config, revision="refs/convert/parquet")
        except (OSError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:160]
            raise LookupError(
                f"cannot load {self.name} from the hub ({type(error).__name__}: {reason}). Without a network give "
                "--source FILE or FOLDER with rows of the same shape; a gated data set needs HF_TOKEN"
            ) from error


def _datasets(name: str) -> Any:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise MissingPackage(
            f"{name} is on the hub; install the client with: pip install 'usergym[data]'. Or give --source FILE"
        ) from error
    return datasets


def open_source(name: str, config: str | None = None) -> Files | Hub:
    """Local files where there are such, else the hub. ValueError for a path that leads nowhere."""
    path = Path(name).expanduser()
    if path.is_dir():
        return Files(name, _parts(path))
    if path.exists():
        kind_of(path)
        return Files(name, {"all": (path,)})
    if name.endswith((*ENDINGS, ".csv", ".txt")) or name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ValueError(f"no file or folder {name}; check the path, or give a data set of the hub as OWNER/NAME")
    return Hub(name, config)


def _parts(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The files of a folder by split; those in its folder `data` where it has none itself."""
    for place in (folder, folder / "data"):
        files = sorted(path for path in place.glob("*") if path.is_file() and path.name.endswith(ENDINGS))
        parts = {name: tuple(path for path in files if path.name.startswith(begin)) for name, begin in NAMES.items()}
        if parts["train"]:
            return {name: paths for name, paths in parts.items() if paths}
    raise ValueError(
        f"{folder}: no file whose name begins with train and ends in one of {', '.join(ENDINGS)}; "
        "name the file, or rename it"
    )
