"""`usergym population`: rows with known states, shown and written."""

import json
from pathlib import Path

import pytest

from usergym.cli.population import population as verb
from usergym.rows import read_rows
from usergym.users.population import population


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.parquet"])
def test_the_rows_of_the_population_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    verb(people=7, posts=5, seed=3, out=tmp_path / name, show=1)
    written = [row for _, row in read_rows(tmp_path / name)]
    assert written == list(population(7, 5, 3))
    shown = capsys.readouterr().out
    assert "35 rows of 7 people under 5 posts" in shown
    for word in (written[0]["user_id"], "demographics", "communication", "strongly supports"):
        assert word in shown


def test_the_answer_for_programs_counts_the_degrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verb(people=30, posts=20, comments=4, out=tmp_path / "rows.jsonl", show=3, json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["people"], told["posts"], told["rows"]) == (30, 20, 120)
    assert sum(told["degrees"].values()) == 120
    assert len({row["user_id"] for row in told["shown"]}) == 3


def test_a_file_that_exists_is_kept_unless_force_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.jsonl"
    out.write_text("mine\n")
    with pytest.raises(SystemExit) as ended:
        verb(people=2, posts=2, out=out)
    assert ended.value.code == 1
    assert "exists; give another --out, or --force" in capsys.readouterr().err
    assert out.read_text() == "mine\n"
    verb(people=2, posts=2, out=out, force=True)
    assert len(out.read_text().splitlines()) == 4


@pytest.mark.parametrize("flag", ["people", "posts", "comments"])
def test_a_population_of_nobody_is_refused_by_its_flag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    with pytest.raises(SystemExit):
        verb(**{flag: 0}, out=tmp_path / "rows.jsonl")
    assert f"--{flag} is 0; give 1 or more" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
