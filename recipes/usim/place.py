"""Where a command's files go, and under what name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from settings import Variables

from usergym.types import stable_hash

APART = ("GPUS", "PUSH", "MESSAGE", "KEEP", "SAVE_FREQ")
"""Of these the name is not made: what differs in them alone goes on with the same run."""


@dataclass(frozen=True)
class Place:
    name: str
    out: Path
    environment: Mapping[str, str]
    """Added to the command's."""


def place_of(v: Variables, about: str, extras: Sequence[str], run: Path | None = None) -> Place:
    """EXP_NAME is made of the settings, so that the same command goes on with its run. `run`: one that goes on."""
    settings = sorted((name, value) for name, value in v.shown.items() if name not in APART)
    lasting = [each for each in extras if each not in ("--fresh", "--resume", "--json")]
    key = stable_hash(*settings, *lasting) & 0xFFFFFFFF
    name = v.text("EXP_NAME", run.resolve().name if run else f"{about}-{key:08x}")
    if "/" in name or name in (".", ".."):
        raise ValueError(f"EXP_NAME={name!r}: expected the name of a folder; OUTPUT_DIR takes a whole path")
    out = v.output("OUTPUT_DIR", str(run) if run else f"outputs/{name}")
    if run and out.resolve() != run.resolve():
        raise ValueError(f"RESUME goes on with {run}, and OUTPUT_DIR={out} is another folder; leave one of them out")
    return Place(name, out, {"WANDB_NAME": v.text("WANDB_NAME", name), **v.cache()})


def tracked(v: Variables) -> list[list[str]]:
    wanted = v.environ.get("WANDB_API_KEY") and v.environ.get("WANDB_MODE") != "disabled"
    return [["--track", *(("console", "wandb") if wanted else ("console",))], ["--project", v.text("WANDB_PROJECT")]]
