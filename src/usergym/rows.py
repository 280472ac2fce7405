"""Rows of a file, one at a time, in and out: JSONL streams, a *.json file is one list, parquet goes by batches.

Whatever is wrong with a row is told with its file, its place, its field and what was expected.
"""

import contextlib
import gzip
import itertools
import json
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import msgspec

from usergym.types import valid_text

SUFFIXES = (".jsonl", ".json", ".parquet")
BATCH = 1000
"""Parquet rows that are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands."""

    path: Path
    number: int
    """Counted from 1: a line of *.jsonl, else a row."""

    def __str__(self) -> str:
        lines = kind_of(self.path) == ".jsonl"
        return f"{self.path}:{self.number}" if lines else f"{self.path}, row {self.number}"


def dropped_nulls(value: Any) -> Any:
    """Without the nulls that a parquet file puts where another row has a value."""
    if isinstance(value, Mapping):
        return {key: dropped_nulls(item) for key, item in value.items() if item is not None}
    return [dropped_nulls(item) for item in value] if isinstance(value, list) else value


class BadRow(ValueError):
    """A row that cannot be used: file, place, and what is wrong with it."""

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


class MissingPackage(LookupError):
    """A file or a format needs a package of an extra that is not installed."""


@dataclass
class Skipped:
    """The bad rows that were left out: all are counted, the first `listed` are kept with their places."""

    listed: int = 1000
    count: int = 0
    rows: list[BadRow] = field(default_factory=list)
    why: Counter[str] = field(default_factory=Counter)
    """How many by reason, of those that were added with one."""

    def add(self, bad: BadRow, why: str = "") -> None:
        self.count += 1
        if why:
            self.why[why] += 1
        if len(self.rows) < self.listed:
            self.rows.append(bad)

    def clear(self) -> None:
        self.count = 0
        self.rows.clear()
        self.why.clear()

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        reasons = ", ".join(f"{count:,} {why}" for why, count in self.why.most_common())
        told = f" ({reasons})" if reasons else ""
        lines = [f"{self.count} bad row{'s' * (self.count != 1)} skipped{told}", *map(str, self.rows)]
        if more := self.count - len(self.rows):
            lines.append(f"and {more} more")
        return "\n".join(lines)


def kind_of(path: Path) -> str:
    """`.jsonl`, `.json` or `.parquet`; `.gz` behind it does not matter. ValueError for another ending."""
    name = path.with_suffix("") if path.suffix == ".gz" else path
    if name.suffix not in SUFFIXES:
        if path.is_dir():
            raise ValueError(f"{path} is a folder; name the file in it, such as {path / 'trajectories.jsonl'}")
        raise ValueError(f"{path}: the ending says what it is; expected one of {', '.join(SUFFIXES)} (or .gz of it)")
    return name.suffix


def read_rows(
    path: str | Path, *, skip_bad: bool = False, skipped: Skipped | None = None
) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Rows of *.jsonl (streamed), *.json (one list, or one object), *.parquet, or a .gz of them.

    BadRow for the first row that is no JSON object; with `skip_bad` it goes to `skipped` instead. A *.json
    list with broken syntax has no next row, so it raises either way.
    """
    path = Path(path)
    if not path.exists():
        run = Path("runs") / path
        raise ValueError(
            f"no file or run folder {path}; " + (f"did you mean {run}?" if run.is_dir() else "check the path")
        )
    if skip_bad and skipped is None:
        raise ValueError("skip_bad leaves rows out: give skipped=Skipped() to count and list them")
    read = {".jsonl": _read_lines, ".json": _read_list, ".parquet": _read_parquet}[kind_of(path)]
    for place, row in read(path):
        problem: str | None = row if isinstance(row, _Problem) else None
        if problem is None and not isinstance(row, dict):
            problem = f"expected a JSON object, found {_kind(row)}"
        if problem is None:
            yield place, row
        elif skip_bad and skipped is not None:
            skipped.add(BadRow(place, problem))
        else:
            raise BadRow(place, problem)


def _read_lines(path: Path) -> Iterator[tuple[Place, Any]]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        lines = enumerate(file, 1)
        number = 0
        while True:
            try:
                number, line = next(lines)
            except StopIteration:
                return
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise BadRow(Place(path, number + 1), f"the compressed file is broken: {error}") from error
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.isspace():
                yield Place(path, number), _decoded(line)


def _read_list(path: Path) -> Iterator[tuple[Place, Any]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read().removeprefix(b"\xef\xbb\xbf")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadRow(Place(path, 1), f"the compressed file is broken: {error}") from error
    try:
        items = msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        whole = _decoded(data)
        if isinstance(whole, list):
            yield from ((Place(path, number), item) for number, item in enumerate(whole, 1))
        elif isinstance(whole, dict):
            yield Place(path, 1), whole
        else:
            found = whole if isinstance(whole, _Problem) else f"found {_kind(whole)}"
            raise BadRow(Place(path, 1), f"expected one JSON list of objects: {found}") from None
        return
    for number, item in enumerate(items, 1):
        yield Place(path, number), _decoded(bytes(item))


def _read_parquet(path: Path) -> Iterator[tuple[Place, Any]]:
    parquet = pyarrow("pyarrow.parquet", path)
    if path.suffix == ".gz":
        raise ValueError(f"{path}: parquet is compressed inside; unpack it first")
    try:
        with parquet.ParquetFile(path) as file:
            batches = file.iter_batches(batch_size=BATCH)
            rows = (row for batch in batches for row in batch.to_pylist())
            for number, row in enumerate(rows, 1):
                yield Place(path, number), row
    except pyarrow("pyarrow", path).ArrowInvalid as error:
        raise ValueError(
            f"{path}: not a parquet file, or not the whole of one ({error}); write it again, or name another file"
        ) from error


def pyarrow(module: str, path: Path) -> ModuleType:
    """The module, for a path that needs it. MissingPackage names the extra."""
    try:
        return __import__(module, fromlist=["_"])
    except ModuleNotFoundError as error:
        raise MissingPackage(f"{path}: parquet needs pyarrow: pip install 'usergym[data]'") from error


class _Problem(str):
    """Why there is no value."""


def _decoded(text: bytes) -> Any:
    """The value, or the problem with it."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # json knows more: lone surrogates, and where the text is wrong
    try:
        return _clean(json.loads(text, parse_constant=_no_constant))
    except RecursionError:
        return _Problem("nested too deeply")
    except UnicodeDecodeError as error:
        return _Problem(f"expected UTF-8 text: {error.reason} at byte {error.start}")
    except ValueError as error:
        return _Problem(f"not JSON: {error}")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number; write null")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return valid_text(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {valid_text(key): _clean(item) for key, item in value.items()}
    return value


