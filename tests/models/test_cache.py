"""Replies that were paid once: free, distinct by draw, and safe in their file."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from usergym.models.base import ModelError, Reply, StopRun
from usergym.models.cache import CachedModel
from usergym.models.fake import FakeModel
from usergym.models.http import HttpModel
from usergym.serving.mock_llm import MockOptions, MockServer
from usergym.types import Message, Sampling, Tokens, Tool, ToolCall, Usage

HELLO = [Message("user", "Hi")]


def counting(name: str = "m") -> FakeModel:
    """A model that never says the same twice."""
    made: list[int] = []

    def answer(*_: object) -> Reply:
        made.append(1)
        message = Message("assistant", f"reply {len(made)}", "why", (ToolCall("1", "f", "{"),))
        return Reply(message, Usage(5, 3, 1, 0.5, 1, 0.25), "tool_calls", Tokens.of([1, 2], [3], [-0.5]))

    return FakeModel(answer, name=name)


def play(model: FakeModel, path: Path, *requests: tuple[list[Message], tuple[Tool, ...], Sampling]) -> list[Reply]:
    async def run() -> list[Reply]:
        cached = CachedModel(model, path)
        replies = [await cached.reply(*request) for request in requests]
        await cached.close()
        return replies

    return asyncio.run(run())


def test_a_second_run_is_free_and_the_same(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "replies.sqlite"
    requests = [(HELLO, (), Sampling(seed=draw)) for draw in range(5)]
    first = play(counting(), path, *requests)
    model = counting()
    second = play(model, path, *requests)
    assert len(model.calls) == 0
    assert len({reply.message.content for reply in first}) == 5
    for paid, free in zip(first, second, strict=True):
        assert (free.message, free.tokens, free.finish) == (paid.message, paid.tokens, paid.finish)
        assert free.usage == Usage(5, 3, 1)


def test_whatever_changes_the_answer_changes_the_key(tmp_path: Path) -> None:
    tool = Tool("f", "", {})
    requests = [
        (HELLO, (), Sampling(seed=1)),
        (HELLO, (), Sampling(seed=2)),
        (HELLO, (), Sampling(0.5, seed=1)),
        (HELLO, (tool,), Sampling(seed=1)),
        ([*HELLO, Message("assistant", "x")], (), Sampling(seed=1)),
        ([Message("user", "Hi", "thought")], (), Sampling(seed=1)),
    ]
    path = tmp_path / "replies.sqlite"
    replies = play(counting(), path, *requests)
    assert len({reply.message.content for reply in replies}) == len(requests)
    other = counting("other")
    play(other, path, requests[0])
    assert len(other.calls) == 1


def test_the_same_request_again_is_answered_before_it_is_written(tmp_path: Path) -> None:
    first, second = play(counting(), tmp_path / "r", (HELLO, (), Sampling()), (HELLO, (), Sampling()))
    assert first.message == second.message
    assert (first.usage.calls, second.usage.calls) == (1, 0)


def test_a_failure_is_not_kept(tmp_path: Path) -> None:
    broken = FakeModel(lambda *_: "late", fail={0: ModelError("unavailable", "down")})
    with pytest.raises(ModelError):
        play(broken, tmp_path / "r", (HELLO, (), Sampling()))
    assert play(broken, tmp_path / "r", (HELLO, (), Sampling()))[0].message.content == "late"


def test_a_thousand_calls_at_once_against_a_server_are_free_the_second_time(tmp_path: Path) -> None:
    async def run() -> tuple[list[str], int]:
        async with MockServer(MockOptions(port=0, reply="computed", jitter=0.05)) as server:
            cached = CachedModel(HttpModel("m", server.url, name="x/m"), tmp_path / "r")
            replies = await asyncio.gather(*(cached.reply(HELLO, (), Sampling(seed=n)) for n in range(1000)))
            await cached.close()
            return [reply.message.content for reply in replies], server.stats.get("requests", 0)

    first, paid = asyncio.run(run())
    second, free = asyncio.run(run())
    assert first == second
    assert (len(set(first)), paid, free) == (1000, 1000, 0)


WRITER = """
import asyncio, sys
from usergym.models.cache import CachedModel
from usergym.models.fake import FakeModel
from usergym.types import Message, Sampling
async def main():
    cached = CachedModel(FakeModel(lambda m, t, s: f"reply {s.seed}", name="m"), sys.argv[1])
    seed = 0
    while True:
        seed += 1
        await cached.reply([Message("user", "Hi")], (), Sampling(seed=seed))
asyncio.run(main())
"""


def test_a_kill_leaves_a_file_that_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "r"
    kept = 0
    for _ in range(2):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
        deadline = time.monotonic() + 20
        while _rows(path) <= kept and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        assert _rows(path) > kept
        kept = _rows(path)
    file = sqlite3.connect(path)
    assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    file.close()
    unused = FakeModel(lambda *_: "asked again", name="m")
    (reply,) = play(unused, path, (HELLO, (), Sampling(seed=1)))
    assert reply.message.content == "reply 1"


def _rows(path: Path) -> int:
    if not path.exists():
        return 0
    file = sqlite3.connect(path, timeout=10)
    try:
        return int(file.execute("SELECT count(*) FROM replies").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        file.close()


def test_a_file_that_is_no_cache_stops_the_run_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, not a database " * 50)
    with pytest.raises(StopRun, match=r"notes\.txt.*another file"):
        CachedModel(counting(), path)
    assert path.read_text().startswith("these are my notes")


def test_a_damaged_row_is_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "r"
    play(counting(), path, (HELLO, (), Sampling()))
    file = sqlite3.connect(path)
    file.execute("UPDATE replies SET reply = x'c1'")
    file.commit()
    file.close()
    (reply,) = play(counting(), path, (HELLO, (), Sampling()))
    assert reply.usage.calls == 1
