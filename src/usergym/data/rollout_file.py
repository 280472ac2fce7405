"""The file of rollouts while it is collected: appended to in the order in which they finish, put into the order of
the rows at the end, and gone on with where it stopped.

Whether a rollout is done is whether its line is there; nothing else is trusted. What was asked is kept beside it, so
that lines of two different questions never stand in one file.
"""

import contextlib
import fcntl
import os
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import msgspec

from usergym.data.rollout_inputs import Inputs
from usergym.rollouts.store import set_torn_line_aside

ATTEMPTS = 3
CONFIG, ROWS, LOCK = "config.json", "rows.bin", ".lock"
"""What stands in the folder beside the file."""

_FILE = "{0}; give the file another name, or start over with +fresh=true (--fresh)"
_OTHERS = "{0} exists and was not collected by this command; give the output another name"
SIDES = ("failures.jsonl", "materialized_inputs.jsonl", "aggregate_metrics.json")
"""Files that stand beside the output."""


class Refused(ValueError):
    """The file holds something else, or somebody else writes to it."""


class Key(msgspec.Struct):
    """Which rollout a line is of."""

    task: int = msgspec.field(name="_ng_task_index")
    rollout: int = msgspec.field(name="_ng_rollout_index")


class Failure(msgspec.Struct, omit_defaults=True):
    """A line of the failures beside the file."""

    task: int = msgspec.field(name="_ng_task_index")
    rollout: int = msgspec.field(name="_ng_rollout_index")
    kind: str = msgspec.field(name="_ng_failure_class")
    message: str = msgspec.field(name="error")
    attempt: int = msgspec.field(name="_ng_attempt_index", default=0)
    terminal: bool = msgspec.field(name="_ng_failure_terminal", default=False)
    """Asking again cannot help."""


_key = msgspec.json.Decoder(Key).decode
_failure = msgspec.json.Decoder(Failure).decode


def beside(output: Path, what: str) -> Path:
    """`rollouts.jsonl` and `failures` make `rollouts_failures.jsonl`."""
    return output.with_name(f"{output.stem}_{what}.jsonl")


def check_paths(source: Path, output: Path) -> None:
    """Refused where the rows would be written over, whatever the two paths look like."""
    rows = os.path.realpath(source)
    for path in (*written_to(output), *_drafts(output)):
        if os.path.realpath(path) == rows or (path.exists() and source.exists() and path.samefile(source)):
            what = "the output" if path == output else f"{path}, which is written beside the output,"
            raise Refused(f"{what} is the file of rows {source} itself; give the output another name")


def written_to(output: Path) -> list[Path]:
    return [output, *(output.with_name(f"{output.stem}_{side}") for side in SIDES)]


def _drafts(output: Path) -> list[Path]:
    """What else this writes."""
    failures = beside(output, "failures")
    torn = [path.with_name(f"{path.name}.torn") for path in (output, failures)]
    kept = [sidecar(output) / name for name in (CONFIG, ROWS, LOCK)]
    return [_draft(output), _draft(failures), *torn, *kept]


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


