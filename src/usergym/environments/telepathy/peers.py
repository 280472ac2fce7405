"""What can be told of a thing of which no table tells, only its category and a gloss: little, and that with care."""

from collections.abc import Mapping
from functools import cache

from usergym.environments.telepathy import questions
from usergym.environments.telepathy.entities import Entity, Value, attributes, by_key, of_kind, plain
from usergym.environments.telepathy.questions import Understood, Verdict
from usergym.environments.telepathy.words import simple, words

PERSON = "historical person"
_ONLY = frozenset(
    ("animal", "plant", "person", "place", "country_place", "sport", "job", "instrument", "food", "drink")
)
"""Of these, what is one is no other."""


@cache
def kind_of(category: str) -> str:
    """The kind of ours that a category is, "" if none: the first that fits."""
    said = category.lower()
    kinds = attributes()["categories"].items()
    return next((kind for kind, parts in kinds if any(part in said for part in parts.split())), "")


def own(name: str, kind: str) -> Entity | None:
    """The thing of our table that this is."""
    found = by_key().get((kind, plain(name)))
    return found or next((one for one in of_kind(kind) if plain(name) in map(plain, one.names)), None)


@cache
def values_of(kind: str) -> Mapping[str, Value]:
    """What all things of a kind of ours share, where that is certain of things that are not ours too."""
    things = of_kind(kind)
    if not things:
        return {}
    shared = {name for name in _ONLY if all(thing.values[name] is True for thing in things)}
    if not shared or kind in ("invention", "object", "game or toy"):
        return {}
    return {name: name in shared for name in _ONLY} | (
        {"food": None, "plant": None} if kind == "fruit or vegetable" else {}
    )


def knows(question: str, entity: Entity) -> Understood:
    """Yes where each word that counts stands in the category or the gloss, no where the category excludes it, else
    maybe."""
    asked = set(words(simple(question)))
    said = set(words(simple(f"{entity.hint} {entity.kind.replace('_', ' ')} {entity.gloss}")))
    if not asked or asked & _NEGATIONS:
        return Understood("maybe")
    sure: Verdict = questions.answer(question, entity).verdict
    if sure in ("yes", "no"):
        return Understood(sure)
    return Understood("yes" if asked <= said else "maybe")


_NEGATIONS = frozenset(("not", "no", "non", "without", "never", "or", "only", "always", "before", "after", "than"))
