"""What `usergym eval style` tells: who wins how often, with intervals, and what could not be judged."""

from collections.abc import Sequence

from rich.table import Table

from usergym.cli.tables import console
from usergym.evaluation.standing import Standing
from usergym.evaluation.statistics import Estimate
from usergym.evaluation.wins import Interval, WinRate
from usergym.types import Record

JUDGED = ("win", "loss", "tie", "inconsistent")


class Result(Record, frozen=True, omit_defaults=False):
    """All of one evaluation; `metrics.json` and --json."""

    folder: str
    baseline: str
    judge: str
    prompts: int
    samples: int
    standings: list[Standing]
    notes: list[str]


def show(result: Result) -> None:
    """Within 80 columns, unless names are long."""
    styles = list(dict.fromkeys(each.style for each in result.standings))
    for style in styles:
        own = [each for each in result.standings if each.style == style]
        console.print(_wins(own, f"{style}: against {result.baseline}, judged by {result.judge}"))
        console.print(_scores(own))
        if any(each.bias.decided for each in own):
            console.print(_judging(own))
        if any(each.axes for each in own):
            console.print(_axes(own))
        for each in own:
            if lost := {name: count for name, count in each.outcomes.items() if name not in JUDGED}:
                counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in lost.items())
                _say(f"not judged, {each.model}: {counts}")
    if len(styles) > 1:
        console.print(_matrix(result.standings, styles))
    for note in result.notes:
        _say(f"note: {note}", "yellow")
    _say("win rate: a tie is half a win; by prompt, 95%. What was not judged is left out, which is no loss.")
    _say(f"all numbers, replies and verdicts: {result.folder}")


def _say(text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _table(title: str | None, *columns: str) -> Table:
    table = Table(title=title, padding=(0, 0))
    table.add_column("model", overflow="fold")
    for name in columns:
        table.add_column(name.replace("[", r"\["), justify="right", no_wrap=True)
    return table


def _wins(own: Sequence[Standing], title: str) -> Table:
    table = _table(title, "win rate [Wilson]", "[bootstrap]", "judged", "win/tie/loss")
    for each in own:
        counts = each.outcomes
        ties = counts.get("tie", 0) + counts.get("inconsistent", 0)
        table.add_row(
            each.model,
            rate(each.wins),
            interval(each.wins.bootstrap).replace("[", r"\[") or "-",
            f"{each.wins.judged:,}/{each.wins.asked:,}",
            f"{counts.get('win', 0):,}/{ties:,}/{counts.get('loss', 0):,}",
        )
    return table


def _scores(own: Sequence[Standing]) -> Table:
    table = _table("the model / the baseline", "exact score", "difference [95%]", "on topic", "words")
    for each in own:
        table.add_row(
            each.model,
            _both(_mean(each.score), _mean(each.baseline_score), ".3f"),
            estimated(each.difference),
            _both(each.on_topic, each.baseline_on_topic, ".0%"),
            _both(each.words, each.baseline_words, ",.0f"),
        )
    return table


def _judging(own: Sequence[Standing]) -> Table:
    table = _table("the judge", "orders disagree", "said first", "as the rules")
    for each in own:
        said = each.bias
        table.add_row(
            each.model,
            f"{each.outcomes.get('inconsistent', 0):,} of {each.wins.judged:,}",
            "-" if said.first is None else f"{said.first:.0%} of {said.decided:,}",
            "-" if each.agreement is None else f"{each.agreement:.0%} of {each.agreed_on:,}",
        )
    return table


def _axes(own: Sequence[Standing]) -> Table:
    axes = list(dict.fromkeys(axis for each in own for axis in each.axes))
    table = _table("win rate by other measures than style", *axes)
    for each in own:
        table.add_row(each.model, *(rate(each.axes[axis]) if axis in each.axes else "-" for axis in axes))
    return table


def _matrix(standings: Sequence[Standing], styles: Sequence[str]) -> Table:
    table = _table("every style: win rate, exact score", *styles)
    for model in dict.fromkeys(each.model for each in standings):
        found = {each.style: each for each in standings if each.model == model}
        table.add_row(model, *(_cell(found[style]) if style in found else "-" for style in styles))
    return table


def _cell(each: Standing) -> str:
    won = "-" if each.wins.rate is None else f"{each.wins.rate:.3f}"
    return f"{won}, {'-' if each.score is None else f'{each.score.mean:.3f}'}"


def rate(wins: WinRate) -> str:
    """A win rate with its interval, as rich markup."""
    if wins.rate is None:
        return "not judged"
    return f"{wins.rate:.3f} {interval(wins.wilson)}".rstrip().replace("[", r"\[")


def interval(found: Interval | None) -> str:
    return f"[{found.low:.2f}, {found.high:.2f}]" if found else ""


def estimated(found: Estimate | None) -> str:
    """A difference with its interval, as rich markup."""
    if found is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.mean:+.3f}"
    return f"{found.mean:+.3f} \\[{found.low:+.2f}, {found.high:+.2f}]"


def _both(ours: float | None, theirs: float | None, form: str) -> str:
    return "/".join("-" if value is None else format(value, form) for value in (ours, theirs))


def _mean(found: Estimate | None) -> float | None:
    return found.mean if found else None
