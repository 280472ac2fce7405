"""Who a person is: short items by field, each with the places in the person's own texts that it rests on."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from usergym.environments.base import RowError
from usergym.types import Record

FIELDS = ("demographics", "interests", "values", "communication", "statistics")
"""Of a persona that is drawn from texts."""
UNCOUNTED = ("demographics", "analysis")
"""Fields whose items are not evidence enough."""
_NOTHING = {"", "na", "n/a", "none", "null", "unknown", "not available", "not applicable", "unspecified"}


class Evidence(Record, frozen=True):
    """A place in one of the texts."""

    text: int
    """Which, from 0, the earliest first."""
    start: int
    end: int
    """Characters of that text."""
    quote: str = ""
    """What stands there; "" for a whole text that was measured."""


class Item(Record, frozen=True):
    says: str
    evidence: tuple[Evidence, ...] = ()


class Profile(Record, frozen=True):
    """One person's persona, a line of personas.jsonl."""

    user: str
    source: Literal["given", "model", "rules"]
    fields: dict[str, tuple[Item, ...]] = {}
    words: str = ""
    """A persona that was given as a text; it has no items to count."""
    texts: tuple[str, ...] = ()
    """Ids of the targets in whose words the evidence stands."""

    @property
    def items(self) -> int:
        """How many count as evidence."""
        return sum(len(items) for field, items in self.fields.items() if field not in UNCOUNTED)

    def without(self, target: str) -> "Profile":
        """What is known beside the words of that target: a text is no evidence for itself."""
        if target not in self.texts:
            return self
        own = self.texts.index(target)
        fields = {
            field: tuple(kept for item in items if (kept := _less(item, own))) for field, items in self.fields.items()
        }
        return msgspec.structs.replace(self, fields=fields)

    def told(self) -> dict[str, list[str]] | str:
        """As prompts have it: items with their first quote, or the text that was given."""
        if self.words:
            return self.words
        return {field: [_line(item) for item in items] for field, items in self.fields.items() if items}


def _less(item: Item, own: int) -> Item | None:
    others = tuple(each for each in item.evidence if each.text != own)
    return None if item.evidence and not others else msgspec.structs.replace(item, evidence=others)


def _line(item: Item) -> str:
    quote = next((each.quote for each in item.evidence if each.quote), "")
    return f'{item.says} ("{quote}")' if quote else item.says


def given(user: str, persona: Any) -> Profile | None:
    """The persona that a row brings: a text, or items by field, or the JSON of those. None where it says nothing.
    RowError for another shape."""
    if isinstance(persona, str):
        text = persona.strip()
        try:
            decoded = msgspec.json.decode(text) if text[:1] in ("{", '"') else None
        except msgspec.DecodeError:
            decoded = None
        if isinstance(decoded, (Mapping, str)) and decoded != text:
            return given(user, decoded)
        return Profile(user, "given", words=text) if text else None
    if not isinstance(persona, Mapping):
        raise RowError("persona", "a text, or items by field", persona)
    fields = {str(field): tuple(Item(text) for text in _texts(value)) for field, value in persona.items()}
    found = {field: items for field, items in fields.items() if items}
    return Profile(user, "given", found) if found else None


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name}: {text}" for name, each in value.items() for text in _texts(each)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [text for each in value for text in _texts(each)]
    text = "" if value is None else str(value).strip()
    return [] if text.lower() in _NOTHING else [text]
