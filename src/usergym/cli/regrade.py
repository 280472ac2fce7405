"""`usergym regrade`: recorded conversations lived again and scored, without a model call."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json, identity, run_folder
from usergym.cli.running import progress
from usergym.cli.tables import console, print_json, show_skipped
from usergym.data.convert import read_conversations
from usergym.data.tasks import read_tasks
from usergym.environments.base import Environment, load, names
from usergym.rollouts.engine import Cast, play
from usergym.rollouts.store import RunRefused, Store
from usergym.rows import Skipped
from usergym.types import Failure, Task, Trajectory, Turn


@dataclass
class Outcome:
    """One conversation before and after."""

    id: str
    recorded: float | None
    now: float | None
    reason: str


@told_in_one_line
def regrade(
    source: Path,
    /,
    *,
    env: str | None = None,
    tasks: Path | None = None,
    out: str | None = None,
    skip_bad: Annotated[bool, Parameter(negative="")] = False,
    show: int = 20,
    json: Json = False,
) -> int:
    """Grade recorded conversations again: words stand, tools run anew, recorded verdicts are read.

    Reads a run folder, a trajectories.jsonl, or rollouts of another system (NeMo Gym and the others of `usergym
    convert`); writes a new run with the same ids.

    Examples:

        usergym regrade runs/smol --env calendar:mode=nemo_gym
        usergym regrade rollouts.jsonl --tasks rows.jsonl --env calendar:mode=nemo_gym

    Parameters
    ----------
    source
        What was recorded.
    env
        Environment that grades; default: the one it was recorded in.
    tasks
        Rows with the ground truth, where the recording lacks it; matched by what was said before the reply.
    out
        New run folder; a bare name means runs/NAME. Default: runs/<source>-regraded. An earlier regrade there is
        replaced.
    skip_bad
        Leave out rows that cannot be read, count and list them.
    show
        How many conversations to list; of more than that, those whose reward changed.
    json
        Print one JSON object instead of a table.
    """
    skipped = Skipped()
    recorded = read_conversations(source, skip_bad=skip_bad, skipped=skipped)
    first = next(recorded, None)
    if first is None:
        raise ValueError(f"{source} holds no conversations")
    own = source.is_dir() or source.name == "trajectories.jsonl"
    if env is None and not own and first.task.env not in names():  # a file of others does not choose what is imported
        raise ValueError(f"{source} was recorded in {first.task.env!r}; name the environment that grades it with --env")
    environment = load(env or first.task.env)
    known = _Known(environment, tasks) if tasks else None
    folder = run_folder(out, f"{source.parent.name if source.name == 'trajectories.jsonl' else source.stem}-regraded")
    store = _new_run(folder, source, env or first.task.env)
    outcomes: list[Outcome] = []
    try:
        with progress("regrading", None) as advance:
            for trajectory in _with(first, recorded):
                again = _again(environment, trajectory, known)
                if again.error:
                    store.fail(again, 0)
                else:
                    store.finish([again])
                outcomes.append(Outcome(again.id, trajectory.reward(), again.reward(), _reason(again)))
                advance([again], 1)
    finally:
        store.close()
    show_skipped(skipped, json)
    _show(outcomes, folder, show, json)
    return 0 if any(outcome.now is not None for outcome in outcomes) else 1


def _new_run(folder: Path, source: Path, env: str) -> Store:
    """An earlier regrade may be replaced, since it costs nothing; another run is not."""
    config = folder / "config.json"
    if (folder / "trajectories.jsonl").exists():
        if folder.resolve() in (source.resolve(), source.resolve().parent):
            raise RunRefused(f"{folder} is what is read; give another --out")
        if not config.exists() or '"verb": "regrade"' not in config.read_text():
            raise RunRefused(f"{folder} holds another run, which no regrade replaces; give another --out")
    return Store.open(folder, identity(verb="regrade", env=env), {"source": str(source)}, fresh=True)


def _with(first: Trajectory, rest: Iterator[Trajectory]) -> Iterator[Trajectory]:
    yield first
    yield from rest


class _Known:
    """Tasks by what was said in them before anything was asked of the agent."""

    def __init__(self, environment: Environment, path: Path) -> None:
        self.path = path
        self.by_id: dict[str, Task] = {}
        self.by_words: dict[tuple[tuple[str, str], ...], Task] = {}
        for task in read_tasks(path, environment):
            self.by_id[task.id] = task
            self.by_words.setdefault(_words(task.opening), task)

    def task_of(self, trajectory: Trajectory) -> Task | None:
        words = _words(trajectory.task.opening)
        return self.by_id.get(trajectory.task.id) or (self.by_words.get(words) if words else None)

    def none_for(self, trajectory: Trajectory) -> Failure:
        asked = next((turn.said for turn in reversed(trajectory.task.opening) if turn.said), "")
        return Failure("row", f"no row of {self.path} has its id or its messages, the last of which is {asked[:80]!r}")


def _words(turns: tuple[Turn, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((turn.speaker, turn.message.content) for turn in turns)


def _again(environment: Environment, trajectory: Trajectory, known: _Known | None) -> Trajectory:
    after = trajectory.turns[len(trajectory.task.opening) :]
    task = known.task_of(trajectory) if known else trajectory.task
    if task is None:
        assert known
        lost = Trajectory(trajectory.task, trajectory.sample, trajectory.seed, trajectory.seats, trajectory.turns)
        lost.error = known.none_for(trajectory)
        return lost
    again = Trajectory(task, trajectory.sample, trajectory.seed)
    past = [*task.opening, *after]
    asyncio.run(play(environment, again, Cast(None), past=past, ending=trajectory.stop or "assistant_done"))
    again.seats = {**again.seats, **trajectory.seats}
    return again


def _reason(trajectory: Trajectory) -> str:
    if trajectory.error:
        return f"{trajectory.error.kind}: {trajectory.error.message}"
    return ", ".join(reward.reason for reward in trajectory.rewards if reward.weight and reward.reason)


def _show(outcomes: list[Outcome], folder: Path, show: int, as_json: bool) -> None:
    same = sum(outcome.recorded == outcome.now for outcome in outcomes)
    if as_json:
        print_json({"run": str(folder), "conversations": len(outcomes), "same": same, "outcomes": outcomes})
        return
    table = Table("conversation", "recorded", "now", "reason")
    listed = [each for each in outcomes if each.recorded != each.now] if len(outcomes) > show else outcomes
    for outcome in listed[:show]:
        table.add_row(outcome.id, _number(outcome.recorded), _number(outcome.now), outcome.reason)
    if listed:
        console.print(table)
    lost = sum(outcome.now is None for outcome in outcomes)
    unscored = f", {lost:,} that could not be scored" if lost else ""
    console.print(f"{len(outcomes):,} conversations, {same:,} with the recorded reward{unscored}; written to {folder}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
