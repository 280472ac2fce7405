"""Does a simulated user learn to think as a person? A tiny model is taught the language of the synthetic population
(users/population) on people of one seed; then `usergym train users` trains it on others, whose states are known, and
it is measured on people that it never saw. Every stage is skipped where its output is complete, so the same command
goes on where it stopped.

    python benchmarks/learning_users.py --out runs/learning_users --results docs/results
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import cyclopts
from learning import call

from usergym.environments.people.gym import People
from usergym.environments.people.rows import asked_of
from usergym.users.states import Hierarchy, load, written
from usergym.users.states.prompting import system_prompt

SIZE = {"hidden": 128, "layers": 4, "heads": 4}
TAUGHT, TRAINED = 7, 0
"""Populations: of whom the language is learned, and who is learned."""
POSTS = 60


def examples(people: People, count: int, seed: int, prefixed: float) -> Iterator[dict[str, Any]]:
    """What people thought and said, as conversations; a share of `prefixed` is told the states before it."""
    random = Random(seed)
    hierarchy = people.hierarchy
    for task in islice(people.tasks("train", seed), count):
        asked = asked_of(task)
        prefix = {}
        if random.random() < prefixed:
            prefix = {level.name: asked.truth[level.name] for level in hierarchy.before(asked.level)}
        system = system_prompt(hierarchy, asked.level, asked.persona, prefix=prefix)
        said = written({asked.level: asked.truth[asked.level]})
        yield {
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": task.opening[0].said},
                {"role": "assistant", "content": said},
            ]
        }


def frames(hierarchy: Hierarchy) -> list[str]:
    """What every prompt has alike, a line a token."""
    return [system_prompt(hierarchy, level, "") for level in hierarchy.names]