def _kind(value: object) -> str:
    names = {"NoneType": "null", "str": "a text", "list": "a list", "bool": "true or false", "dict": "an object"}
    return names.get(type(value).__name__, "a number")


class Writer:
    """Writes rows to *.jsonl (each line flushed as it comes), *.json (one list) or *.parquet.

    The folder is made and the file opened at once, so that what cannot be written is refused (OSError, and
    MissingPackage for parquet without pyarrow) before any work. *.json and *.parquet, and *.jsonl with `whole`,
    appear at the end; after an exception they are not touched.
    """

    def __init__(self, path: str | Path, *, append: bool = False, whole: bool = False) -> None:
        self.path = Path(path)
        self.kind = kind_of(self.path)
        if self.path.suffix == ".gz" or (append and self.kind != ".jsonl"):
            raise ValueError(f"{path}: only a plain *.jsonl can be appended to, and nothing is written compressed")
        if self.kind == ".parquet":
            pyarrow("pyarrow", self.path)
        self.rows = 0
        streams = self.kind == ".jsonl" and not whole
        self._draft = self.path if streams else self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_dir():
                raise IsADirectoryError(None, "it is a folder")
            if self.path.exists() and not os.access(self.path, os.W_OK):
                raise PermissionError(None, "no permission")
            self._file = self._draft.open("ab" if append else "wb", buffering=0 if streams else -1)
        except OSError as error:
            raise OSError(f"cannot write {self.path}: {error.strerror}; give another path") from error

    def write(self, row: Mapping[str, Any]) -> None:
        """Whole or not at all. OSError when the disk is full, ValueError for what JSON cannot hold."""
        try:
            line = msgspec.json.encode(row)
        except (TypeError, OverflowError, msgspec.MsgspecError) as error:
            raise ValueError(f"row {self.rows + 1} for {self.path}: {error}") from error
        if self.kind == ".json":
            line = (b",\n" if self.rows else b"[\n") + line
        else:
            line += b"\n"
        start = self._file.tell()
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(start)
            raise OSError(f"cannot write {self.path}: {error.strerror}; make room and run again") from error
        self.rows += 1

    def close(self) -> None:
        if self._file.closed:
            return
        try:
            if self.kind == ".json":
                self._file.write(b"\n]\n" if self.rows else b"[]\n")
            self._file.close()
        except OSError as error:
            self.discard()
            raise OSError(f"cannot write {self.path}: {error.strerror}; make room and run again") from error
        if self.kind == ".parquet":
            try:
                _to_parquet(self._draft, self.path)
            finally:
                self._draft.unlink(missing_ok=True)
        elif self._draft != self.path:
            self._draft.replace(self.path)

    def discard(self) -> None:
        """What is not whole does not appear; lines that were streamed stay."""
        with contextlib.suppress(OSError):  # what could not be written is thrown away
            self._file.close()
        if self._draft != self.path:
            self._draft.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.close()
        else:
            self.discard()


def _to_parquet(lines: Path, path: Path) -> None:
    """Two passes, since a later row may have a column or a type that the first ones lack."""
    arrow, parquet = pyarrow("pyarrow", path), pyarrow("pyarrow.parquet", path)
    schema = arrow.schema([])
    try:
        for batch in _batches(lines):
            seen = arrow.Table.from_pylist(batch).schema
            schema = arrow.unify_schemas([schema, seen], promote_options="permissive")
        draft = path.with_name(lines.name + ".parquet")
        with parquet.ParquetWriter(draft, schema) as writer:
            for batch in _batches(lines):
                writer.write_table(arrow.Table.from_pylist(batch, schema=schema))
    except arrow.ArrowException as error:
        raise ValueError(f"cannot write {path}: parquet columns hold one type each: {error}") from error
    draft.replace(path)


def _batches(lines: Path) -> Iterator[Sequence[dict[str, Any]]]:
    with lines.open("rb") as file:
        rows = map(msgspec.json.decode, file)
        while batch := list(itertools.islice(rows, BATCH)):
            columns = dict.fromkeys(key for row in batch for key in row)
            yield [{key: row.get(key) for key in columns} for row in batch]
