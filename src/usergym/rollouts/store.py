"""A run on disk: what makes `kill -9` cost the calls in flight and nothing else.

`trajectories.jsonl` has a line per finished conversation, `journal-N.jsonl` a line per turn, written before
the next call is made; `failures.jsonl` a line per failed attempt. Only appends, one writer, every write whole
or undone.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from usergym import __version__
from usergym.models.base import StopRun
from usergym.types import Record, Task, Trajectory, Turn, stable_hash

SEGMENT_BYTES = 64 * 2**20
ATTEMPTS = 3
_LOGS = ("trajectories.jsonl", "failures.jsonl")
_JOURNAL = re.compile(r"journal-\d+\.jsonl")


class _Entry(Record, frozen=True):
    """A line of the journal: turns of one conversation from index `at` on, or how it ended (kept only until
    its group is done). An index, so that reading a line twice is reading it once."""

    id: str
    at: int
    turns: tuple[Turn, ...] = ()
    ended: str | None = None


class Failed(Record, frozen=True):
    """A line of `failures.jsonl`."""

    trajectory: Trajectory
    attempt: int


class RunRefused(Exception):
    """The folder holds another run, or somebody else writes to it."""


T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_decode_entry = msgspec.json.Decoder(_Entry).decode
_decode_trajectory = msgspec.json.Decoder(Trajectory).decode


class _TaskId(msgspec.Struct):
    id: str


_decode_task_id = msgspec.json.Decoder(_TaskId).decode


class _TrajectoryId(msgspec.Struct):
    """As little of a trajectory as says which one it is."""

    task: msgspec.Raw
    sample: int

    @property
    def id(self) -> str:
        return f"{_decode_task_id(self.task).id}#{self.sample}"


class _FailedId(msgspec.Struct):
    trajectory: _TrajectoryId
    attempt: int


_decode_id = msgspec.json.Decoder(_TrajectoryId).decode
_decode_failed_id = msgspec.json.Decoder(_FailedId).decode
_decode_failed = msgspec.json.Decoder(Failed).decode


def read_trajectories(path: str | Path) -> Iterator[Trajectory]:
    """Trajectories of a run folder or of a `trajectories.jsonl`, one at a time. ValueError names the line."""
    path = Path(path)
    yield from _lines(path / "trajectories.jsonl" if path.is_dir() else path, _decode_trajectory)


def read_failures(folder: str | Path) -> Iterator[Failed]:
    """Failed attempts of a run folder, in the order they happened."""
    path = Path(folder) / "failures.jsonl"
    if path.exists():
        yield from _lines(path, _decode_failed)


def outcomes(folder: Path) -> Iterator[Trajectory]:
    """Finished conversations, then those that failed and did not succeed later, each once."""
    finished = set()
    for trajectory in read_trajectories(folder):
        finished.add(trajectory.id)
        yield trajectory
    last = {failed.trajectory.id: failed.trajectory for failed in read_failures(folder)}
    yield from (trajectory for key, trajectory in last.items() if key not in finished)


def _lines(path: Path, decode: Callable[[bytes], T]) -> Iterator[T]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            yield _decode_line(line, decode, path, number)


def _decode_line(line: bytes, decode: Callable[[bytes], T], path: Path, number: int) -> T:
    try:
        return decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}:{number}: {error}; take the line out, or start over with --fresh") from error


def _own_files(folder: Path) -> list[Path]:
    """Nothing else in the folder is touched."""
    return sorted(path for path in folder.glob("*.jsonl") if path.name in _LOGS or _is_journal(path))


def _is_journal(path: Path) -> bool:
    return path.is_file() and _JOURNAL.fullmatch(path.name) is not None


def _hash(data: bytes | msgspec.Raw) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


class _Log:
    """An append-only file whose lines are written whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.size = os.fstat(self.file).st_size

    def append(self, data: bytes) -> None:
        written = 0
        try:
            while written < len(data):
                written += os.write(self.file, memoryview(data)[written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self.file, self.size)
            text = f"cannot write {self.path}: {error.strerror}. Make room and run the same command again"
            raise StopRun(text) from error
        self.size += written

    def close(self) -> None:
        os.close(self.file)


def set_torn_line_aside(path: Path) -> int:
    """Cuts a last line that was not written to its end, keeping it in `<name>.torn`; its length in bytes."""
    if not path.exists():
        return 0
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        position, tail = end, b""
        while position and b"\n" not in tail:
            step = min(position, 2**16)
            position -= step
            file.seek(position)
            tail = file.read(step) + tail
        keep = position + tail.rfind(b"\n") + 1
        if torn := end - keep:
            file.seek(keep)
            with path.with_name(path.name + ".torn").open("ab") as aside:
                aside.write(file.read() + b"\n")
            file.truncate(keep)
        return torn


def sole_writer(folder: Path) -> IO[str]:
    """The lock on a run's folder, which is made; held until it is closed. RunRefused where it cannot be written, or
    another process holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise RunRefused(f"cannot write to {folder}: {error.strerror}; give another --out") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise RunRefused(f"another process is writing to {folder}; wait for it, or give another --out") from None
    return lock


class Store:
    """The one writer of a run folder."""

    def __init__(self, folder: Path, lock: IO[str]) -> None:
        self.folder = folder
        self.notes: list[str] = []
        """What a person should know about how the run was found."""
        self._lock = lock
        self._finished: dict[int, int] = {}
        """Of each finished conversation: a hash of its id, and one of its task."""
        self._open: dict[str, dict[int, Turn]] = {}
        self._ended: dict[str, str] = {}
        self._failed: dict[str, tuple[int, int]] = {}
        """Of each failed conversation: where its last line begins, and how many attempts were made."""
        for path in _own_files(folder):
            if torn := set_torn_line_aside(path):
                self.notes.append(f"set aside a torn last line of {torn} bytes in {path.name}.torn")
        self._trajectories = _Log(folder / "trajectories.jsonl")
        self._failures = _Log(folder / "failures.jsonl")
        self._segments: dict[int, set[str]] = {}
        self._recover()

    @classmethod
    def open(
        cls,
        folder: str | Path,
        identity: Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
        fresh: bool = False,
    ) -> "Store":
        """Opens or resumes a run.

        `identity` is what must be the same on resume (environment, models, sampling, seed); `settings` may
        change (concurrency, budgets, paths). RunRefused names what differs, or that another process writes here.
        """
        folder = Path(folder)
        lock = sole_writer(folder)
        try:
            _refuse_training(folder)
            if fresh:
                for path in (*_own_files(folder), folder / "config.json", folder / "metrics.json"):
                    path.unlink(missing_ok=True)
                    path.with_name(path.name + ".torn").unlink(missing_ok=True)
            _settle_config(folder, identity, settings or {})
            return cls(folder, lock)
        except BaseException:
            lock.close()
            raise

    def _recover(self) -> None:
        for line in _lines(self._trajectories.path, _decode_id):
            self._finished[stable_hash(line.id)] = _hash(line.task)
        self._index_failures()
        segments = sorted((path for path in _own_files(self.folder) if _is_journal(path)), key=_segment_number)
        for path in segments:
            for entry in _lines(path, _decode_entry):
                if not (stable_hash(entry.id) in self._finished or self.is_given_up(entry.id)):
                    self._open.setdefault(entry.id, {}).update(enumerate(entry.turns, entry.at))
                    if entry.ended:
                        self._ended[entry.id] = entry.ended
        self._start_segment(_segment_number(segments[-1]) + 1 if segments else 0)
        carried = [
            _Entry(key, min(turns, default=0), tuple(turns.values()), self._ended.get(key))
            for key, turns in self._open.items()
        ]
        self._journal.append(b"".join(_encoder.encode(entry) + b"\n" for entry in carried))
        self._segments[self._segment].update(self._open)
        for path in segments:
            path.unlink()

    def _index_failures(self) -> None:
        with self._failures.path.open("rb") as file:
            place = 0
            for number, line in enumerate(file, 1):
                if not line.isspace():
                    failed = _decode_line(line, _decode_failed_id, self._failures.path, number)
                    self._failed[failed.trajectory.id] = (place, failed.attempt + 1)
                place += len(line)

    def _start_segment(self, number: int) -> None:
        self._segment = number
        self._journal = _Log(self.folder / f"journal-{number}.jsonl")
        self._segments[number] = set()

    @property
    def finished(self) -> int:
        """Conversations that were finished when the run was opened."""
        return len(self._finished)

    def is_finished(self, task: Task, sample: int) -> bool:
        """RunRefused when it was finished as another task of the same id."""
        known = self._finished.get(stable_hash(f"{task.id}#{sample}"))
        if known is not None and known != _hash(_encoder.encode(task)):
            raise RunRefused(
                f"task {task.id!r} is not what it was when {self.folder} played it; "
                "give another folder (--out, --output), or --fresh to start over"
            )
        return known is not None

    def is_given_up(self, trajectory_id: str) -> bool:
        """Failed as often as it is tried."""
        return self._failed.get(trajectory_id, (0, 0))[1] >= ATTEMPTS

    def attempt(self, trajectory_id: str) -> int:
        """Attempts that failed so far."""
        return self._failed.get(trajectory_id, (0, 0))[1]

    def past(self, trajectory: Trajectory) -> tuple[Sequence[Turn] | None, str | None]:
        """Turns of a conversation that began earlier, and how it ended where it did."""
        key, opening = trajectory.id, trajectory.task.opening
        turns: Sequence[Turn] | None = None
        if known := self._open.pop(key, None):
            turns = [*opening[: min(known)], *known.values()]
        elif key in self._failed:
            with self._failures.path.open("rb") as file:
                file.seek(self._failed[key][0])
                turns = _decode_failed(file.readline()).trajectory.turns
            self.began(trajectory, turns)
        return turns or None, self._ended.pop(key, None)

    def turn(self, trajectory: Trajectory, turn: Turn) -> None:
        """Journals a turn that is about to be appended to `trajectory.turns`."""
        self._enter(trajectory.id, _Entry(trajectory.id, len(trajectory.turns), (turn,)))

    def began(self, trajectory: Trajectory, turns: Sequence[Turn]) -> None:
        """Journals what a conversation begins with and no journal holds yet."""
        self._enter(trajectory.id, _Entry(trajectory.id, 0, tuple(turns)))

    def ended(self, trajectory: Trajectory) -> None:
        """Journals how a conversation ended that waits for the rest of its group."""
        self._enter(trajectory.id, _Entry(trajectory.id, len(trajectory.turns), (), trajectory.stop))

    def _enter(self, trajectory_id: str, entry: _Entry) -> None:
        if self._journal.size > SEGMENT_BYTES:
            self._start_segment(self._segment + 1)
        self._segments[self._segment].add(trajectory_id)
        self._journal.append(_encoder.encode(entry) + b"\n")

    def finish(self, trajectories: Iterable[Trajectory]) -> None:
        """Writes finished conversations in one write."""
        batch = list(trajectories)
        self._trajectories.append(b"".join(_encoder.encode(trajectory) + b"\n" for trajectory in batch))
        self._forget(trajectory.id for trajectory in batch)

    def fail(self, trajectory: Trajectory, attempt: int) -> None:
        self._failures.append(_encoder.encode(Failed(trajectory, attempt)) + b"\n")
        self._forget([trajectory.id])

    def _forget(self, trajectory_ids: Iterable[str]) -> None:
        for trajectory_id in trajectory_ids:
            for needed in self._segments.values():
                needed.discard(trajectory_id)
        for number in [n for n, needed in self._segments.items() if not needed and n != self._segment]:
            del self._segments[number]
            (self.folder / f"journal-{number}.jsonl").unlink(missing_ok=True)

    def close(self) -> None:
        for log in (self._trajectories, self._failures, self._journal):
            log.close()
        if not any(self._segments.values()):
            for number in self._segments:
                (self.folder / f"journal-{number}.jsonl").unlink(missing_ok=True)
        self._lock.close()


def _segment_number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _refuse_training(folder: Path) -> None:
    """A training run's folder has trajectories and a config.json too, which are not ours to replace."""
    try:
        found = msgspec.json.decode((folder / "config.json").read_bytes(), type=_Config)
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError):
        return
    if found.starts is not None:
        raise RunRefused(f"{folder} holds a training run; give another folder (--out, --output)")


