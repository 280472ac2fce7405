"""What a person reads after an evaluation, and the files it leaves: metrics.json, conversations, report.html."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import msgspec
from rich.table import Table

from usergym.cli.eval_runs import Part, outcomes_of, trajectories_of
from usergym.cli.tables import console, print_json
from usergym.evaluation.comparison import Comparison, compare
from usergym.evaluation.published import Published, gym_of, table
from usergym.evaluation.report import Evaluated, write_report
from usergym.evaluation.scores import Average, Scores, Sheet, averages, measured, sheets
from usergym.evaluation.statistics import Estimate
from usergym.rows import Writer


@dataclass(frozen=True)
class Shown:
    """All that is told of an evaluation."""

    folder: Path
    parts: tuple[Part, ...]
    models: tuple[str, ...]
    scores: tuple[Scores, ...]
    averages: tuple[Average, ...]
    comparisons: dict[str, list[Comparison]]
    """Of each further model to the first."""
    seconds: float
    published: tuple[Published, ...] = ()
    measured: tuple[Published, ...] = ()
    """Our models' lines of the same table."""

    @classmethod
    def of(
        cls, folder: Path, parts: Sequence[Part], models: Sequence[str], seconds: float, beside: bool = False
    ) -> Self:
        found = sheets(outcomes_of(parts))
        by_model = {model: {env: sheet for (of, env), sheet in found.items() if of == model} for model in models}
        scores = {model: [sheet.scores() for sheet in own.values()] for model, own in by_model.items()}
        return cls(
            folder,
            tuple(parts),
            tuple(models),
            tuple(each for own in scores.values() for each in own),
            tuple(each for own in scores.values() if own for each in averages(own)),
            {model: _compared(by_model[models[0]], by_model[model]) for model in models[1:]},
            seconds,
            table().models if beside else (),
            tuple(line for own in scores.values() if own and (line := measured(own))) if beside else (),
        )

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "run": str(self.folder),
            "seconds": self.seconds,
            "scores": self.scores,
            "averages": self.averages,
            "comparisons": self.comparisons,
        }
        return {**told, "published": table(), "measured": self.measured} if self.published else told


def _compared(first: dict[str, Sheet], second: dict[str, Sheet]) -> list[Comparison]:
    try:
        return compare(first, second)
    except ValueError:  # nothing that both have is scored; the table says so
        return []


def write(shown: Shown, samples: int) -> None:
    """Into the run folder. Without pyarrow the conversations are a *.jsonl."""
    text = msgspec.json.format(msgspec.json.encode(shown.to_json()), indent=2)
    (shown.folder / "metrics.json").write_bytes(text + b"\n")
    kind = "parquet" if find_spec("pyarrow") else "jsonl"
    with Writer(shown.folder / f"conversations.{kind}", whole=True) as writer:
        for each in outcomes_of(shown.parts):
            writer.write(msgspec.to_builtins(each))
    sources = {
        model: partial(trajectories_of, [part for part in shown.parts if part[0] == model]) for model in shown.models
    }
    evaluated = Evaluated(shown.scores, shown.averages, shown.comparisons, shown.published, shown.measured)
    write_report(shown.folder / "report.html", sources, shown.folder.name, samples, evaluated)


def show(shown: Shown, as_json: bool) -> None:
    if as_json:
        print_json(shown.to_json())
        return
    for model in shown.models:
        own = [each for each in shown.scores if each.model == model]
        console.print(scores_table(own, model))
    if len({each.env for each in shown.scores}) > 1:
        console.print(averages_table(shown))
    for model, comparisons in shown.comparisons.items():
        if not comparisons:
            continue
        console.print(comparison_table(comparisons, f"{model} against {shown.models[0]}"))
    if shown.published:
        console.print(published_table(shown))
    failed = sum(sum(each.errors.values()) for each in shown.scores)
    if failed:
        console.print(f"{failed:,} conversations failed three times; why: failures.jsonl in their folders")
    console.print(f"{shown.seconds:,.1f} s; metrics.json, conversations and report.html: {shown.folder}", markup=False)


