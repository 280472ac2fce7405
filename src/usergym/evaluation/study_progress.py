"""Where everybody stands, from the lines of `answers.jsonl`: the same for the server and for the analysis."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from usergym.evaluation import study_design
from usergym.evaluation.study_records import Item, Line, Settings, Stage

PATIENCE = 2 * 3600.0
"""Seconds after which a comparison that nobody goes on with no longer counts as under way."""
LONGEST_GAP = 900.0
"""Seconds between two lines that count as time spent, at most."""

Key = tuple[Stage, str]
"""A stage, and its item; the intake has none."""


@dataclass
class Assigned:
    """One comparison of one participant."""

    item: str
    order: tuple[int, ...]
    check: int


@dataclass
class Taken:
    """What one participant did so far."""

    participant: str
    joined: float
    last: float
    """When they were last seen."""
    assigned: list[Assigned] = field(default_factory=list)
    done: dict[Key, dict[str, str]] = field(default_factory=dict)
    drafts: dict[Key, dict[str, str]] = field(default_factory=dict)
    shown: set[Key] = field(default_factory=set)
    seconds: dict[Key, float] = field(default_factory=dict)
    lines: int = 0

    def apply(self, line: Line) -> None:
        """A line of this participant, the next one in time."""
        self.lines += 1
        if line.event == "assigned":
            self.assigned.append(Assigned(line.item, line.order, line.check))
        if line.stage is not None:
            key = (line.stage, line.item)
            self.seconds[key] = self.seconds.get(key, 0.0) + min(max(0.0, line.at - self.last), LONGEST_GAP)
            if line.event == "shown":
                self.shown.add(key)
            elif line.event == "saved":
                self.drafts.setdefault(key, {}).update(line.values)
            elif line.event == "done":
                self.done[key] = line.values
                self.drafts.pop(key, None)
        self.last = max(self.last, line.at)

    def failed(self) -> int:
        """Attention checks that were answered otherwise than they said."""
        return sum(not passed for passed in self.checked())

    def checked(self) -> list[bool]:
        """Of each attention check that was answered, whether rightly."""
        answers = ((each, self.done.get(("compare", each.item))) for each in self.assigned if each.check)
        return [answer.get("check") == str(each.check) for each, answer in answers if answer is not None]

    def compared(self) -> int:
        return sum(stage == "compare" for stage, _ in self.done)


@dataclass
class Progress:
    """A study as its lines tell it."""

    settings: Settings
    items: Mapping[str, Item]
    people: dict[str, Taken] = field(default_factory=dict)

    def apply(self, line: Line) -> None:
        if line.event == "joined":
            self.people.setdefault(line.participant, Taken(line.participant, line.at, line.at))
        self.people[line.participant].apply(line)

    def expected(self) -> int:
        """Comparisons of somebody who has done all."""
        return min(self.settings.items_each, len(self.items))

    def stages(self) -> tuple[Stage, ...]:
        """What is done with every item, in order: one's own words come before anybody else's are seen."""
        asked: dict[Stage, bool] = {"write": bool(self.settings.write), "annotate": bool(self.settings.levels)}
        return (*(stage for stage, is_asked in asked.items() if is_asked), "compare")

    def stage(self, person: Taken) -> Key | None:
        """What comes next of what the person was given; None where it is all done."""
        if self.settings.questions and ("intake", "") not in person.done:
            return ("intake", "")
        if not person.assigned:
            return None
        item = person.assigned[-1].item
        return next(((stage, item) for stage in self.stages() if (stage, item) not in person.done), None)

    def counts(self, now: float) -> dict[str, int]:
        """Answers of every item: those of people who passed their checks so far, and those under way."""
        counts = dict.fromkeys(self.items, 0)
        for person in self.people.values():
            if person.failed():
                continue
            waits = now - person.last < PATIENCE
            for each in person.assigned:
                counts[each.item] += ("compare", each.item) in person.done or waits
        return counts

    def next_assignment(self, person: Taken, now: float) -> Assigned | None:
        """The next comparison; None where the person has had enough, or no item wants more answers."""
        place = len(person.assigned)
        if place >= self.settings.items_each:
            return None
        seen = [each.item for each in person.assigned]
        seed, who = self.settings.seed, person.participant
        item = study_design.next_item(seed, who, self.counts(now), seen, self.settings.raters)
        if item is None:
            return None
        systems = self.items[item].systems
        alike = sum(self.items[each].systems == systems for each in seen)
        return Assigned(
            item,
            study_design.order(seed, who, systems, alike),
            study_design.check(seed, who, place, self.settings.items_each, self.settings.checks),
        )


def replay(settings: Settings, items: Mapping[str, Item], path: Path) -> Progress:
    """ValueError for a line that does not belong to this study."""
    progress = Progress(settings, items)
    for number, line in enumerate(read_lines(path), 1):
        known = line.event == "joined" or line.participant in progress.people
        if not known or (line.item and line.item not in items):
            what = f"item {line.item!r}" if known else f"participant {line.participant!r}"
            raise ValueError(f"{path}:{number}: there is no {what} in this study; take the line out")
        progress.apply(line)
    return progress


def read_lines(path: Path) -> Iterator[Line]:
    """ValueError names the line. A last line that was not written to its end is left out."""
    decode = msgspec.json.Decoder(Line).decode
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield decode(line)
            except msgspec.MsgspecError as error:
                raise ValueError(f"{path}:{number}: {error}; take the line out") from error
