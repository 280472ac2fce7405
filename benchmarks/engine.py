"""The engine beside a bare aiohttp loop that makes the same calls, in one run, against the mock server.

    python benchmarks/engine.py            # 32, 256 and 1,000 in flight, no latency; then 1,000 at 200 ms
    python benchmarks/engine.py --quick

Each figure is of this process only (`getrusage`); the server runs in another. `ratio` is engine / bare.
Conversations have 4 user turns and 4 replies; the engine writes its full journal and trajectories.
"""

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from usergym.environments.base import Environment, World
from usergym.models.base import Model
from usergym.models.providers import connect
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast, seat_model
from usergym.rollouts.store import Store
from usergym.types import Reward, Sampling, Task
from usergym.users.base import Participant
from usergym.users.scripted import ScriptedParticipant

TURNS = 4
LINES = [f"This is message {n} of the user, about as long as such a message usually is." for n in range(TURNS)]
SYSTEM = "You are a helpful assistant."


class Chat(World):
    system = SYSTEM

    def user(self, model: Model | None) -> Participant:
        return ScriptedParticipant("user", LINES)

    async def score(self) -> list[Reward]:
        return [Reward("done", 1.0)]


class ChatEnvironment(Environment):
    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        n = 0
        while True:
            yield Task(f"chat-{n}", "chat")
            n += 1

    def start(self, task: Task) -> World:
        return Chat(task)


@contextmanager
def mock_server(latency: float) -> Iterator[str]:
    command = [sys.executable, "-m", "usergym", "mock-llm", "--port", "0", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield next(word for word in server.stdout.readline().split() if word.startswith("http"))
        finally:
            server.terminate()


async def bare(url: str, conversations: int, in_flight: int) -> None:
    """What anybody writes first: a session, messages in a list, one post a turn."""
    left = iter(range(conversations))

    async def work(session: aiohttp.ClientSession) -> None:
        for _ in left:
            messages = [{"role": "system", "content": SYSTEM}]
            for line in LINES:
                messages.append({"role": "user", "content": line})
                async with session.post(f"{url}/chat/completions", json={"model": "m", "messages": messages}) as reply:
                    answer = await reply.json()
                messages.append({"role": "assistant", "content": answer["choices"][0]["message"]["content"]})

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(work(session) for _ in range(in_flight)))


async def engine(url: str, conversations: int, in_flight: int) -> None:
    model = connect(f"{url}/m")
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "run", {})
        tasks = islice(ChatEnvironment().tasks(), conversations)
        cast = Cast(seat_model(model, Sampling()))
        done = 0
        async for group in collect(ChatEnvironment(), tasks, cast, concurrency=in_flight, store=store):
            assert all(member.error is None for member in group), group
            done += len(group)
        store.close()
        assert done == conversations
    await model.close()


def measure(run: Callable[[str, int, int], Awaitable[None]], url: str, conversations: int, in_flight: int) -> dict:
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    asyncio.run(run(url, conversations, in_flight))  # type: ignore[arg-type]
    after, seconds = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - started
    calls = conversations * TURNS
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_ms": 1000 * cpu / calls, "rate": calls / seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the conversations")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    scale = 10 if options.quick else 1
    rows = []
    for latency, in_flight, conversations in ((0, 32, 2000), (0, 256, 3000), (0, 1000, 4000), (0.2, 1000, 4000)):
        count = max(conversations // scale, in_flight)
        with mock_server(latency) as url:
            measure(bare, url, min(in_flight, 200), min(in_flight, 200))  # warm
            measured: dict[str, list[dict]] = {"bare": [], "engine": []}
            for _ in range(1 if options.quick else 5):
                for run in (bare, engine):
                    measured[run.__name__].append(measure(run, url, count, in_flight))
        middle = {
            name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            for name, runs in measured.items()
        }
        rows.append(
            {
                "latency_ms": 1000 * latency,
                "in_flight": in_flight,
                "bare_cpu_ms": middle["bare"]["cpu_ms"],
                "engine_cpu_ms": middle["engine"]["cpu_ms"],
                "cpu_ratio": middle["engine"]["cpu_ms"] / middle["bare"]["cpu_ms"],
                "bare_rate": middle["bare"]["rate"],
                "engine_rate": middle["engine"]["rate"],
                "rate_ratio": middle["engine"]["rate"] / middle["bare"]["rate"],
            }
        )
    if options.json:
        print(json.dumps(rows))
        return
    table = Table(title="Engine with full journal, beside a bare aiohttp loop (medians)")
    for name in (
        "latency",
        "in flight",
        "bare CPU-ms/call",
        "engine CPU-ms/call",
        "ratio",
        "bare calls/s",
        "engine calls/s",
        "ratio",
    ):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            f"{row['latency_ms']:.0f} ms",
            f"{row['in_flight']:,}",
            f"{row['bare_cpu_ms']:.3f}",
            f"{row['engine_cpu_ms']:.3f}",
            f"{row['cpu_ratio']:.2f}",
            f"{row['bare_rate']:,.0f}",
            f"{row['engine_rate']:,.0f}",
            f"{row['rate_ratio']:.2f}",
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
