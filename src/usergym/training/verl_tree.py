"""A run's checkpoints as the tree that the published launcher leaves: written whole or not at all, and found again by
any of its folders.

    TREE/global_step_N/actor/{weights, tokenizer, data.json, hierarchy_map.json}
    TREE/latest_checkpointed_iteration.txt
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from usergym.training.checkpoints import WEIGHTS
from usergym.training.record import CHECKPOINTS, CONFIG, MODEL, latest_in
from usergym.training.shape import read_json
from usergym.types import Record
from usergym.users.states.speaking import FILE as SPEECH

ITERATION, ACTOR, PLACE, MAP = "latest_checkpointed_iteration.txt", "actor", "data.json", "hierarchy_map.json"
PREFIXES = "prefixes.json"
"""The best prefixes, in a checkpoint of ours."""
PICKLED_MAP = "hierarchy_map.pt"
"""The published name of the best prefixes."""
MERGED = "huggingface"
"""Where the published trainer puts what transformers reads, in the actor's folder."""
ONLY_TO_GO_ON = ("optimizer", "scheduler", "rng_state", "scaler", "trainer_state", "training_args", PREFIXES)
"""Beginnings of names in a checkpoint that are of use to the run alone, or have another name in the tree."""
LINKED = 2**20
"""Bytes from which a file is linked where it can be: it is written once and then only read."""

_CHECKPOINT, _STEP = re.compile(r"checkpoint-(\d+)"), re.compile(r"global_step_(\d+)")


class Place(Record, frozen=True):
    """Where in its data a checkpoint was made."""

    global_step: int
    """Batches."""
    tasks: int
    """Asked for so far; the stream of the seed begins again where it ends."""
    seed: int
    data: str | None
    """The rows; None for the synthetic population."""


class Found(Record, frozen=True):
    """Where a name in a tree leads."""

    weights: Path
    """A folder that transformers reads."""
    prefixes: Path | None
    """`hierarchy_map.json`, or the published `.pt`."""
    step: int | None


def export_tree(run: Path, tree: Path) -> list[int]:
    """Puts every whole checkpoint of a run of `usergym train users` into `tree`, and returns their steps. What is
    there already stays as it is, so this can be called at any time and again. ValueError for a folder that is no such
    run."""
    told = read_json(run / CONFIG) if (run / CONFIG).is_file() else {}
    identity = told.get("identity") or {}
    if "people" not in identity or "grpo" not in identity:
        raise ValueError(f"{run} is no run of usergym train users; give the folder that its --out named")
    grpo, data = identity["grpo"], identity["people"].get("data")
    steps = []
    for number, checkpoint in sorted(_whole(run)):
        step, rest = divmod(number, grpo["updates"])
        if rest or not any(True for pattern in WEIGHTS for _ in checkpoint.glob(pattern)):
            continue
        _export(checkpoint, run, tree, Place(step, step * grpo["prompts"], grpo["seed"], data))
        steps.append(step)
    if steps:
        _put(tree / ITERATION, str(steps[-1]).encode())
    return steps


def _whole(run: Path) -> Iterator[tuple[int, Path]]:
    """Up to the last that was written whole: those before it were whole when it was begun."""
    latest = latest_in(run)
    last = int(latest.name.rpartition("-")[2]) if latest else -1
    for path in (run / CHECKPOINTS).glob("checkpoint-*"):
        match = _CHECKPOINT.fullmatch(path.name)
        if match and int(match[1]) <= last and (path / "trainer_state.json").exists():
            yield int(match[1]), path


def _export(checkpoint: Path, run: Path, tree: Path, place: Place) -> None:
    target = tree / f"global_step_{place.global_step}"
    wanted = dict(_files(checkpoint, run))
    if all(_alike(source, target / ACTOR / name) for name, source in wanted.items()):
        return
    draft, old = tree / f".{target.name}.tmp", tree / f".{target.name}.old"
    for left in (draft, old):
        shutil.rmtree(left, ignore_errors=True)
    (draft / ACTOR).mkdir(parents=True)
    for name, source in wanted.items():
        _take(source, draft / ACTOR / name)
    (draft / ACTOR / PLACE).write_bytes(msgspec.json.format(msgspec.json.encode(place), indent=1) + b"\n")
    if target.exists():
        target.replace(old)
    draft.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def _files(checkpoint: Path, run: Path) -> Iterator[tuple[str, Path]]:
    """By their names in the tree."""
    for path in checkpoint.iterdir():
        if path.is_file() and not path.name.startswith(ONLY_TO_GO_ON):
            yield path.name, path
    for name, path in ((MAP, checkpoint / PREFIXES), (SPEECH, run / MODEL / SPEECH)):
        if path.is_file():
            yield name, path


def _alike(source: Path, target: Path) -> bool:
    if not target.is_file():
        return False
    mine, theirs = source.stat(), target.stat()
    if mine.st_size != theirs.st_size:
        return False
    small = mine.st_size < LINKED and source.read_bytes() == target.read_bytes()
    return small or mine.st_mtime_ns == theirs.st_mtime_ns


def _take(source: Path, target: Path) -> None:
    if source.stat().st_size >= LINKED:
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, or one without links
            pass
    shutil.copy2(source, target)


def _put(path: Path, text: bytes) -> None:
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_bytes(text)
    draft.replace(path)


def find_tree(path: Path) -> Found | None:
    """The model in a tree, of its last iteration where it is not said which; None where `path` is no part of one.
    ValueError for a part that holds no model that can be read."""
    if (path / ITERATION).is_file():
        text = (path / ITERATION).read_text(encoding="utf-8", errors="replace").strip()
        path = path / f"global_step_{text}"
        if not (text.isdecimal() and path.is_dir()):
            raise ValueError(
                f"{path.parent / ITERATION} says {text!r}, and there is no {path.name}; name a step's folder"
            )
    actor = path if path.name == ACTOR else path / ACTOR
    if not actor.is_dir():
        return None
    named = _STEP.fullmatch(actor.absolute().parent.name)
    maps = (folder / name for folder in (actor, actor / "..") for name in (MAP, PICKLED_MAP))
    return Found(
        _readable(actor), next((each for each in maps if each.is_file()), None), int(named[1]) if named else None
    )


def _readable(actor: Path) -> Path:
    for folder in (actor, actor / MERGED):
        has_config = any((folder / name).is_file() for name in (CONFIG, "adapter_config.json"))
        if has_config and any(True for pattern in ("*.safetensors", *WEIGHTS) for _ in folder.glob(pattern)):
            return folder
    if any(actor.glob("model_world_size_*_rank_*.pt")):
        raise ValueError(
            f"{actor} holds the shards of several processes; merge them first: python -m verl.model_merger merge "
            f"--backend fsdp --local_dir {actor} --target_dir {actor / MERGED}"
        )
    raise ValueError(
        f"{actor} holds no weights that transformers reads; give a folder with config.json and safetensors"
    )
