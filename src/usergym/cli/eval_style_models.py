"""Who is compared with whom: the checkpoints of a training run, models by name, their baseline, and its oracle."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usergym.cli.eval_runs import slug
from usergym.cli.models import CHECKPOINT, is_checkpoint, resolved
from usergym.cli.options import ReachOptions, run_folder
from usergym.models import gguf
from usergym.models.providers import IN_PROCESS, key_of, parse
from usergym.types import stable_hash

_STEP = re.compile(r"checkpoint-(\d+)")
_BLOCKS, _BLOCK = 64, 4096
"""How much of a file of weights is read to tell it from another."""
SAME_SIZE = 0.01
"""Share by which two sizes may differ and still be called the same."""


@dataclass(frozen=True)
class Contender:
    """One model whose replies are compared."""

    label: str
    model: str
    step: int | None = None
    """Of a checkpoint."""
    style: str | None = None
    """Compared under this style only: it was told the taste."""
    taste: str = ""
    """What stands in its system prompt."""

    @property
    def folder(self) -> str:
        """The name of its folder, the same for the same model."""
        name = slug(self.label)
        return name if len(name) <= 80 else f"{name[:60]}-{stable_hash(name):016x}"

    def told(self, options: ReachOptions) -> dict[str, Any] | None:
        """What identifies it, its weights included where they are on this machine."""
        found = resolved(self.model, options)
        path = weights(self.model)
        return {**found, "weights": mark_of(path)} if found and path and path.exists() else found


def contenders_of(run: Path, steps: Sequence[int]) -> list[Contender]:
    """The checkpoints of a run, or those of the given steps. LookupError where there are none, or not these."""
    there = dict(sorted(_checkpoints(run)))
    if not there:
        other = f"; its trained model is there: give --model {run / 'model'}" if (run / "model").is_dir() else ""
        raise LookupError(f"no checkpoints in {run}: expected {run / 'checkpoints' / 'checkpoint-N'}{other}")
    if missing := [step for step in steps if step not in there]:
        raise LookupError(
            f"{run} has no checkpoint of step {', '.join(map(str, missing))}; there are {', '.join(map(str, there))}"
        )
    return [Contender(f"step {step}", f"{CHECKPOINT}{there[step]}", step) for step in (sorted(set(steps)) or there)]


def _checkpoints(run: Path) -> Iterator[tuple[int, Path]]:
    for path in (run / "checkpoints").glob("checkpoint-*"):
        if match := _STEP.fullmatch(path.name):
            yield int(match[1]), path


def training_run(name: str) -> Path:
    """The folder of a run by its path, or by its name in runs/. LookupError where there is none."""
    for folder in (Path(name), run_folder(name, "")):
        if (folder / "config.json").is_file():
            return folder
    raise LookupError(f"no training run {name!r}: neither {Path(name)} nor {run_folder(name, '')} holds a config.json")


def run_of(model: str) -> Path | None:
    """The training run that a checkpoint lies in."""
    if not is_checkpoint(model):
        return None
    folder = Path(model.removeprefix(CHECKPOINT))
    here = (folder, *list(folder.parents)[:2])
    return next((path for path in here if _is_run(path)), None)


def _is_run(folder: Path) -> bool:
    from usergym.training.shape import read_json

    path = folder / "config.json"
    return path.is_file() and {"identity", "starts"} <= read_json(path).keys()


def started_from(run: Path) -> str:
    """The model that a training run began with. LookupError where its config.json does not say."""
    from usergym.training.shape import read_json

    identity = read_json(run / "config.json").get("identity")
    parts = [identity, *identity.values()] if isinstance(identity, dict) else []
    for part in parts:
        if isinstance(part, dict) and isinstance(part.get("model"), str):
            return f"{CHECKPOINT}{part['model']}"
    raise LookupError(f"{run / 'config.json'} does not say which model the run started from; give --baseline")


def weights(model: str) -> Path | None:
    """Where a model of this machine lies, without loading it. LookupError and ValueError for one that cannot be
    used."""
    if not is_checkpoint(model):
        return None
    from usergym.training.checkpoints import check

    return check(model.removeprefix(CHECKPOINT)).path


def refuse_unreachable(model: str, options: ReachOptions) -> None:
    """Says what is wrong with a model's name now, not when its turn comes: LookupError, ValueError, StopRun for a
    missing key. `oracle` and `idle` are no models that could be compared."""
    if weights(model):
        return
    address = parse(model, options.endpoint, options.base_url)
    if address.provider in IN_PROCESS:
        raise LookupError(
            f"{model!r} is an agent of an environment, not a model that can be asked; give PROVIDER/MODEL"
        )
    if address.provider == "local":
        gguf.find(model)
    else:
        key_of(address)


def parameters(model: str) -> int | None:
    """None where it is not known: of a model behind an endpoint."""
    from usergym.training.checkpoints import find

    if not is_checkpoint(model):
        return None
    shape = find(model.removeprefix(CHECKPOINT)).shape
    return shape.parameters if shape else None


def mark_of(path: Path) -> str:
    """Of the weights in a folder, or of one file: their sizes, and blocks of them spread evenly. Training changes all
    weights, so another checkpoint of the same name has another mark."""
    files = [path] if path.is_file() else [each for each in path.iterdir() if each.suffix in (".safetensors", ".bin")]
    digest = hashlib.blake2b(digest_size=8)
    for each in sorted(files):
        size = each.stat().st_size
        digest.update(f"{each.name} {size} ".encode())
        with each.open("rb") as file:
            for place in range(0, size, max(_BLOCK, size // _BLOCKS)):
                file.seek(place)
                digest.update(file.read(_BLOCK))
    return digest.hexdigest()


def other_size(contenders: Sequence[Contender], baseline: Contender) -> str | None:
    """A warning where the baseline is not of the contenders' size."""
    theirs = parameters(baseline.model)
    for each in contenders:
        ours = parameters(each.model)
        if ours and theirs and abs(ours - theirs) > SAME_SIZE * theirs:
            return (
                f"{each.label} has {ours / 1e6:,.1f} M parameters and the baseline {theirs / 1e6:,.1f} M: "
                "what size does and what training does cannot be told apart"
            )
    return None
