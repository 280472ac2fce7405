"""The nouns of a study with people: what is asked, of which texts, and a line of what was answered."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec

from usergym.types import Record

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
FEWEST, MOST = 2, 4
"""Candidates that one comparison shows."""
POINTS = 10
"""Ratings go from 1 to this."""
LETTERS = "ABCD"

Stage = Literal["intake", "write", "annotate", "compare"]
Reference = Literal["own", "truth", "none"]


class Question(Record, frozen=True):
    """One question of the intake."""

    name: str
    ask: str
    choices: tuple[str, ...] = ()
    """One of these; without them, words of one's own."""
    least_words: int = 0
    """0: may be left empty, unless there are choices."""


class StateField(Record, frozen=True):
    """One level of the state that a participant describes in words."""

    name: str
    ask: str


class Settings(Record, frozen=True, omit_defaults=False):
    """What people are asked. ValueError where it cannot work."""

    title: str
    about: str
    """What the study is, in plain paragraphs separated by empty lines."""
    consent: str
    """Likewise: what one agrees to."""
    thanks: str
    questions: tuple[Question, ...] = ()
    write: int = 0
    """Fewest words of the reply that a participant writes before seeing any other; 0: none is asked for."""
    levels: tuple[StateField, ...] = ()
    """Of the state behind one's own reply; none: not asked."""
    level_words: int = 10
    reason_words: int = 20
    show_persona: bool = True
    raters: int = 3
    """Answers that every item gets, of people who passed their checks."""
    items_each: int = 5
    """Items that one participant compares."""
    checks: int = 1
    """Of those, how many hold an attention check."""
    participants: int = 1000
    """More cannot join."""
    seed: int = 0

    def __post_init__(self) -> None:
        for field, least in _LEAST.items():
            if (value := getattr(self, field)) < least:
                raise ValueError(f"study settings: {field} is {value}; give {least} or more")
        if self.checks > self.items_each:
            raise ValueError(
                f"study settings: {self.checks} checks in {self.items_each} items; give no more than items"
            )
        for what, names in (("question", self.questions), ("level", self.levels)):
            _check_names(what, [each.name for each in names])
        if strange := [each.name for each in self.questions if len(each.choices) == 1]:
            raise ValueError(f"study settings: question {strange[0]!r} has one choice; give two or more, or none")
        if not self.consent.strip() or not self.title.strip():
            raise ValueError("study settings: title and consent must say something; write them")


_LEAST = {
    **dict.fromkeys(("write", "level_words", "reason_words", "checks"), 0),
    **dict.fromkeys(("raters", "items_each", "participants"), 1),
}


def _check_names(what: str, names: Sequence[str]) -> None:
    for place, name in enumerate(names):
        if not NAME.fullmatch(name) or name in names[:place]:
            raise ValueError(
                f"study settings: {what} {name!r}; give each a name of its own in small letters, digits and _"
            )


class Said(Record, frozen=True):
    """One message of a thread."""

    name: str
    text: str


class Item(Record, frozen=True):
    """One thread, and what each system wrote as the person whose turn it is."""

    id: str
    context: tuple[Said, ...]
    candidates: dict[str, str]
    """By system: 2 to 4 of them."""
    persona: str = ""
    truth: str = ""
    """What the person really wrote; "" where that is not known."""

    @property
    def systems(self) -> tuple[str, ...]:
        """In the order that the numbers of an assignment count."""
        return tuple(sorted(self.candidates))


Event = Literal["joined", "assigned", "shown", "saved", "done"]


class Line(Record, frozen=True):
    """A line of `answers.jsonl`. Systems are numbers here, so that whoever reads it stays blind."""

    at: float
    """Seconds since the epoch."""
    participant: str
    """A keyed hash of the code that the person was given."""
    event: Event
    stage: Stage | None = None
    item: str = ""
    values: dict[str, str] = {}
    """`saved`: the fields that changed; `done`: all of the stage."""
    order: tuple[int, ...] = ()
    """Of `assigned`: the candidates as they stand on the page, as places in `Item.systems`."""
    check: int = 0
    """Of `assigned`: what the attention check wants chosen; 0: this comparison has none."""


def default_settings() -> dict[str, Any]:
    """The shipped settings, as of a TOML file."""
    return tomllib.loads(files("usergym.evaluation").joinpath("study_defaults.toml").read_text("utf-8"))


def state_fields() -> tuple[StateField, ...]:
    """The shipped questions about one's own state, one for each level."""
    text = files("usergym.evaluation").joinpath("study_levels.toml").read_text("utf-8")
    return tuple(StateField(name, ask) for name, ask in tomllib.loads(text).items())


def settings_of(path: Path | None, given: Mapping[str, Any]) -> Settings:
    """The shipped settings, changed by a TOML or JSON file, changed by what is `given`. ValueError names the field."""
    values = default_settings()
    if path is not None:
        values |= _read(path)
    try:
        return msgspec.convert(values | dict(given), Settings)
    except msgspec.ValidationError as error:
        raise ValueError(f"{path or 'study settings'}: {error}; docs/study.md lists the fields") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
        values = msgspec.json.decode(text) if path.suffix == ".json" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}; expected a TOML or JSON file of study settings") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a JSON object of study settings")
    return values
