"""Signals as a person reads them in a terminal: coloured words where there are colours, signed numbers where not."""

from collections.abc import Collection, Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from usergym.data.printable import one_line
from usergym.evaluation.statistics import Estimate
from usergym.training.signal_figures import (
    Aggregate,
    Auc,
    Figures,
    Floats,
    LeftOut,
    Token,
    TokenSignal,
    figures,
)
from usergym.viewer.signal import cut_short, shown

GREY, GREEN, RED = (150, 150, 150), (0, 175, 70), (240, 85, 75)
"""Backgrounds of one lightness, on which black can be read and which show on a dark and on a light terminal."""
FAINT = 0.15
"""Of the scale: signals below it leave a token in the terminal's own colours."""
WIDE = 400
"""Characters of a request or reaction that are shown."""


def coloured(tokens: Sequence[Token], signal: Floats, limit: float) -> Text:
    """Green speaks for a token, red against it; full colour at `limit` nats and beyond."""
    text = Text()
    for token, value in zip(tokens, signal, strict=True):
        share = min(1.0, abs(float(value)) / limit)
        colour = GREEN if value > 0 else RED
        mixed = (round(grey + share * (full - grey)) for grey, full in zip(GREY, colour, strict=True))
        style = f"#000000 on #{bytes(mixed).hex()}" if share >= FAINT else ""
        text.append(shown(token), style)
    return text


def numbered(tokens: Sequence[Token], signal: Floats) -> Text:
    """Each token with its signal in nats behind it."""
    text = Text()
    for token, value in zip(tokens, signal, strict=True):
        words = shown(token)
        body = words.rstrip("\n")
        text.append(f"{body}({float(value):+.1f}){words[len(body) :]}")
    return text


def show(
    console: Console,
    found: Sequence[TokenSignal | LeftOut],
    totals: Aggregate,
    limit: float,
    summary: bool = False,
    cut: Collection[str] = (),
) -> None:
    """`limit`: nats at which the colours end. `summary`: figures only, without the tokens. `cut`: ids of replies that
    end where --max-tokens is."""
    signals = [each for each in found if isinstance(each, TokenSignal)]
    if summary:
        console.print(_cases(signals, cut))
    else:
        _show_tokens(console, signals, limit, cut)
    console.print()
    for left in found:
        if isinstance(left, LeftOut):
            _say(console, f"{left.id} left out ({left.why}): {left.message}", "yellow")
    if totals.scored:
        for table in _tables(totals):
            console.print(table)
    for line in lines(totals):
        _say(console, line)
    if told := cut_short(signals, cut):
        _say(console, told, "yellow")


def _show_tokens(console: Console, signals: Sequence[TokenSignal], limit: float, cut: Collection[str]) -> None:
    plain = console.no_color or console.color_system is None
    told = "each token with its signal in nats" if plain else "green speaks for a token, red against it"
    scale = "" if plain else f"; full colour at {limit:.2f} nats and beyond, for reaction and control alike"
    _say(console, f"log p(y|x,o) - log p(y|x): {told}{scale}", "dim")
    for each in signals:
        _show_one(console, each, limit, plain, each.id in cut)


def _show_one(console: Console, each: TokenSignal, limit: float, plain: bool, cut: bool) -> None:
    def line(signal: Floats) -> Text:
        return numbered(each.tokens, signal) if plain else coloured(each.tokens, signal, limit)

    console.print()
    kind = f"  {each.kind}" if each.kind and not each.id.endswith(each.kind) else ""
    console.rule(Text(one_line(each.id) + kind), align="left")
    if each.messages:
        _say(console, f"{each.messages[-1].role}: {_short(each.messages[-1].content)}")
    _say(console, f"reaction: {_short(each.reaction)}", "bold")
    console.print(line(each.signal))
    control = each.control_signal
    if control is not None:
        _say(console, f"control: {_short(each.control or '') or '(nothing, in the same frame)'}", "bold")
        console.print(line(control))
    _say(console, told(figures(each), cut), "dim")


def told(of: Figures, cut: bool) -> str:
    """The figures of a reply on one line."""
    parts = [f"{of.tokens} token{'s' * (of.tokens != 1)}{' (cut there)' * cut}, mean {of.mean:+.3f}"]
    if of.control_mean is not None and of.adjusted_mean is not None:
        parts.append(f"control {of.control_mean:+.3f}, reaction - control {of.adjusted_mean:+.3f}")
    parts.append(f"by thirds {' '.join(map(_number, of.thirds))}")
    if of.beyond is not None:
        parts.append(f"{of.beyond:.0%} beyond the control")
    return "; ".join(parts)


def lines(totals: Aggregate) -> Iterator[str]:
    """What is said of all cases together, below the table."""
    for name, auc in (("mean signal", totals.auc), ("reaction - control", totals.adjusted_auc)):
        if auc:
            yield f"AUC of reinforcing against constraining reactions, by {name}: {_auc(auc)}"
    if totals.paired:
        higher, pairs = totals.paired
        yield f"replies with both kinds of reaction: the reinforcing one has the higher mean in {higher} of {pairs}"
    if totals.left_out:
        yield "left out: " + ", ".join(f"{count:,} {why}" for why, count in totals.left_out.items())


def _auc(auc: Auc) -> str:
    interval = f" [{auc.low:.2f}, {auc.high:.2f}]" if auc.low is not None else " (too few requests for an interval)"
    return f"{auc.value:.3f}{interval}, {auc.reinforce} against {auc.constrain}"


def _cases(signals: Sequence[TokenSignal], cut: Collection[str]) -> Table:
    table = Table(title="nats per token", title_justify="left")
    table.add_column("case", overflow="fold")
    for name in ("tokens", "mean", "control", "- control", "beyond control"):
        table.add_column(name, justify="right")
    for each in signals:
        of = figures(each)
        means = (_number(of.mean), _number(of.control_mean), _number(of.adjusted_mean))
        beyond = "-" if of.beyond is None else f"{of.beyond:.0%}"
        table.add_row(Text(one_line(each.id)), f"{of.tokens:,}{' cut' * (each.id in cut)}", *means, beyond)
    return table


def _tables(totals: Aggregate) -> Iterator[Table]:
    means = Table(title="nats per token", title_justify="left")
    means.add_column("reactions")
    for name in ("cases", "mean [95% CI]", "- control [95% CI]", "beyond control"):
        means.add_column(name, justify="right")
    places = Table(title="by position", title_justify="left")
    places.add_column("reactions")
    for name in ("first third", "middle", "last"):
        places.add_column(name, justify="right")
        places.add_column("- control", justify="right")
    for name, group in totals.groups.items():
        beyond = "-" if group.beyond is None else f"{group.beyond:.1%}"
        means.add_row(name, f"{group.count:,}", _estimate(group.mean), _estimate(group.adjusted), beyond)
        adjusted = group.adjusted_thirds or (None,) * len(group.thirds)
        pairs = zip(group.thirds, adjusted, strict=True)
        places.add_row(name, *(_number(value) for pair in pairs for value in pair))
    yield means
    yield places


def _estimate(of: Estimate | None) -> str:
    if of is None:
        return "-"
    return f"{of.mean:+.3f}" + (f" [{of.low:+.2f}, {of.high:+.2f}]" if of.low is not None else "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _short(text: str) -> str:
    line = one_line(text[: 4 * WIDE])
    return line if len(line) <= WIDE else line[: WIDE - 1] + "…"


def _say(console: Console, text: str, style: str | None = None) -> None:
    console.print(Text(text, style=style or ""))
