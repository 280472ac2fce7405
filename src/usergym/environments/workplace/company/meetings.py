"""Who meets when: weekly series, and meetings that happen once."""

import random
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from usergym.environments.workplace.company.customers import Client
from usergym.environments.workplace.company.moments import CLOSES, OPENS, Clock, stamp
from usergym.environments.workplace.company.people import Staff
from usergym.environments.workplace.company.words import shuffled_ids, table

BEFORE, AFTER = 95, 25
SLOTS = (CLOSES - OPENS) * 2
"""Half hours of a working day."""
DURATIONS = (30, 60, 90, 120)

Rows = list[dict[str, str | None]]


class _Diary:
    """Which half hours are taken, as bits: nobody is in two places, and while it can be, no two meetings overlap."""

    def __init__(self) -> None:
        self._all: dict[date, int] = {}
        self._of: dict[tuple[date, str], int] = {}

    def free(self, day: date, slot: int, length: int, person: str, shared: bool) -> bool:
        bits = ((1 << length) - 1) << slot
        busy = self._of.get((day, person), 0) | (0 if shared else self._all.get(day, 0))
        return slot + length <= SLOTS and not bits & busy

    def take(self, day: date, slot: int, length: int, person: str) -> None:
        bits = ((1 << length) - 1) << slot
        self._all[day] = self._all.get(day, 0) | bits
        self._of[day, person] = self._of.get((day, person), 0) | bits


def plan(count: int, staff: Staff, clients: Sequence[Client], clock: Clock, chance: random.Random) -> Rows:
    diary = _Diary()
    days = clock.workdays(BEFORE, AFTER)
    rows: Rows = []

    def put(day: date, slot: int, length: int, name: str, person: str) -> None:
        diary.take(day, slot, length, person)
        start = datetime.combine(day, time(OPENS)) + timedelta(minutes=30 * slot)
        rows.append(
            {
                "event_id": None,
                "event_name": name,
                "participant_email": person,
                "event_start": stamp(start),
                "duration": str(30 * length),
            }
        )

    names = table("meetings")
    weekly = list(names["weekly"])
    chance.shuffle(weekly)
    while len(rows) < count * 0.45:
        person = chance.choice(staff.people)
        name = weekly.pop() if weekly and chance.random() < 0.6 else names["one_on_one"].format(person.first)
        weekday, slot, length = chance.randrange(5), chance.randrange(SLOTS), chance.choice((1, 1, 2))
        for day in days:
            fits = day.weekday() == weekday and chance.random() < 0.9 and len(rows) < count
            if fits and diary.free(day, slot, length, person.email, shared=count > 4 * len(days)):
                put(day, slot, length, name, person.email)
    while len(rows) < count:
        person = chance.choice(staff.people)
        name, length = _once(clients, chance), chance.choices((1, 2, 3, 4), (5, 5, 2, 1))[0]
        for attempt in range(40):
            day, slot = chance.choice(days), chance.randrange(SLOTS)
            if diary.free(day, slot, length, person.email, shared=attempt > 20):
                break
        put(day, slot, length, name, person.email)
    for row, event_id in zip(rows, shuffled_ids(count, chance), strict=True):
        row["event_id"] = event_id
    rows.sort(key=lambda row: row["event_start"] or "")
    return rows


def _once(clients: Sequence[Client], chance: random.Random) -> str:
    names = table("meetings")
    if clients and chance.random() < 0.4:
        name: str = chance.choice(names["customer"]).format(chance.choice(clients).firm)
        return name
    return str(chance.choice(names["once"]))
