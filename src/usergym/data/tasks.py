"""Tasks from a file, one at a time, in whatever form their environment reads."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from usergym.data.formats.userrl import own_task
from usergym.environments.base import Environment, RowError
from usergym.rows import BadRow, Skipped, read_rows
from usergym.types import Task, stable_hash


def read_tasks(
    path: str | Path, environment: Environment, *, skip_bad: bool = False, skipped: Skipped | None = None
) -> Iterator[Task]:
    """Tasks of `path` (JSONL, JSON, parquet). BadRow names file, line and field of one that cannot be read; with
    `skip_bad` it goes to `skipped` instead. A row that occurs again is a task of its own: its id gets a number,
    its group stays."""
    seen: dict[int, int] = {}
    for place, row in read_rows(path, skip_bad=skip_bad, skipped=skipped):
        try:
            own = own_task(row)
            task = environment.read(row if own is None else msgspec.to_builtins(own))
        except RowError as error:
            bad = BadRow(place, str(error))
            if not skip_bad:
                raise bad from error
            if skipped is not None:
                skipped.add(bad)
            continue
        key = stable_hash(task.id)
        seen[key] = times = seen.get(key, 0) + 1
        if times > 1:
            task = msgspec.structs.replace(task, id=f"{task.id}-{times}", group=task.group)
        yield task
