"""The persona of everybody who is written about: given, or drawn from their own earliest training texts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from usergym.data.prepare.users.asking import each
from usergym.data.prepare.users.own_rules import by_rules
from usergym.data.prepare.users.personas import by_model
from usergym.data.prepare.users.plan import Plan
from usergym.data.prepare.users.profile import Profile
from usergym.data.prepare.users.report import Report
from usergym.data.prepare.users.targets import Entry, Shelf, by_user
from usergym.models.base import Model

SOURCES = ("train", "history")
"""Parts whose texts a persona may be drawn from."""


@dataclass(frozen=True)
class Portraits:
    """Draws personas."""

    plan: Plan
    shelf: Shelf
    given: Mapping[str, Profile]
    model: Model | None
    report: Report

    async def of(
        self, entries: Sequence[Entry], wanted: set[str], at_once: int, done: Callable[[], None]
    ) -> dict[str, Profile]:
        """By person; whoever has none that suffices is left out, and counted."""
        texts = by_user([entry for entry in entries if entry.part in SOURCES and entry.user in wanted])

        async def work(user: str) -> Profile | None:
            if user in self.given and self.plan.personas != "own":
                return self.given[user]
            if self.plan.personas == "given":
                self.report.people["without a persona in their rows"] += 1
                return None
            return await self._own(user, texts.get(user, ())[: self.plan.texts])

        drawn = await each(sorted(wanted), work, at_once, done)
        found = {user: profile for user in sorted(wanted) if (profile := drawn[user]) and self._suffices(profile)}
        for profile in found.values():
            self.report.personas[profile.source] += 1
        return found

    async def _own(self, user: str, entries: Sequence[Entry]) -> Profile | None:
        if not entries:
            self.report.people["without a training text to draw a persona from"] += 1
            return None
        targets = [self.shelf.take(entry) for entry in entries]
        texts = [target.truth for target in targets]
        ids = tuple(target.id for target in targets)
        if self.model is None:
            return Profile(user, "rules", by_rules(texts), texts=ids)
        fields = await by_model(self.model, texts, self.report.asked)
        if fields is None:
            self.report.people["without a persona: the model gave none"] += 1
            return None
        return Profile(user, "model", fields, texts=ids)

    def _suffices(self, profile: Profile) -> bool:
        if profile.words or profile.items >= self.plan.min_items:
            return True
        self.report.people[f"with fewer than {self.plan.min_items} items in their persona"] += 1
        return False


def without(profile: Profile, items: set[tuple[str, int]]) -> Profile | None:
    """Without those items, by field and place; None where nothing is left."""
    if profile.words:
        return None
    fields = {
        field: tuple(item for place, item in enumerate(kept) if (field, place) not in items)
        for field, kept in profile.fields.items()
    }
    return msgspec.structs.replace(profile, fields=fields) if any(fields.values()) else None