def _settle_config(folder: Path, identity: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    path = folder / "config.json"
    wanted = msgspec.json.decode(msgspec.json.encode(identity))
    empty = all(_holds_nothing(log) for log in _own_files(folder))
    if path.exists():
        changed = _differences(_identity(path), wanted)
        if changed and not empty:
            raise RunRefused(
                f"{folder} was made with another configuration: {'; '.join(changed)}. "
                "Give another folder (--out, --output), or --fresh to start over"
            )
        for log in _own_files(folder) if changed else ():
            log.unlink()
    elif not empty:
        raise RunRefused(f"{folder} holds a run but no config.json; give another folder (--out, --output), or --fresh")
    config = {
        "identity": wanted,
        "fingerprint": f"{stable_hash(msgspec.json.encode(wanted, order='sorted').decode()):016x}",
        "settings": settings,
        "versions": {"usergym": __version__, "python": platform.python_version()},
    }
    text = msgspec.json.format(msgspec.json.encode(config), indent=2)
    draft = path.with_suffix(".json.tmp")
    try:
        draft.write_bytes(text + b"\n")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise RunRefused(f"cannot write {path}: {error.strerror}; make room, or give another folder") from error


def _holds_nothing(log: Path) -> bool:
    """Nothing that a model said: a run that never got an answer may be set up anew."""
    return not log.stat().st_size or (_is_journal(log) and b'"usage"' not in log.read_bytes())


def _identity(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Config).identity
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError) as error:
        raise RunRefused(f"{path} cannot be read ({error}); give another folder, or --fresh to start over") from error


class _Config(msgspec.Struct):
    identity: dict[str, Any]
    starts: list[Any] | None = None
    """Only training runs have it."""


def _differences(found: Any, wanted: Any, at: str = "") -> list[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = sorted({*found, *wanted})
        return [
            line for key in keys for line in _differences(found.get(key), wanted.get(key), f"{at}.{key}".strip("."))
        ]
    return [] if found == wanted else [f"{at} was {_short(found)}, now {_short(wanted)}"]


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else text[:77] + "..."
