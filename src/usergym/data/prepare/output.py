"""The folder that `prepare` leaves: train.jsonl, validation.jsonl and prepare.json, whole or not at all."""

import contextlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import msgspec

from usergym.data.convert import refuse_itself
from usergym.data.prepare.dedupe import KEY, Seen
from usergym.data.prepare.recipe import Item, Report
from usergym.rows import Writer

SPLITS = ("train", "validation")
ABOUT = "prepare.json"


def check_folder(folder: Path, sources: Iterable[Path], settings: Mapping[str, Any], force: bool) -> None:
    """ValueError where something else would be overwritten. The same settings may write again."""
    targets = [folder / f"{split}.jsonl" for split in SPLITS]
    for source in sources:
        refuse_itself(source, *targets)
    there = [path for path in (*targets, folder / ABOUT) if path.exists()]
    if not there or force:
        return
    was = _settings(folder / ABOUT)
    if was is None:
        raise ValueError(f"{there[0]} is there and was not prepared by these settings; give another --out, or --force")
    wanted = _flat(json.loads(msgspec.json.encode(settings)))
    if differing := [name for name in {**was, **wanted} if was.get(name) != wanted.get(name)]:
        told = ", ".join(f"{name} {was.get(name)!r}, now {wanted.get(name)!r}" for name in differing)
        raise ValueError(f"{folder} was prepared with other settings ({told}); give another --out, or --force")


def _settings(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    settings = found.get("settings") if isinstance(found, dict) else None
    return _flat(settings) if isinstance(settings, dict) else None


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    rules = settings.get("rules")
    return {**settings, "rules": None, **(rules if isinstance(rules, dict) else {})}


class Output:
    """Takes items by split. Held-out ones wait on disk until all contexts of training are known."""

    def __init__(self, folder: Path, report: Report, dedupe: bool) -> None:
        self.folder = folder
        self.report = report
        self.dedupe = dedupe
        self._seen = {split: Seen() for split in SPLITS}
        self._contexts = Seen()
        self._made = [path for path in (folder, *folder.parents) if not path.exists()]
        with ExitStack() as stack:
            self._files = {
                split: stack.enter_context(Writer(folder / f"{split}.jsonl", whole=True)) for split in SPLITS
            }
            self._waiting = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            self._stack = stack.pop_all()

    def add(self, split: str, item: Item) -> None:
        if self.dedupe and self._seen[split].again(item.identity):
            self.report.duplicates[split] += 1
        elif split == "train":
            if self.dedupe:
                self._contexts.again(item.context)
            self._files["train"].write(item.row)
        else:
            self._waiting.write(item.context + msgspec.json.encode(item.row) + b"\n")

    def finish(self) -> None:
        """Writes what was held out and is nowhere in training. ValueError where nothing is left to train on."""
        self._waiting.seek(0)
        while context := self._waiting.read(KEY):
            line = self._waiting.readline()
            if self.dedupe and context in self._contexts:
                self.report.duplicates["across"] += 1
            else:
                self._files["validation"].write(msgspec.json.decode(line))
        for split, file in self._files.items():
            self.report.written[split] = file.rows
        if not self._files["train"].rows:
            raise ValueError(_nothing(self.report))

    def about(self, settings: Mapping[str, Any]) -> None:
        """prepare.json: the figures and the settings that led to them."""
        text = msgspec.json.format(msgspec.json.encode({**self.report.figures(), "settings": settings}), indent=2)
        draft = self.folder / f".{ABOUT}.tmp"
        draft.write_bytes(text + b"\n")
        draft.replace(self.folder / ABOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self._stack.__exit__(kind, error, trace)
        if error is not None:
            with contextlib.suppress(OSError):  # not empty: somebody else has put something there
                for path in self._made:
                    path.rmdir()


def _nothing(report: Report) -> str:
    rows = sum(report.read.values())
    reasons = [f"{count:,} {reason}" for reason, count in {**report.left_out, **report.tally.left_out}.items()]
    if report.skipped:
        reasons.append(f"{report.skipped.count:,} that could not be read, first {report.skipped.rows[0]}")
    if report.written["validation"]:
        reasons.append(f"{report.written['validation']:,} held out")
    return f"nothing to train on in {rows:,} rows ({', '.join(reasons) or 'there are none'}); no file was touched"
