"""`usergym view` in a narrow terminal: people by who they are and what they were asked for."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import usergym


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    arguments = ("rollout", "--model", "oracle", "--limit", 6, "--env")
    usergym(tmp_path, *arguments, "people:people=20,posts=3,config=separate_system_prompt", "--out", "people")
    return tmp_path


def test_a_run_on_people_shows_person_level_and_words_in_eighty_columns(listed: Path) -> None:
    told = usergym(listed, "view", "runs/people", COLUMNS="80").stdout
    rows = [json.loads(line) for line in usergym(listed, "view", "runs/people", "--json").stdout.splitlines()]
    lines = told.splitlines()
    header = lines[0]
    assert all(name in header for name in ("person", "level#try", "reward", "last answer"))
    assert "tools" not in header
    assert max(map(len, lines[: 2 + len(rows)])) <= 80
    for row in rows:
        (line,) = (each for each in lines if each.split("│")[0].strip() == str(row["row"]))
        _, person, level, _, _, words = (each.strip() for each in line.split("│"))
        assert (person, level) == (row["person"], row["level"])
        assert len(words) >= 25
        assert words.removesuffix("…") in row["said"]


def test_other_runs_show_tools_where_one_was_called_and_their_tasks(listed: Path) -> None:
    usergym(listed, "rollout", "--env", "turtle", "--model", "oracle", "--limit", 2, "--out", "other")
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in usergym(listed, "view", "runs/other", "--json").stdout.splitlines()
    ]
    header = usergym(listed, "view", "runs/other", COLUMNS="80").stdout.splitlines()[0]
    assert "task#try" in header
    assert ("tools" in header) == any(row["tools"] != "-" for row in rows)
    assert "person" not in rows[0]
