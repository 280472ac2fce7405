"""One HTML page about runs: a table, plots, conversations to read. It loads nothing and needs no server."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from usergym import __version__
from usergym.evaluation.comparison import Comparison
from usergym.evaluation.gathered import Gathered, drawable, outcome_of
from usergym.evaluation.metrics import Summary
from usergym.evaluation.published import Published
from usergym.evaluation.published import table as published
from usergym.evaluation.scores import Average, Scores
from usergym.evaluation.statistics import Estimate, estimate
from usergym.types import Reward, Trajectory, Turn, valid_text

SHOWN = 20_000
"""Characters of one text; the rest is cut, and told."""

Source = Iterable[Trajectory] | Callable[[], Iterable[Trajectory]]


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    summary: Summary
    bar: tuple[float, float, float] | None
    """Where low, mean and high stand on the scale that all rows share, in percent."""
    paired: Estimate | None = None
    """Difference to the first run on the tasks both have."""
    part: bool = False
    """Of the run above it: one of its agents in one of its environments."""


@dataclass(frozen=True)
class Evaluated:
    """What a page about an evaluation tells beside its runs."""

    scores: Sequence[Scores]
    averages: Sequence[Average]
    comparisons: Mapping[str, Sequence[Comparison]]
    """Of a model to the first."""
    published: Sequence[Published] = ()
    measured: Sequence[Published] = ()
    """Our models' lines of the same table."""


def write_report(
    path: str | Path,
    runs: Mapping[str, Source],
    title: str = "usergym",
    samples: int = 30,
    evaluated: Evaluated | None = None,
    figures: Sequence[tuple[str, str]] = (),
) -> None:
    """Writes the page. `runs` are trajectories by name, or functions that give them; each is read once. `figures`:
    title and SVG of what the caller has drawn itself.

    `samples` conversations are shown of each run. Without the extra `plots` the page says how to get plots.
    """
    from usergym.evaluation.pages import templates

    gathered = [_gather(name, source, samples) for name, source in runs.items()]
    plots = plots_of(gathered, evaluated)
    template = templates("usergym.evaluation").get_template("report.html.j2")
    script = (files("usergym.evaluation") / "templates" / "report.js").read_text(encoding="utf-8")
    page = template.render(
        title=drawable(title),
        version=__version__,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        rows=_rows(gathered),
        plots=plots if plots is None else [*figures, *plots],
        evaluated=evaluated,
        about=published(),
        conversations=[(run.name, [_conversation(one) for one in run.chosen()]) for run in gathered],
    )
    _write(Path(path), valid_text(page))


def _write(path: Path, page: str) -> None:
    """The whole page or nothing: what was at `path` stays until all is written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.tmp")
        try:
            draft.write_text(page, encoding="utf-8")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror}; make room, or give another path") from error


def _gather(name: str, source: Source, samples: int) -> Gathered:
    run = Gathered(name, samples)
    for trajectory in source() if callable(source) else source:
        run.add(trajectory)
    return run


def _rows(gathered: Sequence[Gathered]) -> list[Row]:
    summaries = [run.tallies.summary() for run in gathered]
    ends = [0.0, 1.0]
    for summary in summaries:
        for one in (summary, *summary.parts):
            ends += [end for end in (one.low, one.mean, one.high) if end is not None]
    scale = min(ends), max(ends)
    rows = []
    for run, summary in zip(gathered, summaries, strict=True):
        paired = None if run is gathered[0] else _paired(gathered[0], run)
        rows.append(Row(run.name, summary, _bar(summary, *scale), paired))
        rows += [Row(f"{part.env}, {part.agent}", part, _bar(part, *scale), part=True) for part in summary.parts]
    return rows


def _bar(summary: Summary, least: float, most: float) -> tuple[float, float, float] | None:
    if summary.mean is None:
        return None
    low, high = (summary.mean if end is None else end for end in (summary.low, summary.high))
    start, middle, end = (100 * (value - least) / (most - least) for value in (low, summary.mean, high))
    return start, middle, end


def _paired(first: Gathered, second: Gathered) -> Estimate | None:
    before, after = first.tallies.whole.tasks, second.tallies.whole.tasks
    shared = [key for key in before if before[key].samples and key in after and after[key].samples]
    differences = (after[key].total / after[key].samples - before[key].total / before[key].samples for key in shared)
    return estimate((1, difference, False) for difference in differences)


def plots_of(gathered: Sequence[Gathered], evaluated: Evaluated | None = None) -> list[tuple[str, str]] | None:
    """Title and SVG of each plot; None where the extra is not installed."""
    try:
        from usergym.evaluation import plots
    except ModuleNotFoundError:
        return None
    return plots.draw(gathered, evaluated.scores if evaluated else ())


def _conversation(trajectory: Trajectory) -> dict[str, Any]:
    """What the page shows of a conversation: texts only, which the template escapes."""
    reward = trajectory.reward()
    turn_rewards: dict[int, list[Reward]] = {}
    for each in trajectory.rewards:
        if each.turn is not None:
            turn_rewards.setdefault(each.turn, []).append(each)
    return {
        "id": trajectory.id,
        "outcome": outcome_of(trajectory, reward),
        "reward": reward,
        "stop": trajectory.stop,
        "error": trajectory.error,
        "seats": [
            (speaker, seat.model or "rule-based", _cut(seat.system)) for speaker, seat in trajectory.seats.items()
        ],
        "data": _json(trajectory.task.data) if trajectory.task.data else "",
        "turns": [
            _turn(n, turn, n < len(trajectory.task.opening), turn_rewards.get(n, []))
            for n, turn in enumerate(trajectory.turns)
        ],
        "rewards": [each for each in trajectory.rewards if each.turn is None],
    }


def _turn(place: int, turn: Turn, opening: bool, rewards: Sequence[Reward]) -> dict[str, Any]:
    message = turn.message
    result = message.role == "tool"
    return {
        "place": place,
        "speaker": turn.speaker,
        "kind": "verdict" if turn.speaker == "judge" else "result" if result else "words",
        "opening": opening,
        "content": _cut(message.content),
        "reasoning": _cut(message.reasoning or ""),
        "calls": [(call.name, _cut(call.arguments)) for call in message.tool_calls],
        "heard": _cut(turn.heard) if turn.heard and turn.heard != message.content else None,
        "unheard": turn.heard == "" and bool(message.content) and turn.speaker != "judge",
        "state": _json(turn.state) if turn.state else "",
        "stop": turn.stop,
        "usage": turn.usage,
        "rewards": rewards,
    }


def _json(value: Any) -> str:
    return _cut(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}\n… {len(text) - SHOWN:,} more characters"
