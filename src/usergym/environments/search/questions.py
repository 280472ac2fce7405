"""Questions about a generated world: one fact, or a fact about what another fact leads to."""

from collections.abc import Iterator
from random import Random
from typing import Any

from usergym.environments.search.articles import relations, shown
from usergym.environments.search.entities import PRESS, Entity, Spec
from usergym.environments.search.grading import plain
from usergym.types import stable_hash

PER_WORLD = 40
ONE_HOP = 4
"""Each so many-th question asks for one fact only."""


def ask(spec: Spec, world: dict[str, list[Entity]]) -> Iterator[dict[str, Any]]:
    """Questions, none of them twice, with what is accepted as answer, and searches that lead there."""
    random = Random(stable_hash("search-questions", spec.seed, spec.number, spec.size))
    entities = [entity for group in world.values() for entity in group]
    asked: set[str] = set()
    while len(asked) < PER_WORLD:
        start = random.choice(entities)
        one = len(asked) % ONE_HOP == 0
        made = _one_hop(start, random) if one else _two_hops(start, random)
        if made is not None and made["question"] not in asked and not _given_away(made):
            asked.add(made["question"])
            yield made


def _one_hop(entity: Entity, random: Random) -> dict[str, Any]:
    relation = random.choice(list(entity.facts))
    return _question(str(entity), [entity], relation, ())


def _two_hops(entity: Entity, random: Random) -> dict[str, Any] | None:
    leads = [(relation, to) for relation, to in entity.facts.items() if isinstance(to, Entity)]
    if not leads:
        return None
    relation, to = random.choice(leads)
    first = relations()[entity.kind][relation]
    second = random.choice(list(to.facts))
    return _question(first.means.format(x=entity), [entity, to], second, (first.words,))


def _question(subject: str, path: list[Entity], relation: str, words: tuple[str, ...]) -> dict[str, Any]:
    its = relations()[path[-1].kind][relation]
    value = path[-1].facts[relation]
    answer = value.name if isinstance(value, Entity) else shown(value, relation)
    searches = [f"{entity} {said}" for entity, said in zip(path, (*words, its.words), strict=True)]
    return {
        "question": its.asks.format(x=subject),
        "answers": [answer],
        "hops": len(path),
        "searches": searches,
    }


def _given_away(made: dict[str, Any]) -> bool:
    return made["answers"] == [PRESS] or f" {plain(made['answers'][0])} " in f" {plain(made['question'])} "
