"""How a training run moves a style: win rate, exact score and length of replies by step; needs the extra `plots`."""

import html
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from usergym.evaluation.gathered import drawable
from usergym.evaluation.standing import Standing

WIDTH, HEIGHT = 400, 220
NAME = "curve"


def curve(standings: Sequence[Standing], folder: Path, title: str) -> list[Path]:
    """Writes `curve.png` and `curve.html`, which loads nothing; [] where no standing has a step, or altair and
    vl-convert are not installed. Models without a step, such as the oracle, are dashed lines."""
    if not any(each.step is not None for each in standings) or not all(
        map(importlib.util.find_spec, ("altair", "vl_convert"))
    ):
        return []
    import altair
    import vl_convert

    panels = [panel for panel in _panels(standings) if panel is not None]
    whole = altair.hconcat(*panels).resolve_scale(color="shared")
    png, page = folder / f"{NAME}.png", folder / f"{NAME}.html"
    png.write_bytes(vl_convert.vegalite_to_png(_themed(whole, "white"), scale=2))
    drawn = vl_convert.vegalite_to_svg(_themed(whole, "white"))
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    page.write_text(f"{head}<h1>{html.escape(title)}</h1>{drawn}</html>\n", encoding="utf-8")
    return [png, page]


def _panels(standings: Sequence[Standing]) -> list[Any]:
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
    styles = list(dict.fromkeys(drawable(each.style) for each in standings))
    return [
        _panel(wins, "win rate against the baseline", styles, (0, 1)),
        _panel(scores, "exact style score", styles, (0, 1)),
        _panel(words, "words of a reply", styles),
    ]


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
    rows: Sequence[dict[str, Any]], title: str, styles: Sequence[str], ends: tuple[int, int] | None = None
) -> Any:
    import altair

    from usergym.evaluation.plots import COLOURS

    stepped = [row for row in rows if row["step"] is not None]
    if not stepped:
        return None
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(styles))]
    legend = altair.Legend(symbolOpacity=1) if len(styles) > 1 else None
    colour = altair.Color(
        "style:N", sort=list(styles), scale=altair.Scale(domain=list(styles), range=colours), legend=legend
    )
    scale = altair.Scale(domain=list(ends)) if ends else altair.Scale()
    base = altair.Chart(_data(stepped)).encode(
        x=altair.X("step:Q", title="step", axis=altair.Axis(tickMinStep=1, format="d")), color=colour
    )
    band = base.mark_area(opacity=0.18).encode(y=altair.Y("low:Q", title=None, scale=scale), y2="high:Q")
    line = base.mark_line(strokeWidth=1.8, point={"size": 24}).encode(y=altair.Y("value:Q", title=None, scale=scale))
    flat = [row for row in rows if row["step"] is None]
    layers = [band, line]
    if flat:
        rule = altair.Chart(_data(flat)).mark_rule(strokeDash=[6, 3])
        layers.append(rule.encode(y=altair.Y("value:Q", scale=scale), color=colour))
    return altair.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=title)


def _data(rows: Sequence[dict[str, Any]]) -> Any:
    import altair

    return altair.Data(values=list(rows))  # type: ignore[no-untyped-call]


def _themed(chart: Any, ground: str) -> dict[str, Any]:
    themed: dict[str, Any] = (
        chart.properties(background=ground)
        .configure_view(stroke=None)
        .configure_axis(gridColor="#88888844", domainColor="#888888", tickColor="#888888", titleFontWeight="normal")
        .configure_legend(orient="top", title=None, labelLimit=260)
        .configure_title(fontSize=13, fontWeight="normal", anchor="start", frame="group")
        .to_dict()
    )
    return themed
