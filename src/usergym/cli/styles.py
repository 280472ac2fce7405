"""`usergym styles`: the tastes of users, what one of them is, and how a reply fares under them."""

import sys
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
        Styles, or styles joined as --env style:style= takes them: a+b, a>b.
    reply
        A reply to score.
    file
        A file with the reply to score; - reads it from standard input.
    json
        Print JSON instead of tables.
    """
    chosen = tuple({style.name: style for each in name for stage in parse(each).stages for style in stage}.values())
    if reply is not None and file is not None:
        raise ValueError("--reply and --file both give a reply; give one of them")
    if file is not None:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        reply = raw.decode("utf-8", "replace")
    if reply is not None:
        if not chosen:
            raise ValueError("a reply is scored under styles; name some, `usergym styles` lists them")
        _show_scored(chosen, reply, json)
    elif chosen:
        _show(chosen, json)
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


def _show_scored(chosen: tuple[StyleSpec, ...], reply: str, as_json: bool) -> None:
    found = verdicts(chosen, reply)
    mean = score(chosen, reply)
    if as_json:
        print_json({"score": mean, "verdicts": found})
        return
    table = Table("rule", "wants", "score", "found")
    for each in found:
        table.add_row(each.rule, RULES[each.rule].wants, f"{each.score:.2f}", Text(each.what))
    console.print(table)
    console.print(f"{' + '.join(style.name for style in chosen)}: {_scored(mean)}")


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
