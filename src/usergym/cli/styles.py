"""`usergym styles`: the tastes of users, what one of them is, and how a reply fares under them."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json
from usergym.cli.tables import print_json
from usergym.users.styles.rules import RULES, score, verdicts
from usergym.users.styles.spec import StyleSpec, get, names, parse

T = TypeVar("T")
Dashed = Annotated[T, Parameter(allow_leading_hyphen=True)]
console = Console()

EXAMPLE = 160
"""Characters of an example in the list of all."""


@told_in_one_line
def styles(*name: str, reply: Dashed[str | None] = None, file: Dashed[Path | None] = None, json: Json = False) -> None:
    """List the styles of users with an example each, show some in full, or score a reply under them.

    Examples:

        usergym styles
        usergym styles no_lists concise_casual_expert
        usergym styles no_lists+no_emojis --reply "Sure! First, dry it."

    Parameters
    ----------
    name
        Styles, or styles joined as --env style:style= takes them: a+b at once, a>b one after the other. A reply is
        scored under each name, and under each stage of a sequence, by itself.
    reply
        A reply to score.
    file
        A file with the reply to score; - reads it from standard input.
    json
        Print JSON instead of tables.
    """
    tastes = {"+".join(style.name for style in stage): stage for each in name for stage in parse(each).stages}
    if reply is not None and file is not None:
        raise ValueError("--reply and --file both give a reply; give one of them")
    if file is not None:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        reply = raw.decode("utf-8", "replace")
    if reply is not None:
        if not tastes:
            raise ValueError("a reply is scored under styles; name some, `usergym styles` lists them")
        _show_scored(tastes, reply, json)
    elif tastes:
        _show(tuple({style.name: style for stage in tastes.values() for style in stage}.values()), json)
    else:
        _show_all(json)


def _show_all(as_json: bool) -> None:
    every = [get(name) for name in names()]
    if as_json:
        print_json(every)
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 1, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for style in every:
        rules = f"rules: {', '.join(style.rules) or 'none is exact'}"
        example = style.example if len(style.example) <= EXAMPLE else f"{style.example[:EXAMPLE].rstrip()} ..."
        shown = Text.assemble(style.about, (f"\n{example}", "italic"), (f"\n{rules}", "dim"))
        table.add_row(Text(style.name, style="bold"), shown)
    console.print(table)
    console.print("all of one, with its persona and axes: usergym styles NAME", style="dim")


def _show(chosen: tuple[StyleSpec, ...], as_json: bool) -> None:
    if as_json:
        print_json([_whole(style) for style in chosen])
        return
    for style in chosen:
        table = Table(show_header=False, title=style.name, title_justify="left", show_lines=True)
        table.add_row("what it likes", style.about)
        table.add_row("persona", style.persona)
        table.add_row("axes", _axes(style))
        table.add_row("opposites", ", ".join(style.opposites) or "none")
        table.add_row("goes along with", ", ".join(style.secondary) or "none")
        table.add_row("exact rules", "\n".join(f"{rule}: {RULES[rule].wants}" for rule in style.rules) or "none")
        for title, text in (("example", style.example), ("counterexample", style.counterexample)):
            table.add_row(f"{title}, {_scored(score([style], text))}", Text(text))
        console.print(table)


def _show_scored(tastes: Mapping[str, Sequence[StyleSpec]], reply: str, as_json: bool) -> None:
    """Each taste by itself: a reply cannot please all of them at once, where they follow each other."""
    scored = {name: (score(styles, reply), verdicts(styles, reply)) for name, styles in tastes.items()}
    if as_json:
        print_json([{"style": name, "score": mean, "verdicts": found} for name, (mean, found) in scored.items()])
        return
    for name, (_, found) in scored.items():
        table = Table("rule", "wants", "score", "found", title=name if len(scored) > 1 else None, title_justify="left")
        for each in found:
            table.add_row(each.rule, RULES[each.rule].wants, f"{each.score:.2f}", Text(each.what))
        console.print(table)
    for name, (mean, _) in scored.items():
        console.print(f"{name.replace('+', ' + ')}: {_scored(mean)}")


def _whole(style: StyleSpec) -> dict[str, Any]:
    return {
        "name": style.name,
        "about": style.about,
        "persona": style.persona,
        "axes": style.axes,
        "opposites": style.opposites,
        "secondary": style.secondary,
        "rules": {rule: RULES[rule].wants for rule in style.rules},
        "example": {"reply": style.example, "score": score([style], style.example)},
        "counterexample": {"reply": style.counterexample, "score": score([style], style.counterexample)},
    }


def _axes(style: StyleSpec) -> str:
    return ", ".join(f"{axis}: {pole}" for axis, pole in style.axes.items())


def _scored(value: float | None) -> str:
    return "not scored, no exact rule" if value is None else f"scored {value:.2f}"
