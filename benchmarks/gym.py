"""A workplace rollout of 4 model calls and 3 tool calls, with all 27 schemas sent: in process and through our HTTP
servers, beside a bare loop that makes the same calls, in one run.

    python benchmarks/gym.py             # 32, 256 and 1,000 in flight, 50 ms a model call
    python benchmarks/gym.py --quick

The model is a server of this script in a process of its own, which answers from the number of tool results in the
request; its CPU time is nobody's. `bare`: aiohttp, a list of messages, fixed tool results, no verification. `in
process`: `collect` with a journal, the tools and the verification. `over HTTP`: `usergym serve` in a process, and
/run posted by this one; the CPU time is of both.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from rich.console import Console
from rich.table import Table

from usergym.environments.workplace.world import Workplace
from usergym.models.providers import connect
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast, Limits, seat_model
from usergym.rollouts.store import Store
from usergym.types import Task

LATENCY = 0.05
CALLS = (
    ("email_search_emails", {"query": "update"}),
    ("calendar_search_events", {"query": "review"}),
    ("email_send_email", {"recipient": "a@b.c", "subject": "Hello", "body": "See you tomorrow."}),
)
LIMITS = {"in process": 3.0, "over HTTP": 8.0}
"""CPU-milliseconds a rollout that were promised."""


def completion(place: int) -> bytes:
    """The model's answer after so many tool results."""
    message: dict[str, Any] = {"role": "assistant", "content": "That is done."}
    if place < len(CALLS):
        name, arguments = CALLS[place]
        function = {"name": name, "arguments": json.dumps(arguments)}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": f"call_{place}", "type": "function", "function": function}],
        }
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if message["content"] is None else "stop"}
    usage = {"prompt_tokens": 4000, "completion_tokens": 30, "total_tokens": 4030}
    body = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "policy",
        "choices": [choice],
        "usage": usage,
    }
    return msgspec.json.encode(body)


async def model_server() -> None:
    from aiohttp import web

    answers = [completion(place) for place in range(len(CALLS) + 1)]
    result = re.compile(rb'"role": ?"tool"')

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        await asyncio.sleep(LATENCY)
        return web.Response(body=answers[len(result.findall(body))], content_type="application/json")

    runner = web.ServerRunner(web.Server(answer, access_log=None, keepalive_timeout=75))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.Event().wait()


@contextmanager
def process(*command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process, and the first line it prints."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout
        try:
            yield started, started.stdout.readline()
        finally:
            started.terminate()


async def bare(url: str, rollouts: int, in_flight: int) -> None:
    row = rows(100)[0]["responses_create_params"]
    tools = [
        {"type": "function", "function": {key: tool[key] for key in ("name", "description", "parameters")}}
        for tool in row["tools"]
    ]
    output = Workplace().start(tasks(100)[0]).office.call("email_search_emails", {"query": "update"})
    result = msgspec.json.encode({"output": output}).decode()
    left = iter(range(rollouts))

    async def work(session: aiohttp.ClientSession) -> None:
        for _ in left:
            messages = [{"role": item["role"], "content": item["content"]} for item in row["input"]]
            while True:
                body = msgspec.json.encode({"model": "policy", "messages": messages, "tools": tools})
                async with session.post(f"{url}/chat/completions", data=body) as response:
                    message = msgspec.json.decode(await response.read())["choices"][0]["message"]
                messages.append(message)
                if not message.get("tool_calls"):
                    break
                call_id = message["tool_calls"][0]["id"]
                messages.append({"role": "tool", "tool_call_id": call_id, "content": result})

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), headers={"Content-Type": "application/json"}
    ) as session:
        await asyncio.gather(*(work(session) for _ in range(in_flight)))


async def in_process(url: str, rollouts: int, in_flight: int) -> None:
    environment = Workplace()
    model = connect(f"{url}/policy")
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "run", {"what": "benchmark"}, {}, fresh=True)
        cast = Cast(seat_model(model), limits=Limits(replies=environment.max_replies))
        scored = 0
        async for group in collect(environment, tasks(rollouts), cast, concurrency=in_flight, store=store):
            scored += sum(each.reward() is not None for each in group)
        store.close()
    await model.close()
    assert scored == rollouts, f"{rollouts - scored} rollouts were lost"


@cache
def tasks(count: int) -> list[Task]:
    """Made before anything is measured, as they would come from a file."""
    return list(islice(Workplace().tasks(), count))


