"""Personas: who a simulated user is, drawn from our own tables by a seed and an index."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import chain, count
from random import Random

from usergym.types import Record, stable_hash
from usergym.users.persona_tables import Occupation, Sex, event_names, occupations, people

_PRONOUNS: dict[Sex, dict[str, str]] = {
    "female": {"they": "she", "their": "her", "them": "her", "They": "She", "Their": "Her"},
    "male": {"they": "he", "their": "his", "them": "him", "They": "He", "Their": "His"},
}
_EARLIEST = {"associate": 20, "bachelor's": 21, "law": 25, "master's": 23, "doctorate": 25, "medical": 26}
"""The age before which nobody holds such a degree, by its first word."""


class Persona(Record, frozen=True):
    """Who a simulated user is. Personas of other sources may know no more than `professional`."""

    professional: str
    """The professional persona: a paragraph."""
    name: str = ""
    sex: Sex | None = None
    age: int | None = None
    city: str = ""
    state: str = ""
    education: str = ""
    occupation: str = ""
    employer: str = ""
    years: int | None = None
    """Of experience in the occupation."""
    interests: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    communication: str = ""
    """The name of a communication style."""
    communication_note: str = ""
    """What that style is, in words."""
    traits: tuple[str, ...] = ()
    """Sentences beyond the professional persona, in the order in which they are told."""

    def text(self, n_traits: int | None = None, label: bool = False) -> str:
        """What prompts say of this persona: the professional paragraph, then all its traits or the
        first `n_traits`. With `label` it starts with "PERSONA: ", as conversation files have it."""
        told = " ".join([self.professional, *self.traits[:n_traits]])
        return f"PERSONA: {told}" if label else told


def persona(seed: int, index: int) -> Persona:
    """The persona of this index in the unlimited series of `seed`. Its facts fit one another: nobody is
    younger than their degree or works past the age of their occupation, and experience is what the
    years since entering it allow."""
    random = Random(stable_hash("persona", seed, index))
    tables = people()
    work = random.choice(_trades())
    age = _age(random, work.ages)
    education = random.choice([degree for degree in work.education if _earliest(degree) <= age])
    sex: Sex = random.choice(("female", "male"))
    generation = "young" if age < 32 else "middle" if age < 53 else "older"
    city, state = random.choice(tables.cities)
    manner = random.choice(tables.manners)
    interests = tuple(random.sample(tables.interests, 2))
    values = tuple(random.sample(tables.values, 2))
    habits = random.sample(tables.traits, 2)
    name = f"{random.choice(tables.first_names[generation][sex])} {random.choice(tables.last_names)}"
    years = age - max(work.start, _earliest(education))
    employer = random.choice(work.workplaces)
    facts = {"name": name, "age": str(age), "city": city, "state": state, "employer": employer} | _PRONOUNS[sex]
    facts |= {"education": f"{article(education)} {education}", "years": _years(years)}
    first, they = name.split()[0], _PRONOUNS[sex]["They"]
    return Persona(
        professional=_paragraph(random, work, facts, beginner=years < 1),
        name=name,
        sex=sex,
        age=age,
        city=city,
        state=state,
        education=education,
        occupation=work.name,
        employer=employer,
        years=years,
        interests=interests,
        values=values,
        communication=manner.name,
        communication_note=manner.description,
        traits=(
            f"{first}'s communication style is {manner.name}: {manner.description}.",
            f"{they} {habits[0]} and {habits[1]}.",
            f"{they} cares about {values[0]} and {values[1]}.",
            f"Outside work there is {interests[0]} and {interests[1]}.",
        ),
    )


def generate(seed: int, start: int = 0) -> Iterator[Persona]:
    """The series of `seed` from index `start` on; it does not end."""
    for index in count(start):
        yield persona(seed, index)


def events(who: Persona, n: int, random: Random) -> list[tuple[str, str]]:
    """`n` events of this persona's work, each a full name and a shorthand; both are distinct.

    Names tell neither a weekday nor a time of day. ValueError when the occupation has fewer.
    """
    by_topic = event_names(trade(who).name)
    topics = list(by_topic)
    random.shuffle(topics)
    varied = (random.choice(by_topic[topics[place % len(topics)]]) for place in range(2 * n))
    chosen: list[tuple[str, str]] = []
    taken: set[str] = set()
    for name, short in chain(varied, (event for topic in topics for event in by_topic[topic])):
        if len(chosen) == n:
            break
        if name.lower() not in taken and short.lower() not in taken:
            chosen.append((name, short))
            taken |= {name.lower(), short.lower()}
    if len(chosen) < n:
        raise ValueError(f"{n} events asked, but {trade(who).name!r} has {len(chosen)}; ask for fewer")
    return chosen


def trade(who: Persona) -> Occupation:
    """The occupation of our tables that this persona has, or the one whose words its text shares most."""
    known = occupations().get(who.occupation)
    return known or _closest(f"{who.occupation} {who.professional}")


@cache
def _trades() -> tuple[Occupation, ...]:
    return tuple(occupations().values())


def _closest(text: str) -> Occupation:
    words = set(re.findall(r"[a-z]{4,}", text.lower()))

    def shared(work: Occupation) -> tuple[int, int]:
        named = sum(word.lower() in words for word in work.name.split())
        return named, len(words & _vocabulary(work.name))

    best = max(_trades(), key=lambda work: (2 * shared(work)[0] + shared(work)[1], work.name == "project coordinator"))
    return best if any(shared(best)) else occupations()["project coordinator"]


@cache
def _vocabulary(occupation: str) -> frozenset[str]:
    work = occupations()[occupation]
    told = " ".join((*work.tasks, *work.tools, *work.worries, *work.topics, *work.workplaces)).lower()
    return frozenset(re.findall(r"[a-z]{4,}", told))


def _age(random: Random, ages: tuple[int, int]) -> int:
    youngest, oldest = ages
    return min(oldest, youngest + int(random.triangular(0, oldest - youngest + 1, (oldest - youngest) / 3)))


def _earliest(education: str) -> int:
    return _EARLIEST.get(education.split()[0], 18)


def _years(years: int) -> str:
    return "one year" if years == 1 else f"{years} years"


def article(phrase: str) -> str:
    """The indefinite article: by sound, for the words our tables hold."""
    if phrase.startswith(("UX", "uni", "use")):
        return "a"
    return "an" if phrase.startswith(("HVAC", "hour")) or phrase[0].lower() in "aeiou" else "a"


def _paragraph(random: Random, work: Occupation, facts: dict[str, str], beginner: bool) -> str:
    tasks, tools, worries = random.sample(work.tasks, 3), random.sample(work.tools, 2), random.sample(work.worries, 2)
    facts = facts | {
        "a_occupation": f"{article(work.name)} {work.name}",
        "task1": tasks[0],
        "task2": tasks[1],
        "task3": tasks[2],
        "tool1": tools[0],
        "tool2": tools[1],
        "worry1": worries[0],
        "worry2": worries[1],
        "colleague": random.choice(work.colleagues),
    }
    told = people().paragraph
    parts = ("opening", "beginner" if beginner else "experience", "work", "tools", "worries")
    return " ".join(random.choice(told[part]) for part in parts).format_map(facts)
