"""`usergym check`: is this data what it should be?"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.progress import track
from rich.table import Table

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json
from usergym.cli.running import console as progress_console
from usergym.cli.tables import console, print_json
from usergym.data.formats.nemo_gym import environment_of
from usergym.environments.base import ChecksRows, load, names
from usergym.rows import Skipped, read_rows


@told_in_one_line
def check(file: Path, /, *, env: str | None = None, show: int = 20, json: Json = False) -> int:
    """Validate conversations or rows: the calendar's fields, window, overlaps, constraints and expected states; the
    workplace's fields and ground truth, whose calls are made.

    Exit status 1 if anything is wrong with any row.

    Examples:

        usergym check conversations.jsonl
        usergym check rows.jsonl --env workplace:tables=csv_data

    Parameters
    ----------
    file
        JSONL, JSON or parquet: generated conversations, NeMo Gym rows, or tasks.
    env
        Environment they are for, with its options; what the rows say unless given.
    show
        How many findings to print; all are counted.
    json
        Print one JSON object instead of a table.
    """
    skipped = Skipped()
    rows, faulty = 0, 0
    fields: Counter[str] = Counter()
    shown: list[tuple[str, str, str]] = []
    known: dict[str, ChecksRows] = {}
    stream = read_rows(file, skip_bad=True, skipped=skipped)
    for place, row in track(
        stream, "checking", console=progress_console, transient=True, disable=not progress_console.is_terminal
    ):
        rows += 1
        name = env or _environment(row)
        if name not in known:
            known[name] = _checker(name)
        findings = known[name].check(row)
        faulty += bool(findings)
        for finding in findings:
            fields[re.sub(r"\[\d+\]|\.\d+", "[]", finding.field)] += 1
            if len(shown) < show:
                shown.append((str(place), finding.field, finding.problem))
    for bad in skipped.rows[: max(0, show - len(shown))]:
        shown.append((str(bad.place), "", bad.problem))
    if json:
        counts = {"rows": rows + skipped.count, "faulty": faulty + skipped.count, "unreadable": skipped.count}
        print_json({**counts, "fields": fields, "findings": shown})
    else:
        if shown:
            table = Table("row", "field", "what is wrong")
            for line in shown:
                table.add_row(*line)
            console.print(table)
        console.print(f"{rows + skipped.count:,} rows, {faulty + skipped.count:,} with something wrong")
    return 1 if faulty or skipped else 0


def _environment(row: Mapping[str, Any]) -> str:
    """What the row is for; generated conversations of the calendar do not say."""
    if "responses_create_params" in row:
        return environment_of(row)
    return str(row.get("env") or "calendar")


def _checker(spec: str) -> ChecksRows:
    if spec.partition(":")[0] not in names():
        raise ValueError(f"rows of {spec!r}: name the environment that checks them with --env; {', '.join(names())}")
    environment = load(spec)
    if not isinstance(environment, ChecksRows):
        raise ValueError(f"{spec} has no check of its own; `usergym rollout --env {spec} --tasks FILE` reads its rows")
    return environment
