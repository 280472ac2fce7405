"""Learning curves of a training run: `metrics.jsonl` into `curves.png`; needs the extra `plots`."""

import importlib.util
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from usergym.evaluation.gathered import drawable
from usergym.training.record import CONFIG, METRICS, read_metrics
from usergym.training.standstill import KEPT, REPLIES

WIDTH, HEIGHT = 400, 200
POINTS = 400
"""Of one line; of more, neighbours are drawn as their mean."""

Points = Mapping[str, Sequence[tuple[int, float]]]
"""Of each metric: step and value, in the order of the steps."""

_PANELS: tuple[tuple[str, dict[str, str]], ...] = (
    ("Loss", {"loss": "train", "eval_loss": "validation"}),
    ("Reward", {"reward": "train", "eval_reward": "validation"}),
    ("Token accuracy", {"mean_token_accuracy": "train", "eval_mean_token_accuracy": "validation"}),
    ("Entropy, nats a token", {"entropy": "train", "eval_entropy": "validation"}),
    ("Spread of rewards within a group", {"reward_std": "train"}),
    ("Tokens of a conversation's own words", {"completions/mean_length": "mean", "completions/max_length": "longest"}),
    ("Effect of reactions, nats a token", {"sdpo/effect": "reaction", "sdpo/control_effect": "control"}),
    ("KL to the model as it was", {"kl": "train"}),
    ("Share of conversations lost", {"lost": "train", "eval_lost": "validation"}),
    ("Gradient norm", {"grad_norm": "train"}),
    ("Learning rate", {"learning_rate": "train"}),
)
_TRAIN, _HELD_OUT, _REWARD = "env/", "eval_env/", "/reward"
_STATES = "states/"


def curves(folder: str | Path) -> Path | None:
    """Draws a run's curves; the picture, or None where there is nothing to draw or no way to."""
    panels = _panels(folder)
    if not panels:
        return None
    import altair
    import vl_convert

    drawn = [panel.properties(title=title) for title, panel in panels]
    whole = altair.concat(*drawn, columns=2).resolve_scale(color="independent", strokeDash="independent")
    path = Path(folder) / "curves.png"
    draft = path.with_suffix(".tmp")
    draft.write_bytes(vl_convert.vegalite_to_png(_themed(whole, "white"), scale=2))
    draft.replace(path)
    return path


