"""The tables personas are drawn from: people, and occupations with their work and their events."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from usergym.types import Record

Sex = Literal["female", "male"]

_LISTS = ("education", "workplaces", "tasks", "tools", "worries", "colleagues", "topics")


class Occupation(Record, frozen=True):
    name: str
    field: str
    ages: tuple[int, int]
    """Youngest and oldest who work in it."""
    start: int
    """The age at which people enter it."""
    education: tuple[str, ...]
    workplaces: tuple[str, ...]
    tasks: tuple[str, ...]
    """Gerunds: "charting vital signs"."""
    tools: tuple[str, ...]
    worries: tuple[str, ...]
    colleagues: tuple[str, ...]
    topics: tuple[str, ...]
    """Title case; what events are about."""
    events: tuple[tuple[str, str], ...]
    """Patterns of a full name and a shorthand, with {t} for a topic and {c} for a colleague."""


class Manner(Record, frozen=True):
    """A communication style: how it is described, and its place on the axes of `users.wording`."""

    name: str
    description: str
    style: dict[str, Any]


class People(Record, frozen=True):
    first_names: dict[str, dict[Sex, tuple[str, ...]]]
    """By generation (`young`, `middle`, `older`) and sex."""
    last_names: tuple[str, ...]
    cities: tuple[tuple[str, str], ...]
    interests: tuple[str, ...]
    values: tuple[str, ...]
    traits: tuple[str, ...]
    manners: tuple[Manner, ...]
    paragraph: dict[str, tuple[str, ...]]
    """Sentences of the professional persona, by what they tell."""


@cache
def occupations() -> dict[str, Occupation]:
    """All occupations, by name."""
    found: dict[str, Occupation] = {}
    folder = files("usergym.users") / "tables" / "occupations"
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        field = path.name.removesuffix(".toml")
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        for row in table["occupation"]:
            found[row["name"]] = Occupation(
                name=row["name"],
                field=field,
                ages=(row["ages"][0], row["ages"][1]),
                start=row["start"],
                events=_patterns(row["events"]) + _patterns(table["events"]),
                **{name: _listed(row[name]) for name in _LISTS},
            )
    return found


@cache
def people() -> People:
    table = tomllib.loads((files("usergym.users") / "tables" / "people.toml").read_text(encoding="utf-8"))
    return People(
        first_names={
            generation: {"female": _listed(names["female"]), "male": _listed(names["male"])}
            for generation, names in table["first_names"].items()
        },
        last_names=_listed(table["last_names"]),
        cities=tuple(_pair(city, ", ") for city in _listed(table["cities"])),
        interests=_listed(table["interests"]),
        values=_listed(table["values"]),
        traits=_listed(table["traits"]),
        manners=tuple(Manner(**row) for row in table["communication"]),
        paragraph={name: tuple(sentences) for name, sentences in table["paragraph"].items()},
    )


@cache
def event_names(occupation: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """Every event of one occupation, (full name, shorthand), by topic."""
    work = occupations()[occupation]
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for topic in work.topics:
        brief = spoken(topic, words=2)
        events = []
        for place, (full, short) in enumerate(work.events):
            own_words = full.replace("{t}", "").split()
            if any(word in own_words for word in topic.split()):
                continue
            colleague = work.colleagues[(place + len(topic)) % len(work.colleagues)]
            name = full.replace("{t}", topic).replace("{c}", title(colleague))
            events.append((name, short.replace("{t}", brief)))
        found[topic] = tuple(events)
    return found


def title(phrase: str) -> str:
    """Title case that leaves acronyms and the letters after an apostrophe alone."""
    return " ".join(word[:1].upper() + word[1:] for word in phrase.split())


def spoken(topic: str, words: int | None = None) -> str:
    """A topic, or its first words, as people say it: lower case but for acronyms."""
    return " ".join(word if _acronym(word) else word.lower() for word in topic.split()[:words])


def _acronym(word: str) -> bool:
    return word.isupper() or ("-" not in word and any(letter.isupper() for letter in word[1:]))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split("; "))


def _pair(text: str, mark: str) -> tuple[str, str]:
    left, found, right = text.partition(mark)
    assert found, f"{text!r} has no {mark!r}"
    return left, right


def _patterns(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(_pair(pattern, " > ") for pattern in _listed(text))
