"""Memory: 10,000 live conversations, and 100,000 tasks streamed through a bounded number of workers.

    python benchmarks/memory.py [--quick]

Each part runs in a process of its own and reports its resident memory before and after (MiB).
"""

import argparse
import asyncio
import multiprocessing
import resource
import tempfile
from collections.abc import Sequence
from itertools import islice
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from rich.console import Console
from rich.table import Table

from usergym import environments
from usergym.models.base import Reply
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast, seat_idle, seat_model
from usergym.rollouts.store import Store
from usergym.types import Message, Sampling, Tool


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


class Crowd:
    """A model that answers nobody before everybody waits for it, `rounds` times over."""

    name = "crowd"

    def __init__(self, size: int, rounds: int) -> None:
        self.size = size
        self.rounds = rounds
        self.waiting = 0
        self.gate = asyncio.Event()
        self.resident = 0.0

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        self.waiting += 1
        gate = self.gate
        if self.waiting == self.size and self.rounds:
            self.rounds -= 1
            self.resident = max(self.resident, resident())
            self.waiting, self.gate = 0, asyncio.Event()
            gate.set()
        if self.rounds or not gate.is_set():
            await gate.wait()
        return Reply(Message("assistant", "Noted. " * 40))

    async def close(self) -> None: ...


async def live(size: int, rounds: int) -> tuple[float, float]:
    environment = environments.load("calendar:until=end")
    before = resident()
    model = Crowd(size, rounds)
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "run", {})
        cast = Cast(seat_model(model))
        cast.limits = type(cast.limits)(replies=rounds)
        tasks = islice(environment.tasks(), size)
        async for _ in collect(environment, tasks, cast, concurrency=size, store=store):
            pass
        store.close()
    return before, model.resident


async def stream(count: int) -> tuple[float, float]:
    environment = environments.load("calendar")
    first = 0.0
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "run", {})
        done = 0
        async for _ in collect(environment, islice(environment.tasks(), count), Cast(seat_idle), store=store):
            done += 1
            if done == count // 10:
                first = resident()
        store.close()
    return first, resident()


def child(part: str, size: int, queue: "SimpleQueue[tuple[float, float]]") -> None:
    queue.put(asyncio.run(live(size, 3) if part == "live" else stream(size)))


def measure(part: str, size: int) -> tuple[float, float]:
    context = multiprocessing.get_context("spawn")
    queue: SimpleQueue[tuple[float, float]] = context.SimpleQueue()
    process = context.Process(target=child, args=(part, size, queue))
    process.start()
    result = queue.get()
    process.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size")
    scale = 10 if parser.parse_args().quick else 1
    table = Table(title="Resident memory, MiB")
    for name in ("what", "before", "after", "ratio"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for part, size, what in (
        ("live", 10_000 // scale, "{:,} live calendar conversations, third reply awaited (before: idle process)"),
        ("stream", 100_000 // scale, "{:,} calendar tasks streamed (before: at a tenth of them)"),
    ):
        before, after = measure(part, size)
        table.add_row(what.format(size), f"{before:.0f}", f"{after:.0f}", f"{after / before:.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
