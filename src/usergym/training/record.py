"""What every training run leaves in its folder, and what a resumed one must find there.

`config.json` (what was asked for, and of each start its versions, commit and command), `metrics.jsonl` (one object per
logged step), `curves.png`, `checkpoints/`, and at the end `model/`.
"""

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import msgspec

import usergym
from usergym.rollouts.store import RunRefused, set_torn_line_aside, sole_writer
from usergym.types import stable_hash

PACKAGES = ("usergym", "torch", "transformers", "trl", "peft", "accelerate", "numpy", "verl", "vllm")
METRICS, CONFIG, CHECKPOINTS, MODEL, ADAPTER = "metrics.jsonl", "config.json", "checkpoints", "model", "adapter"

_SECRET = re.compile(r"_(KEY|TOKEN|SECRET|PASSWORD|PASS)$")
_USERINFO = re.compile(r"(?<=://)[^/@\s\"]+(?=@)")
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


class Record:
    """The one writer of a training run's folder. Of several processes of a run only the first writes."""

    def __init__(self, folder: Path, lock: IO[str] | None) -> None:
        self.folder = folder
        self._lock = lock

    @classmethod
    def start(
        cls, folder: str | Path, config: Mapping[str, Any], *, resume: bool = True, settings: Mapping[str, Any] = {}
    ) -> "Record":
        """Opens or resumes a run.

        `config` is what must be the same on resume (model, data, algorithm, seed); `settings` may change (paths,
        trackers, how often is logged). `resume` False starts over: what a run left here is removed. RunRefused names
        what differs, or that another process writes here.
        """
        folder = Path(folder)
        if not is_main():
            return cls(folder, None)
        lock = sole_writer(folder)
        try:
            _settle(folder, config, settings, resume)
        except BaseException:
            lock.close()
            raise
        record = cls(folder, lock)
        set_torn_line_aside(folder / METRICS)
        return record

    @property
    def checkpoints(self) -> Path:
        return self.folder / CHECKPOINTS

    @property
    def model(self) -> Path:
        """Where the trained model goes when the run is done."""
        return self.folder / MODEL

    @property
    def done(self) -> bool:
        return (self.model / CONFIG).exists()

    def latest(self) -> Path | None:
        """The last checkpoint that was written whole. ValueError where a file of it is no longer."""
        latest = latest_in(self.folder)
        if latest and (torn := _torn(latest)):
            raise ValueError(
                f"{torn} is cut short or empty, so the run cannot go on from {latest.name}; remove {latest} to go on "
                "from the checkpoint before it, or give --fresh to start over"
            )
        return latest

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Appends one line to `metrics.jsonl`; what is no number is left out, and one that is not finite is null."""
        if not is_main():
            return
        scalars = {name: value for name, value in values.items() if isinstance(value, (int, float))}
        line = msgspec.json.encode({"step": step, **scalars, "time": round(time.time(), 3)}) + b"\n"
        with (self.folder / METRICS).open("ab") as file:
            file.write(line)

    def rewind(self, step: int) -> None:
        """Drops what was logged after `step`, from where the run now goes on."""
        path = self.folder / METRICS
        if not is_main() or not path.exists():
            return
        kept = [line for line in read_metrics(self.folder) if line["step"] <= step]
        draft = path.with_suffix(".tmp")
        draft.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in kept))
        draft.replace(path)

    def close(self) -> None:
        if self._lock:
            self._lock.close()


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())  # which takes the NaN that transformers may write
    except (OSError, ValueError):
        return False
    return True


def latest_in(folder: Path) -> Path | None:
    """A run's last checkpoint that was written whole."""
    found = [
        (int(match[1]), path)
        for path in (folder / CHECKPOINTS).glob("checkpoint-*")
        if (match := _CHECKPOINT.fullmatch(path.name)) and _is_json(path / "trainer_state.json")
    ]
    return max(found)[1] if found else None


def _torn(checkpoint: Path) -> Path | None:
    """A file of tensors that does not reach to its end, told without reading the tensors."""
    for path in sorted(checkpoint.iterdir()):
        if path.suffix == ".safetensors" and not _is_safetensors(path):
            return path
        if path.suffix in (".pt", ".pth") and not zipfile.is_zipfile(path):  # as torch.save writes
            return path
    return None


