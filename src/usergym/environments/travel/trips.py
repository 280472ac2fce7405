"""Trips: from where to where, when and how many; what is said of them, and what a search must say."""

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random
from string import Template
from typing import Any

from usergym.environments.travel.library import AspectName
from usergym.environments.travel.words import lines
from usergym.types import Record

CITIES = (
    "Amsterdam", "Athens", "Austin", "Bangkok", "Barcelona", "Berlin", "Bogota", "Boston", "Brussels", "Budapest",
    "Cape Town", "Chicago", "Copenhagen", "Denver", "Dublin", "Edinburgh", "Florence", "Geneva", "Hamburg", "Helsinki",
    "Hong Kong", "Istanbul", "Krakow", "Lisbon", "London", "Lyon", "Madrid", "Marseille", "Melbourne", "Mexico City",
    "Milan", "Montreal", "Munich", "Nairobi", "Naples", "New York", "Oslo", "Paris", "Portland", "Porto", "Prague",
    "Rome", "San Francisco", "Santiago", "Seattle", "Seoul", "Singapore", "Stockholm", "Sydney", "Taipei", "Tokyo",
    "Toronto", "Vancouver", "Vienna", "Warsaw", "Zurich",
)  # fmt: skip

YEAR = 2025
"""No year is ever said; one without a leap day keeps the arithmetic simple."""


class Trip(Record, frozen=True):
    origin: str
    destination: str
    start: date
    end: date
    evening: date
    """Of the restaurant."""
    party: int
    round_trip: bool

    @property
    def slots(self) -> dict[str, str]:
        days = {"start": spoken(self.start), "end": spoken(self.end), "evening": spoken(self.evening)}
        return {"origin": self.origin, "destination": self.destination, "party": str(self.party), **days}


def spoken(day: date) -> str:
    """`April 10`"""
    return f"{day:%B} {day.day}"


def draw(random: Random, destinations: Sequence[str], least: int = 1) -> Trip:
    """`least`: how many travel at least."""
    destination = random.choice(destinations)
    origin = random.choice([city for city in CITIES if city != destination])
    nights = random.randint(3, 9)
    start = date(YEAR, 1, 1) + timedelta(random.randrange(365 - nights))
    evening = start + timedelta(random.randint(1, nights - 1))
    party = max(least, random.choice((1, 1, 2, 2, 2, 3, 4, 5, 6)))
    return Trip(origin, destination, start, start + timedelta(nights), evening, party, random.random() < 0.5)


def arguments(aspect: AspectName, trip: Trip) -> dict[str, Any]:
    """What a search for this aspect must say."""
    start, end = spoken(trip.start), spoken(trip.end)
    if aspect == "flight":
        back = {"return_date": end} if trip.round_trip else {}
        places = {"origin": trip.origin, "destination": trip.destination}
        return {**places, "departure_date": start, **back, "passengers": trip.party}
    if aspect == "rental_car":
        return {"city": trip.destination, "pick_up_date": start, "drop_off_date": end}
    if aspect == "restaurant":
        return {"city": trip.destination, "date": spoken(trip.evening), "guests": trip.party}
    return {"city": trip.destination, "check_in": start, "check_out": end, "guests": trip.party}


def moved(shown: dict[str, Any], random: Random) -> dict[str, Any]:
    """The places and dates of an option, changed to others that do not fit the trip."""
    places = [name for name, value in shown.items() if value in CITIES]
    days = [name for name in shown if name not in places]
    changed = dict(shown)
    if random.random() < 0.5:
        name = random.choice(places)
        changed[name] = random.choice([city for city in CITIES if city not in shown.values()])
    else:
        shift = timedelta(random.choice((-14, -7, -3, -2, -1, 1, 2, 3, 7, 14)))
        for name in days:
            changed[name] = spoken(_read(shown[name]) + shift)
    return changed


def _read(text: str) -> date:
    month, day = text.split()
    return date(YEAR, 1 + [f"{date(YEAR, number, 1):%B}" for number in range(1, 13)].index(month), int(day))


def opening(trip: Trip, aspects: Sequence[AspectName], random: Random) -> str:
    """The user's first words: the trip, what it needs, and that the cheapest that suits is wanted."""
    told = []
    for aspect in aspects:
        name = ("round_trip" if trip.round_trip else "one_way") if aspect == "flight" else aspect
        told.append(_one(name, random, trip.slots))
    if aspects[0] == "flight":
        first, rest = f"{told[0]}.", told[1:]
    else:
        first, rest = "", told
    needs = f"{_one('first', random, {})} {_listed(rest)}." if rest else ""
    who = _one("alone" if trip.party == 1 else "party", random, trip.slots)
    return " ".join(filter(None, (first, needs, who, _one("close", random, {}))))


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _one(name: str, random: Random, slots: dict[str, str]) -> str:
    return Template(random.choice(lines("opening")[name])).substitute(slots)
