"""Who works here: names from many places, teams, and whose mailbox it is."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from usergym.environments.workplace.company.words import table

BOARDS = ("Back end", "Front end", "Design")


@dataclass(frozen=True)
class Person:
    first: str
    last: str
    email: str
    team: str
    """A board, `Sales` or `Operations`."""


@dataclass(frozen=True)
class Staff:
    company: str
    domain: str
    boss: str
    """First name of the one whose mailbox it is; not in the directory."""
    people: tuple[Person, ...]

    def team(self, name: str) -> list[Person]:
        return [person for person in self.people if person.team == name]

    @cached_property
    def shared_names(self) -> frozenset[str]:
        """First names that more than one person has, on purpose: to say one of them is not enough. Nobody in sales
        shares theirs while there are names left."""
        counted = Counter(person.first for person in self.people)
        return frozenset(name for name, count in counted.items() if count > 1)


@lru_cache(maxsize=1)
def first_names() -> dict[str, str]:
    """The pronoun of each first name; `they` for names that are used by more than one."""
    pronouns: dict[str, str] = {}
    for place in table("names").values():
        for pronoun in ("she", "he"):
            for name in place[pronoun].split():
                pronouns[name] = pronoun if pronouns.get(name, pronoun) == pronoun else "they"
    return pronouns


def names(chance: random.Random) -> Iterator[tuple[str, str]]:
    """First and last names without end, never the same pair twice: first those that go together where they are at
    home, each first name once, then any of them, then with two family names."""
    places = list(table("names").values())
    pairs = []
    for place in places:
        firsts, lasts = (place["she"] + " " + place["he"]).split(), place["last"].split()
        pairs += [(first, lasts[chance.randrange(len(lasts))]) for first in firsts]
    chance.shuffle(pairs)
    seen_first, seen = set(), set()
    for pair in pairs:
        if pair[0] not in seen_first:
            seen_first.add(pair[0])
            seen.add(pair)
            yield pair
    firsts = sorted(seen_first)
    lasts = sorted({last for place in places for last in place["last"].split()})
    while True:
        crowded = len(seen) > 0.3 * len(firsts) * len(lasts)
        last = lasts[chance.randrange(len(lasts))]
        if crowded:
            last = f"{last}-{lasts[chance.randrange(len(lasts))]}"
        pair = firsts[chance.randrange(len(firsts))], last
        if pair not in seen:
            seen.add(pair)
            yield pair


def hire(count: int, chance: random.Random) -> Staff:
    firms = table("firms")
    start, end = chance.choice(firms["own_start"].split()), chance.choice(firms["own_end"].split())
    domain = f"{start}{end}.{chance.choice(firms['own_domain'])}"
    found = names(chance)
    boss = next(found)[0]
    teams = _teams(count, chance)
    people: list[Person] = []
    doubles = 1 + count // 25
    lasts = sorted({last for place in table("names").values() for last in place["last"].split()})
    for team in teams:
        first, last = next(found)
        others = [person for person in people[-40:] if person.team != "Sales"]
        if doubles and others and team != "Sales" and len(people) >= count // 2:
            first, last = chance.choice(others).first, chance.choice([name for name in lasts if name != last])
            doubles -= 1
        people.append(Person(first, last, f"{first}.{last}@{domain}".lower(), team))
    return Staff((start + end).capitalize(), domain, boss, _distinct(people))


def _teams(count: int, chance: random.Random) -> list[str]:
    sales, operations = max(2, count // 4), max(1, count // 7)
    teams = ["Sales"] * sales + ["Operations"] * operations
    teams += [BOARDS[number % 3] for number in range(count - len(teams))]
    chance.shuffle(teams)
    return teams


def _distinct(people: list[Person]) -> tuple[Person, ...]:
    """With a number in the address of whoever came later by the same name."""
    taken: Counter[str] = Counter()
    kept = []
    for person in people:
        taken[person.email] += 1
        if (count := taken[person.email]) > 1:
            box, _, domain = person.email.partition("@")
            person = Person(person.first, person.last, f"{box}{count}@{domain}", person.team)
        kept.append(person)
    return tuple(kept)
