"""The command line as a person uses it: real processes, and a real mock server for them to talk to."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "usergym", *map(str, arguments)]


def environment(**more: str) -> dict[str, str]:
    """Without the keys and endpoints of whoever runs the tests."""
    kept = {key: value for key, value in os.environ.items() if "API_KEY" not in key and "BASE_URL" not in key}
    return {**kept, "COLUMNS": "200", "NO_COLOR": "1", **more}


def until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Waits for something that a process does while it runs."""
    ends = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends
        time.sleep(0.02)


def usergym(folder: Path, *arguments: object, fails: bool = False, **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*arguments), cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done


@contextmanager
def mock_server(*arguments: object) -> Iterator[str]:
    """The URL of a `usergym mock-llm` in a process of its own, ending in /v1."""
    with subprocess.Popen(command("mock-llm", "--port", 0, *arguments), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().split()[1]
        finally:
            server.terminate()
