"""Whether anything that is held out shows: in a persona, in the prompt that asks for it, or on both sides of the split.

Only words count, in lower case: eight in a row, or a whole text.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from usergym.data.prepare.users.profile import Profile
from usergym.data.prepare.users.splits import HELD_OUT, By
from usergym.data.prepare.users.targets import Entry, Target
from usergym.environments.people.words import LEAST, RUN, runs, stands_in, words
from usergym.types import Record, stable_hash

WHAT = {
    "persona": f"personas with {RUN} words in a row of a held-out text",
    "prompt": "texts that stand in their own prompt",
    "split": "people, posts or texts on both sides of the split",
}


class Leak(Record, frozen=True):
    kind: Literal["persona", "prompt", "split"]
    user: str
    target: str
    """The id of the text that shows."""
    field: str = ""
    """Of a persona; or what is on both sides: person, post or text."""
    item: int = 0


def prompt_leak(target: Target, persona: str) -> Leak | None:
    """The target's own words in what is told before them."""
    told = [*(text for _, text in target.thread), persona]
    return Leak("prompt", target.user, target.id) if stands_in(target.truth, told, len(target.thread)) else None


@dataclass
class PersonaCheck:
    """Which items of personas hold words of held-out texts."""

    found: dict[tuple[str, ...], list[tuple[str, str, int]]] = field(default_factory=dict)
    """Person, field and item by run of words; of a persona that is a text, the field is ""."""

    def add(self, profile: Profile) -> None:
        told = profile.told()
        if isinstance(told, str):
            self._note(told, (profile.user, "", 0))
            return
        for name, items in profile.fields.items():
            for place, item in enumerate(items):
                for text in (item.says, *(each.quote for each in item.evidence)):
                    self._note(text, (profile.user, name, place))

    def leaks(self, target: Target) -> Iterable[Leak]:
        """Of a held-out text, each item once."""
        if not self.found:
            return []
        hits = {hit: None for run in runs(target.truth) for hit in self.found.get(run, ())}
        return [Leak("persona", user, target.id, name, place) for user, name, place in hits]

    def _note(self, text: str, hit: tuple[str, str, int]) -> None:
        for run in runs(text):
            self.found.setdefault(run, []).append(hit)


def keys(user: str, text: str) -> tuple[int, ...]:
    """What the same text has elsewhere too: from `LEAST` words on if the same person writes it, from `RUN` on whoever
    does."""
    said = words(text)
    own = stable_hash("own", user, *said)
    return () if len(said) < LEAST else (own,) if len(said) < RUN else (own, stable_hash("any", *said))


def split_leaks(entries: Sequence[Entry], by: By, said: Mapping[str, Sequence[int]] = {}) -> list[Leak]:
    """What the chosen partition says is apart, and is not: people of whom nothing is trained, posts, texts. `said`:
    the `keys` of each text, by its id; the thread it stands in does not matter."""
    trained = [entry for entry in entries if entry.part == "train"]
    held_out = [entry for entry in entries if entry.part in HELD_OUT]
    texts = {key for entry in trained for key in (entry.id, *said.get(entry.id, ()))}
    found = [_both(each, "text") for each in held_out if not texts.isdisjoint((each.id, *said.get(each.id, ())))]
    users = {entry.user for entry in trained}
    found += [_both(entry, "person") for entry in held_out if entry.unseen and entry.user in users]
    if by in ("user", "post"):
        posts = {entry.post for entry in trained}
        found += [_both(entry, "post") for entry in held_out if not entry.unseen and entry.post in posts]
    return found


def _both(entry: Entry, what: str) -> Leak:
    return Leak("split", entry.user, entry.id, what)


def shown(held_out: Iterable[Target], trained: Iterable[Target]) -> int:
    """How many held-out texts are read in threads of training: a person who is tested may have spoken there."""
    texts = {key for target in held_out if (key := _key(target.truth)) is not None}
    seen = {key for target in trained for _, text in target.thread if (key := _key(text)) in texts}
    return len(seen - {None})


def _key(text: str) -> int | None:
    said = words(text)
    return stable_hash(*said) if len(said) >= LEAST else None


def told(counts: Mapping[str, int]) -> str:
    """In words, for an error."""
    return "; ".join(f"{count:,} {WHAT[kind]}" for kind, count in counts.items() if count)
