"""The state of a service conversation: opening one, a tool call, a reward, whole conversations.

python benchmarks/tau_state.py                       # databases of our own
python benchmarks/tau_state.py --data FOLDER         # the published ones
"""

import argparse
import asyncio
import copy
import itertools
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from usergym.environments.tau import Desk, Domain, environment
from usergym.environments.tau.domain import NAMES
from usergym.rollouts.engine import Cast, Limits, begin, play, seat_oracle
from usergym.types import Task

REPEATS = 200
CONVERSATIONS = 200
LIMIT = 1.0
"""Milliseconds for opening a conversation, as promised."""


def milliseconds(act: Callable[[], object], repeats: int = REPEATS) -> tuple[float, float]:
    """Median and worst."""
    spent = []
    for _ in range(repeats):
        started = time.perf_counter()
        act()
        spent.append((time.perf_counter() - started) * 1000)
    return statistics.median(spent), max(spent)


def conversations(env: environment, tasks: list[Task]) -> float:
    """Conversations of the oracle and the rule-based customer a second, on one core."""
    cast = Cast(seat_oracle, limits=Limits(replies=env.max_replies))
    started = time.perf_counter()
    for number in range(CONVERSATIONS):
        asyncio.run(play(env, begin(tasks[number % len(tasks)], number, 0), cast))
    return CONVERSATIONS / (time.perf_counter() - started)


def measure(domain: Domain, env: environment, tasks: list[Task]) -> dict[str, float]:
    rows = [task.data for task in tasks]
    reads = [action for row in rows for action in row["actions"]]
    calls, turns = itertools.cycle(reads), itertools.cycle(rows)
    desk = domain.desk()
    found = {
        "for comparison: copy the database": milliseconds(lambda: copy.deepcopy(domain.tables), 3)[0],
        "open a desk": milliseconds(domain.desk)[0],
        "open a conversation": milliseconds(lambda: env.start(tasks[0]))[0],
        "open a conversation, worst": milliseconds(lambda: env.start(tasks[0]))[1],
        "a call of a task": milliseconds(lambda: _call(desk, next(calls)))[0],
        "a reward": milliseconds(lambda: _reward(domain, next(turns)))[0],
    }
    return found | {"conversations/s": conversations(env, tasks)}


def _call(desk: Desk, action: dict[str, Any]) -> None:
    desk.call(action["name"], action["arguments"])


def _reward(domain: Domain, row: dict[str, Any]) -> None:
    domain.reward(row, row["actions"], row["outputs"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="", help="a folder with the published databases")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = {}
    for name in NAMES:
        env = environment(domain=name, data=arguments.data)
        tasks = list(itertools.islice(env.tasks("test"), 40))
        found[name] = measure(env.domain(tasks[0]), env, tasks)
    if arguments.json:
        print(json.dumps(found))
        return
    table = Table("milliseconds, median", *found)
    for line in found["retail"]:
        table.add_row(line, *(f"{each[line]:.4g}" for each in found.values()))
    Console().print(table)
    worst = max(each["open a conversation"] for each in found.values())
    assert worst < LIMIT, f"opening takes {worst:.2f} ms; promised are {LIMIT}"


if __name__ == "__main__":
    main()
