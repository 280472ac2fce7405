"""Source in, tree out: read, split, draw personas, look for leaks, think, write."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from usergym.data.prepare.sources import Files, Hub
from usergym.data.prepare.users.datasets import dataset
from usergym.data.prepare.users.output import (
    Output,
    check_folder,
    digest,
    write_personas,
    write_prompts,
    write_thoughts,
)
from usergym.data.prepare.users.people import Portraits
from usergym.data.prepare.users.plan import Plan
from usergym.data.prepare.users.press import Press
from usergym.data.prepare.users.reading import Reader, in_order
from usergym.data.prepare.users.report import SHOWN, Report
from usergym.data.prepare.users.rows import Layout, Place
from usergym.data.prepare.users.splits import HELD_OUT, PARTS, By, SplitPlan, assign, head
from usergym.data.prepare.users.targets import Entry, Shelf
from usergym.data.prepare.users.thinking import Thinker
from usergym.environments.people.raw import DROPPED
from usergym.models.base import Model
from usergym.rows import pyarrow
from usergym.types import stable_hash

Bar = Callable[[str], AbstractContextManager[Callable[[], None]]]


def no_bar(label: str) -> AbstractContextManager[Callable[[], None]]:
    return nullcontext(lambda: None)


@dataclass
class Preparation:
    """One run of it."""

    plan: Plan
    layout: Layout
    source: Files | Hub
    folder: Path
    """Of the rows."""
    prompts: Path
    """Folder of the prompts by level."""
    model: Model | None = None
    """Draws personas; None: rules do."""
    thinker: Thinker | None = None
    at_once: int = 20
    """Questions in flight."""
    force: bool = False
    bar: Bar = no_bar
    report: Report = field(default_factory=Report)

    @property
    def settings(self) -> dict[str, Any]:
        """As the manifest keeps them."""
        return msgspec.to_builtins(self.plan)  # type: ignore[no-any-return]

    def check(self) -> None:
        """What can be told before anything is read. ValueError where something else would be overwritten,
        MissingPackage without what writes parquet."""
        pyarrow("pyarrow", self.folder)
        check_folder(self.folder, self.source.files(), self.settings, self.force)

    async def run(self) -> Report:
        """Writes the tree. BadRow for the first broken row of a strict plan; ValueError where something else would
        be overwritten, nothing would be written, or what is held out shows. After an error no file has changed."""
        self.check()
        plan, report = self.plan, self.report
        with Shelf() as shelf:
            reader = Reader(plan, dataset(plan.dataset), shelf, report)
            with self.bar("rows") as on_row:
                reader.read(self.source, on_row)
            by = self._split(reader)
            chosen = self._chosen(reader.entries)
            with self.bar("personas") as on_persona:
                portraits = Portraits(plan, shelf, reader.given, self.model, report)
                people = {entry.user for entry in chosen}
                profiles = await portraits.of(reader.entries, people, self.at_once, on_persona)
            press = Press(plan, self.layout, by, shelf, profiles, report)
            chosen = press.cured(press.whole(chosen))
            if self.thinker:
                with self.bar("thoughts") as on_thought:
                    chosen = await press.thought(chosen, self.thinker, self.at_once, on_thought)
            if not any(entry.part == "train" for entry in chosen):
                raise ValueError(_nothing(report))
            self._write(chosen, press)
        return report

    def _split(self, reader: Reader) -> By:
        plan = self.plan
        by = plan.by or ("source" if any(entry.own in HELD_OUT for entry in reader.entries) else "user")
        self.report.split_by = by
        known = () if plan.personas == "own" else reader.given
        shares = SplitPlan(by, plan.unseen, plan.seen, plan.val, plan.seed, plan.texts)
        assign(reader.entries, shares, known, self.report.left_out)
        return by

    def _chosen(self, entries: list[Entry]) -> list[Entry]:
        """The rows to write, as many percent of a part as asked."""
        percent = {"train": self.plan.train_percent, "val": 100.0, "test": self.plan.test_percent}
        found = []
        for part in PARTS:
            there = [entry for entry in entries if entry.part == part]
            kept = head(there, percent[part], self.plan.seed)
            self.report.left_out[f"of {part}, by its subset percentage"] += len(there) - len(kept)
            found += kept
        return found

    def _write(self, entries: list[Entry], press: Press) -> None:
        numbers = {entry.id: number for number, entry in enumerate(in_order(entries, self.plan.seed))}
        users: dict[str, set[str]] = {part: set() for part in PARTS}
        with Output(self.folder) as output:
            for entry, level in self._order(entries):
                users[entry.part].add(entry.user)
                place = Place(entry.part, numbers[entry.id])
                output.add(place.split, press.row(entry, level, place))
                if entry.part == "test":
                    place = Place(entry.part, numbers[entry.id], dropout=True)
                    output.add(place.split, press.row(entry, level, place))
        self.report.written = output.written
        self.report.users = {split: len(users["test" if split == DROPPED else split]) for split in output.written}
        people = sorted(set().union(*users.values()))
        write_personas(self.folder / "personas.jsonl", [press.profiles[user] for user in people])
        if self.thinker:
            write_thoughts(self.folder / "thoughts.jsonl", press.thoughts)
        output.previews()
        prompts = write_prompts(self.prompts, self.layout)
        sources = {str(path): digest(path) for path in self.source.files()}
        more = {"prompts": prompts, "sources": sources, "leak_list": self.report.leaks[:SHOWN]}
        output.about(self.settings, self.report.figures(), more)

    def _order(self, entries: list[Entry]) -> list[tuple[Entry, str | None]]:
        """Rows in the order in which they are written: a random one, so that the first ones are a sample."""
        rows = [(entry, level) for entry in entries for level in self.layout.levels(entry.part)]
        seed = self.plan.seed
        return sorted(rows, key=lambda row: (stable_hash(seed, "order", row[0].id, row[1] or ""), row[0].order))


def _nothing(report: Report) -> str:
    reasons = report.left_out + report.broken
    told = [f"{count:,} {reason}" for reason, count in reasons.most_common()]
    told += [f"{count:,} people {reason}" for reason, count in report.people.items() if count]
    why = [f"{count:,} {reason}" for reason, count in report.thoughts.failed.most_common()]
    told += [f"the thoughts: {', '.join(why)}"] if why else []
    first = f"; first {report.skipped.rows[0]}" if report.skipped else ""
    rows = sum(report.read.values())
    return f"nothing to train on in {rows:,} rows ({', '.join(told) or 'there are none'}){first}; no file was touched"