def svgs(folder: str | Path, prefix: str = "") -> list[tuple[str, str]]:
    """Title and SVG of each curve, for a page; `prefix` keeps their ids apart from those of others on it."""
    panels = _panels(folder)
    if not panels:
        return []
    import vl_convert

    found = []
    for place, (title, panel) in enumerate(panels):
        drawn = vl_convert.vegalite_to_svg(_themed(panel, "transparent"))
        found.append((title, re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}{place}-", drawn)))
    return found


def _panels(folder: str | Path) -> list[tuple[str, Any]]:
    if not (Path(folder) / METRICS).exists() or not all(map(importlib.util.find_spec, ("altair", "vl_convert"))):
        return []
    points = gathered(folder)
    panels = [(title, {key: name for key, name in lines.items() if key in points}) for title, lines in _PANELS]
    panels[2:2] = [*_by_environment(points), *_of_people(points, _levels(folder))]
    logged = [step for values in points.values() for step, _ in values]
    steps = (min(logged, default=0), max(logged, default=0))
    return [(title, _panel(lines, points, steps)) for title, lines in panels if lines]


def _themed(chart: Any, ground: str) -> dict[str, Any]:
    themed: dict[str, Any] = (
        chart.properties(background=ground)
        .configure_view(stroke=None)
        .configure_axis(gridColor="#88888844", domainColor="#888888", tickColor="#888888", titleFontWeight="normal")
        .configure_legend(orient="top", title=None, labelLimit=160)
        .configure_title(fontSize=13, fontWeight="normal", anchor="start", frame="group")
        .to_dict()
    )
    return themed


def gathered(folder: str | Path) -> Points:
    """Every metric that was logged; a step that was logged twice counts as it was last."""
    found: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for row in read_metrics(folder):
        for key, value in row.items():
            if key not in ("step", "time") and isinstance(value, (int, float)):
                found[key][row["step"]] = value
    return {key: sorted(values.items()) for key, values in found.items()}


def _by_environment(points: Points) -> list[tuple[str, dict[str, str]]]:
    panels = []
    for title, start in (("Reward by environment, train", _TRAIN), ("Reward by environment, validation", _HELD_OUT)):
        keys = sorted(key for key in points if key.startswith(start) and key.endswith(_REWARD))
        panels.append((title, {key: drawable(key.removeprefix(start).removesuffix(_REWARD)) for key in keys}))
    return panels if any(len(lines) > 1 for _, lines in panels) else []


def _of_people(points: Points, known: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Of a run that trains on people: by level, and what became of the replies. `known`: levels in their order."""
    levels = [name for name in known if _STATES + name in points]
    why = sorted((key for key in points if key.startswith(REPLIES)), key=lambda key: (key != REPLIES + KEPT, key))
    return [
        (
            "Alignment by level, train",
            {_STATES + name: drawable(name) for name in levels},
        ),
        (
            "Share of replies that kept to what was asked, or not",
            {key: drawable(key.removeprefix(REPLIES)) for key in why},
        ),
    ]


def _levels(folder: str | Path) -> Sequence[str]:
    """Those that a run on people trains, in the order in which they are written; () of any other run."""
    path = Path(folder) / CONFIG
    if not path.exists():
        return ()
    return msgspec.json.decode(path.read_bytes(), type=_Run).identity.people.states.order


class _States(msgspec.Struct):
    order: tuple[str, ...] = ()


class _People(msgspec.Struct):
    states: _States = msgspec.field(default_factory=_States)


class _Identity(msgspec.Struct):
    people: _People = msgspec.field(default_factory=_People)


class _Run(msgspec.Struct):
    """As much of a run's `config.json` as says what its levels are."""

    identity: _Identity = msgspec.field(default_factory=_Identity)


def _panel(lines: Mapping[str, str], points: Points, steps: Sequence[int]) -> Any:
    import altair

    from usergym.evaluation.plots import COLOURS, DASHES

    names = list(lines.values())
    rows = [
        {"line": name, "step": step, "value": value}
        for key, name in lines.items()
        for step, value in thinned(points[key])
    ]
    colour = altair.Color(
        "line:N",
        sort=names,
        scale=altair.Scale(domain=names, range=[COLOURS[n % len(COLOURS)] for n in range(len(names))]),
        legend=altair.Legend(symbolType="stroke", symbolStrokeWidth=2, symbolOpacity=1) if len(names) > 1 else None,
    )
    dash = altair.StrokeDash(
        "line:N",
        sort=names,
        scale=altair.Scale(domain=names, range=[DASHES[n // len(COLOURS) % len(DASHES)] for n in range(len(names))]),
        legend=None,
    )
    axis = altair.Axis(tickMinStep=1, format="~s")
    base = altair.Chart(altair.Data(values=rows)).encode(  # type: ignore[no-untyped-call]
        x=altair.X("step:Q", title="step", axis=axis, scale=altair.Scale(domain=list(steps), nice=False)),
        y=altair.Y("value:Q", title=None, scale=altair.Scale(zero=False), axis=altair.Axis(format=".6~g")),
        color=colour,
    )
    few = max(len(points[key]) for key in lines) <= 30
    drawn = base.mark_line(strokeWidth=1.8, point={"size": 18} if few else False).encode(strokeDash=dash)
    bands = [_band(key, lines[key], points, colour) for key in lines if f"{key}_low" in points]
    return altair.layer(*bands, drawn).properties(width=WIDTH, height=HEIGHT)


def _band(key: str, name: str, points: Points, colour: Any) -> Any:
    """The interval of a metric."""
    import altair

    high = dict(points[f"{key}_high"])
    rows = [
        {"line": name, "step": step, "low": low, "high": high[step]}
        for step, low in points[f"{key}_low"]
        if step in high
    ]
    return (
        altair.Chart(altair.Data(values=rows))  # type: ignore[no-untyped-call]
        .mark_area(opacity=0.18)
        .encode(x="step:Q", y="low:Q", y2="high:Q", color=colour)
    )


def thinned(points: Sequence[tuple[int, float]]) -> Sequence[tuple[float, float]]:
    """At most `POINTS` points; of more, neighbours as their mean."""
    if len(points) <= POINTS:
        return points
    size = -(-len(points) // POINTS)
    cut = [points[at : at + size] for at in range(0, len(points), size)]
    return [(sum(step for step, _ in part) / len(part), sum(value for _, value in part) / len(part)) for part in cut]
