"""What leaves a study's folder: all of it, or blinded for outsiders, who learn neither systems nor participants."""

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import msgspec

from usergym.evaluation.study import Analysis, analyse
from usergym.evaluation.study_answers import Answer, Rules, excluded
from usergym.evaluation.study_folder import ANSWERS, SECRET, read_study
from usergym.evaluation.study_progress import Progress, replay
from usergym.types import Record


class Person(Record, frozen=True, omit_defaults=False):
    """One participant who compared anything."""

    participant: str
    compared: int
    checks: int
    checks_failed: int
    minutes: float
    excluded: tuple[str, ...]
    intake: dict[str, str]
    own: dict[str, dict[str, str]]
    """By item: the reply and the states that they wrote."""


class Export(Record, frozen=True, omit_defaults=False):
    blind: bool
    analysis: Analysis
    people: tuple[Person, ...]
    answers: tuple[Answer, ...]

    def blinded(self, key: bytes, progress: Progress, texts: bool) -> Self:
        """With letters for systems, numbers for items and hashes for participants; what was written in free words only
        with `texts`."""
        letters = _letters(key, {row.system for row in self.answers})
        numbers = {item: f"i{number:03}" for number, item in enumerate(progress.items, 1)}
        choices = {question.name for question in progress.settings.questions if question.choices}

        def who(participant: str) -> str:
            return hashlib.blake2b(participant.encode(), key=key, digest_size=8, person=b"blind").hexdigest()

        def person(each: Person) -> Person:
            own = {numbers[item]: values for item, values in each.own.items()} if texts else {}
            intake = {name: value for name, value in each.intake.items() if texts or name in choices}
            return msgspec.structs.replace(each, participant=who(each.participant), intake=intake, own=own)

        def row(each: Answer) -> Answer:
            return msgspec.structs.replace(
                each,
                participant=who(each.participant),
                item=numbers[each.item],
                system=letters[each.system],
                reason=each.reason if texts else "",
            )

        people = sorted(map(person, self.people), key=lambda each: each.participant)
        rows = sorted(map(row, self.answers), key=lambda each: (each.participant, each.item, each.place))
        return type(self)(True, _relettered(self.analysis, letters), tuple(people), tuple(rows))


def export(folder: Path, rules: Rules, *, blind: bool = False, texts: bool = False, seed: int = 0) -> Export:
    """ValueError where the folder holds no study, or nothing in it counts."""
    settings, items = read_study(folder)
    progress = replay(settings, items, folder / ANSWERS)
    analysis, rows = analyse(progress, rules, seed)
    whole = Export(False, analysis, tuple(_people(progress, rules)), tuple(rows))
    if not blind:
        return whole
    try:
        key = (folder / SECRET).read_text("ascii").strip().encode()
    except OSError as error:
        raise ValueError(f"{folder / SECRET} cannot be read, and without it nothing can be blinded: {error}") from None
    return whole.blinded(key, progress, texts)


def _people(progress: Progress, rules: Rules) -> Iterable[Person]:
    for name, why in excluded(progress, rules).items():
        person = progress.people[name]
        own: dict[str, dict[str, str]] = {}
        for (stage, item), values in person.done.items():
            if stage in ("write", "annotate"):
                own.setdefault(item, {}).update(values)
        checked = person.checked()
        yield Person(
            name,
            person.compared(),
            len(checked),
            len(checked) - sum(checked),
            round(sum(person.seconds.values()) / 60, 2),
            why,
            person.done.get(("intake", ""), {}),
            own,
        )


def _letters(key: bytes, systems: Iterable[str]) -> dict[str, str]:
    """By an order that only the key tells."""
    drawn = sorted(systems, key=lambda name: hashlib.blake2b(name.encode(), key=key, digest_size=8).digest())
    return {name: _letter(place) for place, name in enumerate(drawn)}


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else f"{_letter(place // 26 - 1)}{_letter(place % 26)}"


def _relettered(analysis: Analysis, letters: dict[str, str]) -> Analysis:
    return msgspec.structs.replace(
        analysis,
        systems=tuple(msgspec.structs.replace(each, system=letters[each.system]) for each in analysis.systems),
        pairs=tuple(
            msgspec.structs.replace(each, first=letters[each.first], second=letters[each.second])
            for each in analysis.pairs
        ),
    )


def as_csv(rows: Sequence[Answer]) -> str:
    """One line for each candidate of each comparison. Words that a spreadsheet would take for a formula are quoted."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(Answer.__struct_fields__)
    for row in rows:
        cells = msgspec.structs.astuple(row)
        writer.writerow([_cell("; ".join(each) if isinstance(each, tuple) else each) for each in cells])
    return made.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
