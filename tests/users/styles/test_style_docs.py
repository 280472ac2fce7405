"""docs/styles.md says of the styles and the rules what the registry says."""

import re
from pathlib import Path

from usergym.users.styles.rules import RULES
from usergym.users.styles.spec import get, names, parse

DOCUMENT = (Path(__file__).parents[3] / "docs" / "styles.md").read_text()


def rows(header: str) -> list[list[str]]:
    table = DOCUMENT.split(header)[1].split("\n\n")[0].strip().splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table]


def test_the_table_of_styles_is_the_registry() -> None:
    assert rows("| style | axes | exact rules |") == [
        [
            f"`{name}`",
            ", ".join(f"{axis}: {pole}" for axis, pole in get(name).axes.items()),
            ", ".join(f"`{rule}`" for rule in get(name).rules),
        ]
        for name in names()
    ]


def test_the_table_of_rules_is_the_registry_and_says_what_counts() -> None:
    table = rows("| rule | wants | what counts |")
    assert [row[:2] for row in table] == [[f"`{rule.name}`", rule.wants] for rule in RULES.values()]
    assert all(len(row) == 3 and row[2].endswith(".") for row in table)


def test_the_combinations_shown_can_be_parsed() -> None:
    for written, _ in rows("| written | means |"):
        assert parse(written.strip("`")).stages


def test_the_program_shown_runs() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    exec(compile(program, "docs/styles.md", "exec"), {})
