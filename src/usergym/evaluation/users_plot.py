"""How far models think and speak as people, by level with intervals, as a picture; needs the extra `plots`."""

import html
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from usergym.evaluation.gathered import drawable
from usergym.evaluation.users import CONSTANT
from usergym.evaluation.users_scores import Cell

WIDTH, ROW = 320, 15
NAME = "alignment"
TITLES = {"asked": "each level asked for", "spoken": "states first, then the words"}


def picture(cells: Sequence[Cell], folder: Path, title: str) -> list[Path]:
    """Writes `alignment.png` and `alignment.html`, which loads nothing, from the cells of one judge; [] without a
    number, or where altair and vl-convert are not installed."""
    rows = [row for cell in cells if (row := _row(cell)) is not None]
    if not rows or not all(map(importlib.util.find_spec, ("altair", "vl_convert"))):
        return []
    import altair
    import vl_convert

    names = list(dict.fromkeys(str(row["who"]) for row in rows))
    panels = [
        _panel([row for row in rows if row["play"] == play], names, play)
        for play in TITLES
        if any(row["play"] == play for row in rows)
    ]
    themed = (
        altair.hconcat(*panels)
        .properties(background="white")
        .configure_view(stroke=None)
        .configure_axis(gridColor="#88888844", domainColor="#888888", tickColor="#888888", titleFontWeight="normal")
        .configure_legend(orient="top", title=None, labelLimit=320, columns=3)
        .configure_title(fontSize=13, fontWeight="normal", anchor="start")
        .to_dict()
    )
    png, page = folder / f"{NAME}.png", folder / f"{NAME}.html"
    png.write_bytes(vl_convert.vegalite_to_png(themed, scale=2))
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    drawn = vl_convert.vegalite_to_svg(themed)
    page.write_text(f"{head}<h1>{html.escape(title)}</h1>{drawn}</html>\n", encoding="utf-8")
    return [png, page]


def _row(cell: Cell) -> dict[str, Any] | None:
    if cell.alignment is None:
        return None
    told = "" if cell.source.persona == "own" else f", persona {cell.source.persona}"
    low, high = (cell.alignment.mean if end is None else end for end in (cell.alignment.low, cell.alignment.high))
    who = "the same text always" if cell.source.model == CONSTANT else drawable(cell.source.model) + told
    return {
        "who": who,
        "play": cell.source.play,
        "level": drawable(cell.level),
        "mean": cell.alignment.mean,
        "low": low,
        "high": high,
    }


def _panel(rows: Sequence[dict[str, Any]], names: Sequence[str], play: str) -> Any:
    import altair

    from usergym.evaluation.plots import COLOURS

    levels = list(dict.fromkeys(str(row["level"]) for row in rows))
    here = [name for name in names if any(row["who"] == name for row in rows)]
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(names))]
    colour = altair.Color("who:N", sort=list(names), scale=altair.Scale(domain=list(names), range=colours))
    base = altair.Chart(altair.Data(values=list(rows))).encode(  # type: ignore[no-untyped-call]
        y=altair.Y("level:N", sort=levels, title=None), yOffset=altair.YOffset("who:N", sort=here), color=colour
    )
    x = altair.X("mean:Q", title="alignment", scale=altair.Scale(domain=[0, 1]))
    points = base.mark_point(filled=True, size=45, opacity=1).encode(x=x)
    ends = base.mark_rule(strokeWidth=2, opacity=0.6).encode(x="low:Q", x2="high:Q")
    height = max(60, (8 + ROW * len(here)) * len(levels))
    return (ends + points).properties(width=WIDTH, height=height, title=TITLES[play])
