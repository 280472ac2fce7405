"""The folders of an evaluation, read again: NAME/MODEL/ENVIRONMENT, each of them a run."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from usergym.evaluation.outcomes import Outcome, outcome
from usergym.rollouts.store import RunRefused, outcomes
from usergym.types import Trajectory

TASKS = 100
"""Of each environment, unless --limit says otherwise; their own tasks may not end."""

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
    passes: int = 1
    limit: int | None = None
    data: str = "None"

    def tasks(self) -> float:
        """At most."""
        return self.limit or (TASKS if self.data == "None" else inf)


class _Config(msgspec.Struct, frozen=True):
    identity: _Identity = _Identity()
    settings: _Settings = _Settings()


def refuse_other(
    folder: Path, models: Collection[str], envs: Collection[str], settings: Mapping[str, Any], fresh: bool
) -> None:
    """RunRefused where a folder holds conversations that an evaluation of these would leave out of its report, or mix
    with others. More models, environments, tasks or passes are added to what it holds."""
    held = [part for part in (parts_of(folder) if _holds_runs(folder) else ()) if _finished(part[2])]
    now = msgspec.convert(settings, _Settings)
    found: dict[str, None] = {}
    for model, env, place in held:
        if model not in models:
            found[f"--model was also {model}"] = None
        if env not in envs:
            found[f"--envs was also {env}"] = None
        was = _config(place).settings
        if fresh or model not in models or env not in envs:
            continue
        if was.data != now.data:
            found[f"--data was {was.data}, now {now.data}"] = None
        if was.tasks() > now.tasks():
            found[f"--limit was {was.limit or 'not given'}, now {now.limit or 'not given'}"] = None
        if was.passes > now.passes:
            found[f"--passes was {was.passes}, now {now.passes}"] = None
    if found:
        remedy = "Give at least that (more is added to it), or another --out"
        raise RunRefused(f"{folder} holds another evaluation: {'; '.join(found)}. {remedy}")


def _holds_runs(folder: Path) -> bool:
    return any(any(folder.glob(pattern)) for pattern in _PLACES)


def _finished(folder: Path) -> bool:
    return (folder / "trajectories.jsonl").stat().st_size > 0


_PLACES = ("trajectories.jsonl", "*/trajectories.jsonl", "*/*/trajectories.jsonl")


def parts_of(folder: Path) -> list[Part]:
    """The runs in a folder of an evaluation, of one of its models, or the run itself. ValueError if there is none."""
    if not folder.exists() and (Path("runs") / folder).is_dir():
        folder = Path("runs") / folder
    for pattern in _PLACES:
        if files := sorted(folder.glob(pattern)):
            return [_part(file.parent) for file in files]
    raise ValueError(f"{folder} holds no run: no trajectories.jsonl in it, nor in the folders below")


def _part(folder: Path) -> Part:
    config = _config(folder)
    told = config.identity
    return config.settings.model or told.model.get("name", "unknown"), told.name or told.env, folder


def _config(folder: Path) -> _Config:
    try:
        return msgspec.json.decode((folder / "config.json").read_bytes(), type=_Config)
    except (OSError, msgspec.MsgspecError) as error:
        raise ValueError(f"{folder}: its config.json cannot be read ({error}); name another run") from error


def trajectories_of(parts: Iterable[Part]) -> Iterator[Trajectory]:
    for _, _, folder in parts:
        yield from outcomes(folder)


def outcomes_of(parts: Iterable[Part]) -> Iterator[Outcome]:
    for model, env, folder in parts:
        for trajectory in outcomes(folder):
            yield outcome(trajectory, env, model)
