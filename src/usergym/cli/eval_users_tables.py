"""What `usergym eval users` tells a person: tables by level, differences, variety, calibration, judges."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from usergym.cli.eval_users_headline import OTHERS, fullest, headline, judge_told
from usergym.cli.tables import console
from usergym.evaluation.agreement import Figure
from usergym.evaluation.users import CONSTANT, Source, short
from usergym.evaluation.users_plot import PERSONAS
from usergym.evaluation.users_results import Result
from usergym.evaluation.users_scores import Cell, Clustered, Difference
from usergym.users.states.spec import LAST

MANY = 2
"""With more models their differences are shown for responses only."""
PLAYS = {"asked": "asked for by the prompts of the mode", "spoken": "states first, then the words in sight of them"}


Names = Mapping[str, str]


def show(result: Result, every: bool = False) -> None:
    """Numbers of the main judge, with a person's own persona: a headline, then tables, all of them where `every`;
    `results.json` has all."""
    names = short([*result.models, *result.judges])
    for line in headline(result, names):
        say(line, "bold")
    for warning in result.warnings:
        say(f"WARNING: {warning}", "bold red")
    for play in PLAYS:
        own = [each for each in result.cells if each.judge == result.main and each.source.play == play]
        if any(each.source.model != CONSTANT for each in own):
            _put(_cells(own, result, play, names))
            _failures(own, names)
            if (every or play == fullest(result)) and (controls := _controls(own, result, play, names)):
                _put(controls)
    _differences(result, names, every)
    if every:
        _of_words(result, names)
    if result.agreement and (every or len(result.judges) > 2):
        _put(_agreement(result, names))
    for note in result.notes:
        say(f"note: {note}", "yellow")
    say(
        f"{result.contexts:,} contexts of {result.people:,} people ({result.split}), {result.repeats} each; intervals "
        "are 95% over people."
    )
    say("What was never got or not judged is left out, which is no 0.")
    more = "" if every else "; more tables: --all"
    say(f"all numbers, all judges, every text: {result.folder}{more}")


def _of_words(result: Result, names: Names) -> None:
    if result.likeness:
        _put(_likeness(result, names))
    if result.variety:
        _put(_variety(result, names))
    if result.calibration:
        _put(_calibration(result, names))


def say(text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _put(table: Table) -> None:
    """Title and caption as lines of their own, which a narrow table does not fold."""
    title, caption = str(table.title), table.caption
    table.title = table.caption = None
    say(f"\n{title}", "italic")
    console.print(table)
    if caption:
        say(str(caption), "dim")


def _table(title: str, first: Sequence[str], columns: Sequence[str], caption: str | None = None) -> Table:
    table = Table(title=title, padding=(0, 0), caption=caption)
    for name in first:
        table.add_column(name, overflow="fold", min_width=6)
    for name in columns:
        table.add_column(name.replace("[", r"\["), justify="right", no_wrap=True)
    return table


def _who(source: Source, names: Names) -> str:
    if source.model == CONSTANT:
        return "(same text always)"
    name = names[source.model]
    return name if source.persona == "own" else f"{name} ({PERSONAS[source.persona]})"


def _cells(cells: Sequence[Cell], result: Result, play: str, names: Names) -> Table:
    """Levels by models."""
    caption = "kept: over the replies that keep to what was asked; the others are 0"
    bounded = any(cell.least for cell in cells if cell.source.persona == "own")
    columns = ("alignment [95%]", *["at least"] * bounded, "kept", "judged")
    if bounded:
        caption += "\nat least: with 0 for what was not judged"
    table = _table(f"{PLAYS[play]}; judged by {judge_told(names[result.main])}", ("level", "model"), columns, caption)
    for level in result.levels:
        own = [cell for cell in cells if cell.level == level and cell.source.persona == "own"]
        for number, cell in enumerate(own):
            table.add_row(
                level if not number else "",
                _who(cell.source, names),
                interval(cell.alignment),
                *[_mean(cell.least or cell.alignment)] * bounded,
                _mean(cell.kept),
                f"{cell.judged:,}/{cell.asked:,}",
            )
        table.add_section()
    return table


def _mean(found: Clustered | None) -> str:
    return "-" if found is None else f"{found.mean:.3f}"


def _controls(cells: Sequence[Cell], result: Result, play: str, names: Names) -> Table | None:
    """Levels by models: what the person's own persona adds to another's or none."""
    added = {
        (each.second, each.level, each.first.persona): each.difference
        for each in result.controls
        if each.judge == result.main and each.second.play == play
    }
    personas = list(dict.fromkeys(persona for *_, persona in added))
    if not personas:
        return None
    columns = tuple(f"over {OTHERS[persona]} [95%]" for persona in personas)
    table = _table(f"what their own persona adds; {PLAYS[play].split(' by')[0]}", ("level", "model"), columns)
    for level in result.levels:
        own = [
            cell
            for cell in cells
            if cell.level == level and cell.source.persona == "own" and cell.source.model != CONSTANT
        ]
        for number, cell in enumerate(own):
            apart = [added.get((cell.source, level, persona)) for persona in personas]
            table.add_row(
                level if not number else "",
                _who(cell.source, names),
                *(interval(each, "+") if each else "-" for each in apart),
            )
        table.add_section()
    return table


def _failures(cells: Sequence[Cell], names: Names) -> None:
    """One line for each source and kind of failure."""
    for source in dict.fromkeys(cell.source for cell in cells):
        own = [cell for cell in cells if cell.source == source]
        for what, field in (
            ("worth 0", "wrong"),
            ("left out, never got", "lost"),
            ("left out, not judged", "unjudged"),
        ):
            if told := [f"{cell.level} {_counts(found)}" for cell in own if (found := getattr(cell, field))]:
                say(f"{what}, {_who(source, names)}: {'; '.join(told)}")


def _counts(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.items()) or "-"


def _differences(result: Result, names: Names, every: bool) -> None:
    for found, title in (
        (result.pairs, "second model, less the first, in the same contexts"),
        (result.states_first if every else (), "in sight of the states before it, less asked for by itself"),
    ):
        own = [each for each in found if each.judge == result.main]
        if len(result.models) > MANY or not every:
            own, title = [each for each in own if each.level == LAST], f"{title}: responses"
        if own:
            _put(_difference(own, title, names))


def _difference(found: Sequence[Difference], title: str, names: Names) -> Table:
    several = any(each.first.model != each.second.model for each in found)
    first = ("play", "second", "first") if several else ("model",)
    table = _table(title, first, ("level", "difference [95%]", "p", "could show"))
    for each in found:
        second = _who(each.second, names)
        told = (each.second.play, second, _who(each.first, names)) if several else (second,)
        table.add_row(
            *told,
            each.level,
            interval(each.difference, "+"),
            "<0.001" if each.p < 0.001 else f"{each.p:.3f}",
            "-" if each.smallest is None else f"{each.smallest:.3f}",
        )
    return table


def _likeness(result: Result, names: Names) -> Table:
    embedded = any(each.embedding for each in result.likeness)
    columns = ("BLEU [95%]", "corpus", "edit [95%]", *["embedding [95%]"] * embedded, "left out")
    table = _table("responses beside the real ones", ("model", "play"), columns)
    for each in result.likeness:
        if each.source.persona == "own":
            table.add_row(
                _who(each.source, names),
                each.source.play,
                interval(each.bleu, none="-"),
                "-" if each.corpus_bleu is None else f"{each.corpus_bleu:.3f}",
                interval(each.edit, none="-"),
                *[interval(each.embedding, none="-")] * embedded,
                f"{each.left_out:,}",
            )
    return table


def _variety(result: Result, names: Names) -> Table:
    caption = "simulated / real. energy: distance to real texts / between real halves, the 95th percentile"
    table = _table(
        "how various they write", ("model", "play"), ("distinct-1", "distinct-2", "self-BLEU", "energy"), caption
    )
    if any(each.variety.embedded for each in result.variety):
        table.add_column("energy, embedded", justify="right", no_wrap=True)
    for each in result.variety:
        mine, real = each.variety.simulated, each.variety.real
        distances = [each.variety.hashed, *([each.variety.embedded] if len(table.columns) > 6 else [])]
        table.add_row(
            _who(each.source, names),
            each.source.play,
            *(
                f"{getattr(mine, name):.2f}/{getattr(real, name):.2f}"
                for name in ("distinct_1", "distinct_2", "self_bleu")
            ),
            *(f"{found.simulated:.3f}/{found.real_high:.3f}" if found else "-" for found in distances),
        )
    return table


def _calibration(result: Result, names: Names) -> Table:
    caption = "TV: of the shares of degrees -2 to 2, between halves of people, simulated to real / real to real"
    columns = ("TV", "ECE", "same degree", "told", "unread")
    table = _table("how strongly they agree", ("model", "play", "read in"), columns, caption)
    for each in result.calibration:
        found = each.calibration
        halves = (found.variation_halves, found.variation_floor)
        table.add_row(
            _who(each.source, names),
            each.source.play,
            found.level,
            f"{found.variation:.3f}" if None in halves else "/".join(f"{value:.3f}" for value in halves),
            f"{found.error:.2f}",
            f"{found.exact:.0%}",
            f"{found.texts:,}",
            f"{found.unread:,}",
        )
    return table


def _agreement(result: Result, names: Names) -> Table:
    columns = ("Spearman [95%]", "Kendall", "alpha", "difference", "texts")
    table = _table("how far judges agree", ("judges", "level"), columns)
    for each in result.agreement:
        if each.level in ("all", LAST):
            found = each.agreement
            table.add_row(
                f"{names[each.first]}, {names[each.second]}",
                each.level,
                _figure(found.spearman),
                *(_value(figure) for figure in (found.kendall, found.alpha, found.difference)),
                f"{found.texts:,}",
            )
    return table


def _figure(found: Figure) -> str:
    if found.value is None or found.low is None or found.high is None:
        return _value(found)
    return f"{found.value:.2f} \\[{found.low:.2f}, {found.high:.2f}]"


def _value(found: Figure) -> str:
    return "-" if found.value is None else f"{found.value:.2f}"


def interval(found: Clustered | None, sign: str = "", none: str = "not judged") -> str:
    if found is None:
        return none
    if found.low is None or found.high is None:
        return f"{found.mean:{sign}.3f}"
    return f"{found.mean:{sign}.3f} \\[{found.low:{sign}.2f}, {found.high:{sign}.2f}]"
