"""How fast people are made, read and judged without a model, on one core.

python benchmarks/people.py
"""

import time
from collections.abc import Callable
from statistics import median

from usergym.environments.people.gym import People
from usergym.environments.people.rows import asked_of
from usergym.judges.overlap import overlap
from usergym.users.population import population
from usergym.users.states import load, parse_states, written
from usergym.users.states.prompting import system_prompt

PEOPLE, POSTS, ROUNDS = 300, 60, 5
HIERARCHY = load("sebvgcr")


def main() -> None:
    started = time.perf_counter()
    rows = sum(1 for _ in population(PEOPLE, POSTS, 0))
    print(f"population: {rows / (time.perf_counter() - started):,.0f} rows/s")

    tasks = [asked_of(task) for task in People(people=PEOPLE, posts=POSTS).tasks("test")]
    groups = [
        (each, [tasks[(place + step) % len(tasks)] for step in (0, 7, 49, 343)]) for place, each in enumerate(tasks)
    ]
    print(f"{len(groups):,} groups of 4 texts: a state or a response of the person and of others")

    def judged() -> None:
        for asked, others in groups:
            overlap(asked.truth[asked.level], [each.truth[asked.level] for each in others], level=asked.level)

    def parsed() -> None:
        for asked, _ in groups:
            parse_states(written(asked.truth), HIERARCHY.names)

    def prompted() -> None:
        for asked, _ in groups:
            system_prompt(HIERARCHY, asked.level, asked.persona)

    print(f"overlap: {4 * len(groups) / timed(judged):,.0f} texts/s")
    print(f"parsing of seven tagged levels: {len(groups) / timed(parsed):,.0f} replies/s")
    print(f"prompts: {len(groups) / timed(prompted):,.0f}/s")


def timed(work: Callable[[], None]) -> float:
    """Median seconds."""
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return median(took)


if __name__ == "__main__":
    main()
