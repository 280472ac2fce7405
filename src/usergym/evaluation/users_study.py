"""What people said of the same responses: the export of a study, as one more judge."""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from usergym.evaluation.study_answers import Answer
from usergym.evaluation.users import Said
from usergym.evaluation.users_scores import Score
from usergym.users.states.spec import LAST

HUMAN = "people"
LEAST, MOST = 1, 10
"""Of the scale of similarity."""


class _Exported(msgspec.Struct):
    blind: bool
    answers: list[Answer]


class _Row(msgspec.Struct):
    """The columns of a CSV that are needed here."""

    item: str
    system: str
    similarity: int
    excluded: str = ""


def read_ratings(path: Path) -> dict[tuple[str, str], float]:
    """By item and system, the mean similarity of the answers that count, from 0 to 1. ValueError for a file that is no
    export, is blind, or has none that counts."""
    try:
        text = path.read_text("utf-8")
        rows = _rows_of_csv(text) if path.suffix == ".csv" else _rows_of_json(text)
    except (UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise ValueError(
            f"--human {path} is no export of a study ({error}); write one with: usergym study export FOLDER --json "
            "--out FILE"
        ) from None
    if rows is None:
        raise ValueError(f"--human {path} is blinded, so nobody knows whose texts these are; export without --blind")
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        if not row.excluded:
            found[row.item, row.system].append((row.similarity - LEAST) / (MOST - LEAST))
    if not found:
        raise ValueError(f"--human {path} has no answer that counts; usergym study export --everybody keeps them")
    return {key: sum(values) / len(values) for key, values in found.items()}


def _rows_of_json(text: str) -> Sequence[_Row] | None:
    exported = msgspec.json.decode(text, type=_Exported)
    if exported.blind:
        return None
    return [_Row(each.item, each.system, each.similarity, "; ".join(each.excluded)) for each in exported.answers]


def _rows_of_csv(text: str) -> Sequence[_Row]:
    return [msgspec.convert(row, _Row, strict=False) for row in csv.DictReader(io.StringIO(text))]


def rated(
    said: Sequence[Said], ratings: Mapping[tuple[str, str], float], systems: Mapping[str, Sequence[str]]
) -> list[Score]:
    """A score for each of `said`; None for what nobody rated. `systems`: the names that a source may have in the study,
    by the source's name, the first one that was rated counts. ValueError where none of them is known there."""
    known = {system for _, system in ratings}
    named = {source: next((each for each in names if each in known), None) for source, names in systems.items()}
    if not any(named.values()):
        wanted = sorted({each for names in systems.values() for each in names})
        raise ValueError(
            f"--human: the study compares {', '.join(sorted(known))}, and none of them is one of {', '.join(wanted)}; "
            "begin it with NAME=FOLDER for the folders in plays/"
        )
    return [Score(_rating(each, ratings, named.get(each.source.name))) for each in said]


def _rating(said: Said, ratings: Mapping[tuple[str, str], float], system: str | None) -> float | None:
    if system is None or said.level != LAST or said.sample or not said.sound:
        return None
    return ratings.get((said.context, system))
