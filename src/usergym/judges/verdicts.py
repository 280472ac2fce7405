"""What a comparison of two replies can come to, and how a judge's words are read: strictly, or not at all."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from usergym.types import Record, Usage

Axis = Literal["style", "correctness", "helpfulness", "length"]
AXES: tuple[Axis, ...] = get_args(Axis)
MAIN: Axis = "style"
"""What a comparison is about; the others are beside it."""

Choice = Literal["first", "second", "tie", "cannot_tell"]
CHOICES: tuple[Choice, ...] = get_args(Choice)

Outcome = Literal["win", "loss", "tie", "inconsistent", "cannot_tell", "unreadable", "unavailable", "too_long"]
"""Of our reply against the other one. `inconsistent`: the two orders disagree. `cannot_tell`: the judge abstained.
`unreadable`: it gave no verdict that can be read. `unavailable`: it did not answer. `too_long`: it was not asked."""

VALUES: Mapping[Outcome, float] = {"win": 1.0, "tie": 0.5, "inconsistent": 0.5, "loss": 0.0}
"""What counts in a win rate; the other outcomes are left out of it."""


class Opinion(Record, frozen=True):
    """One axis of a comparison."""

    outcome: Outcome
    orders: tuple[Choice | None, ...] = ()
    """What the judge said with our reply first, then with the other one first; empty where nobody was asked."""

    @property
    def value(self) -> float | None:
        """1 win, 1/2 tie, 0 loss; None: not judged, which is none of them."""
        return VALUES.get(self.outcome)


class Verdict(Record, frozen=True):
    """One comparison."""

    opinions: dict[Axis, Opinion]
    why: str = ""
    """In words, where it was not judged or nobody had to be asked."""
    usage: Usage = Usage()

    @property
    def main(self) -> Opinion:
        return self.opinions[MAIN]


def alike(outcome: Outcome, axes: Sequence[Axis] = (MAIN,), why: str = "", usage: Usage = Usage()) -> Verdict:
    """A verdict that is the same on every axis."""
    return Verdict({axis: Opinion(outcome) for axis in axes}, why, usage)


def joined(ours_first: Choice | None, ours_second: Choice | None) -> Opinion:
    """Both orders as one opinion: a win or a loss only where they agree."""
    orders = (ours_first, ours_second)
    if ours_first is None or ours_second is None:
        return Opinion("unreadable", orders)
    if "cannot_tell" in orders:
        return Opinion("cannot_tell", orders)
    there = {"first": "win", "second": "loss", "tie": "tie"}[ours_first]
    back = {"first": "loss", "second": "win", "tie": "tie"}[ours_second]
    outcomes: dict[str, Outcome] = {"win": "win", "loss": "loss", "tie": "tie"}
    return Opinion(outcomes[there] if there == back else "inconsistent", orders)


def schema(axes: Sequence[Axis]) -> dict[str, Any]:
    """JSON Schema of the verdicts of one question."""
    one = {"type": "string", "enum": list(CHOICES)}
    return {
        "type": "object",
        "properties": dict.fromkeys(axes, one),
        "required": list(axes),
        "additionalProperties": False,
    }


_CHOICE = "(first|second|tie|cannot[_ ]tell)"
_ALONE = re.compile(rf"[\s*_`\"'.!-]*{_CHOICE}[\s*_`\"'.!-]*", re.IGNORECASE)
_LINE = re.compile(rf"[\s*_`#.-]*([a-z]+)[\s*_`]*[:=][\s*_`]*{_CHOICE}[\s*_`.]*", re.IGNORECASE)
"""With what a list or an emphasis puts around it, and no more: a piece of broken JSON is no line of these, and neither
is a quotation."""
_FENCED = re.compile(r"(`{3,}|~{3,})[ \t]*\w{0,20}[ \t]*\n(.*?)\n?[ \t]*\1", re.DOTALL)
_ALIAS = {"verdict": MAIN}


def read(text: str, axes: Sequence[Axis] = AXES) -> dict[Axis, Choice] | None:
    """The choices that a judge's words hold; None where they hold no verdict on style, or anything beside it.

    What counts: a JSON object with the axes (`verdict` stands for style); lines that are nothing but `axis: choice`;
    one word. Each must be the whole text, but for a fence around it and thoughts that end before it: a verdict among
    other words may be a quotation from a reply.
    """
    text = text.rpartition("</think>")[2].strip()
    fenced = _FENCED.fullmatch(text)
    text = fenced[2].strip() if fenced else text
    if alone := _ALONE.fullmatch(text):
        return {MAIN: _spelled(alone[1])}
    choices = _choices(_object(text) if text.startswith("{") else _lines(text), axes)
    return choices if MAIN in choices else None


def _object(text: str) -> list[tuple[str, Any]]:
    """Keys and values of the JSON object that a text is, none if it is another text."""
    try:
        pairs: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return []
    return pairs


def _lines(text: str) -> list[tuple[str, Any]]:
    """All lines as axis and choice, none if one of them is something else."""
    matches = [_LINE.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    pairs: list[tuple[str, Any]] = [(match[1], match[2]) for match in matches if match]
    return pairs if len(pairs) == len(matches) else []


def _choices(pairs: Sequence[tuple[str, Any]], axes: Sequence[Axis]) -> dict[Axis, Choice]:
    """Of the axes that are known; one that is said twice, and not alike, is not said."""
    found: dict[Axis, set[Choice | None]] = {}
    for key, value in pairs:
        name = key.strip().lower()
        axis = next((each for each in axes if each == _ALIAS.get(name, name)), None)
        if axis is not None:
            match = _ALONE.fullmatch(value) if isinstance(value, str) else None
            found.setdefault(axis, set()).add(_spelled(match[1]) if match else None)
    return {axis: choice for axis, (choice, *others) in found.items() if choice is not None and not others}


def _spelled(word: str) -> Choice:
    return next(choice for choice in CHOICES if choice == word.lower().replace(" ", "_"))
