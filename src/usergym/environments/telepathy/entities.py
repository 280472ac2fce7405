"""What may be thought of: a table of things and of what is true of each."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

Value = bool | None
"""True, False, or None: sometimes, in part."""


@dataclass(frozen=True, slots=True)
class Entity:
    name: str
    kind: str
    hint: str
    """What the user says that it is: `an animal`."""
    gloss: str
    also: tuple[str, ...] = ()
    """Other names."""
    size: int | None = None
    """From 1, a coin, to 12, a country."""
    years: tuple[int, int] | None = None
    """Of a life, or from the first idea to the finished thing; before Christ negative."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """By attribute; one that is not in it is not told."""
    group: str = ""
    """The same for things that share a name."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.also)


@cache
def attributes() -> Mapping[str, Any]:
    """`everywhere`, `ask` and `sizes`, as in the file."""
    return tomllib.loads((files("usergym.environments.telepathy") / "attributes.toml").read_text(encoding="utf-8"))


@cache
def entities() -> Sequence[Entity]:
    folder = files("usergym.environments.telepathy") / "entities"
    tables = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    rows = [row for table in tables for row in _rows(tomllib.loads(table.read_text(encoding="utf-8")))]
    groups = _groups([[plain(name) for name in (row["name"], *row.get("also", ()))] for row in rows])
    return tuple(_entity(row, group) for row, group in zip(rows, groups, strict=True))


@cache
def by_key() -> Mapping[tuple[str, str], Entity]:
    """By kind and plain name."""
    return {(entity.kind, plain(entity.name)): entity for entity in entities()}


@cache
def of_kind(kind: str) -> Sequence[Entity]:
    return tuple(entity for entity in entities() if entity.kind == kind)


@cache
def known_names() -> frozenset[str]:
    """All names of all things, plain."""
    return frozenset(plain(name) for entity in entities() for name in entity.names)


@cache
def names_of_kind(kind: str) -> frozenset[str]:
    return frozenset(plain(name) for entity in of_kind(kind) for name in entity.names)


_ARTICLE = re.compile(r"^(?:an?|the|some) (?=.)")


def plain(text: str) -> str:
    """Lower case, without accents, punctuation and article."""
    text = unicodedata.normalize("NFKD", text.casefold())
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = re.sub(r"['’]", "", text)
    return _ARTICLE.sub("", " ".join(re.findall(r"[^\W_]+", text)))


def _rows(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The table's things, each with all that is told of it: what it says itself, what its kind `is`, `maybe` is and is
    `not`, and False for what the table tells of others of its kind."""
    told = {
        name for row in table["entities"].values() for part in ("is", "maybe") for name in row.get(part, "").split()
    }
    values: dict[str, Value] = dict.fromkeys((*attributes()["everywhere"].split(), *sorted(told)), False)
    values |= dict.fromkeys(table.get("not", "").split(), False)
    values |= dict.fromkeys(table["is"].split(), True) | dict.fromkeys(table.get("maybe", "").split())
    found = []
    for name, row in table["entities"].items():
        own: dict[str, Value] = dict.fromkeys(row.get("is", "").split(), True)
        own |= dict.fromkeys(row.get("maybe", "").split())
        found.append({**row, "name": name, "kind": table["kind"], "hint": table["hint"], "values": values | own})
    return found


def _entity(row: Mapping[str, Any], group: str) -> Entity:
    years = row.get("years")
    return Entity(
        row["name"],
        row["kind"],
        row["hint"],
        row["gloss"],
        tuple(row.get("also", ())),
        row.get("size"),
        (years[0], years[1]) if years else None,
        row["values"],
        group,
    )


def _groups(names: Sequence[Sequence[str]]) -> list[str]:
    """For each, the first name of all things that are linked to it by a shared name."""
    first: dict[str, str] = {}

    def head(name: str) -> str:
        while first.setdefault(name, name) != name:
            name = first[name]
        return name

    for own, *others in names:
        for other in others:
            one, two = sorted((head(own), head(other)))
            first[two] = one
    return [head(own[0]) for own in names]
