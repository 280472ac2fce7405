"""docs/states.md says of hierarchies, modes and model types what the code says."""

import json
import re
from pathlib import Path
from typing import get_args

from usergym.users.states import Level, load, names
from usergym.users.states.modes import ALIASES, MODEL_TYPES, MODES
from usergym.users.states.parsing import Failure, Reading
from usergym.users.states.prompting import SLOTS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "states.md").read_text(encoding="utf-8")


def rows(header: str) -> list[list[str]]:
    table = DOCUMENT.split(header)[1].split("\n\n")[0].strip().splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table]


def ticked(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_the_table_of_hierarchies_is_what_is_shipped() -> None:
    assert rows("| name | levels |") == [[f"`{name}`", ", ".join(load(name).names)] for name in names()]


def test_the_table_of_modes_is_the_registry() -> None:
    table = rows("| key | levels | generations | conditioned | prompts | thought |")
    assert [[ticked(row[0])[0], ticked(row[1])[0], *row[2:]] for row in table] == [
        [
            mode.name,
            mode.levels,
            "one a level" if mode.separate else "one",
            "yes" if mode.conditioned else "no",
            "own" if mode.own_prompts else "shared",
            "before the response" if mode.hetero else "yes" if mode.thinking else "no",
        ]
        for mode in MODES.values()
    ]


def test_the_table_of_model_types_is_the_registry() -> None:
    table = rows("| type | levels | thought | asked as |")
    assert [row[:3] for row in table] == [
        [f"`{kind.name}`", f"`{kind.levels}`", "yes" if kind.thinking else "no"] for kind in MODEL_TYPES.values()
    ]
    for alias in ALIASES:
        assert alias in DOCUMENT.replace("_", "-")


def test_the_tables_of_fields_readings_and_failures_are_complete() -> None:
    fields = [ticked(row[0])[0] for row in rows("| field | means |")]
    assert set(fields) == set(Level.__struct_fields__) - {"name", "template"}
    readings = [name for row in rows("| mode | accepts |") for name in ticked(row[0])]
    assert readings == list(get_args(Reading))
    failures = {ticked(row[0])[0] for row in rows("| `failure` | means |")}
    assert failures == {"None", *get_args(Failure)}
    assert all(f"`{{{slot}}}`" in DOCUMENT for slot in SLOTS)


def test_the_schema_shown_is_taken(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "mine.md").write_text("{task}\n{format}")
    (tmp_path / "own.json").write_text(shown)
    assert load(tmp_path / "own.json").names == tuple(json.loads(shown))


def test_the_program_shown_runs() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    exec(compile(program, "docs/states.md", "exec"), {})
