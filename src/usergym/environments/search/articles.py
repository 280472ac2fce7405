"""The prose of a generated world: an article on each entity, with sentences that lead nowhere among the others."""

from functools import cache
from importlib.resources import files
from random import Random
from typing import NamedTuple

import msgspec

from usergym.environments.search.entities import Entity, Spec
from usergym.types import Record, stable_hash


class Relation(Record, frozen=True):
    says: tuple[str, ...]
    asks: str
    words: str
    """To search with."""
    means: str = ""
    """What it leads to, in other words; "" where that is no entity."""


class Article(NamedTuple):
    title: str
    text: str


OPENINGS = {
    "mountain": "{x} is a mountain that can be seen from far away.",
    "river": "{x} is a river with a calm course and a few weirs.",
    "town": "{x} is a town with cobbled streets and a weekly market.",
    "person": "{x} left many letters, most of them unpublished.",
    "company": "{x} was a family firm for most of its history.",
    "book": "{x} is a novel in three parts.",
    "invention": "{x} is a device that was in use for some decades.",
    "building": "{x} is built of pale stone.",
    "festival": "{x} is a yearly event with music and stalls.",
}
ASIDES = (
    "A street in {town} is named after it.",
    "{person} mentions it in a letter from {town}.",
    "An exhibition in {town} was devoted to it in {year}.",
    "The archive in {town} burned in {year}, and much about its past is guesswork.",
    "{person} once planned a history of it, of which two pages exist.",
    "In {year} a stamp was issued in its honour.",
    "Travellers on the road to {town} often pass it by.",
)
PERSONAL = (
    "A street in {town} bears the name.",
    "{person} wrote a short obituary.",
    "A portrait hangs in the town hall of {town}.",
    "In {year} a lost notebook came to light in {town}.",
    "There was a long quarrel with {person} over a map.",
    "A collection of the letters was printed in {year}.",
)


@cache
def relations() -> dict[str, dict[str, Relation]]:
    """How relations are put in words, by the kind of entity and the name of the relation."""
    text = (files("usergym.environments.search") / "relations.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, dict[str, Relation]])


def shown(value: Entity | int | str, relation: str) -> str:
    """A value as texts write it."""
    return f"{value:,}" if relation == "population" else str(value)


def write(spec: Spec, world: dict[str, list[Entity]]) -> list[Article]:
    """The articles of a world, in an order that tells nothing."""
    random = Random(stable_hash("search-articles", spec.seed, spec.number, spec.size))
    articles = [_article(entity, world, random) for entities in world.values() for entity in entities]
    random.shuffle(articles)
    return articles


def _article(entity: Entity, world: dict[str, list[Entity]], random: Random) -> Article:
    known = relations()[entity.kind]
    told = [
        random.choice(known[relation].says).format(x=entity, y=shown(value, relation))
        for relation, value in entity.facts.items()
    ]
    asides = PERSONAL if entity.kind == "person" else ASIDES
    for aside in random.sample(asides, 2):
        town, person = random.choice(world["town"]), random.choice(world["person"])
        told.append(aside.format(town=town, person=person, year=random.randrange(1750, 1960)))
    random.shuffle(told)
    sentences = [OPENINGS[entity.kind].format(x=entity), *told]
    return Article(_upper(entity.title), " ".join(map(_upper, sentences)))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
