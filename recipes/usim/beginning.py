"""What RESUME leads to: a run that goes on, or weights and prefixes with which another one begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from usergym.environments.people.contexts import Context
from usergym.environments.people.reservoir import Reservoir
from usergym.training.record import CHECKPOINTS, CONFIG, latest_in
from usergym.training.shape import read_json
from usergym.training.verl_prefixes import Imported, read_map
from usergym.training.verl_tree import PICKLED_MAP, PREFIXES, find_tree
from usergym.users.states.spec import Hierarchy


@dataclass(frozen=True)
class Beginning:
    run: Path | None = None
    """Goes on from its last checkpoint."""
    weights: Path | None = None
    prefixes: Path | None = None
    step: int = 0
    """Of the weights, in the run that made them."""

    @property
    def model(self) -> str | None:
        return str(self.weights) if self.weights else None


def beginning(resume: str) -> Beginning:
    """ValueError for what leads nowhere."""
    if not resume:
        return Beginning()
    path = Path(resume).expanduser()
    if not path.is_dir():
        raise ValueError(
            f"RESUME={resume}: there is no such folder; give a run, a checkpoint of one, or a global_step_N"
        )
    if _is_run(path):
        latest = latest_in(path)
        return Beginning(path, latest or path, None)
    found = find_tree(path)
    if found:
        run = next((each for each in (path.parent, path.parent.parent) if _is_run(each)), None)
        goes_on = run if run and found.step == _last(run) else None
        return Beginning(goes_on, found.weights, found.prefixes, found.step or 0)
    run = path.parent.parent if path.parent.name == CHECKPOINTS and _is_run(path.parent.parent) else None
    goes_on = run if run and latest_in(run) == path else None
    prefixes = path / PREFIXES
    return Beginning(goes_on, path, prefixes if prefixes.is_file() else None)


def _is_run(folder: Path) -> bool:
    path = folder / CONFIG
    return path.is_file() and "people" in (read_json(path).get("identity") or {})


def _last(run: Path) -> int | None:
    """The step of its last checkpoint."""
    latest = latest_in(run)
    updates = read_json(run / CONFIG)["identity"]["grpo"]["updates"]
    return int(latest.name.rpartition("-")[2]) // updates if latest else None


@dataclass(frozen=True)
class Held:
    """The best states so far, as a run can begin with them."""

    told: str
    imported: Imported | None
    """To be written down first."""


def held(beginning: Beginning, contexts: Sequence[Context], hierarchy: Hierarchy) -> Held:
    """ValueError for a file that cannot be read, or of which nothing belongs to the data."""
    assert beginning.prefixes
    path = beginning.prefixes
    if path.name == PICKLED_MAP:
        made = read_map(path, contexts, hierarchy.names, beginning.step)
        left = f"; left out: {made.strange:,} of rows that DATA lacks, {made.unusable:,} that cannot be used"
        if not made.kept:
            raise ValueError(f"{path} holds no states for DATA{left}; give the rows that it was made with")
        return Held(f"{path.name}: {made.kept:,} prefixes{left if made.strange or made.unusable else ''}", made)
    reservoir = Reservoir()
    reservoir.restore(path)
    known = sum(reservoir.draw(each.id, hierarchy.names, 0) is not None for each in contexts)
    if len(reservoir) and not known:
        raise ValueError(f"{path} holds no states for DATA; give the rows that it was made with")
    return Held(f"{path.name}: {len(reservoir):,} prefixes, for {known:,} of {len(contexts):,} contexts", None)
