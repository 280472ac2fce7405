"""UserRL's travel files, `travelgym_data_22.json` and seven more: an object of records by task id.

A record has `initial_description`, `dimensions` (the aspects) and an object for each aspect: `preferences` (lists of
aspect, subcategory, preference and implicit elicitation), `arguments` (of the right search), `options` (`correct`,
`wrong`, `noise`), `best_id`, `correct_ids`. What marks an option, its `type` and `reason`, is left out here, and so is
`scenario`, which tells the preferences.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, get_args

import msgspec

from usergym.environments.base import RowError
from usergym.environments.travel.blocks import Block, Preference
from usergym.environments.travel.library import AspectName, library, plain
from usergym.environments.travel.words import listed

_COUNT = re.compile(r":(\d+)-")
_MARKS = ("type", "reason")


def record(folder: str, key: str) -> Mapping[str, Any]:
    """A task's record. RowError if there is none, with the file that was looked into."""
    level = "".join(sorted(_COUNT.findall(key)))
    file = Path(folder) / f"travelgym_data_{level}.json"
    try:
        found = _records(file).get(key)
    except FileNotFoundError:
        raise RowError("reward_model.id", f"a task of {file}, which is not there", key) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise RowError("reward_model.id", f"a task of {file}, which cannot be read ({error})", key) from None
    if found is None:
        raise RowError("reward_model.id", f"a task of {file}", key)
    return found


@lru_cache(maxsize=8)
def _records(file: Path) -> dict[str, dict[str, Any]]:
    return msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, Any]])


def blocks_of_record(key: str, found: Mapping[str, Any]) -> list[Block]:
    dimensions = found.get("dimensions")
    if not isinstance(dimensions, list) or not dimensions or not set(dimensions) <= set(get_args(AspectName)):
        raise RowError("dimensions", f"some of {', '.join(get_args(AspectName))}", dimensions)
    keys = dict(zip(dimensions, key.split("|"), strict=False))
    blocks: list[Block] = []
    first = 1
    for aspect in dimensions:
        about = found.get(aspect)
        if not isinstance(about, Mapping):
            raise RowError(aspect, "preferences, arguments, options, best_id and correct_ids", about)
        preferences = tuple(_preferences(aspect, about.get("preferences"), first))
        arguments = about.get("arguments")
        if not isinstance(arguments, Mapping):
            raise RowError(f"{aspect}.arguments", "an object", arguments)
        options = _options(aspect, about.get("options"))
        Random(f"{key}/{aspect}").shuffle(options)
        try:
            rest = msgspec.convert({name: about.get(name) for name in ("best_id", "correct_ids")}, _Answers)
        except msgspec.ValidationError as error:
            raise RowError(f"{aspect}.best_id", f"an id, beside correct_ids ({error})", about.get("best_id")) from None
        correct = tuple(dict.fromkeys((*rest.correct_ids, rest.best_id)))
        block = Block(aspect, keys[aspect], dict(arguments), preferences, tuple(options), rest.best_id, correct)
        blocks.append(block)
        first += len(preferences)
    return blocks


class _Answers(msgspec.Struct):
    best_id: str
    correct_ids: list[str]


def _preferences(aspect: AspectName, told: Any, first: int) -> Iterator[Preference]:
    if not isinstance(told, list):
        raise RowError(f"{aspect}.preferences", "a list", told)
    for place, each in enumerate(told):
        if not isinstance(each, list) or len(each) < 4 or not all(isinstance(part, str) for part in each[:4]):
            expected = "a list of aspect, subcategory, preference and implicit elicitation"
            raise RowError(f"{aspect}.preferences[{place}]", expected, each)
        subcategory, preference, hint = each[1:4]
        keywords = _keywords(aspect, subcategory, preference)
        question = f"About the {library()[aspect].label}: which {subcategory.replace('_', ' ')} would you like?"
        yield Preference(f"P{first + place}", aspect, subcategory, preference, (hint,), keywords, question)


def _keywords(aspect: AspectName, subcategory: str, preference: str) -> tuple[str, ...]:
    """The words of the subcategory and of the preference, and those of the library's subject that it is nearest to."""
    words = plain(f"{subcategory} {preference}").split()
    names = set(plain(" ".join((library()[aspect].label, *library()[aspect].words))).split())
    own = [word for word in dict.fromkeys(words) if word not in listed("dull") and word not in names and len(word) > 1]
    text = f" {' '.join(words)} "
    near = max(library()[aspect].subjects.values(), key=lambda each: sum(f" {word} " in text for word in each.keywords))
    shared = any(f" {word} " in text for word in near.keywords)
    return tuple(dict.fromkeys((plain(subcategory).strip(), *own, *(near.keywords if shared else ()))))


def _options(aspect: AspectName, told: Any) -> list[dict[str, Any]]:
    if not isinstance(told, Mapping):
        raise RowError(f"{aspect}.options", "an object of correct, wrong and noise", told)
    options = []
    for kind in ("correct", "wrong", "noise"):
        for place, option in enumerate(told.get(kind) or ()):
            where = f"{aspect}.options.{kind}[{place}]"
            if not isinstance(option, Mapping):
                raise RowError(where, "an object", option)
            shown = {name: value for name, value in option.items() if name not in _MARKS}
            key = next((shown.pop(name) for name in ("id", "option_id", f"{aspect}_id") if name in shown), None)
            if not isinstance(key, str):
                raise RowError(f"{where}.id", "an id such as 'H3'", key)
            options.append({"id": key, **shown})
    return options
