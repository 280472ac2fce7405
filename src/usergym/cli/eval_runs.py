"""The folders of an evaluation, read again: NAME/MODEL/ENVIRONMENT, each of them a run."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from usergym.cli.running import outcomes
from usergym.evaluation.outcomes import Outcome, outcome
from usergym.types import Trajectory

Part = tuple[str, str, Path]
"""Model, environment, run folder."""


def slug(name: str) -> str:
    """A folder's name."""
    return re.sub(r"[^\w.=-]+", "-", name).strip("-.") or "run"


class _Identity(msgspec.Struct, frozen=True):
    env: str = ""
    name: str = ""
    model: dict[str, Any] = {}


class _Settings(msgspec.Struct, frozen=True):
    model: str = ""


class _Config(msgspec.Struct, frozen=True):
    identity: _Identity = _Identity()
    settings: _Settings = _Settings()


def parts_of(folder: Path) -> list[Part]:
    """The runs in a folder of an evaluation, of one of its models, or the run itself. ValueError if there is none."""
    if not folder.exists() and (Path("runs") / folder).is_dir():
        folder = Path("runs") / folder
    for pattern in ("trajectories.jsonl", "*/trajectories.jsonl", "*/*/trajectories.jsonl"):
        if files := sorted(folder.glob(pattern)):
            return [_part(file.parent) for file in files]
    raise ValueError(f"{folder} holds no run: no trajectories.jsonl in it, nor in the folders below")


def _part(folder: Path) -> Part:
    try:
        config = msgspec.json.decode((folder / "config.json").read_bytes(), type=_Config)
    except (OSError, msgspec.MsgspecError) as error:
        raise ValueError(f"{folder}: its config.json cannot be read ({error}); name another run") from error
    told = config.identity
    return config.settings.model or told.model.get("name", "unknown"), told.name or told.env, folder


def trajectories_of(parts: Iterable[Part]) -> Iterator[Trajectory]:
    for _, _, folder in parts:
        yield from outcomes(folder)


def outcomes_of(parts: Iterable[Part]) -> Iterator[Outcome]:
    for model, env, folder in parts:
        for trajectory in outcomes(folder):
            yield outcome(trajectory, env, model)
