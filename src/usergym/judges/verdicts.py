"""What a comparison of two replies can come to, and how a judge's words are read: strictly, or not at all."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
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
_LINE = re.compile(rf"[\s*_`#>.-]*([a-z]+)[\s*_`]*[:=][\s*_`]*{_CHOICE}[\s*_`.]*", re.IGNORECASE)
"""With what a list or an emphasis puts around it, and no more: a piece of broken JSON is no line of these."""
_ALIAS = {"verdict": MAIN}


def read(text: str, axes: Sequence[Axis] = AXES) -> dict[Axis, Choice] | None:
    """The choices that a judge's words hold; None where they hold no verdict on style, or several.

    What counts: a JSON object with the axes (`verdict` stands for style); lines that are nothing but `axis: choice`;
    one word that is the whole text. A letter, a number or a word within a sentence never does.
    """
    text = text.rpartition("</think>")[2]
    found = list(_objects(text)) or [_lines(text)]
    verdicts = [choices for each in found if MAIN in (choices := _choices(each, axes))]
    if verdicts:
        return verdicts[0] if all(each == verdicts[0] for each in verdicts) else None
    alone = _ALONE.fullmatch(text.strip())
    return {MAIN: _spelled(alone[1])} if alone else None


def _objects(text: str) -> Iterator[list[tuple[str, Any]]]:
    """Keys and values of the JSON objects that stand in a text."""
    decoder = json.JSONDecoder(object_pairs_hook=list)
    place = text.find("{")
    while place >= 0:
        try:
            value, end = decoder.raw_decode(text, place)
            yield value
        except (ValueError, RecursionError):
            end = place + 1
        place = text.find("{", end)


def _lines(text: str) -> list[tuple[str, Any]]:
    return [(match[1], match[2]) for line in text.splitlines() if (match := _LINE.fullmatch(line.strip()))]


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