def _is_safetensors(path: Path) -> bool:
    """A header of so many bytes as the first eight say, and all the bytes that it names."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        size = path.stat().st_size - 8 - length
        if length == 0 or size < 0:
            return False
        try:
            header = msgspec.json.decode(file.read(length), type=dict[str, _Part])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
    return size == max((part.data_offsets[1] for part in header.values()), default=0)


class _Part(msgspec.Struct):
    data_offsets: tuple[int, int] = (0, 0)
    """The entry of metadata has none."""


def is_main() -> bool:
    """Whether this process is the first of those that torchrun or accelerate started."""
    return os.environ.get("RANK", "0") == "0"


def read_metrics(folder: str | Path) -> Iterator[dict[str, Any]]:
    """Lines of a run's `metrics.jsonl`. ValueError names the line."""
    path = Path(folder) / METRICS
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                msgspec.json.decode(line, type=_Line)
                row: dict[str, Any] = msgspec.json.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise ValueError(f"{path}:{number}: {error}; take the line out") from None
            yield row


class _Line(msgspec.Struct):
    step: int


def _settle(folder: Path, config: Mapping[str, Any], settings: Mapping[str, Any], resume: bool) -> None:
    path = folder / CONFIG
    wanted = msgspec.json.decode(without_secrets(_encoded(config).decode()))
    if not resume:
        _refuse_what_is_not_ours(folder)
        for path_left in (
            *folder.glob("trajectories*.jsonl"),
            *(folder / name for name in (METRICS, CONFIG, "curves.png")),
        ):
            path_left.unlink(missing_ok=True)
        for name in (CHECKPOINTS, MODEL, f"{MODEL}.tmp", ADAPTER):
            shutil.rmtree(folder / name, ignore_errors=True)
    starts: list[Any] = []
    if path.exists():
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_Config)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RunRefused(f"{path} is not of a training run ({error}); give another --out") from None
        if changed := list(_differences(found.identity, wanted)):
            raise RunRefused(
                f"{folder} was trained with another configuration: {'; '.join(changed)}. "
                "Give another --out, or --fresh to start over"
            )
        starts = found.starts
    elif (folder / METRICS).exists() or (folder / CHECKPOINTS).exists():
        raise RunRefused(f"{folder} holds a run but no config.json; give another --out, or --fresh to start over")
    row = {
        "identity": wanted,
        "fingerprint": f"{stable_hash(_encoded(wanted).decode()):016x}",
        "settings": settings,
        "starts": [*starts, _this_start()],
    }
    text = msgspec.json.format(_encoded(row), indent=2).decode()
    draft = path.with_suffix(".json.tmp")
    try:
        draft.write_text(without_secrets(text) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise RunRefused(f"cannot write {path}: {error.strerror}; make room, or give another --out") from error


def _refuse_what_is_not_ours(folder: Path) -> None:
    """Starting over removes files, which must be those of a training run."""
    path = folder / CONFIG
    try:
        if path.exists():
            msgspec.json.decode(path.read_bytes(), type=_Config)
        elif any((folder / name).exists() for name in ("trajectories.jsonl", MODEL, ADAPTER)):
            raise RunRefused(f"{folder} holds files that no training run left there; give another --out")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise RunRefused(f"{path} is not of a training run, and would be lost; give another --out") from None


class _Config(msgspec.Struct):
    identity: dict[str, Any]
    starts: list[Any]
    """Only training runs have it."""


def _encoded(value: object) -> bytes:
    return msgspec.json.encode(value, order="sorted", enc_hook=str)


def _differences(found: Any, wanted: Any, at: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            yield from _differences(found.get(key), wanted.get(key), f"{at}.{key}".strip("."))
    elif found != wanted:
        yield f"{at} was {_short(found)}, now {_short(wanted)}"


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else text[:77] + "..."


def _this_start() -> dict[str, Any]:
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "versions": versions(),
        "code": commit(),
    }


def versions() -> dict[str, str]:
    """Of Python and of the packages that a result depends on; those that are not installed are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> dict[str, Any] | None:
    """The commit of this package's code and whether files differ from it; None where it is no checkout of its own."""
    here = Path(usergym.__file__)
    if _git(here, "ls-files", "--error-unmatch", here.name) is None or not (head := _git(here, "rev-parse", "HEAD")):
        return None
    changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    return {"commit": head, "dirty": bool(changed)}


def _git(file: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=file.parent, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def without_secrets(text: str) -> str:
    """`text` without the passwords in its URLs and without the value of any variable that is named as a secret."""
    for name, value in os.environ.items():
        if _SECRET.search(name.upper()) and len(value) >= 8:
            text = text.replace(value, "***")
    return _USERINFO.sub("***", text)
