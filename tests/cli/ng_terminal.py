"""The `ng_` commands in processes of their own, talking over real sockets."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.terminal import environment

CALENDAR = (
    "+config_paths=[responses_api_models/openai_model/configs/openai_model.yaml,"
    "resources_servers/calendar/configs/calendar.yaml]"
)


def command(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "usergym.cli.ng", name, *map(str, arguments)]


def ng(folder: Path, name: str, *arguments: object, status: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(name, *arguments), cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == status, done.stdout + done.stderr
    return done


class Running:
    """An `ng_run`, and where its head listens."""

    def __init__(self, process: subprocess.Popen[str], said: str) -> None:
        self.process = process
        self.said = said
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said[said.index("head_server") :])
        assert found
        self.port = int(found[1])
        self.head = f"+head_server.port={self.port}"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def ng_run(folder: Path, *arguments: object, port: int = 0, **more: str) -> Iterator[Running]:
    with subprocess.Popen(
        command("run", *arguments, f"+head_server.port={port}"),
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        said = ""
        try:
            while "ready in" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            yield Running(process, said)
        finally:
            process.terminate()


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(path: Path, found: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return path


def calendar_row(number: int = 0, **more: object) -> dict:
    """A task of one event."""
    event = {"event_id": 0, "duration": 30, "constraint": None, "min_time": "10:00", "max_time": "16:00"}
    asked = [
        {"role": "system", "content": "Keep the calendar."},
        {"role": "user", "content": f"Please add a meeting of 30 minutes with team {number} [0]."},
    ]
    return {"responses_create_params": {"input": asked, "tools": []}, "exp_cal_state": {"0": event}, **more}
