"""Personas from files: each format, its offsets, and what is said about a bad row."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from usergym.users.persona import persona
from usergym.users.persona_sources import NEMOTRON, PersonaError, load

ROWS: list[dict[str, Any]] = [
    {
        "professional_persona": f"Person {number} keeps a lighthouse.",
        "persona": "A patient watcher.",
        "cultural_background": "Grew up by the sea.",
        "skills_and_expertise": "Knows lamps.",
        "skills_and_expertise_list": "['lamps', 'lenses']",
        "hobbies_and_interests_list": "['knots', 'chess']",
        "career_goals_and_ambitions": "Hopes for calm.",
        "sex": "Female",
        "age": 50 + number,
        "education_level": "high_school",
        "occupation": "lighthouse_keeper",
        "city": "Bangor",
        "state": "ME",
        "zipcode": "04401",
    }
    for number in range(5)
]


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "part-0.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    return path


def test_rows_of_the_public_data_set_become_personas(parquet: Path) -> None:
    found = list(load(str(parquet)))
    assert [who.text() for who in found] == [row["professional_persona"] for row in ROWS]
    first = found[0]
    assert (first.sex, first.age, first.city, first.state) == ("female", 50, "Bangor", "ME")
    assert (first.occupation, first.education) == ("lighthouse keeper", "high school")
    assert first.interests == ("knots", "chess")


def test_traits_are_added_as_many_as_asked_and_no_field_twice(parquet: Path) -> None:
    (two,) = load(str(parquet), count=1, n_traits=2)
    assert two.text() == "Person 0 keeps a lighthouse. A patient watcher. Grew up by the sea."
    (all_of_them,) = load(str(parquet), count=1, n_traits=9)
    assert all_of_them.traits == (
        "A patient watcher.",
        "Grew up by the sea.",
        "Knows lamps.",
        "Hobbies and interests: knots, chess.",
        "Hopes for calm.",
    )


def test_offset_and_count_cut_the_same_slice_from_every_format(tmp_path: Path, parquet: Path) -> None:
    lines = tmp_path / "p.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n\n" for row in ROWS))
    listed = tmp_path / "p.json"
    listed.write_text(json.dumps(ROWS))
    table = tmp_path / "p.csv"
    table.write_text("text\n" + "".join(f'"{row["professional_persona"]}"\n' for row in ROWS))
    wanted = [row["professional_persona"] for row in ROWS[2:4]]
    for path in (lines, listed, table, parquet):
        assert [who.professional for who in load(str(path), offset=2, count=2)] == wanted, path
    assert len(list(load(str(lines), offset=4, count=10))) == 1


def test_a_folder_is_read_file_by_file(tmp_path: Path, parquet: Path) -> None:
    (tmp_path / "part-1.jsonl").write_text('{"text": "PERSONA: The sixth."}\n')
    assert [who.text() for who in load(str(tmp_path))][-1] == "The sixth."
    assert [who.text(label=True) for who in load(str(tmp_path), offset=5)] == ["PERSONA: The sixth."]


def test_a_list_of_bare_texts_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(["A terse accountant", "A merry welder"]))
    assert [who.text() for who in load(str(path))] == ["A terse accountant", "A merry welder"]


def test_our_own_personas_come_back_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_bytes(msgspec.json.encode(persona(1, 0)) + b"\n")
    assert list(load(str(path))) == [persona(1, 0)]


def test_generated_personas_can_be_cut_anywhere() -> None:
    assert list(load("generated", offset=7, count=2, seed=5)) == [persona(5, 7), persona(5, 8)]
    (short,) = load("generated", count=1, n_traits=1)
    assert len(short.traits) == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"text": "fine"', "line 2: expected JSON"),
        ("[1]", "line 2: expected an object or a text, found list"),
        ('{"story": "x"}', "line 2: expected a text in professional_persona, persona, text; its fields are: story"),
        ('{"text": 5}', "line 2: field 'text': expected a text, found '5'"),
        ('{"text": " "}', "line 2: field 'text': expected a text, found an empty one"),
        ('{"text": "x", "age": "old"}', "line 2: field 'age': expected a whole number, found 'old'"),
        ('{"professional": 5}', "line 2: Expected `str`, got `int`"),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_field(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(PersonaError) as caught:
        list(load(str(path)))
    assert str(caught.value).startswith(f"{path}, {told}")


def test_files_that_are_not_what_their_name_says_are_named(tmp_path: Path) -> None:
    for name in ("p.parquet", "p.json"):
        path = tmp_path / name
        path.write_text("{no")
        with pytest.raises(PersonaError, match=name):
            list(load(str(path)))


def test_a_source_that_is_not_there_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="give generated, a file, a folder, or a hub id"):
        load(str(tmp_path / "nothing.jsonl"))
    with pytest.raises(LookupError, match="no file ending in"):
        list(load(str(tmp_path)))
    with pytest.raises(ValueError, match="negative"):
        load("generated", offset=-1)


def test_a_hub_id_without_a_network_says_how_to_get_it() -> None:
    pytest.importorskip("datasets")
    code = f"from usergym.users.persona_sources import load\nlist(load({NEMOTRON!r}, count=2))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("LookupError: cannot load personas")
    assert "hf download" in last
    assert "pass a parquet or JSONL file" in last
