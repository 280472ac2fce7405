"""All that an evaluation of simulated people tells, from what was said and what the judges say of it."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from random import Random

from usergym.evaluation.agreement import Agreement, agreement
from usergym.evaluation.similarity import PACKAGES
from usergym.evaluation.users import CONSTANT, Said, Source
from usergym.evaluation.users_chance import Constant
from usergym.evaluation.users_likeness import Likeness, Vectors, likeness
from usergym.evaluation.users_scores import Cell, Difference, Score, Sheet
from usergym.evaluation.users_stance import Calibration, calibration
from usergym.evaluation.users_study import HUMAN
from usergym.evaluation.users_variety import Variety, variety
from usergym.types import Record
from usergym.users.states.spec import LAST

STANCE = "stance"
COMPARED = 1000
"""Texts that two judges are compared on, at most."""
DRAWS = 200


class SourceVariety(Record, frozen=True, omit_defaults=False):
    source: Source
    variety: Variety


class SourceCalibration(Record, frozen=True, omit_defaults=False):
    source: Source
    calibration: Calibration


class JudgesAgreement(Record, frozen=True, omit_defaults=False):
    """Two judges of the same sound texts."""

    first: str
    second: str
    level: str
    """`all`: of all levels."""
    agreement: Agreement


class Result(Record, frozen=True, omit_defaults=False):
    """`results.json`, and what --json prints."""

    folder: str
    split: str
    mode: str
    hierarchy: str
    levels: tuple[str, ...]
    contexts: int
    people: int
    repeats: int
    models: tuple[str, ...]
    judges: tuple[str, ...]
    main: str
    """The judge whose numbers the tables show."""
    cells: tuple[Cell, ...]
    constants: tuple[Constant, ...]
    controls: tuple[Difference, ...]
    """A person's own persona against another's, or none."""
    above_constant: tuple[Difference, ...]
    states_first: tuple[Difference, ...]
    """Words behind states against words asked for directly."""
    pairs: tuple[Difference, ...]
    """Later models against earlier ones."""
    likeness: tuple[Likeness, ...]
    variety: tuple[SourceVariety, ...]
    calibration: tuple[SourceCalibration, ...]
    agreement: tuple[JudgesAgreement, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


class Compared(Record, frozen=True):
    """The four kinds of differences."""

    controls: tuple[Difference, ...]
    above_constant: tuple[Difference, ...]
    states_first: tuple[Difference, ...]
    pairs: tuple[Difference, ...]


def cells(sheet: Sheet) -> tuple[Cell, ...]:
    """Of people, who rate responses only, those that they rated."""
    found = (
        sheet.cell(source, level, judge)
        for judge in sheet.scores
        for source in sheet.sources
        for level in sheet.levels(source)
    )
    return tuple(cell for cell in found if cell.judge != HUMAN or cell.judged)


def compared(sheet: Sheet, judges: Sequence[str]) -> Compared:
    real = [source for source in sheet.sources if source.model != CONSTANT]
    own = [source for source in real if source.persona == "own"]
    controls = [
        (other, source)
        for source in own
        for other in real
        if (other.model, other.play) == (source.model, source.play) and other.persona != "own"
    ]
    constants = [(Source(CONSTANT), source) for source in own]
    first = [
        (one, two) for one in own for two in own if (one.model, one.play, two.play) == (two.model, "asked", "spoken")
    ]
    pairs = [(one, two) for one, two in combinations(own, 2) if one.play == two.play]

    def found(several: Sequence[tuple[Source, Source]]) -> tuple[Difference, ...]:
        return tuple(
            difference
            for judge in judges
            for one, two in several
            for level in sheet.levels(two)
            if sheet.has(one, level) and (difference := sheet.difference(one, two, level, judge)) is not None
        )

    return Compared(found(controls), found(constants), found(first), found(pairs))


def words(
    sheet: Sheet, truths: Mapping[str, str], vectors: Vectors | None
) -> tuple[tuple[Likeness, ...], tuple[SourceVariety, ...], str | None]:
    """Of the responses of every source; and a note where a package is missing."""
    alike, various = [], []
    note = None
    for source in sheet.sources:
        said = [each for each in sheet.said if each.source == source and each.level == LAST]
        if not said:
            continue
        try:
            alike.append(likeness(source, said, truths, vectors, sheet.seed))
        except LookupError:
            note = f"BLEU and edit similarity are left out; get them with: {PACKAGES}"
        if (
            source.persona == "own"
            and source.model != CONSTANT
            and (found := _variety(said, truths, vectors, sheet.seed))
        ):
            various.append(SourceVariety(source, found))
    return tuple(alike), tuple(various), note


def _variety(said: Sequence[Said], truths: Mapping[str, str], vectors: Vectors | None, seed: int) -> Variety | None:
    """One sound text of each context; None without any."""
    first: dict[str, Said] = {}
    for each in said:
        if each.sound:
            first.setdefault(each.context, each)
    texts, real = [each.text for each in first.values()], [truths[context] for context in first]
    if not texts:
        return None
    both = (
        ([vectors.get(text) for text in texts], [vectors.get(text) for text in real]) if vectors is not None else None
    )
    return variety([each.user for each in first.values()], texts, real, both, seed)


def calibrations(sheet: Sheet, stances: Mapping[str, str]) -> tuple[SourceCalibration, ...]:
    """Read in stances where they were written, else in the responses. `stances`: the known ones, by context."""
    made = []
    for source in sheet.sources:
        if source.persona != "own" or source.model == CONSTANT:
            continue
        level = STANCE if sheet.has(source, STANCE) else LAST
        by_context: dict[str, tuple[str, list[str]]] = {}
        for each in sheet.said:
            if each.source == source and each.level == level and each.context in stances:
                kept = by_context.setdefault(each.context, (each.user, []))[1]
                kept.extend([each.text] * each.sound)
        rows = [(user, stances[context], texts) for context, (user, texts) in by_context.items()]
        if (found := calibration(level, rows)) is not None:
            made.append(SourceCalibration(source, found))
    return tuple(made)


def agreements(sheet: Sheet) -> tuple[JudgesAgreement, ...]:
    """Every two judges, by level and over all, on the texts that both judged; without those that do not keep to what
    was asked, which are 0 by all."""
    made = []
    sound = [place for place, each in enumerate(sheet.said) if each.sound]
    for first, second in combinations(sheet.scores, 2):
        one, two = sheet.scores[first], sheet.scores[second]
        places = [place for place in sound if None not in (one[place].value, two[place].value)]
        levels = list(dict.fromkeys(sheet.said[place].level for place in places))
        for level in (*levels, "all") if len(levels) > 1 else levels:
            own = [place for place in places if level in (sheet.said[place].level, "all")]
            if len(own) > COMPARED:
                own = sorted(Random(sheet.seed).sample(own, COMPARED))
            found = agreement(
                [one[place].value for place in own],
                [two[place].value for place in own],
                [sheet.said[place].user for place in own],
                draws=DRAWS,
                seed=sheet.seed,
            )
            if found.texts:
                made.append(JudgesAgreement(first, second, level, found))
    return tuple(made)


def main_judge(scores: Mapping[str, Sequence[Score]], judges: Sequence[str]) -> str:
    """The first model that judges and judged anything, else the overlap of words."""
    for judge in judges:
        if any(score.value for score in scores[judge]):
            return judge
    return next(iter(scores))
