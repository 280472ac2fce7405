"""Every row is read once, and becomes a target on the shelf or a count with a reason."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec

from usergym.data.prepare.dedupe import Seen, key
from usergym.data.prepare.sources import Files, Hub, Read
from usergym.data.prepare.users.datasets import Dataset
from usergym.data.prepare.users.plan import Plan
from usergym.data.prepare.users.profile import Profile, given
from usergym.data.prepare.users.report import Report
from usergym.data.prepare.users.targets import Entry, Limits, Shelf, target_of
from usergym.environments.base import RowError
from usergym.environments.people.raw import DROPPED, NoUser, Raw, part_of, read_raw
from usergym.environments.people.telling import ALONE, BROKEN, NOBODY, UNREADABLE, alone, too_few
from usergym.rows import BadRow
from usergym.types import stable_hash


@dataclass
class Reader:
    """What was read, and what is known of whom."""

    plan: Plan
    rules: Dataset
    shelf: Shelf
    report: Report
    entries: list[Entry] = field(default_factory=list)
    given: dict[str, Profile] = field(default_factory=dict)
    """Personas that rows bring, each person's first."""
    _seen: Seen = field(default_factory=Seen)

    def read(self, source: Files | Hub, on_row: Callable[[], None]) -> None:
        """BadRow for the first row that names nobody or is broken, where the plan is strict."""
        skipped = None if self.plan.strict else self.report.skipped
        limits = Limits(self.plan.comment_words, self.plan.example_words, self.plan.min_chars)
        for split in source.splits:
            rows = source.rows(split, skipped=skipped)
            for read in rows if self.plan.limit is None else islice(rows, self.plan.limit):
                on_row()
                self.report.read[split] += 1
                try:
                    reason = self._take(read, split, limits)
                except RowError as error:
                    self._bad(NOBODY if isinstance(error, NoUser) else BROKEN, BadRow(read.place, str(error)))
                    continue
                if reason:
                    self.report.left_out[reason] += 1
        if unreadable := self.report.skipped.count - self.report.broken.total():
            self.report.broken[UNREADABLE] = unreadable
        self._leave_alone()

    def _take(self, read: Read[dict[str, Any]], split: str, limits: Limits) -> str | None:
        """Why the row gives nothing."""
        raw = read_raw(read.row)
        if raw.split == DROPPED:
            return f"of {DROPPED}, which has the rows of test again"
        if raw.time is None and self.plan.by in ("post", "turn"):
            raise RowError("timestamp", f"a time, which --split-by {self.plan.by} goes by", None)
        profile = given(raw.user, raw.persona) if raw.persona is not None else None
        target = target_of(raw, self.rules, limits, len(self.entries))
        if isinstance(target, str):
            return target
        if self._again(raw, target.id):
            return "duplicates"
        own = part_of(raw.split) or part_of(split)
        self.entries.append(self.shelf.add(msgspec.structs.replace(target, split=own), read.place))
        if profile is not None:
            self.given.setdefault(raw.user, profile)
        return None

    def _again(self, raw: Raw, content: str) -> bool:
        """The same words of the same person in the same thread; of mails also the same message or the same moment."""
        keys = [key("content", content)]
        if self.rules.name == "enron":
            named = raw.about.get("message_id", raw.about.get("Message-ID"))
            keys += [key("message", named)] if isinstance(named, str) and named else []
            keys += [key("sent", raw.user, str(raw.time), raw.completion)] if raw.time is not None else []
        again = [self._seen.again(each) for each in keys]
        return any(again)

    def _leave_alone(self) -> None:
        """People of whom too little is there to train on and to test."""
        least = self.plan.min_comments
        few = too_few((entry.user for entry in self.entries), least)
        for entry in self.entries:
            if entry.user in few:
                self._bad(ALONE, BadRow(entry.where, alone(entry.user, few[entry.user], least)))
        self.report.people["with too few texts"] += len(few)
        self.entries = [entry for entry in self.entries if entry.user not in few]

    def _bad(self, kind: str, bad: BadRow) -> None:
        if self.plan.strict:
            raise bad
        self.report.broken[kind] += 1
        self.report.skipped.add(bad, kind)


def in_order(entries: list[Entry], seed: int) -> list[Entry]:
    """In a random order that is fixed by the seed, so that the first rows are a sample of all."""
    return sorted(entries, key=lambda entry: (stable_hash(seed, "order", entry.id), entry.order))
