"""A style: the taste of one kind of user, as a typed specification; and styles combined and put in sequence."""

import difflib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec

from usergym.types import Record

POLES: Mapping[str, tuple[str, ...]] = {
    "length": ("short", "long"),
    "register": ("casual", "professional", "poetic"),
    "expertise": ("beginner", "expert"),
    "words": ("simple", "rich"),
    "sentences": ("short", "long"),
    "punctuation": ("none", "rich"),
    "exclamation": ("none",),
    "emojis": ("none",),
    "person": ("impersonal",),
    "lists": ("none", "few", "many"),
    "formatting": ("none", "sparse", "much"),
    "praise": ("none",),
    "filler": ("none",),
    "followup": ("none", "wanted"),
    "initiative": ("high",),
    "order": ("answer", "question"),
    "options": ("one",),
    "hedging": ("none",),
    "stance": ("candid", "opinionated"),
}
"""Every axis a style may take a side on, with its sides. An axis that a style does not name is open to it."""

ALIASES: Mapping[str, str] = {"answer_directly_reduce_formatting": "answer_direclty_reduce_formatting"}
"""Names that mean another one: the documented name is misspelt, so both spellings are understood."""


class StyleSpec(Record, frozen=True):
    """What one kind of user likes in a reply."""

    name: str
    about: str
    """The taste in one line."""
    persona: str
    """What a user with this taste is told, in the second person."""
    axes: dict[str, str]
    """Axis to side, both from `POLES`."""
    example: str
    """A reply to a common question that this user likes."""
    counterexample: str
    """A reply to the same question that this user does not like."""
    rules: tuple[str, ...] = ()
    """Names of exact scorers in `users.styles.rules`; none where a taste is not exact."""
    opposites: tuple[str, ...] = ()
    """Styles that cannot be pleased by the same reply."""
    secondary: tuple[str, ...] = ()
    """Styles that go along with it."""

    def __post_init__(self) -> None:
        for axis, pole in self.axes.items():
            if axis not in POLES:
                raise ValueError(f"style {self.name}: no axis {axis!r}; there are {', '.join(POLES)}")
            if pole not in POLES[axis]:
                raise ValueError(f"style {self.name}: {axis} is {pole!r}; give one of {', '.join(POLES[axis])}")


class Plan(Record, frozen=True):
    """Which styles a user has at which task: one stage after the other, the last one stays."""

    stages: tuple[tuple[StyleSpec, ...], ...]

    def at(self, number: int, every: int) -> tuple[StyleSpec, ...]:
        """The styles of task `number` (from 0), where a stage lasts `every` tasks."""
        if every < 1:
            raise ValueError(f"every is {every}; give how many tasks a stage lasts, 1 or more")
        if number < 0:
            raise ValueError(f"task number {number}; tasks are counted from 0")
        return self.stages[min(number // every, len(self.stages) - 1)]


@cache
def _styles() -> Mapping[str, StyleSpec]:
    table = tomllib.loads((files(__package__) / "styles.toml").read_text(encoding="utf-8"))
    rows = [{"name": name, **row} for name, row in table.items()]
    return {style.name: style for style in msgspec.convert(rows, list[StyleSpec])}


def names() -> tuple[str, ...]:
    """The documented names of all styles."""
    return tuple(_styles())


def get(name: str) -> StyleSpec:
    """The style called `name` or its alias. LookupError names the nearest ones."""
    styles = _styles()
    found = styles.get(ALIASES.get(name, name))
    if found is None:
        near = difflib.get_close_matches(name.lower(), [*styles, *ALIASES], 3, 0.5)
        maybe = f"; did you mean {' or '.join(near)}?" if near else ";"
        raise LookupError(f"no style {name!r}{maybe} `usergym styles` lists all {len(styles)}")
    return found


def parse(text: str) -> Plan:
    """`a+b`: both at once; `a>b>c`: one after the other; `a+b>c`: both, then the third.

    LookupError for a name that does not exist; ValueError for a missing or repeated one, and for opposites at once.
    """
    return Plan(tuple(_stage(stage, text) for stage in text.split(">")))


def _stage(stage: str, text: str) -> tuple[StyleSpec, ...]:
    given = [name.strip() for name in stage.split("+")]
    if not all(given):
        raise ValueError(f"styles {text!r}: a name is missing; write a, a+b (at once) or a>b (in sequence)")
    styles = tuple(map(get, given))
    for place, style in enumerate(styles):
        for other in styles[:place]:
            if other == style:
                raise ValueError(f"styles {text!r}: {style.name} is there twice; name it once in a stage")
            if other.name in style.opposites:
                raise ValueError(
                    f"styles {text!r}: {other.name} and {style.name} are opposites, which no reply pleases at once; "
                    "drop one, or put them in sequence with >"
                )
    return styles
