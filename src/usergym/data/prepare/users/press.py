"""Targets with their personas, as they will be printed: whole, free of leaks, with a thought where one is asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from usergym.data.prepare.users import leakage
from usergym.data.prepare.users.asking import each
from usergym.data.prepare.users.datasets import dataset
from usergym.data.prepare.users.dropout import dropped
from usergym.data.prepare.users.people import without
from usergym.data.prepare.users.plan import Plan
from usergym.data.prepare.users.profile import Profile
from usergym.data.prepare.users.reading import in_order
from usergym.data.prepare.users.redact import Redaction
from usergym.data.prepare.users.report import Report
from usergym.data.prepare.users.rows import Layout, Place, Told, reads_back, rl_row_of, sft_row_of
from usergym.data.prepare.users.splits import HELD_OUT, By
from usergym.data.prepare.users.targets import Entry, Shelf, Target
from usergym.data.prepare.users.thinking import Thinker

THOUGHTFUL = ("train", "val")
"""What is tested needs no thoughts."""


@dataclass
class Press:
    plan: Plan
    layout: Layout
    by: By
    shelf: Shelf
    profiles: dict[str, Profile]
    """By person, under the name that the source has."""
    report: Report
    thoughts: dict[str, str] = field(default_factory=dict)
    """By target."""

    def __post_init__(self) -> None:
        self.rules = dataset(self.plan.dataset)
        self.redaction = Redaction(self.plan.redact, self.plan.seed)
        self.profiles = {user: self.redaction.profile(profile) for user, profile in self.profiles.items()}

    def target(self, entry: Entry) -> Target:
        return self.redaction.target(self.shelf.take(entry))

    def told(self, entry: Entry, dropout: bool = False) -> Told:
        """The persona beside a target: nothing that rests on the target alone."""
        plan = self.plan
        told = self.profiles[entry.user].without(entry.id).told()
        if dropout:
            return dropped(told, plan.test_field_dropout, plan.test_item_dropout, entry.id)
        if entry.part == "train" and (plan.field_dropout or plan.item_dropout):
            return dropped(told, plan.field_dropout, plan.item_dropout, entry.id)
        return told

    def row(self, entry: Entry, level: str | None, place: Place) -> dict[str, Any]:
        target, told = self.target(entry), self.told(entry, place.dropout)
        if self.layout.what == "rl":
            return rl_row_of(target, told, self.layout, self.rules, place, level)
        return sft_row_of(target, told, self.layout, self.rules, place, self.thoughts.get(entry.id))

    def whole(self, entries: list[Entry]) -> list[Entry]:
        """Those with a persona, and with words that can be read back from their tags."""
        there = [entry for entry in entries if entry.user in self.profiles]
        self.report.left_out["of people without a persona that suffices"] += len(entries) - len(there)
        kept = [entry for entry in there if reads_back(self.target(entry), self.layout)]
        self.report.left_out["that hold tags of their own"] += len(there) - len(kept)
        return kept

    def cured(self, entries: list[Entry]) -> list[Entry]:
        """What is left once leaks are taken out, if that is asked. ValueError where there are any and it is not, nor
        are they allowed."""
        report = self.report
        report.leaks = list(self._leaks(entries))
        held_out = (self.target(entry) for entry in entries if entry.part in HELD_OUT)
        report.shown = leakage.shown(held_out, (self.target(entry) for entry in entries if entry.part == "train"))
        if not report.leaks or self.plan.leaks == "allow":
            return entries
        if self.plan.leaks == "fail":
            first = report.leaks[0]
            raise ValueError(
                f"what is held out shows: {leakage.told(report.leak_counts)}; the first is text {first.target} of "
                f"{first.user!r}. Take them out with --drop-leaks, or let them be with --allow-leaks"
            )
        return self._without_leaks(entries)

    def _leaks(self, entries: list[Entry]) -> Iterator[leakage.Leak]:
        check = leakage.PersonaCheck()
        for user in {entry.user for entry in entries}:
            check.add(self.profiles[user])
        said: dict[str, tuple[int, ...]] = {}
        for entry in entries:
            target = self.target(entry)
            said[entry.id] = leakage.keys(entry.user, target.truth)
            told = self.told(entry)
            text = told if isinstance(told, str) else "\n".join(item for items in told.values() for item in items)
            if leak := leakage.prompt_leak(target, text):
                yield leak
            if entry.part in HELD_OUT:
                yield from check.leaks(target)
        yield from leakage.split_leaks(entries, self.by, said)

    def _without_leaks(self, entries: list[Entry]) -> list[Entry]:
        report = self.report
        named = {self.redaction.user(user): user for user in self.profiles}
        items: dict[str, set[tuple[str, int]]] = {}
        for leak in report.leaks:
            if leak.kind == "persona":
                items.setdefault(named[leak.user], set()).add((leak.field, leak.item))
        for user, places in items.items():
            less = without(self.profiles.pop(user), places)
            if less is None:
                report.people["whose persona was a leak"] += 1
            else:
                self.profiles[user] = less
        out = {leak.target for leak in report.leaks if leak.kind != "persona"}
        kept = [entry for entry in entries if entry.id not in out and entry.user in self.profiles]
        report.cured = len(report.leaks)
        report.left_out["taken out as leaks"] += len(entries) - len(kept)
        return kept

    async def thought(
        self, entries: list[Entry], thinker: Thinker, at_once: int, done: Callable[[], None]
    ) -> list[Entry]:
        """Those with a thought, and those that need none."""
        asked = {entry.id: entry for entry in in_order(entries, self.plan.seed) if entry.part in THOUGHTFUL}

        async def work(key: str) -> str | None:
            return await thinker.think(self.target(asked[key]), self.told(asked[key]))

        found = await each(asked, work, at_once, done)
        self.thoughts = {key: thought for key, thought in found.items() if thought is not None}
        self.report.thoughts, self.report.reused = thinker.tally, thinker.reused
        kept = [entry for entry in entries if entry.part not in THOUGHTFUL or entry.id in self.thoughts]
        self.report.left_out["without a thought"] += len(entries) - len(kept)
        return kept
