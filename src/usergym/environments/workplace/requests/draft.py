"""What a template draws, before it is a request: the words, the look-ups, the actions, and the rules that every one of
them must keep."""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypedDict

import msgspec

from usergym.environments.workplace.office import Office
from usergym.environments.workplace.requests.book import Book, Person

MOST_CALLS = 8
MOST_ROUNDS = 5
PAGE = 5


class Call(TypedDict):
    name: str
    arguments: str
    """JSON text."""


class RedrawError(Exception):
    """What was drawn cannot be asked for without doubt; the reason is counted."""


@dataclass(frozen=True)
class Draft:
    slots: Mapping[str, str]
    lookups: Sequence[Sequence[Call]]
    """In rounds: what a round needs, the user said or an earlier round has shown."""
    writes: Sequence[Call] = ()
    answer: Sequence[str] | None = None
    """Facts that a right answer contains, where something was asked."""
    case: str = "any"
    """Which phrasings fit."""
    shows: Sequence[str] = ()
    """What the look-ups must have shown besides, such as every row that was counted."""


@dataclass
class Draw:
    """Chance, and the book it draws from."""

    book: Book
    chance: random.Random

    def person(self, among: Sequence[Person] | None = None) -> Person:
        person: Person = self.one(self.book.people if among is None else among, "nobody to ask for")
        return person

    def one(self, among: Sequence[Any], why: str) -> Any:
        return among[self.chance.randrange(len(among))] if among else redraw(why)

    def some(self, among: Sequence[Any], count: int) -> list[Any]:
        """Different ones, in some order."""
        need(len(among) >= count, "too few to choose from")
        return self.chance.sample(among, count)


Template = Callable[[Draw], Draft]


def redraw(why: str) -> NoReturn:
    raise RedrawError(why)


def need(condition: object, why: str) -> None:
    if not condition:
        redraw(why)


def call(name: str, /, **arguments: Any) -> Call:
    return {"name": name, "arguments": msgspec.json.encode(arguments).decode()}


def directory(*people: Person) -> list[Call]:
    """Each of them once."""
    names = dict.fromkeys(person.search for person in people)
    return [call("company_directory_find_email_address", name=name) for name in names]


_FACT = re.compile(r"\b\d{8}\b|[\w.-]+@[\w.-]+\w")
_DONE = re.compile(r"\d{8}|plots/.*\.png|.* successfully\.")


def prove(draft: Draft, user: str, office: Office) -> list[Any]:
    """Plays the draft on a fresh office: every call succeeds, and every id and address in it was said by the user or
    shown by an earlier round. RedrawError says what does not hold; returns what the look-ups showed."""
    need(len(draft.writes) <= MOST_CALLS and len(draft.lookups) + bool(draft.writes) <= MOST_ROUNDS, "too many calls")
    fresh = office.fresh()
    shown = user.lower()
    results: list[Any] = []
    for one in draft.lookups:
        now_shown = ""
        for made in one:
            _known(made, shown)
            result = fresh.call(made["name"], made["arguments"])
            need(not isinstance(result, str) or "plots/" in result, f"a look-up finds nothing: {made['name']}")
            results.append(result)
            now_shown += msgspec.json.encode(result).decode().lower()
        shown += now_shown
    for fact in draft.shows:
        need(fact.lower() in shown, "the look-ups do not show all of it")
    for made in draft.writes:
        _known(made, shown)
        result = fresh.call(made["name"], made["arguments"])
        need(isinstance(result, str) and _DONE.fullmatch(result), f"an action fails: {made['name']}: {result}")
    return results


def _known(made: Call, shown: str) -> None:
    for fact in _FACT.findall(made["arguments"].lower()):
        need(fact in shown, f"{made['name']} needs {'an id' if fact.isdigit() else 'an address'} nobody showed")
