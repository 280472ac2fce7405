"""Own tasks without end: a template's request, some of what it leaves open, and what this user wants of each."""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import count
from random import Random
from typing import Any

import msgspec

from usergym.environments.intention.rows import NAME
from usergym.types import Message, Record, Task, Turn, split_of, stable_hash

FEWEST, MOST = 3, 6
"""Details of one task."""


class Template(Record, frozen=True):
    """One kind of request. Its details are [importance, description, inquiry, words, options]; words and options are
    separated by semicolons."""

    key: str
    category: str
    says: list[str]
    """Phrasings; `{slot}` stands for one of the slot's values."""
    details: list[tuple[int, str, str, str, str]]
    slots: dict[str, list[str]] = {}


@cache
def templates() -> tuple[Template, ...]:
    found: list[Template] = []
    for path in sorted((files("usergym.environments.intention") / "requests").iterdir(), key=lambda path: path.name):
        if path.name.endswith(".toml"):
            listed = tomllib.loads(path.read_text(encoding="utf-8"))
            found += msgspec.convert(listed["request"], list[Template])
    return tuple(found)


def generate(split: str | None, seed: int) -> Iterator[Task]:
    for place in count():
        random = Random(stable_hash(NAME, seed, place))
        template = random.choice(templates())
        group = f"request-{template.key}"
        if split is None or split_of(group, validation=0.1, test=0.1) == split:
            yield task(f"{NAME}-{seed}-{place}", template, random, split)


def task(key: str, template: Template, random: Random, split: str | None) -> Task:
    filled = {slot: random.choice(values) for slot, values in template.slots.items()}
    request = random.choice(template.says).format(**filled)
    most = min(MOST, len(template.details))
    drawn = random.sample(range(len(template.details)), random.randint(min(FEWEST, most), most))
    details = [_detail(template.details[place], random) for place in sorted(drawn)]
    data: dict[str, Any] = {"category": template.category, "request": request, "details": details}
    opening = (Turn("user", Message("assistant", request)),)
    return Task(key, NAME, group=f"request-{template.key}", opening=opening, data=data, split=split)


def _detail(given: tuple[int, str, str, str, str], random: Random) -> dict[str, Any]:
    importance, description, inquiry, words, options = given
    offered = [option.strip() for option in options.split(";")]
    return {
        "description": description,
        "importance": importance,
        "inquiry": inquiry,
        "options": offered,
        "preference": random.choice(offered),
        "words": [word.strip() for word in words.split(";") if word.strip()],
    }
