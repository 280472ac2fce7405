"""Signals as one HTML page: heat maps of replies, the control beside each. It loads nothing, runs nothing, and takes
nothing that was said for HTML."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from usergym import __version__
from usergym.data.printable import printable
from usergym.training.signal_figures import (
    Aggregate,
    Figures,
    Floats,
    LeftOut,
    Token,
    TokenSignal,
    aggregate,
    figures,
    limit,
)
from usergym.types import valid_text

SHOWN = 4_000
"""Characters of a request or reaction; the rest is cut here, and told. Replies are whole."""


@dataclass(frozen=True)
class Cell:
    """One token of a heat map."""

    text: str
    tip: str
    speaks: str
    """`for` or `against`."""
    share: int
    """Of the full colour, in percent."""


@dataclass(frozen=True)
class Shown:
    """One case."""

    signal: TokenSignal
    figures: Figures
    request: str
    reaction: str
    control: str | None
    own: list[Cell]
    beside: list[Cell]
    cut: bool
    """The reply ends where --max-tokens is."""


def page(
    found: Sequence[TokenSignal | LeftOut], title: str, totals: Aggregate | None = None, cut: Collection[str] = ()
) -> str:
    """The page. `totals`: those of `found`, where they are known already. `cut`: ids of replies that end where
    --max-tokens is."""
    from usergym.evaluation.pages import templates

    signals = [each for each in found if isinstance(each, TokenSignal)]
    ends = limit(signals)
    template = templates("usergym.viewer").get_template("signal.html.j2")
    made = template.render(
        title=_drawn(title),
        version=__version__,
        ends=ends,
        totals=totals or aggregate(found),
        cases=[_shown(each, ends, each.id in cut) for each in signals],
        cut=cut_short(signals, cut),
        left_out=[each for each in found if isinstance(each, LeftOut)],
    )
    return valid_text(made)


def cut_short(signals: Sequence[TokenSignal], cut: Collection[str]) -> str:
    """What is told of replies that end where --max-tokens is; nothing where there are none."""
    count = sum(each.id in cut for each in signals)
    if not count:
        return ""
    which = "the reply" if len(signals) == 1 else f"{count:,} of {len(signals):,} replies"
    return (
        f"{which} end{'s' * (count == 1)} in the middle, cut at --max-tokens; a larger one lets a reply come to its end"
    )


def write_page(
    path: Path,
    found: Sequence[TokenSignal | LeftOut],
    title: str,
    totals: Aggregate | None = None,
    cut: Collection[str] = (),
) -> None:
    """OSError where it cannot be written; what stood there stays until the page is whole."""
    made = page(found, title, totals, cut)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.tmp")
    try:
        draft.write_text(made, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def shown(token: Token) -> str:
    """A token as one sees it: a line break has a sign, a token that is no text its name, and one that is only the
    beginning of a character a circle."""
    if token.special:
        return printable(token.special)
    return printable(token.text).replace("\n", "↵\n") if token.text else "◌"


def _shown(of: TokenSignal, ends: float, cut: bool) -> Shown:
    control = of.control_signal
    tips = list(_tips(of))
    return Shown(
        of,
        figures(of),
        _drawn(of.messages[-1].content) if of.messages else "",
        _drawn(of.reaction),
        None if of.control is None else _drawn(of.control),
        _cells(of.tokens, of.signal, tips, ends),
        [] if control is None else _cells(of.tokens, control, tips, ends),
        cut,
    )


def _cells(tokens: Sequence[Token], signal: Floats, tips: Sequence[str], ends: float) -> list[Cell]:
    return [
        Cell(shown(token), tip, "for" if value > 0 else "against", round(100 * min(1.0, abs(value) / ends)))
        for token, value, tip in zip(tokens, signal.tolist(), tips, strict=True)
    ]


def _tips(of: TokenSignal) -> Iterator[str]:
    """What is told of a token: its exact log-probabilities."""
    for place, token in enumerate(of.tokens):
        x, xo = of.lp_x[place], of.lp_xo[place]
        what = f"token {place + 1} of {len(of.tokens)}, id {token.id}"
        if token.part:
            what += f", part {token.part[0]} of {token.part[1]} of one character"
        told = [what, f"log p(y|x)         {x:10.4f}", f"log p(y|x,o)       {xo:10.4f}   signal {xo - x:+.4f}"]
        if of.lp_xc is not None:
            xc = of.lp_xc[place]
            told.append(f"log p(y|x,control) {xc:10.4f}   signal {xc - x:+.4f}")
            told.append(f"reaction - control            {xo - xc:+.4f}")
        yield "\n".join(told)


def _drawn(text: str) -> str:
    if len(text) > SHOWN:
        text = f"{text[:SHOWN]} … ({len(text) - SHOWN:,} more characters)"
    return printable(text)
