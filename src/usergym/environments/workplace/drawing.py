"""The plots that an agent asks for, as pictures."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from usergym.environments.workplace.state import Day, Plot, State

_TITLES = {
    "total_visits": "Visits",
    "session_duration_seconds": "Average seconds of a visit",
    "user_engaged": "Engaged visitors",
    "visits_direct": "Direct visits",
    "visits_referral": "Visits by referral",
    "visits_search_engine": "Visits from search engines",
    "visits_social_media": "Visits from social media",
}
_MARKS: dict[str, Any] = {
    "bar": {"type": "bar"},
    "line": {"type": "line", "point": True},
    "scatter": {"type": "point", "filled": True, "size": 60},
    "histogram": {"type": "bar"},
}


def can_draw() -> bool:
    """Whether the `plots` extra is installed."""
    return find_spec("vl_convert") is not None


def draw(office: State, plot: Plot, folder: Path) -> Path:
    """Writes the plot's PNG under `folder`, by the path that the agent was told; a plot that is there is kept."""
    import vl_convert

    path = folder / "plots" / Path(plot.path).name.replace("/", "-").replace(":", "")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(vl_convert.vegalite_to_png(chart(office, plot), scale=2))
    return path


def chart(office: State, plot: Plot) -> dict[str, Any]:
    """A Vega-Lite chart: one value a day, or how often each value occurs."""
    title = _TITLES[plot.value]
    days = office.base.visits.days(plot.first[:10], plot.last[:10])
    heights = [_value(day, plot.value) for day in days]
    values = [{"day": day.date, "value": height} for day, height in zip(days, heights, strict=True)]
    top = max(heights, default=0.0) * 1.08 + 0.1
    whole = {"format": "d", "tickMinStep": 1}
    count = {"aggregate": "count", "title": "Days", "axis": whole}
    of_value: dict[str, Any] = {} if plot.value == "session_duration_seconds" else {"axis": whole}
    axes: dict[str, Any] = {
        "x": {"field": "day", "type": "ordinal", "title": None, "axis": {"labelAngle": -40, "labelOverlap": "parity"}},
        "y": {
            "field": "value",
            "type": "quantitative",
            "title": title,
            "scale": {"domain": [0, top]},
            **of_value,
        },
    }
    if plot.kind == "histogram":
        axes = {"x": {"field": "value", "bin": {"minstep": 1}, "title": title, **of_value}, "y": count}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": f"{title}, {plot.first} to {plot.last}",
        "width": 520,
        "height": 260,
        "data": {"values": values},
        "mark": _MARKS[plot.kind],
        "encoding": axes,
    }


def _value(day: Day, what: str) -> float:
    if what == "session_duration_seconds":
        return day.seconds / day.visits
    if what == "user_engaged":
        return day.engaged
    source = what.removeprefix("visits_").replace("_", " ")
    return day.visits if what == "total_visits" else day.sources.get(source, 0)
