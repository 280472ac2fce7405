"""A persona by a model: from a person's own earliest texts, and of each item the place where it stands."""

import re
from collections.abc import Sequence
from importlib.resources import files
from string import Template
from typing import Any

import msgspec

from usergym.data.prepare.users.asking import Refused, Tally, ask
from usergym.data.prepare.users.profile import FIELDS, Evidence, Item
from usergym.models.base import Model
from usergym.types import Message, Sampling

FEW, MANY = 8, 12
SAMPLING = Sampling(temperature=0.2, max_tokens=4096)
_FENCE = re.compile(r"\A\s*```(?:json)?\s*(.*?)\s*```\s*\Z", re.DOTALL)


class _Found(msgspec.Struct):
    says: str
    text: int
    quote: str


def _schema() -> dict[str, Any]:
    one = {
        "type": "object",
        "properties": {"says": {"type": "string"}, "text": {"type": "integer"}, "quote": {"type": "string"}},
        "required": ["says", "text", "quote"],
        "additionalProperties": False,
    }
    listed = {"type": "array", "items": one}
    return {
        "type": "object",
        "properties": dict.fromkeys(FIELDS, listed),
        "required": list(FIELDS),
        "additionalProperties": False,
    }


async def by_model(model: Model, texts: Sequence[str], tally: Tally) -> dict[str, tuple[Item, ...]] | None:
    """Items by field; None where the model gave none that can be used. Items without evidence are left out, and
    counted as refused."""
    told = "\n\n".join(f"[{place}]\n{text}" for place, text in enumerate(texts))
    messages = (Message("system", _prompt()), Message("user", told))
    sampling = msgspec.structs.replace(SAMPLING, json_schema=_schema())
    return await ask(model, messages, sampling, lambda answer: _items(answer, texts, tally), tally)


def _prompt() -> str:
    text = files("usergym.data.prepare.users").joinpath("prompts/persona.md").read_text(encoding="utf-8")
    return Template(text).substitute(few=FEW, many=MANY)


def _items(answer: str, texts: Sequence[str], tally: Tally) -> dict[str, tuple[Item, ...]]:
    answer = answer.rpartition("</think>")[2]
    fenced = _FENCE.match(answer)
    try:
        decoded = msgspec.json.decode(fenced[1] if fenced else answer, type=dict[str, list[_Found]])
    except (msgspec.MsgspecError, UnicodeEncodeError):
        raise Refused("no JSON of the asked shape") from None
    if missing := [name for name in FIELDS if name not in decoded]:
        raise Refused(f"without the field {missing[0]}")
    found: dict[str, tuple[Item, ...]] = {}
    for name in FIELDS:
        items = [Item(each.says.strip(), (place,)) for each in decoded[name] if (place := _place(each, texts))]
        tally.refused["items whose quote is not in the text"] += len(decoded[name]) - len(items)
        found[name] = tuple(item for item in items if item.says)
    if not any(found.values()):
        raise Refused("no item with evidence")
    return found


def _place(found: _Found, texts: Sequence[str]) -> Evidence | None:
    """Where the quote stands; white space and letter case may differ."""
    quote = found.quote.strip().strip("\"“”'").strip()
    if not quote or not 0 <= found.text < len(texts):
        return None
    pattern = r"\s+".join(map(re.escape, quote.split()))
    match = re.search(pattern, texts[found.text], re.IGNORECASE)
    return Evidence(found.text, match.start(), match.end(), match[0]) if match else None
