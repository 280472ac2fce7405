"""Where a training run's figures go besides its own folder: trackio, tensorboard, wandb."""

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

TRACKERS = ("console", "trackio", "tensorboard", "wandb")
"""`console` is what the terminal shows; a run without it prints nothing while it trains."""


def check(names: Sequence[str]) -> None:
    """LookupError for a tracker that there is not, or that is not installed."""
    for name in names:
        if name not in TRACKERS:
            raise LookupError(f"no tracker {name!r}; there are {', '.join(TRACKERS)}")
        if name != "console" and importlib.util.find_spec(name) is None:
            raise LookupError(f"tracker {name!r} is not installed; pip install 'usergym[track]', or leave it out")


def report_to(names: Sequence[str], project: str, folder: Path) -> list[str]:
    """The names by which transformers knows them, with the project and the run's folder told to each.

    wandb without a key keeps its files in the run's folder, for `wandb sync` later.
    """
    check(names)
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")
    os.environ["WANDB_PROJECT"] = project
    os.environ["WANDB_DIR"] = str(folder)
    os.environ["TRACKIO_PROJECT"] = project
    if not os.environ.get("WANDB_API_KEY") and not (Path.home() / ".netrc").exists():
        os.environ.setdefault("WANDB_MODE", "offline")
    if "console" not in names:
        os.environ.setdefault("WANDB_SILENT", "true")
    return [name for name in names if name != "console"]