class RolloutFile:
    """The one writer of a file of rollouts."""

    def __init__(self, output: Path, lock: IO[str], fresh: bool) -> None:
        self.output = output
        self.notes: list[str] = []
        """What a person should know about how it was found."""
        self.keys = array("q")
        """Task, rollout and offset of every line, one after the other."""
        self.failed: dict[tuple[int, int], Failure] = {}
        """The last failure of each rollout that has no line."""
        self._lock = lock
        self._sidecar = sidecar(output)
        self._fresh = fresh

    @classmethod
    def open(cls, output: Path, fresh: bool = False) -> "RolloutFile":
        """Refused when another process writes to it, and for a file of somebody else's. Makes nothing but the folder
        with the lock."""
        if output.is_dir() or output.suffix != ".jsonl":
            raise Refused(f"{output}: rollouts are written to a file that ends in .jsonl")
        if not (sidecar(output) / CONFIG).exists():
            for path in written_to(output):
                if path.exists() and path.stat().st_size:
                    raise Refused(_OTHERS.format(path))
        try:
            lock = _locked(sidecar(output))
        except BlockingIOError:
            raise Refused(f"another process is collecting into {output}; wait for it, or give another file") from None
        except OSError as error:
            raise OSError(f"cannot write {output}: {error.strerror}; give another path") from error
        return cls(output, lock, fresh)

    def begin(self, identity: Mapping[str, Any], inputs: Inputs) -> None:
        """Takes up what is there, or with `fresh` starts over. Refused when it answers another question: the
        difference is shown, and nothing was changed."""
        if self._fresh:
            self._clear()
        there = self.output.exists() and self.output.stat().st_size > 0
        known: dict[str, Any] = {}
        if (self._sidecar / CONFIG).exists() and (there or beside(self.output, "failures").exists()):
            known = msgspec.json.decode((self._sidecar / CONFIG).read_bytes())
            self._compare(known, identity, inputs)
        self._recover(inputs)
        self._remember({**known, **identity}, inputs)
        inputs.keep()
        self._file = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._failures = os.open(beside(self.output, "failures"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = os.fstat(self._file).st_size

    def todo(self, inputs: Inputs, attempts: int) -> bytearray:
        """1 for every rollout that is still to be played, in the order of the inputs."""
        todo = bytearray(b"\x01") * len(inputs)
        lines = zip(self.keys[::3], self.keys[1::3], strict=True)
        spent = (key for key, each in self.failed.items() if each.terminal or each.attempt + 1 >= attempts)
        for task, rollout in (*lines, *spent):
            place = bisect_left(inputs.tasks, task)
            if place < len(inputs.tasks) and inputs.tasks[place] == task and rollout < inputs.repeats:
                todo[place * inputs.repeats + rollout] = 0
        return todo

    def write(self, task: int, rollout: int, line: bytes) -> None:
        """One finished rollout, whole or not at all. OSError when the disk is full."""
        self.keys.extend((task, rollout, self._size))
        self._size += _append(self._file, line, self._size, self.output)
        self.failed.pop((task, rollout), None)

    def fail(self, task: int, rollout: int, kind: str, message: str, terminal: bool) -> None:
        before = self.failed.get((task, rollout))
        failure = Failure(task, rollout, kind, message, before.attempt + 1 if before else 0, terminal)
        self.failed[task, rollout] = failure
        line = msgspec.json.encode(failure) + b"\n"
        _append(self._failures, line, os.fstat(self._failures).st_size, beside(self.output, "failures"))

    def finish(self) -> None:
        """Puts the file into the order of the rows; of the failures only those stay that have no line."""
        import numpy as np

        table = np.frombuffer(self.keys, dtype=np.int64).reshape(-1, 3) if self.keys else np.empty((0, 3), np.int64)
        order = np.lexsort((table[:, 1], table[:, 0]))
        if len(table) and not (order[1:] > order[:-1]).all():
            draft = _draft(self.output)
            with self.output.open("rb") as old, draft.open("wb") as new:
                for offset in table[order, 2]:
                    old.seek(int(offset))
                    new.write(old.readline())
            draft.replace(self.output)
        path = beside(self.output, "failures")
        if self.failed:
            draft = _draft(path)
            draft.write_bytes(b"".join(msgspec.json.encode(self.failed[key]) + b"\n" for key in sorted(self.failed)))
            draft.replace(path)
        else:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Where nothing came of it, nothing stays."""
        rollouts = (self.output, beside(self.output, "failures"))
        if hasattr(self, "_file"):
            os.close(self._file)
            os.close(self._failures)
            for path in rollouts:
                if path.exists() and not path.stat().st_size:
                    path.unlink()
            if not any(path.exists() for path in rollouts):
                self._clear()
        if not (self._sidecar / CONFIG).exists():
            (self._sidecar / LOCK).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody put something into it
                self._sidecar.rmdir()
        self._lock.close()

    def _clear(self) -> None:
        for path in (*written_to(self.output), self._sidecar / ROWS, self._sidecar / CONFIG):
            path.unlink(missing_ok=True)

    def _compare(self, known: Mapping[str, Any], identity: Mapping[str, Any], inputs: Inputs) -> None:
        now = msgspec.json.decode(msgspec.json.encode(identity))
        changed = [
            f"{key} was {known[key]!r} and is {now[key]!r}"
            for key in sorted({*known} & {*now})
            if known[key] != now[key]
        ]
        before = array("q")
        with contextlib.suppress(OSError):
            before.frombytes((self._sidecar / ROWS).read_bytes())
        other = [n + 1 for n, (a, b) in enumerate(zip(before, inputs.prints, strict=False)) if a != b and a and b]
        if other:
            changed.append(
                f"row {other[0]} of the input is another one" + f" (and {len(other) - 1} more)" * (len(other) > 1)
            )
        if changed:
            raise Refused(_FILE.format(f"{self.output} was collected otherwise: {'; '.join(changed)}"))

    def _remember(self, identity: Mapping[str, Any], inputs: Inputs) -> None:
        config = self._sidecar / CONFIG
        config.write_bytes(msgspec.json.format(msgspec.json.encode(identity), indent=2) + b"\n")
        rows = self._sidecar / ROWS
        before = rows.read_bytes() if rows.exists() else b""
        now = inputs.prints.tobytes()
        rows.write_bytes(now + before[len(now) :])

    def _recover(self, inputs: Inputs) -> None:
        torn = set_torn_line_aside(self.output)
        if torn:
            self.notes.append(f"set aside a torn last line of {torn:,} bytes in {self.output.name}.torn")
        set_torn_line_aside(beside(self.output, "failures"))
        for offset, line in _lines(self.output):
            try:
                key = _key(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise Refused(
                    _FILE.format(f"{self.output}: the line at byte {offset:,} is no rollout: {error}")
                ) from None
            self.keys.extend((key.task, key.rollout, offset))
        done = set(zip(self.keys[::3], self.keys[1::3], strict=True))
        for _, line in _lines(beside(self.output, "failures")):
            with contextlib.suppress(msgspec.MsgspecError):
                failure = _failure(line)
                if (failure.task, failure.rollout) not in done:
                    self.failed[failure.task, failure.rollout] = failure
        if done:
            self.notes.append(f"{len(done):,} rollouts were there already and are not played again")


def sidecar(output: Path) -> Path:
    """The folder with what was asked."""
    return output.with_name(f"{output.name}.run")


def _locked(folder: Path) -> IO[str]:
    """The lock of a folder, which is made. Another process may take an idle folder away just then: once more."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = (folder / LOCK).open("w")
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock.fileno()), (folder / LOCK).stat()):
                return lock
        except FileNotFoundError:
            pass
        except OSError:
            lock.close()
            raise
        lock.close()


def _lines(path: Path) -> Any:
    if not path.exists():
        return
    with path.open("rb") as file:
        offset = 0
        for line in file:
            if not line.isspace():
                yield offset, line
            offset += len(line)


def _append(file: int, line: bytes, size: int, path: Path) -> int:
    written = 0
    try:
        while written < len(line):
            written += os.write(file, memoryview(line)[written:])
    except OSError as error:
        with contextlib.suppress(OSError):
            os.ftruncate(file, size)
        raise OSError(f"cannot write {path}: {error.strerror}; make room and run the same command again") from error
    return written
