"""What each stage of a study asks, and what is wrong with an answer to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from usergym.evaluation.study_progress import Assigned, Progress, Taken
from usergym.evaluation.study_records import LETTERS, POINTS, Item, Reference, Settings, Stage

LONGEST = 10_000
"""Characters of one answer."""

RATINGS = tuple(map(str, range(1, POINTS + 1)))


@dataclass(frozen=True)
class Field:
    """One thing that is asked."""

    name: str
    label: str
    kind: Literal["choice", "scale", "rank", "line", "words"]
    choices: tuple[str, ...] = ()
    least_words: int = 0
    candidate: int | None = None
    """Which candidate on the page it is about, from 0."""
    ends: tuple[str, str] = ("", "")
    """What the first and the last point of a scale mean."""


def reference_of(settings: Settings, item: Item) -> Reference:
    """What the candidates are likened to."""
    if settings.write:
        return "own"
    return "truth" if item.truth else "none"


def fields_of(settings: Settings, stage: Stage, item: Item | None, assigned: Assigned | None) -> list[Field]:
    """All that a stage asks, in the order of the page."""
    if stage == "intake":
        return [
            Field(each.name, each.ask, "choice", each.choices)
            if each.choices
            else Field(each.name, each.ask, "words" if each.least_words else "line", (), each.least_words)
            for each in settings.questions
        ]
    if stage == "write":
        return [Field("reply", "Your own reply", "words", (), settings.write)]
    if stage == "annotate":
        return [Field(each.name, each.ask, "words", (), settings.level_words) for each in settings.levels]
    assert item is not None
    assert assigned is not None
    return _comparison(settings, item, assigned)


_ALIKE = {
    "own": "How similar is it to what you wrote yourself?",
    "truth": "How similar is it to what the person really wrote?",
    "none": "How well does it fit this person in this conversation?",
}


def _comparison(settings: Settings, item: Item, assigned: Assigned) -> list[Field]:
    alike = _ALIKE[reference_of(settings, item)]
    count = len(assigned.order)
    fields = []
    for place in range(count):
        ends = ("not at all", "entirely")
        fields.append(Field(f"similarity_{place + 1}", alike, "scale", RATINGS, candidate=place, ends=ends))
        human = "How much does it sound like a real person?"
        fields.append(Field(f"likeness_{place + 1}", human, "scale", RATINGS, candidate=place, ends=ends))
    ranks = tuple(map(str, range(1, count + 1)))
    fields += [Field(f"rank_{n + 1}", f"Text {LETTERS[n]}", "rank", ranks) for n in range(count)]
    if assigned.check:
        asked = f"To show that this page is being read, please choose {assigned.check} here."
        fields.append(Field("check", asked, "scale", RATINGS))
    least = settings.reason_words
    why = "What decided it? Say in your own words what made one text closer than another."
    fields.append(Field("reason", why, "words" if least else "line", (), least))
    return fields


def words(text: str) -> list[str]:
    """Pieces between spaces that hold a letter or a digit."""
    return [piece for piece in text.split() if any(map(str.isalnum, piece))]


def problem(field: Field, text: str) -> str:
    """Why this is no answer to the field, as the participant is told; "" where it is one."""
    if len(text) > LONGEST:
        return f"This is {len(text):,} characters long; please keep it under {LONGEST:,}."
    if field.choices:
        return "" if text in field.choices else "Please choose one."
    found = words(text)
    if len(found) < field.least_words:
        return f"Please write at least {field.least_words} words; these are {len(found)}."
    if len({word.casefold() for word in found}) * 3 < field.least_words:
        return "The same few words come again and again; please say it in full."
    return ""


def problems(fields: Sequence[Field], values: Mapping[str, str]) -> dict[str, str]:
    """By field, of those that are not answered yet."""
    found = {field.name: problem(field, values.get(field.name, "")) for field in fields}
    return {name: why for name, why in found.items() if why}


def is_draft(field: Field, text: str) -> bool:
    """Whether this may be kept while the participant goes on writing."""
    return len(text) <= LONGEST and (not field.choices or text in field.choices)


def steps(progress: Progress, person: Taken) -> tuple[int, int]:
    """How many pages the person has done, and how many there are in all."""
    settings = progress.settings
    done = len(person.done)
    each = len(progress.stages())
    total = bool(settings.questions) + each * progress.expected()
    return done, max(total, done)
