"""What every `usergym prepare` has in common: its flags, the bar, the table at the end."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from cyclopts import Parameter
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from usergym.cli.options import Json
from usergym.cli.tables import console, errors, print_json, show_skipped
from usergym.data.prepare.pipeline import Plan, check, prepare, settings_of
from usergym.data.prepare.recipe import Recipe, Report
from usergym.data.prepare.sources import Source

T = TypeVar("T")
PATIENCE = 2.0
"""Seconds without a bar."""
STEP = 100
"""Rows between two updates."""
ROW = {"prompts": "rows", "tuples": "conversations"}


@dataclass
class OutputOptions:
    """What is read of the source, and where it goes."""

    out: Path | None = None
    """Folder of train.jsonl, validation.jsonl and prepare.json."""
    limit: int | None = None
    """Read so many rows of each split at most."""
    held_out: float | None = None
    """Share for validation, by a hash, where the source is not split. Default: 0.02."""
    skip_bad: Annotated[bool, Parameter(negative="")] = False
    """Leave out rows that cannot be read, count and list them; otherwise the first one ends it."""
    dedupe: Annotated[bool, Parameter(negative="--keep-duplicates")] = True
    """Leave out duplicates within a split, and held-out ones that training has too."""
    force: Annotated[bool, Parameter(negative="")] = False
    """Overwrite what is in the folder, whatever made it."""
    dry_run: Annotated[bool, Parameter(negative="")] = False
    """Print what would be read, the rules and the output paths; read no row and create nothing."""
    json: Json = False
    """Print one JSON object."""

    def plan(self, default: str, seed: int | None) -> Plan:
        return Plan(
            out=self.out or Path(default),
            limit=self.limit,
            seed=seed,
            held_out=self.held_out,
            skip_bad=self.skip_bad,
            dedupe=self.dedupe,
            force=self.force,
        )


def run(recipe: Recipe[T], source: Source[T], plan: Plan, options: OutputOptions) -> None:
    """Does it, and tells what came of it."""
    if options.dry_run:
        check(recipe, source, plan)
        show_plan(recipe, source, plan, options.json)
        return
    with bar(ROW[recipe.what]) as on_row:
        report = prepare(recipe, source, plan, on_row)
    show_skipped(report.skipped, options.json)
    if options.json:
        print_json({"out": str(plan.out), **report.figures(), "settings": settings_of(recipe, source, plan)})
    else:
        show_report(report, plan.out)


@contextmanager
def bar(label: str) -> Iterator[Callable[[], None]]:
    """Counts on stderr, from the third second on."""
    started = time.monotonic()
    count = 0
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    progress = Progress(*columns, console=errors, transient=True, refresh_per_second=4)
    task = progress.add_task(f"reading {label}", total=None)
    waiting = threading.Timer(PATIENCE, progress.start)
    waiting.daemon = True
    if errors.is_terminal:
        waiting.start()

    def on_row() -> None:
        nonlocal count
        count += 1
        if count % STEP == 0:
            rate = count / (time.monotonic() - started)
            progress.update(task, description=f"{count:,} {label}, {rate:,.0f} a second")

    try:
        yield on_row
    finally:
        waiting.cancel()
        if progress.live.is_started:
            progress.stop()  # which prints an empty line where nothing was shown


def show_plan(recipe: Recipe[T], source: Source[T], plan: Plan, as_json: bool) -> None:
    outputs = [plan.out / name for name in ("train.jsonl", "validation.jsonl", "prepare.json")]
    settings = settings_of(recipe, source, plan)
    if as_json:
        print_json({"reads": source.told(), "rules": recipe.rules(), "writes": outputs, "settings": settings})
        return
    limit = f", at most {plan.limit:,} rows of each split" if plan.limit else ""
    order = f"in a random order (seed {plan.seed})" if plan.seed is not None else "in its own order"
    split = f"the source's own splits, else {settings['held_out']:g} held out by a hash"
    _say("reads", [*source.told(), order + limit])
    _say("rules", [*recipe.rules(), split, "no duplicates" if plan.dedupe else "duplicates are kept"])
    _say("would write", [str(path) for path in outputs])


def _say(title: str, lines: list[str]) -> None:
    console.print(f"{title}:", highlight=False)
    for line in lines:
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def show_report(report: Report, out: Path) -> None:
    rows, things = ROW[report.what], report.what
    table = Table(title=f"{things} in {out}", show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    table.add_row(f"{rows} read", f"{sum(report.read.values()):,}")
    for reason, count in report.left_out.items():
        table.add_row(f"  left out: {reason}", f"{count:,}")
    if report.skipped:
        table.add_row("  left out: bad rows", f"{report.skipped.count:,}")
    for done, count in report.tally.notes.items():
        table.add_row(f"  messages {done}", f"{count:,}")
    for reason, count in report.tally.left_out.items():
        table.add_row(f"  left out: {things} {reason}", f"{count:,}")
    table.add_row(f"{things} made", f"{report.made:,}")
    for split in ("train", "validation"):
        table.add_row(f"  duplicates within {split}", f"{report.duplicates[split]:,}")
    table.add_row("  held out, but in train too", f"{report.duplicates['across']:,}")
    for split in ("train", "validation"):
        table.add_row(f"written: {split}.jsonl", f"{report.written[split]:,}")
    console.print(table, markup=False)
    if report.stopped:
        console.print(f"stopped after {report.stopped}", highlight=False)
