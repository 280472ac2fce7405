"""What `usergym study` prints for people to read."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table

from usergym.cli.tables import counted
from usergym.evaluation.study import Analysis, Rating
from usergym.evaluation.study_power import Needed
from usergym.evaluation.study_statistics import SignedRank
from usergym.evaluation.wins import Interval, WinRate


def tables(analysis: Analysis) -> Iterator[RenderableType]:
    yield _people(analysis)
    yield _systems(analysis)
    if analysis.pairs:
        yield _pairs(analysis)
    yield _raters(analysis)


def _people(of: Analysis) -> str:
    lines = [
        f"{of.joined:,} joined, {of.compared:,} compared something, {of.finished:,} did all; "
        f"{of.counted:,} count, with {counted(of.comparisons, 'comparison')}",
        f"attention checks: {of.checks_failed:,} of {of.checks:,} failed",
    ]
    lines += [f"left out: {count:,} {why}" for why, count in of.excluded.items() if count]
    if of.minutes:
        low, middle, high = of.minutes
        lines.append(f"minutes of a participant: {middle:.1f} (half of them {low:.1f} to {high:.1f})")
    if of.wanting:
        lines.append(f"{counted(of.wanting, 'item still wants', 'items still want')} answers")
    return "\n".join(lines)


def _systems(of: Analysis) -> Table:
    table = Table(title="Systems; 95% intervals over participants", padding=(0, 0))
    for name in ("system", "pages", "win rate, ties half", "first", "similarity 1-10", "human-like 1-10"):
        table.add_column(name, justify="left" if name == "system" else "right", overflow="fold")
    for each in of.systems:
        rates = (_win(each.win), f"{each.first:.1%}", _rating(each.similarity), _rating(each.likeness))
        table.add_row(each.system, f"{each.answers:,}", *rates)
    return table


def _pairs(of: Analysis) -> Table:
    table = Table(title="Pairs, first against second; p: Wilcoxon over participants, Holm over pairs", padding=(0, 0))
    for name in ("first", "second", "wins of the first", "similarity", "p", "human-like", "p"):
        table.add_column(name, justify="left" if name in ("first", "second") else "right", overflow="fold")
    for each in of.pairs:
        table.add_row(
            each.first,
            each.second,
            _win(each.win),
            *_test(each.similarity, each.similarity_holm),
            *_test(each.likeness, each.likeness_holm),
        )
    return table


def _raters(of: Analysis) -> str:
    lines = [
        f"agreement in {each.what}: "
        + (
            "no text has two raters"
            if each.alpha is None
            else f"Krippendorff's alpha {each.alpha:.3f} on {counted(each.texts, 'text')}"
        )
        for each in of.agreement
    ]
    if of.kendall_w is not None:
        lines.append(f"agreement in the order: Kendall's W {of.kendall_w:.3f}, mean over items")
    if of.coherence is not None:
        lines.append(f"order and similarity say the same in {of.coherence:.1%} of pairs")
    places = ", ".join(f"{place}: {rate:.2f}" for place, rate in of.by_place.items())
    return "\n".join([*lines, f"win rate by place on the page: {places}"])


def _interval(interval: Interval | None, form: str) -> str:
    return f" [{interval.low:{form}}, {interval.high:{form}}]" if interval else ""


def _win(win: WinRate) -> str:
    return "-" if win.rate is None else f"{win.rate:.1%}{_interval(win.wilson, '.1%')}"


def _rating(rating: Rating) -> str:
    return f"{rating.mean:.2f}{_interval(rating.interval, '.2f')}"


def _test(test: SignedRank, holm: float) -> tuple[str, str]:
    return f"{test.mean:+.2f}", "<0.001" if holm < 0.001 else f"{holm:.3f}"


def told(plan: Needed) -> str:
    """A plan in sentences."""
    assumed = plan.assumed
    return (
        f"{counted(plan.people, 'participant')} with {counted(assumed.each, 'comparison')} each: "
        f"{counted(plan.answers, 'answer')}, which are {plan.raters} for each of {counted(plan.items, 'item')}\n"
        f"power {plan.power:.2f} (simulated: {plan.interval.low:.2f} to {plan.interval.high:.2f}) for d = "
        f"{assumed.effect:g} between two of {assumed.systems} systems, at a level of {assumed.per_pair:.3g} a pair\n"
        f"people who fail their checks are not in this number; ask more"
    )
