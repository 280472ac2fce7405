"""Whether anything of a held-out task occurs in training: its group, its content, what it hides."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol, runtime_checkable

import msgspec

from usergym.environments.base import Environment, World
from usergym.types import Record, Task, stable_hash

SPLITS = ("train", "validation", "test")
SHORT = 12
"""Shorter hidden texts (an option's number, a yes) are no content."""


@runtime_checkable
class HasContent(Protocol):
    """An environment that says what of a task must not occur in another split."""

    def content_keys(self, task: Task) -> Iterable[str]:
        """Such as its claim, or each aspect block it is made of."""
        ...


@runtime_checkable
class KeepsSecrets(Protocol):
    """A world with texts that the agent must not be shown before it has earned or said them."""

    def secrets(self) -> Iterable[str]: ...


class Leak(Record, frozen=True):
    kind: str
    key: str
    split: str
    """Where it is held out."""
    task: str
    train: str
    """A task of training that has it too."""


class Audit(Record, frozen=True, omit_defaults=False):
    env: str
    tasks: dict[str, int]
    """By split."""
    keys: dict[str, dict[str, int]]
    """Different keys by kind and split: how much was compared."""
    leaks: tuple[Leak, ...]
    not_compared: tuple[str, ...] = ()
    """Kinds of which no task has any, and why that may be."""


NO_KEYS = {
    "content": "content: the environment has no content_keys(task), or it names none",
    "secret": f"hidden texts: its worlds have no secrets(), or none of {SHORT} characters or more",
}


def audit(environment: Environment, tasks: int = 300, seed: int = 0) -> Audit:
    """Generates so many tasks of each split and compares all their keys with those of training. Hidden texts that many
    groups of training share, such as a word that ends a conversation, are no content."""
    counts: dict[str, int] = {}
    keys: dict[str, dict[str, set[int]]] = {}
    trained: dict[tuple[str, int], list[Task]] = {}
    held_out: list[tuple[str, str, str, Task]] = []
    for split in SPLITS:
        counts[split] = 0
        for task in islice(environment.tasks(split, seed), tasks):
            counts[split] += 1
            for kind, key in keys_of(environment, task):
                code = stable_hash(key)
                keys.setdefault(kind, {each: set() for each in SPLITS})[split].add(code)
                if split == "train":
                    trained.setdefault((kind, code), []).append(task)
                elif (kind, code) in trained:
                    held_out.append((kind, key, split, task))
    shared = max(2, len(keys.get("group", {}).get("train", ())) // 10)
    leaks = []
    for kind, key, split, task in held_out:
        found = trained[kind, stable_hash(key)]
        if kind != "secret" or len({each.group for each in found}) <= shared:
            leaks.append(Leak(kind, key[:200], split, task.id, found[0].id))
    sizes = {kind: {split: len(found) for split, found in by_split.items()} for kind, by_split in keys.items()}
    missing = tuple(why for kind, why in NO_KEYS.items() if kind not in keys)
    return Audit(environment.name, counts, sizes, tuple(leaks), missing)


def keys_of(environment: Environment, task: Task) -> Iterator[tuple[str, str]]:
    """Kind and text of all that a task is known by."""
    yield "group", task.group
    yield "task", msgspec.json.encode((task.opening, task.data), order="sorted").decode()
    if isinstance(environment, HasContent):
        yield from (("content", key) for key in environment.content_keys(task))
    for secret in secrets_of(environment.start(task)):
        if len(secret) >= SHORT:
            yield "secret", secret


def secrets_of(world: World) -> list[str]:
    return [text for text in world.secrets() if text.strip()] if isinstance(world, KeepsSecrets) else []
