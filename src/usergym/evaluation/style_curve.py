"""How a training run moves a style: win rate, exact score and length of replies by step; needs the extra `plots`."""

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from usergym.evaluation.gathered import drawable
from usergym.evaluation.standing import Standing
from usergym.evaluation.style_page import About, page

SIZE, SMALL = (400, 220), (260, 180)
"""Width and height of a chart in the picture, and in the page, which lays them out itself."""
THIN, THICK = 1.8, 6.0
"""Widths of the last and the first of several lines: those that lie on each other are all seen."""
TICKS = 8
"""Of steps, at most."""
NAME = "curve"


def curve(standings: Sequence[Standing], folder: Path, about: About) -> list[Path]:
    """Writes `curve.png` and `curve.html`, which loads nothing; [] where no standing has a step, or altair and
    vl-convert are not installed. Models without a step, such as the oracle, are dashed lines."""
    if not any(each.step is not None for each in standings) or not all(
        map(importlib.util.find_spec, ("altair", "vl_convert"))
    ):
        return []
    import altair
    import vl_convert

    png, file = folder / f"{NAME}.png", folder / f"{NAME}.html"
    whole = altair.hconcat(*_panels(standings, legend=True).values()).resolve_scale(color="shared")
    png.write_bytes(vl_convert.vegalite_to_png(_themed(whole, "white"), scale=2))
    drawn = [
        (title, _own_ids(vl_convert.vegalite_to_svg(_themed(panel, "transparent")), place))
        for place, (title, panel) in enumerate(_panels(standings, legend=False).items())
    ]
    file.write_text(page(about, standings, drawn, colours(standings)), encoding="utf-8")
    return [png, file]


def colours(standings: Sequence[Standing]) -> dict[str, str]:
    """Of each style, in the order in which they stand."""
    from usergym.evaluation.plots import COLOURS

    styles = dict.fromkeys(drawable(each.style) for each in standings)
    return {style: COLOURS[place % len(COLOURS)] for place, style in enumerate(styles)}


def _own_ids(svg: str, place: int) -> str:
    """Several drawings stand in one page."""
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\1chart{place}-", svg)


def _panels(standings: Sequence[Standing], legend: bool) -> dict[str, Any]:
    """The charts that there is data for, by their titles; with a legend these stand in the charts too."""
    wins, scores, words = [], [], []
    for each in standings:
        at: dict[str, Any] = {"style": drawable(each.style), "step": each.step, "model": drawable(each.model)}
        if each.wins.rate is not None:
            ends = each.wins.wilson
            low, high = (ends.low, ends.high) if ends else (each.wins.rate, each.wins.rate)
            wins.append({**at, "value": each.wins.rate, "low": low, "high": high})
        if each.score is not None:
            low, high = (each.score.mean if end is None else end for end in (each.score.low, each.score.high))
            scores.append({**at, "value": each.score.mean, "low": low, "high": high})
        if each.words is not None:
            words.append({**at, "value": each.words, "low": each.words, "high": each.words})
    for rows, of_baseline in ((wins, None), (scores, "baseline_score"), (words, "baseline_words")):
        rows.extend(_baseline(standings, of_baseline))
    found = colours(standings)
    made: dict[str, Any] = {}
    for title, rows, ends_at in (
        ("win rate against the baseline", wins, (0, 1)),
        ("exact style score", scores, (0, 1)),
        ("words of a reply", words, None),
    ):
        if any(row["step"] is not None for row in rows):
            chart = _panel(rows, found, ends_at, legend)
            made[title] = chart.properties(title=title) if legend else chart
    return made


def _baseline(standings: Sequence[Standing], field: str | None) -> list[dict[str, Any]]:
    """Step 0: the baseline as it was seen beside the first checkpoint of each style; against itself, it wins half."""
    rows: dict[str, dict[str, Any]] = {}
    for each in standings:
        value = getattr(each, field) if field else 0.5
        if each.step and value is not None and each.style not in rows:
            mean = getattr(value, "mean", value)
            low, high = getattr(value, "low", None), getattr(value, "high", None)
            rows[each.style] = {
                "style": drawable(each.style),
                "step": 0,
                "model": "baseline",
                "value": mean,
                "low": mean if low is None else low,
                "high": mean if high is None else high,
            }
    return list(rows.values())


def _panel(
    rows: Sequence[dict[str, Any]], found: dict[str, str], ends: tuple[int, int] | None, with_legend: bool
) -> Any:
    import altair

    legend = altair.Legend(symbolOpacity=1) if with_legend and len(found) > 1 else None
    colour = altair.Color(
        "style:N",
        sort=list(found),
        scale=altair.Scale(domain=list(found), range=list(found.values())),
        legend=legend,
    )
    stepped = [row for row in rows if row["step"] is not None]
    scale = altair.Scale(domain=list(ends)) if ends else altair.Scale(zero=True)
    axis = altair.Axis(values=ticks([row["step"] for row in stepped]), format="d")
    layers = []
    for place, style in enumerate(found):
        width = _width(place, len(found))
        own = [row for row in rows if row["style"] == style]
        base = altair.Chart(_data([row for row in own if row["step"] is not None])).encode(
            x=altair.X("step:Q", title="step", axis=axis), color=colour
        )
        y = altair.Y("value:Q", title=None, scale=scale)
        point = {"size": (2.4 * width) ** 2, "opacity": 1}
        layers.append(base.mark_area(opacity=0.15).encode(y=altair.Y("low:Q", title=None, scale=scale), y2="high:Q"))
        layers.append(base.mark_line(strokeWidth=width, point=point).encode(y=y))
        flat = altair.Chart(_data([row for row in own if row["step"] is None]))
        layers.append(flat.mark_rule(strokeDash=[6, 3], strokeWidth=max(THIN, width / 2)).encode(y=y, color=colour))
    width, height = SIZE if with_legend else SMALL
    return altair.layer(*layers).properties(width=width, height=height)


def _width(place: int, of: int) -> float:
    return THIN if of == 1 else THICK - (THICK - THIN) * place / (of - 1)


def ticks(steps: Sequence[int]) -> list[int]:
    """Steps that are named on the axis, each of them one that there is: the first, the last, and some between."""
    there = sorted(set(steps))
    if len(there) <= TICKS:
        return there
    return sorted({there[round(place * (len(there) - 1) / (TICKS - 1))] for place in range(TICKS)})


def _data(rows: Sequence[dict[str, Any]]) -> Any:
    import altair

    return altair.Data(values=list(rows))  # type: ignore[no-untyped-call]


def _themed(chart: Any, ground: str) -> dict[str, Any]:
    themed: dict[str, Any] = (
        chart.properties(background=ground)
        .configure_view(stroke=None)
        .configure_axis(
            gridColor="#88888844",
            domainColor="#888888",
            tickColor="#888888",
            titleFontWeight="normal",
            labelFontSize=12,
            titleFontSize=12,
        )
        .configure_legend(orient="top", title=None, labelLimit=260)
        .configure_title(fontSize=13, fontWeight="normal", anchor="start", frame="group")
        .to_dict()
    )
    return themed
