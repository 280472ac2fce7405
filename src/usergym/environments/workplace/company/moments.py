"""When things happen, seen from now."""

import random
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property

from usergym.environments.workplace.company.words import stream

FIRST_DAY = date(2024, 1, 8)
LAST_DAY = date(2027, 12, 3)
OPENS, CLOSES = 9, 18


@dataclass(frozen=True)
class Clock:
    now: datetime

    @classmethod
    def of(cls, seed: int) -> "Clock":
        chance = stream(seed, "now")
        day = FIRST_DAY + timedelta(days=chance.randrange((LAST_DAY - FIRST_DAY).days))
        while day.weekday() > 4:
            day += timedelta(days=1 if chance.random() < 0.5 else -1)
        return cls(datetime.combine(day, time(chance.randrange(8, 18), chance.randrange(0, 60, 5))))

    @cached_property
    def today(self) -> date:
        return self.now.date()

    def workdays(self, before: int, after: int) -> list[date]:
        """Those of the last `before` days and the next `after`, today among them."""
        days = (self.today + timedelta(days=offset) for offset in range(-before, after + 1))
        return [day for day in days if day.weekday() < 5]

    def past(self, days: int, chance: random.Random) -> datetime:
        """Some time of the last `days` days, mostly while people work."""
        while True:
            day = self.today - timedelta(days=chance.randrange(days + 1))
            if day.weekday() > 4 and chance.random() < 0.9:
                continue
            hour = min(max(chance.gauss(13, 2.6), 7), 19.9)
            moment = datetime.combine(day, time()) + timedelta(seconds=int(hour * 3600) + chance.randrange(60))
            if moment < self.now:
                return moment


def spoken_day(day: date) -> str:
    """`Friday, March 7`, as people write it in a mail."""
    return f"{day:%A}, {day:%B} {day.day}"


def stamp(moment: datetime) -> str:
    return moment.isoformat(" ", "seconds")
