"""Source in, folder out: every row is read once, judged by the recipe, put into a split, and counted."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, is_dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from usergym.data.prepare.output import SPLITS, Output, check_folder
from usergym.data.prepare.recipe import Item, Recipe, Report
from usergym.data.prepare.sources import Read, Source
from usergym.rows import BadRow
from usergym.types import split_of

T = TypeVar("T")
HELD_OUT = 0.02


@dataclass(frozen=True)
class Plan:
    """What is asked beside the rules."""

    out: Path
    limit: int | None = None
    """Rows to read of each split at most."""
    seed: int | None = None
    """Rows in a random order."""
    held_out: float | None = None
    """Share for validation, of a source that is not split. None: HELD_OUT."""
    skip_bad: bool = False
    dedupe: bool = True
    force: bool = False

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"--limit is {self.limit}; give 1 or more")
        if self.seed is not None and self.seed < 0:
            raise ValueError(f"--seed is {self.seed}; give 0 or more")
        if self.held_out is not None and not 0 <= self.held_out < 1:
            raise ValueError(f"--held-out is {self.held_out}; give a share from 0, less than 1")


def settings_of(recipe: Recipe[T], source: Source[T], plan: Plan) -> dict[str, Any]:
    """All that decides what is written, as prepare.json keeps it."""
    assert is_dataclass(recipe)
    share = HELD_OUT if plan.held_out is None else plan.held_out
    asked = {"limit": plan.limit, "seed": plan.seed, "held_out": share, "dedupe": plan.dedupe}
    kind = type(recipe).__name__.lower()
    return {"kind": kind, "source": source.name, **asked, "skip_bad": plan.skip_bad, "rules": asdict(recipe)}


def check(recipe: Recipe[T], source: Source[T], plan: Plan) -> None:
    """What can be told before anything is read. ValueError where something else would be overwritten."""
    check_folder(plan.out, source.files(), settings_of(recipe, source, plan), plan.force)


def prepare(recipe: Recipe[T], source: Source[T], plan: Plan, on_row: Callable[[], None] = lambda: None) -> Report:
    """Writes train.jsonl, validation.jsonl and prepare.json to the plan's folder; `on_row` is called for each row.

    BadRow for the first row of another shape unless `skip_bad`; ValueError where something else would be
    overwritten or nothing would be written. After an error no file has changed.
    """
    check(recipe, source, plan)
    report = Report(recipe.what)
    splits = tuple(source.splits)
    split_already = "validation" in splits
    if split_already and plan.held_out is not None:
        raise ValueError(f"{source.name} has validation rows of its own; leave out --held-out {plan.held_out}")
    share = HELD_OUT if plan.held_out is None else plan.held_out
    with Output(plan.out, report, plan.dedupe) as output:
        for split in splits:
            for item in _items(recipe, source, split, plan, report, on_row):
                name = item.split or (split if split_already else split_of(item.group, share))
                if name in SPLITS:
                    output.add(name, item)
                else:
                    report.tally.left_out[f"pinned to split {name}"] += 1
        output.finish()
    output.about(settings_of(recipe, source, plan))
    return report


def _items(
    recipe: Recipe[T], source: Source[T], split: str, plan: Plan, report: Report, on_row: Callable[[], None]
) -> Iterator[Item]:
    """What the rows of a split give that keep the rules."""
    skipped = report.skipped if plan.skip_bad else None
    rows: Iterator[Read[T]] = source.rows(split, seed=plan.seed, skipped=skipped)
    kept = made = 0
    for read in rows if plan.limit is None else islice(rows, plan.limit):
        on_row()
        report.read[split] += 1
        try:
            found = recipe.items(read, report.tally)
        except ValueError as error:
            bad = BadRow(read.place, str(error))
            if skipped is None:
                raise bad from error
            skipped.add(bad)
            continue
        if isinstance(found, str) or not found:
            report.left_out[found if isinstance(found, str) else "that gave no tuple"] += 1
        if isinstance(found, str):
            continue
        kept, made = kept + 1, made + len(found)
        report.made += len(found)
        yield from found
        if (reason := recipe.enough(kept, made)) is not None:
            report.stopped = reason
            return
