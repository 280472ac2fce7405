"""Tasks of an environment as the rows that other systems read."""

import time
from collections import Counter
from itertools import islice
from pathlib import Path

from rich.table import Table

from usergym.cli.running import check_writable, console
from usergym.cli.tables import print_json
from usergym.environments.base import WritesRows, load
from usergym.rows import Writer


def write_task_rows(
    spec: str, count: int, seed: int, split: str | None, output: Path, strange: list[str], keep: bool, as_json: bool
) -> int:
    """Writes `count` rows and tells what they are; the exit status. `strange`: flags that mean nothing here.
    `keep`: an output that is there is not written over."""
    environment = load(spec)
    if not isinstance(environment, WritesRows):
        raise ValueError(f"{environment.name} has no rows of its own; `usergym rollout --env {spec}` plays its tasks")
    if strange:
        raise ValueError(
            f"{', '.join(strange)}: not for {environment.name}; its options stand in {spec}:NAME=VALUE,..."
        )
    if keep and output.exists() and output.stat().st_size:
        raise ValueError(f"{output} exists; give another --output, or --fresh to write it anew")
    check_writable(output)
    started = time.monotonic()
    categories: Counter[str] = Counter()
    groups = set()
    with Writer(output) as writer, console.status("writing rows"):
        for number, task in enumerate(islice(environment.tasks(split, seed), count)):
            row = environment.to_row(task, number)
            writer.write(row)
            categories[row.get("category") or environment.name] += 1
            groups.add(task.group)
    seconds = time.monotonic() - started
    if as_json:
        told = {"rows": writer.rows, "groups": len(groups), "categories": categories, "output": str(output)}
        print_json({**told, "seconds": round(seconds, 3)})
        return 0
    grouped = "1 group" if len(groups) == 1 else f"{len(groups)} groups"
    table = Table(title=f"{writer.rows} rows in {output}", caption=f"{grouped}, {seconds:.1f} s")
    table.add_column("category")
    table.add_column("rows", justify="right")
    for category, rows in sorted(categories.items()):
        table.add_row(category, str(rows))
    console.print(table)
    return 0