@cache
def rows(count: int) -> list[dict[str, Any]]:
    return [Workplace().to_row(task, number) for number, task in enumerate(tasks(count))]


async def over_http(url: str, rollouts: int, in_flight: int) -> None:
    """`url`: of an agent server."""
    bodies = [msgspec.json.encode(row) for row in rows(100)]
    left = iter(range(rollouts))
    scored = 0

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal scored
        for place in left:
            async with session.post(f"{url}/run", data=bodies[place % len(bodies)]) as response:
                body = await response.read()
                assert response.status == 200, body[:500]
                scored += isinstance(msgspec.json.decode(body, type=_Result).reward, float)

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), headers={"Content-Type": "application/json"}
    ) as session:
        await asyncio.gather(*(work(session) for _ in range(in_flight)))
    assert scored == rollouts, f"{rollouts - scored} rollouts were lost"


class _Result(msgspec.Struct):
    reward: float | None = None


@dataclass
class Measured:
    rate: float
    cpu_ms: float
    memory: float
    """MiB at most, of all processes that were counted."""


def measure(run: Callable[[], Awaitable[None]], rollouts: int, pid: int | None = None) -> Measured:
    """`pid`: another process whose CPU time and memory count too."""
    cpu, started = _cpu(pid), time.perf_counter()
    asyncio.run(run())  # type: ignore[arg-type]
    seconds = time.perf_counter() - started
    return Measured(
        rollouts / seconds, (_cpu(pid) - cpu) * 1000 / rollouts, _memory("self") + (_memory(pid) if pid else 0)
    )


def _cpu(pid: int | None) -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    mine = usage.ru_utime + usage.ru_stime
    if pid is None:
        return mine
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return mine + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int | str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


WAYS = {"bare": bare, "in process": in_process, "over HTTP": over_http}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rollouts")
    parser.add_argument("--way", choices=[*WAYS, "model server"], help="one way alone, in this process")
    parser.add_argument("--url", default="")
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--rollouts", type=int, default=100)
    parser.add_argument("--pid", type=int)
    options = parser.parse_args()
    if options.way == "model server":
        asyncio.run(model_server())
    elif options.way:
        run = WAYS[options.way]
        if options.way == "in process":
            tasks(options.rollouts)
        else:
            rows(100)
        asyncio.run(run(options.url, options.in_flight, options.in_flight))  # connections and caches
        once = measure(lambda: run(options.url, options.rollouts, options.in_flight), options.rollouts, options.pid)
        print(json.dumps({"rate": once.rate, "cpu_ms": once.cpu_ms, "memory": once.memory}))
    else:
        report(options.quick)


def report(quick: bool) -> None:
    table = Table(title="workplace rollouts: 4 model calls at 50 ms, 3 tool calls, 27 schemas")
    for column in ("in flight", "way", "rollouts/s", "of bare", "CPU-ms a rollout", "promised", "MiB"):
        table.add_column(column, justify="right")
    here = [sys.executable, __file__]
    with process(*here, "--way", "model server") as (_, line):
        model = line.strip()
        for in_flight in (32, 256, 1000):
            rollouts = max(in_flight, 320 if quick else 2000)
            rates: dict[str, float] = {}
            for way in WAYS:
                told = one(way, model, in_flight, rollouts)
                rates[way] = told["rate"]
                share = "" if way == "bare" else f"{told['rate'] / rates['bare']:.2f}"
                promised = f"{LIMITS[way]:g}" if way in LIMITS else ""
                cells = (f"{told['rate']:,.0f}", share, f"{told['cpu_ms']:.2f}", promised, f"{told['memory']:.0f}")
                table.add_row(str(in_flight), way, *cells)
    Console(width=110).print(table)


def one(way: str, model: str, in_flight: int, rollouts: int) -> dict[str, float]:
    """Measured in a process of its own, so that memory is of this way alone."""
    command = [sys.executable, __file__, "--way", way, "--in-flight", str(in_flight), "--rollouts", str(rollouts)]
    if way != "over HTTP":
        return _told([*command, "--url", model])
    serve = [sys.executable, "-m", "usergym", "serve", "--env", "workplace", "--model", f"{model}/policy"]
    with process(*serve, "--port", "0", "--json") as (server, line):
        agent = next(each["url"] for each in json.loads(line)["servers"] if each["kind"] == "agent")
        return _told([*command, "--url", agent, "--pid", str(server.pid)])


def _told(command: list[str]) -> dict[str, float]:
    told: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return told


if __name__ == "__main__":
    main()
