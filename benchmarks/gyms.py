"""Scripted conversations per second and core, in every environment: the oracle against the rule-based user, scored.

    python benchmarks/gyms.py [NAME ...] [--seconds 2]

The limit is 100 a second. `start` is the time to open one conversation, whose limit is 1 ms. Tasks are made before
anything is measured; CPU time is of this process alone.
"""

import argparse
import asyncio
import sys
import time
from itertools import islice

from rich.console import Console
from rich.table import Table

from usergym.environments.base import Environment, load, names
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast, Limits, seat_oracle
from usergym.types import Task

LIMIT = 100.0
START_MS = 1.0
TASKS = 200


async def play(environment: Environment, tasks: list[Task], repeat: int) -> int:
    cast = Cast(seat_oracle, limits=Limits(environment.max_replies))
    scored = 0
    async for group in collect(environment, tasks, cast, concurrency=16, seed=repeat):
        scored += sum(each.reward() is not None for each in group)
    return scored


def measure(name: str, seconds: float) -> tuple[int, float, float, float]:
    """Conversations, CPU-seconds, milliseconds to start one, milliseconds to make a task."""
    environment = load(name)
    started = time.process_time()
    tasks = list(islice(environment.tasks(), TASKS))
    making = (time.process_time() - started) * 1000 / len(tasks)
    asyncio.run(play(environment, tasks[:8], 0))  # caches
    started = time.process_time()
    for task in tasks:
        environment.start(task)
    opening = (time.process_time() - started) * 1000 / len(tasks)
    done, spent, repeat = 0, 0.0, 0
    while spent < seconds:
        repeat += 1
        started = time.process_time()
        scored = asyncio.run(play(environment, tasks, repeat))
        spent += time.process_time() - started
        assert scored == len(tasks), f"{name}: {len(tasks) - scored} conversations failed"
        done += scored
    return done, spent, opening, making


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="environments with options; default: all")
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU time spent on each")
    options = parser.parse_args()
    table = Table(title=f"scripted conversations per second and core (limit {LIMIT:g})")
    for column in ("environment", "conversations", "a second", "start, ms", "making a task, ms"):
        table.add_column(column, justify="right")
    slow = []
    for name in options.names or names():
        done, spent, opening, making = measure(name, options.seconds)
        rate = done / spent
        if rate < LIMIT or opening > START_MS:
            slow.append(name)
        table.add_row(name, f"{done:,}", f"{rate:,.0f}", f"{opening:.3f}", f"{making:.2f}")
    Console(width=90).print(table)
    if slow:
        sys.exit(f"below the limit: {', '.join(slow)}")


if __name__ == "__main__":
    main()
