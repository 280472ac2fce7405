"""How far models think and speak as people, by level with intervals, as a picture; needs the extra `plots`."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from usergym.evaluation.gathered import drawable
from usergym.evaluation.pages import templates
from usergym.evaluation.users import CONSTANT, short
from usergym.evaluation.users_scores import Cell

WIDTH, ROW = 420, 15
NAME = "alignment"
ALWAYS = "the same text always"
SHAPES = ("circle", "cross", "triangle-up")
"""By persona: own, another's, none."""
PERSONAS = {"own": "own persona", "shuffled": "another's persona", "none": "no persona"}
TITLES = {"asked": "asked for by the prompts of the mode", "spoken": "states first, then the words"}


def picture(cells: Sequence[Cell], folder: Path, title: str, levels: Sequence[str]) -> list[Path]:
    """Writes `alignment.png` and `alignment.html`, which loads nothing, from the cells of one judge, whom `title`
    names; [] without a number, or where altair and vl-convert are not installed. `levels`: in their order."""
    names = short(list(dict.fromkeys(cell.source.model for cell in cells)))
    rows = [row for cell in cells if (row := _row(cell, names)) is not None]
    if not rows or not all(map(importlib.util.find_spec, ("altair", "vl_convert"))):
        return []
    import altair
    import vl_convert

    in_order = [drawable(level) for level in levels]
    panels = [
        _panel([row for row in rows if row["play"] == play], rows, play, in_order)
        for play in TITLES
        if any(row["play"] == play for row in rows)
    ]
    png, page = folder / f"{NAME}.png", folder / f"{NAME}.html"
    heading = altair.TitleParams(drawable(title), anchor="start", fontSize=16, fontWeight="bold", offset=12)
    png.write_bytes(vl_convert.vegalite_to_png(_themed(altair.hconcat(*panels, title=heading), "white"), scale=2))
    drawn = [(panel.title, vl_convert.vegalite_to_svg(_themed(_untitled(panel), "transparent"))) for panel in panels]
    told = templates("usergym.evaluation").get_template("people.html.j2").render(title=drawable(title), charts=drawn)
    page.write_text(told, encoding="utf-8")
    return [png, page]


def _untitled(panel: Any) -> Any:
    bare = panel.copy()
    bare.title = ""
    return bare


def _themed(chart: Any, ground: str) -> dict[str, Any]:
    themed: dict[str, Any] = (
        chart.properties(background=ground)
        .configure_view(stroke=None)
        .configure_axis(gridColor="#88888844", domainColor="#888888", tickColor="#888888", titleFontWeight="normal")
        .configure_legend(orient="top", labelLimit=320, columns=4)
        .configure_title(fontSize=13, fontWeight="normal", anchor="start")
        .to_dict()
    )
    return themed


def _row(cell: Cell, names: Mapping[str, str]) -> dict[str, Any] | None:
    if cell.alignment is None:
        return None
    low, high = (cell.alignment.mean if end is None else end for end in (cell.alignment.low, cell.alignment.high))
    model = ALWAYS if cell.source.model == CONSTANT else drawable(names[cell.source.model])
    return {
        "model": model,
        "persona": PERSONAS[cell.source.persona],
        "who": f"{model} {cell.source.persona}",
        "play": cell.source.play,
        "level": drawable(cell.level),
        "mean": cell.alignment.mean,
        "low": low,
        "high": high,
    }


def _panel(rows: Sequence[dict[str, Any]], every: Sequence[dict[str, Any]], play: str, in_order: Sequence[str]) -> Any:
    import altair

    from usergym.evaluation.plots import COLOURS

    def values(field: str, of: Sequence[dict[str, Any]] = every) -> list[str]:
        return list(dict.fromkeys(str(row[field]) for row in of))

    here, models, personas = values("who", rows), values("model"), values("persona")
    levels = [level for level in in_order if any(row["level"] == level for row in rows)]
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(models))]
    colour = altair.Color("model:N", sort=models, title=None, scale=altair.Scale(domain=models, range=colours))
    shapes = altair.Scale(domain=personas, range=list(SHAPES[: len(personas)]))
    legend = altair.Legend(title=None) if len(personas) > 1 else None
    shape = altair.Shape("persona:N", sort=personas, scale=shapes, legend=legend)
    base = altair.Chart(altair.Data(values=list(rows))).encode(  # type: ignore[no-untyped-call]
        y=altair.Y("level:N", sort=levels, title=None), yOffset=altair.YOffset("who:N", sort=here), color=colour
    )
    x = altair.X("mean:Q", title="alignment", scale=altair.Scale(domain=[0, 1]))
    points = base.mark_point(filled=True, size=50, opacity=1).encode(x=x, shape=shape)
    ends = base.mark_rule(strokeWidth=2, opacity=0.6).encode(x="low:Q", x2="high:Q")
    height = max(60, (8 + ROW * len(here)) * len(levels))
    return (ends + points).properties(width=WIDTH, height=height, title=TITLES[play])
