"""What people said of the same responses, as one more judge."""

import json
from pathlib import Path

import pytest

from tests.evaluation.users_made import MODEL, OTHER, said
from usergym.evaluation.study_answers import Answer
from usergym.evaluation.study_export import as_csv
from usergym.evaluation.users_study import rated, read_ratings

ROWS = [
    Answer("p1", "c1", "base", 1, 10, 5, 1, 1.0, "r", 60.0),
    Answer("p2", "c1", "base", 1, 1, 5, 1, 1.0, "r", 60.0),
    Answer("p1", "c1", "other-own-spoken", 2, 1, 5, 2, 0.0, "r", 60.0),
    Answer("p3", "c1", "other-own-spoken", 2, 10, 5, 2, 0.0, "r", 1.0, ("too fast",)),
]
SYSTEMS = {MODEL.name: ("model-own-asked", "base"), OTHER.name: ("other-own-spoken",)}
SAID = [
    said("c1", "yes", level="response"),
    said("c1", "no", level="response", source=OTHER),
    said("c1", "for it"),
    said("c1", "yes", level="response", sample=1),
    said("c2", "yes", level="response"),
]


def exported(folder: Path, kind: str, blind: bool = False) -> Path:
    path = folder / f"study.{kind}"
    if kind == "csv":
        path.write_text(as_csv(ROWS))
    else:
        answers = [{field: getattr(row, field) for field in row.__struct_fields__} for row in ROWS]
        path.write_text(json.dumps({"blind": blind, "analysis": {}, "people": [], "answers": answers}))
    return path


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_the_mean_similarity_of_those_who_count_is_a_score_from_0_to_1(tmp_path: Path, kind: str) -> None:
    found = rated(SAID, read_ratings(exported(tmp_path, kind)), SYSTEMS)
    assert [each.value for each in found] == [0.5, 0.0, None, None, None]


def test_a_blind_export_another_file_and_unknown_systems_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"blinded.*export without --blind"):
        read_ratings(exported(tmp_path, "json", blind=True))
    other = tmp_path / "other.json"
    other.write_text('{"a": 1}')
    with pytest.raises(ValueError, match=r"other.json is no export of a study .*usergym study export"):
        read_ratings(other)
    with pytest.raises(ValueError, match=r"compares base, other-own-spoken, and none of them is one of model-own"):
        rated(SAID, read_ratings(exported(tmp_path, "csv")), {MODEL.name: ("model-own-asked",)})


def test_an_export_in_which_nobody_counts_says_so(tmp_path: Path) -> None:
    path = tmp_path / "study.csv"
    path.write_text(as_csv(ROWS[3:]))
    with pytest.raises(ValueError, match=r"no answer that counts"):
        read_ratings(path)
