"""What a person really said, as 1 to 3 points that a text can be held against: read once, then remembered."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import msgspec

from usergym.judges.alignment_asking import LONGEST, SAMPLING, Unread, ask, fields, fingerprint, one_object, question
from usergym.judges.alignment_scores import Failure
from usergym.models.base import Model, StopRun
from usergym.types import Record, Sampling, Usage, is_blank

MOST = 3
LONGEST_POINT = 400
"""Characters. A judge is told to use 25 words."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"points": {"type": "array", "items": {"type": "string"}}},
    "required": ["points"],
    "additionalProperties": False,
}


class KeyPoints(Record, frozen=True, omit_defaults=False):
    points: tuple[str, ...]
    """1 to 3; none where there is a failure."""
    failure: Failure | None = None
    """`no_points`: the truth says nothing at this level. Others: the judge gave none that can be used."""
    why: str = ""
    usage: Usage = Usage()
    """Of the call that read them; none where they were remembered."""


class _Line(Record, frozen=True):
    key: str
    points: tuple[str, ...]


class KeyPointReader:
    """Asks `judge` for the key points of a truth, once for each (judge, level, meaning, context, truth).

    With `path` they outlive the process: a file of JSON lines, each under the hash of what was asked, that several
    processes may add to. What failed is not remembered, but that a truth has no points is.
    """

    def __init__(
        self, judge: Model, path: str | Path | None = None, *, sampling: Sampling = SAMPLING, seed: int = 0
    ) -> None:
        """StopRun where `path` cannot be read or is something else."""
        self.judge = judge
        self.path = None if path is None else Path(path)
        self.sampling = sampling
        self.seed = seed
        self.hits = 0
        self.misses = 0
        self._known, self._torn = ({}, False) if self.path is None else _read(self.path)
        self._asking: dict[str, asyncio.Task[KeyPoints]] = {}

    async def of(self, *, context: str, level: str, desc: str, truth: str) -> KeyPoints:
        """The key points of `truth` at `level`, which `desc` explains. What fails is an outcome; StopRun passes."""
        key = self.key(context=context, level=level, desc=desc, truth=truth)
        if (known := self._known.get(key)) is not None:
            self.hits += 1
            return _points(known)
        task = self._asking.get(key)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            self.misses += 1
            task = asyncio.create_task(self._ask(key, context, level, desc, truth))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
            return await asyncio.shield(task)
        self.hits += 1
        found = await asyncio.shield(task)
        return msgspec.structs.replace(found, usage=Usage())

    def key(self, *, context: str, level: str, desc: str, truth: str) -> str:
        """What the points of a truth are remembered under: all that they depend on."""
        asked = (self.judge.name, self.sampling, self.seed, fingerprint("key_points"), level, desc, context, truth)
        return hashlib.blake2b(msgspec.json.encode(asked, order="deterministic"), digest_size=16).hexdigest()

    async def _ask(self, key: str, context: str, level: str, desc: str, truth: str) -> KeyPoints:
        if is_blank(truth):
            return KeyPoints((), "no_points", "the truth is empty")
        if (length := len(context) + len(truth)) > LONGEST:
            return KeyPoints((), "too_long", f"{length:,} characters, and {LONGEST:,} are judged")
        material = {"aspect": level, "meaning": desc, "context": context, "truth": truth}
        answer = await ask(self.judge, question("key_points", material), SCHEMA, read_points, self.sampling, self.seed)
        if answer.value is None:
            return KeyPoints((), answer.failure, answer.why, answer.usage)
        self._keep(_Line(key, answer.value))
        return msgspec.structs.replace(_points(answer.value), usage=answer.usage)

    def _keep(self, line: _Line) -> None:
        self._known[line.key] = line.points
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                # In one write, so that lines of several processes stand one after the other.
                file.write(b"\n" * self._torn + msgspec.json.encode(line) + b"\n")
            self._torn = False
        except OSError as error:
            raise StopRun(f"key points {self.path} cannot be written: {error.strerror}; name another file") from None


def read_points(text: str) -> tuple[str, ...]:
    """The points of a judge's answer, none for a truth without; Unread for an answer that has no or too many."""
    found = fields(one_object(text))
    points = found.get("points") if found is not None else None
    if not isinstance(points, list) or not all(
        isinstance(point, str) and any(map(str.isalnum, point)) for point in points
    ):
        raise Unread("unreadable", "no list of points")
    if len(points) > MOST:
        raise Unread("wrong_count", f"{len(points)} points, at most {MOST} were asked for")
    if longest := next((point for point in points if len(point) > LONGEST_POINT), None):
        raise Unread("unreadable", f"a point of {len(longest):,} characters")
    return tuple(" ".join(point.split()) for point in points)


def _points(points: tuple[str, ...]) -> KeyPoints:
    return KeyPoints(points) if points else KeyPoints((), "no_points", "the truth says nothing at this level")


def _read(path: Path) -> tuple[dict[str, tuple[str, ...]], bool]:
    """What a file remembers, and whether its last line is torn: the process that wrote it was killed. A line that
    cannot be read is asked for again."""
    try:
        written = path.read_bytes()
    except FileNotFoundError:
        return {}, False
    except OSError as error:
        raise StopRun(f"key points {path} cannot be read: {error.strerror}; name another file") from None
    known: dict[str, tuple[str, ...]] = {}
    for line in written.splitlines():
        try:
            kept = msgspec.json.decode(line, type=_Line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        known[kept.key] = kept.points
    if written.strip() and not known:
        raise StopRun(f"{path} holds no line of key points; name another file, or remove this one")
    return known, not written.endswith(b"\n") and bool(written)