def scores_table(scores: Sequence[Scores], title: str) -> Table:
    most = max((max(each.pass_at, default=1) for each in scores), default=1)
    theirs, asked = any(each.userrl for each in scores), any(each.total["calls"] for each in scores)
    caption = "eff.: replies that earned something; user: turns the user had to speak; means of a conversation"
    told = Table(title=title, padding=(0, 0), caption=caption)
    told.add_column("environment", overflow="fold", min_width=9)
    several = (f"pass@{most}", f"pass^{most}") if most > 1 else ()
    columns = (
        "score [95% CI]",
        *["UserRL"] * theirs,
        "success",
        *several,
        "eff.",
        "user",
        "scored",
        *["tokens in/out"] * asked,
    )
    for name in columns:
        told.add_column(name, justify="right", no_wrap=True)
    for each in scores:
        errors = sum(each.errors.values())
        cells = [
            interval(each.score),
            *[number(each.published)] * theirs,
            number(each.success),
            *([share(each.pass_at.get(most)), share(each.pass_hat.get(most))] if several else ()),
            decimal(each.means["effective_turns"]),
            decimal(each.means["user_turns"]),
            f"{each.scored:,}/{each.conversations:,}" + (f" {errors:,} failed" if errors else ""),
            *[f"{each.total['input_tokens']:,.0f}/{each.total['output_tokens']:,.0f}"] * asked,
        ]
        told.add_row(each.env, *cells)
    return told


def comparison_table(comparisons: Sequence[Comparison], title: str) -> Table:
    told = Table(title=title, padding=(0, 0))
    told.add_column("environment", overflow="fold")
    for name in ("tasks", "first", "second", "difference [95% CI]", "p", "could show"):
        told.add_column(name, justify="right", no_wrap=True)
    for each in comparisons:
        smallest = "-" if each.smallest is None else f"{each.smallest:.3f}"
        means = (f"{each.first:.3f}", f"{each.second:.3f}")
        told.add_row(
            each.env, f"{each.difference.tasks:,}", *means, interval(each.difference, "+"), p(each.p), smallest
        )
    return told


def published_table(shown: Shown) -> Table:
    """Their lines, then ours over the same gyms."""
    gyms = list(table().models[0].gyms)
    told = Table(title=table().source, padding=(0, 0), caption=table().note)
    told.add_column("model", overflow="fold")
    for name in (*gyms, "average"):
        told.add_column(name[:6], justify="right")
    for each in shown.published:
        told.add_row(each.name, *(f"{each.gyms[gym]:.3f}" for gym in gyms), f"{each.average:.3f}")
    told.add_section()
    for each in shown.measured:
        means = [f"{each.gyms[gym]:.3f}" if gym in each.gyms else "-" for gym in gyms]
        told.add_row(each.name, *means, f"{each.average:.3f}")
    return told


def averages_table(shown: Shown) -> Table:
    gyms = [gym for gym in table().models[0].gyms if gym not in {gym_of(each.env) for each in shown.scores}]
    left_out = f" (without {', '.join(gyms)})" if gyms else ""
    caption = f"weighted: UserRL's metric, weighted by its numbers of test tasks{left_out}"
    told = Table(title="averages over environments [95% CI]", padding=(0, 0), caption=caption)
    told.add_column("model", overflow="fold")
    columns = (("macro", "score"), ("micro", "score"), ("weighted", "published"))
    for name, metric in columns:
        told.add_column(name if name == "weighted" else f"{name} {metric}", justify="right", no_wrap=True)
    for model in shown.models:
        own = {(each.name, each.metric): each.estimate for each in shown.averages if each.model == model}
        told.add_row(model, *(interval(own[column]) if column in own else "-" for column in columns))
    return told


def interval(estimate: Estimate | None, sign: str = "") -> str:
    if estimate is None:
        return "not scored"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:{sign}.3f}"
    return f"{estimate.mean:{sign}.3f} [{estimate.low:{sign}.2f}, {estimate.high:{sign}.2f}]"


def number(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.mean:.3f}"


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"
