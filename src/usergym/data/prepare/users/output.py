"""The tree that is left: a parquet file and a preview for each split, the prompts, the personas, and a manifest."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import msgspec

from usergym.data.convert import refuse_itself
from usergym.data.prepare.users.profile import Profile
from usergym.data.prepare.users.rows import Layout
from usergym.environments.people.raw import DROPPED
from usergym.rows import Writer

SPLITS = ("train", "val", "test", DROPPED)
MANIFEST = "manifest.json"
PREVIEW = 2
"""Rows that a preview shows."""


def folder_of(save: Path, layout: Layout, percent: float | None) -> Path:
    """`SAVE/{rl|sft|thinking_sft}/CONFIG[/PERCENTp]`; a configuration without tags has a folder of its own."""
    name = layout.hierarchy.name
    bare = not layout.tags and layout.hierarchy.tagged
    folder = save / layout.what / (f"{name}_no_tag" if bare else name)
    return folder if percent is None else folder / f"{percent:g}p"


def check_folder(folder: Path, sources: Iterable[Path], settings: Mapping[str, Any], force: bool) -> None:
    """ValueError where something would be overwritten that other settings wrote. The same may write again."""
    targets = [folder / f"{split}.parquet" for split in SPLITS]
    for source in sources:
        refuse_itself(source, *targets)
    there = [path for path in (*targets, folder / MANIFEST) if path.exists()]
    if not there or force:
        return
    was = settings_in(folder / MANIFEST)
    if was is None:
        raise ValueError(f"{there[0]} is there and has no manifest of ours; give another --save-data-dir, or --force")
    wanted = json.loads(msgspec.json.encode(settings))
    if differing := [name for name in {**was, **wanted} if was.get(name) != wanted.get(name)]:
        told = ", ".join(f"{name} {was.get(name)!r}, now {wanted.get(name)!r}" for name in differing)
        raise ValueError(
            f"{folder} was prepared with other settings ({told}); give another --save-data-dir, or --force"
        )


def settings_in(path: Path) -> dict[str, Any] | None:
    """Of a manifest; None where there is none that can be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    settings = found.get("settings") if isinstance(found, dict) else None
    return settings if isinstance(settings, dict) else None


class Output:
    """Takes rows by split; the files appear when it is left without an error."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._previews: dict[str, list[Any]] = {split: [] for split in SPLITS}
        with ExitStack() as stack:
            self._files = {split: stack.enter_context(Writer(folder / f"{split}.parquet")) for split in SPLITS}
            self._stack = stack.pop_all()

    def add(self, split: str, row: dict[str, Any]) -> None:
        self._files[split].write(row)
        if len(self._previews[split]) < PREVIEW:
            self._previews[split].append(row)

    @property
    def written(self) -> dict[str, int]:
        return {split: file.rows for split, file in self._files.items()}

    def previews(self) -> None:
        """*.example.json: the first rows, with line breaks a person can read."""
        for split, rows in self._previews.items():
            _write(self.folder / f"{split}.example.json", rows)

    def about(self, settings: Mapping[str, Any], figures: Mapping[str, Any], more: Mapping[str, Any]) -> None:
        """manifest.json, the last file: where it is, all are whole."""
        hashes = {split: digest(self.folder / f"{split}.parquet") for split in SPLITS}
        _write(self.folder / MANIFEST, {"settings": settings, **figures, "sha256": hashes, **more})

    def __enter__(self) -> Self:
        (self.folder / MANIFEST).unlink(missing_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self._stack.__exit__(kind, error, trace)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_personas(path: Path, profiles: Iterable[Profile]) -> None:
    """Each with its evidence, a line a person."""
    with Writer(path, whole=True) as writer:
        for profile in profiles:
            writer.write(msgspec.to_builtins(profile))


def write_thoughts(path: Path, thoughts: Mapping[str, str]) -> None:
    """By the id of their target, as --trajectory-path reads them."""
    with Writer(path, whole=True) as writer:
        for key, thought in sorted(thoughts.items()):
            writer.write({"id": key, "thinking": thought})


def write_prompts(folder: Path, layout: Layout) -> dict[str, str]:
    """The prompt of all levels, and of each, with {persona} where a persona goes; their digests by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    name = layout.hierarchy.name.replace("/", "_")
    levels = [None, *(level.name for level in layout.hierarchy.judged)]
    found = {}
    for level in levels:
        path = folder / (f"{name}_{level}.txt" if level else f"{name}.txt")
        draft = path.with_suffix(".tmp")
        draft.write_text(layout.system(level, "{persona}") + "\n", encoding="utf-8")
        draft.replace(path)
        found[path.name] = digest(path)
    return found


def _write(path: Path, value: object) -> None:
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    draft.replace(path)
