"""Studies whose raters are made up, with preferences that a test knows."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from usergym.evaluation.study_progress import Progress
from usergym.evaluation.study_records import Item, Line, Said, Settings, settings_of

REASON = "The second one says it in the way that somebody like this would, and the others {} do not."
Rate = Callable[[str, random.Random], int]
"""The rating of a system."""


def items(count: int, systems: tuple[str, ...] = ("fine-owl", "plain-fox", "odd-elk")) -> dict[str, Item]:
    return {
        f"item{n}": Item(
            f"item{n}", (Said("Ann", f"Question {n}?"),), {name: f"Answer {n}{name[0]}" for name in systems}
        )
        for n in range(count)
    }


def settings(**given: Any) -> Settings:
    return settings_of(None, {"questions": (), "checks": 0, "items_each": 4, **given})


def prefer(quality: Mapping[str, float], noise: float = 1.0) -> Rate:
    return lambda system, draw: max(1, min(10, round(quality[system] + draw.gauss(0, noise))))


class Recorded(Progress):
    """A study that keeps the lines it was told."""

    def __init__(self, settings: Settings, items: Mapping[str, Item]) -> None:
        super().__init__(settings, items)
        self.lines: list[Line] = []

    def apply(self, line: Line) -> None:
        self.lines.append(line)
        super().apply(line)


class Rater:
    """Somebody who takes the study from beginning to end."""

    def __init__(
        self,
        name: str,
        rate: Rate,
        *,
        seconds: float = 60.0,
        fails: bool = False,
        reason: str = REASON,
        intake: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.rate = rate
        self.seconds = seconds
        self.fails = fails
        self.reason = reason
        self.intake = dict(intake or {})

    def takes(self, progress: Progress, start: float = 0.0) -> None:
        draw = random.Random(self.name)
        progress.apply(Line(start, self.name, "joined"))
        person = progress.people[self.name]
        now = start
        if progress.settings.questions:
            progress.apply(Line(now, self.name, "done", "intake", values=self.intake))
        while given := progress.next_assignment(person, now):
            progress.apply(Line(now, self.name, "assigned", item=given.item, order=given.order, check=given.check))
            progress.apply(Line(now, self.name, "shown", "compare", given.item))
            now += self.seconds
            systems = progress.items[given.item].systems
            ratings = [self.rate(systems[place], draw) for place in given.order]
            values = {"reason": self.reason.format(given.item)}
            if given.check:
                values["check"] = str(given.check % 10 + 1 if self.fails else given.check)
            for n, rating in enumerate(ratings, 1):
                rank = 1 + sum(other > rating for other in ratings)
                human = self.rate(systems[given.order[n - 1]], draw)
                values |= {f"similarity_{n}": str(rating), f"likeness_{n}": str(human), f"rank_{n}": str(rank)}
            progress.apply(Line(now, self.name, "done", "compare", given.item, values))
