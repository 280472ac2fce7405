"""The report's plots as SVG, drawn by altair and vl-convert; needs the extra `plots`."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import cycle
from typing import Any, Literal

import altair
import vl_convert

from usergym.evaluation.gathered import Gathered, drawable
from usergym.evaluation.scores import Scores

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999")
"""Told apart by people who are colour-blind, and on light and dark ground (Okabe and Ito)."""

DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
"""Lines that lie on each other are told apart."""

WIDTH, HEIGHT = 420, 210
BINS = 20
BARS = 12
"""Reasons of one plot; the rest are left out, and counted in its title."""


def draw(runs: Sequence[Gathered], scores: Sequence[Scores] = ()) -> list[tuple[str, str]]:
    """Title and SVG of every plot that there is data for; with the scores of an evaluation, theirs come first."""
    names = [run.name for run in runs]
    charts = (
        ("Score by environment, 95% interval by tasks", _by_environment(scores)),
        ("Mean reward, 95% interval by tasks", _rewards(runs)),
        ("How conversations ended", _counts(runs, "stops")),
        ("No failed reply yet, after so many replies", _survival(runs)),
        ("Replies of the agent in a conversation", _lengths(runs)),
        ("Rewards of conversations", _distribution(runs)),
        ("Why rewards were lost", _counts(runs, "reasons")),
    )
    return [(title, _svg(chart, names, place)) for place, (title, chart) in enumerate(charts) if chart is not None]


def _svg(chart: Any, names: Sequence[str], place: int) -> str:
    """The plot on no ground of its own; ids get a prefix, since all plots stand in one page."""
    themed = (
        chart.properties(background="transparent")
        .configure_view(stroke=None)
        .configure_axis(
            gridColor="#88888844",
            domainColor="#888888",
            tickColor="#888888",
            labelLimit=230,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
        )
        .configure_legend(orient="top", title=None, labelLimit=230, labelFontSize=12)
        .configure_range(category=list(COLOURS))
    )
    svg: str = vl_convert.vegalite_to_svg(themed.to_dict())
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\1plot{place}-", svg)


def _colour(names: Sequence[str]) -> Any:
    return altair.Color("run:N", sort=list(names), scale=altair.Scale(domain=list(names)))


def _data(rows: Sequence[dict[str, Any]]) -> Any:
    return altair.Data(values=rows)  # type: ignore[no-untyped-call]


def _rewards(runs: Sequence[Gathered]) -> Any:
    rows = []
    for run in runs:
        if (found := run.tallies.whole.estimate()) is not None:
            low, high = (found.mean if end is None else end for end in (found.low, found.high))
            rows.append({"run": run.name, "mean": found.mean, "low": low, "high": high})
    if not rows:
        return None
    names = [run.name for run in runs]
    base = altair.Chart(_data(rows)).encode(y=altair.Y("run:N", sort=names, title=None))
    bars = base.mark_bar(opacity=0.5, height={"band": 0.6}).encode(
        x=altair.X("mean:Q", title="mean reward"), color=_colour(names).legend(None)
    )
    ends = base.mark_rule(strokeWidth=3, color="#888888").encode(x="low:Q", x2="high:Q")
    return (bars + ends).properties(width=WIDTH, height=max(60, 36 * len(rows)))


def _by_environment(scores: Sequence[Scores]) -> Any:
    rows: list[dict[str, str | float]] = []
    for each in scores:
        if each.score is not None:
            mean = each.score.mean
            low, high = (mean if end is None else end for end in (each.score.low, each.score.high))
            model, env = drawable(each.model), drawable(each.env)
            rows.append({"run": model, "env": env, "mean": mean, "low": low, "high": high})
    if not rows:
        return None
    models, envs = (list(dict.fromkeys(str(row[key]) for row in rows)) for key in ("run", "env"))
    base = altair.Chart(_data(rows)).encode(
        y=altair.Y("env:N", sort=envs, title=None), yOffset=altair.YOffset("run:N", sort=models)
    )
    points = base.mark_point(filled=True, size=45, opacity=1).encode(
        x=altair.X("mean:Q", title="score"), color=_colour(models)
    )
    ends = base.mark_rule(strokeWidth=2, opacity=0.6).encode(x="low:Q", x2="high:Q", color=_colour(models))
    return (ends + points).properties(width=WIDTH, height=max(60, (10 + 12 * len(models)) * len(envs)))


def _distribution(runs: Sequence[Gathered]) -> Any:
    binary = all(value in (0, 1) for run in runs for value in run.rewards)
    return _side_by_side(runs, [list(run.rewards.items()) for run in runs], "reward", 1.0 if binary else 0.1)


def _lengths(runs: Sequence[Gathered]) -> Any:
    return _side_by_side(runs, [list(run.replies.items()) for run in runs], "replies", 1.0)


def bin_width(least: float, most: float, finest: float) -> float:
    """The finest of 1, 2, 5, 10, 20, ... times `finest` that makes at most 20 bins."""
    width, steps = finest, cycle((2.0, 2.5, 2.0))
    while (most - least) / width > BINS:
        width *= next(steps)
    return width


def _side_by_side(
    runs: Sequence[Gathered], counts: Sequence[Sequence[tuple[float, int]]], title: str, finest: float
) -> Any:
    """Shares of each run by value, in bins of one width, empty ones too."""
    values = [value for count in counts for value, _ in count]
    if not values:
        return None
    width = bin_width(min(values), max(values), finest)
    shares: defaultdict[tuple[str, int], float] = defaultdict(float)
    for run, count in zip(runs, counts, strict=True):
        total = sum(number for _, number in count)
        for value, number in count:
            shares[run.name, math.floor(value / width + 1e-9)] += number / total
    first, last = (pick(place for _, place in shares) for pick in (min, max))
    labels = {place: f"{place * width:.10g}" for place in range(first, last + 1)}
    rows = [{"run": name, "value": labels[place], "share": share} for (name, place), share in sorted(shares.items())]
    names = [run.name for run in runs]
    axis = altair.Axis(labelAngle=0, labelOverlap=True)
    return (
        altair.Chart(_data(rows), width=WIDTH, height=HEIGHT)
        .mark_bar(opacity=0.85)
        .encode(
            x=altair.X(
                "value:O",
                title=title if width == finest else f"{title} (bins of {width:g})",
                axis=axis,
                scale=altair.Scale(domain=list(labels.values())),
            ),
            xOffset=altair.XOffset("run:N", scale=altair.Scale(domain=names)),
            y=altair.Y("share:Q", title="share", axis=altair.Axis(format="%")),
            color=_colour(names),
        )
    )


def survival(failed_at: Counter[int], passed: Counter[int]) -> list[tuple[int, float]]:
    """Chance of no failed reply up to each reply; a conversation that ended without one counts as long as it
    lasted (Kaplan and Meier)."""
    points, alive = [(0, 1.0)], 1.0
    at_risk = failed_at.total() + passed.total() - passed[0]
    for reply in range(1, max((*failed_at, *passed), default=0) + 1):
        if not at_risk:
            break
        alive *= 1 - failed_at[reply] / at_risk
        points.append((reply, alive))
        at_risk -= failed_at[reply] + passed[reply]
    return points


def _survival(runs: Sequence[Gathered]) -> Any:
    graded = [run for run in runs if run.graded]
    if not graded:
        return None
    rows = [
        {"run": run.name, "reply": reply, "share": share}
        for run in graded
        for reply, share in survival(run.failed_at, run.passed)
    ]
    names = [run.name for run in runs]
    dashes = altair.StrokeDash(
        "run:N", scale=altair.Scale(domain=names, range=[DASHES[n % 4] for n in range(len(names))])
    )
    return (
        altair.Chart(_data(rows), width=WIDTH, height=HEIGHT)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=altair.X("reply:Q", title="reply", axis=altair.Axis(tickMinStep=1, format="d")),
            y=altair.Y("share:Q", title="share", axis=altair.Axis(format="%"), scale=altair.Scale(domain=[0, 1])),
            color=_colour(names),
            strokeDash=dashes,
        )
    )


def _counts(runs: Sequence[Gathered], field: Literal["stops", "reasons"]) -> Any:
    """Conversations by why they ended, or failed, the most frequent first."""
    by_run: list[Counter[str]] = [Counter() for _ in runs]
    for run, counts in zip(runs, by_run, strict=True):
        for why, count in getattr(run.tallies.whole, field).items():
            counts[drawable(why)] += count
    total: Counter[str] = sum(by_run, Counter())
    shown = [reason for reason, _ in total.most_common(BARS)]
    rows = [
        {"run": run.name, "why": why, "count": counts[why]}
        for run, counts in zip(runs, by_run, strict=True)
        for why in shown
        if counts[why]
    ]
    if not rows:
        return None
    left_out = len(total) - len(shown)
    title = f"conversations ({left_out} rarer kinds are left out)" if left_out else "conversations"
    return (
        altair.Chart(_data(rows), width=WIDTH, height=max(60, 26 * len(shown)))
        .mark_bar(opacity=0.85)
        .encode(
            y=altair.Y("why:N", sort=shown, title=None),
            x=altair.X("count:Q", title=title, axis=altair.Axis(tickMinStep=1, format="d")),
            color=_colour([run.name for run in runs]),
        )
    )
