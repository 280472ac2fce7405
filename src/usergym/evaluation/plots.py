"""The report's plots as SVG, drawn by altair and vl-convert; needs the extra `plots`."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import altair
import vl_convert

if TYPE_CHECKING:
    from usergym.evaluation.report import Gathered

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999")
"""Told apart by people who are colour-blind, and on light and dark ground (Okabe and Ito)."""

WIDTH, HEIGHT = 420, 210
BARS = 12
"""Reasons of one plot; the rest are left out, and counted in its title."""


def draw(runs: Sequence["Gathered"]) -> list[tuple[str, str]]:
    """Title and SVG of every plot that there is data for."""
    names = [run.name for run in runs]
    charts = (
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


def _rewards(runs: Sequence["Gathered"]) -> Any:
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


def _shares(runs: Sequence["Gathered"], counts: Sequence[Counter[Any]]) -> list[dict[str, Any]]:
    return [
        {"run": run.name, "value": value, "share": number / count.total()}
        for run, count in zip(runs, counts, strict=True)
        for value, number in sorted(count.items())
    ]


def _distribution(runs: Sequence["Gathered"]) -> Any:
    binned = [Counter({round(value, 1): 0 for value in run.rewards}) for run in runs]
    for run, count in zip(runs, binned, strict=True):
        for value, number in run.rewards.items():
            count[round(value, 1)] += number
    return _side_by_side(runs, binned, "reward")


def _lengths(runs: Sequence["Gathered"]) -> Any:
    most = max((n for run in runs for n in run.replies), default=0)
    width = 1 + most // 20
    binned: list[Counter[int]] = [Counter() for _ in runs]
    for run, count in zip(runs, binned, strict=True):
        for value, number in run.replies.items():
            count[value // width * width] += number
    return _side_by_side(runs, binned, "replies" if width == 1 else f"replies (from, by {width})")


def _side_by_side(runs: Sequence["Gathered"], counts: Sequence[Counter[Any]], title: str) -> Any:
    rows = _shares(runs, counts)
    if not rows:
        return None
    names = [run.name for run in runs]
    return (
        altair.Chart(_data(rows), width=WIDTH, height=HEIGHT)
        .mark_bar(opacity=0.85)
        .encode(
            x=altair.X("value:O", title=title, axis=altair.Axis(labelAngle=0, labelOverlap=True)),
            xOffset=altair.XOffset("run:N", sort=names),
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


def _survival(runs: Sequence["Gathered"]) -> Any:
    if not any(run.failed_at for run in runs):
        return None
    rows = [
        {"run": run.name, "reply": reply, "share": share}
        for run in runs
        if run.failed_at or run.passed
        for reply, share in survival(run.failed_at, run.passed)
    ]
    return (
        altair.Chart(_data(rows), width=WIDTH, height=HEIGHT)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=altair.X("reply:Q", title="reply", axis=altair.Axis(tickMinStep=1, format="d")),
            y=altair.Y("share:Q", title="share", axis=altair.Axis(format="%"), scale=altair.Scale(domain=[0, 1])),
            color=_colour([run.name for run in runs]),
        )
    )


def _counts(runs: Sequence["Gathered"], field: Literal["stops", "reasons"]) -> Any:
    """Conversations by why they ended, or failed, the most frequent first."""
    by_run = [getattr(run.tallies.whole, field) for run in runs]
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
