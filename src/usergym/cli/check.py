"""`usergym check`: is this data what it should be?"""

import re
from collections import Counter
from pathlib import Path

from rich.progress import track
from rich.table import Table

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json
from usergym.cli.running import console as progress_console
from usergym.cli.tables import console, print_json
from usergym.data.rows import Skipped, read_rows
from usergym.environments.calendar.check import validate


@told_in_one_line
def check(file: Path, /, *, show: int = 20, json: Json = False) -> int:
    """Validate conversations or rows of the calendar: fields, window, overlaps, constraints, expected states.

    Exit status 1 if anything is wrong with any row.

    Parameters
    ----------
    file
        JSONL, JSON or parquet: generated conversations, NeMo Gym rows, or tasks.
    show
        How many findings to print; all are counted.
    json
        Print one JSON object instead of a table.
    """
    skipped = Skipped()
    rows, faulty = 0, 0
    fields: Counter[str] = Counter()
    shown: list[tuple[str, str, str]] = []
    stream = read_rows(file, skip_bad=True, skipped=skipped)
    for place, row in track(
        stream, "checking", console=progress_console, transient=True, disable=not progress_console.is_terminal
    ):
        rows += 1
        findings = validate(row)
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
