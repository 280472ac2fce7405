"""Own requests without end: a template, a topic, and sometimes a sentence about whoever asks."""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import count
from random import Random
from typing import Literal, NamedTuple

import msgspec

from usergym.types import Record, split_of, stable_hash

Kind = Literal["things", "tasks", "pairs", "writing", "summaries"]
KINDS: tuple[tuple[Kind, int], ...] = (("things", 5), ("tasks", 6), ("pairs", 4), ("writing", 3), ("summaries", 2))
"""What is asked for, and how often beside the others."""


class Topic(Record, frozen=True):
    """Things that belong together; no two splits share a topic."""

    key: str
    things: tuple[str, ...]
    tasks: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    text: str


class Templates(Record, frozen=True):
    things: tuple[str, ...]
    tasks: tuple[str, ...]
    pairs: tuple[str, ...]
    writing: tuple[str, ...]
    summaries: tuple[str, ...]
    asides: tuple[str, ...]


class Request(NamedTuple):
    """What a user asks for."""

    text: str
    topic: str
    kind: Kind


@cache
def topics() -> tuple[Topic, ...]:
    found: list[Topic] = []
    for path in sorted((files("usergym.environments.style") / "topics").iterdir(), key=lambda path: path.name):
        if path.name.endswith(".toml"):
            found += msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8"))["topic"], list[Topic])
    return tuple(found)


@cache
def templates() -> Templates:
    text = (files("usergym.environments.style") / "templates.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Templates)


def group_of(topic: str) -> str:
    return f"topic-{topic}"


def requests(split: str | None, seed: int) -> Iterator[tuple[int, Request]]:
    """Unlimited, each with its place in the draws of this seed. The topic decides the split."""
    for place in count():
        random = Random(stable_hash("style request", seed, place))
        topic = random.choice(topics())
        if split is None or split_of(group_of(topic.key), validation=0.1, test=0.1) == split:
            yield place, request(topic, random)


def request(topic: Topic, random: Random) -> Request:
    (kind,) = random.choices([kind for kind, _ in KINDS], [weight for _, weight in KINDS])
    template = random.choice(getattr(templates(), kind))
    first, second = random.choice(topic.pairs)
    told = {
        "x": random.choice(topic.things),
        "t": random.choice(topic.tasks),
        "a": first,
        "A": first[:1].upper() + first[1:],
        "b": second,
        "text": topic.text,
    }
    text = template.format(**told)
    if kind != "summaries" and random.random() < 0.5:
        text = f"{text} {random.choice(templates().asides)}"
    return Request(text, topic.key, kind)
