"""`usergym train grpo` as a person uses it: killed, interrupted, left without its user, and given nonsense."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import ROOT, command, environment, until
from tests.cli.train_commands import Run, train_command
from tests.training.orchards import metrics, steps
from tests.training.policies import policy

__all__ = ["policy"]
pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked")

ORCHARD = "training.orchard:asks=2"
SMALL = (
    *("--prompts", 2, "--group", 4, "--micro-batch", 4, "--max-tokens", 12, "--max-length", 220),
    *("--learning-rate", 3e-3, "--patience", 60),
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    return train_command("grpo", monkeypatch, capfd, tmp_path)


def logged(out: Path, step: int) -> bool:
    return (out / "metrics.jsonl").exists() and step in steps(out)


def test_a_run_that_was_killed_and_interrupted_comes_to_what_it_would_have_come_to(
    policy: Path, tmp_path: Path, run: Run
) -> None:
    arguments = ["--envs", ORCHARD, "--model", policy, "--steps", 14, "--eval-every", 2, "--validation", 3, *SMALL]
    out = tmp_path / "broken"
    start = [*command("train", "grpo", *arguments, "--out", out)]
    where = environment(PYTHONPATH=str(ROOT / "tests"), OMP_NUM_THREADS="1")

    def started() -> subprocess.Popen[str]:
        return subprocess.Popen(start, cwd=tmp_path, env=where, stderr=subprocess.PIPE, text=True)

    with started() as process:
        until(lambda: logged(out, 3), process)
        process.kill()
    assert (out / "checkpoints" / "checkpoint-2" / "trainer_state.json").exists()
    with (out / "trajectories.jsonl").open("a") as file:
        file.write('{"task": {"id": "torn')
    with started() as process:
        until(lambda: logged(out, 6), process)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 130, told
    assert "going on from step" in told
    assert "interrupted. The same command goes on from checkpoint-" in told
    assert f"in {out / 'checkpoints'}." in told
    assert "Traceback" not in told

    status, told = run(*arguments, "--out", out, "--json")
    assert (status, "going on from step" in told) == (0, True)
    assert json.JSONDecoder().raw_decode(told, told.index('{"model"'))[0]["steps"] == 14

    status, _ = run(*arguments, "--out", tmp_path / "whole")
    assert status == 0
    for name in ("reward", "eval_reward", "loss", "completions/mean_length"):
        assert steps(out, name) == pytest.approx(steps(tmp_path / "whole", name)), name
    assert [line["step"] for line in metrics(out) if "reward" in line] == list(range(1, 15))
    words = [(tmp_path / name / "trajectories.jsonl").read_text().splitlines() for name in ("broken", "whole")]
    assert [_said(line) for line in words[0]] == [_said(line) for line in words[1]]
    status, told = run(*arguments, "--out", out)
    assert (status, "nothing was left to do" in told) == (0, True)


def _said(line: str) -> tuple[int, list[str]]:
    trajectory = json.loads(line)
    return trajectory["sample"], [turn["message"].get("content", "") for turn in trajectory["turns"]]


class Asks(BaseHTTPRequestHandler):
    """A user over HTTP, until `left` replies are given; then its port is closed."""

    def do_POST(self) -> None:
        server: Any = self.server
        self.rfile.read(int(self.headers["Content-Length"]))
        with server.guard:
            server.left -= 1
            left = server.left
        if left < 0:
            self.close_connection = True
            if left == -1:
                threading.Thread(target=lambda: (server.shutdown(), server.server_close())).start()
            return
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": "Which fruit is ripe?"},
            "finish_reason": "stop",
        }
        body = json.dumps({"id": "x", "object": "chat.completion", "model": "user", "choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


@contextmanager
def user(left: int, port: int = 0) -> Iterator[int]:
    """The port of a user who answers so often."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", port), Asks)
    server.left, server.guard = left, threading.Lock()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def test_a_user_who_dies_in_the_middle_stops_the_run_cleanly_and_it_goes_on_when_they_are_back(
    policy: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "run"
    with user(36) as port:
        arguments = (
            *("--envs", ORCHARD, "--model", policy, "--user-model", f"http://127.0.0.1:{port}/v1/user", "--out", out),
            *("--steps", 6, "--validation", 0, "--retries", 0, "--max-lost", 0.25, "--max-replies", 2, *SMALL),
        )
        status, told = run(*arguments)
    assert status == 3, told
    stopped = max(steps(out, "lost"))
    assert f"step {stopped}: " in told
    assert "conversations are left out" in told
    assert f"stopped after step {stopped}: " in told
    assert "Run the same command again to go on from there." in told
    lost = steps(out, "lost")
    assert lost[1] == 0
    assert lost[stopped] > 0.25
    assert (out / "checkpoints" / f"checkpoint-{stopped}" / "trainer_state.json").exists()

    status, told = run(*arguments)
    assert status == 3
    assert "stopped: " in told
    assert f"127.0.0.1:{port}" in told
    assert f"Checkpoints are in {out}. Run the same command again to go on from there." in told
    assert max(steps(out, "lost")) == stopped

    with user(10**6, port):
        status, told = run(*arguments)
    assert (status, f"going on from step {stopped}" in told) == (0, True), told
    assert [*steps(out, "lost")] == [1, 2, 3, 4, 5, 6]


def test_what_cannot_work_is_one_line_before_any_compute(policy: Path, tmp_path: Path, run: Run) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in policy.iterdir():
        if "chat_template" not in path.name:
            (bare / path.name).write_bytes(path.read_bytes())
    config = json.loads((bare / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (bare / "tokenizer_config.json").write_text(json.dumps(config))
    task = {"id": "tree-1", "env": "orchard"}
    (tmp_path / "own.jsonl").write_text(json.dumps(task) + "\n")
    (tmp_path / "held.jsonl").write_text(json.dumps({**task, "id": "tree-2", "group": "tree-1"}) + "\n")
    (tmp_path / "none.jsonl").write_text("")
    base = ("--envs", ORCHARD, "--model", policy, "--out", tmp_path / "run")
    for arguments, told in (
        (("--envs", ORCHARD, "--model", bare), "has no chat template; give one with --chat-template FILE"),
        (("--envs", ORCHARD, "--model", "nowhere"), "no model 'nowhere': give a folder of transformers files"),
        (("--envs", "chess", "--model", policy), "no environment 'chess'; there are"),
        (("--envs", f"{ORCHARD},held_out=true", "--model", policy), "has no training tasks"),
        ((*base, "--tasks", tmp_path / "none.jsonl"), "has no training tasks"),
        (
            (*base, "--tasks", tmp_path / "own.jsonl", "--validation-tasks", tmp_path / "held.jsonl"),
            "task tree-1 of training.orchard:asks=2 is in training, and its group 'tree-1' in validation",
        ),
        ((*base, "--weights", "1,x"), "expected numbers, one for each environment"),
        ((*base, "--weights", "inf"), "each must be more than 0"),
        ((*base, "--speaker", "judge"), "judges are not trained"),
        ((*base, "--learning-rate", "inf"), "--learning-rate is inf"),
        ((*base, "--weights", 1, 2), "--weights gives 2 numbers for 1 environments; give one for each"),
        ((*base, "--group", 1), "--group is 1; a conversation is judged by the others of its task"),
        (
            (*base, "--prompts", 3, "--group", 3, "--micro-batch", 8),
            "9 conversations a step (--prompts 3 x --group 3) cannot be cut",
        ),
        (
            (*base, "--max-tokens", 300),
            "a conversation may have 256 tokens and one reply 300; give a larger --max-length",
        ),
        ((*base, "--track", "paper"), "no tracker 'paper'; there are console, trackio, tensorboard, wandb"),
        (
            (*base, "--max-tokens", 12, "--micro-batch", 2**24, "--prompts", 2**21),
            "GiB are free; give --lora, a smaller --micro-batch",
        ),
        ((*base, "--speaker", "user"), "nobody plays the agent; give --agent-model"),
        ((*base, "--gamma", 1.5), "gamma is 1.5; give a number from 0 to 1"),
        ((*base, "--user-model", "gpt-4o"), "gpt-4o"),
    ):
        status, printed = run(*arguments)
        assert status in (1, 2), (arguments, printed)
        assert told in " ".join(printed.split()), (arguments, printed)
    assert not (tmp_path / "run").exists()


def test_a_dry_run_tells_the_settings_and_the_memory_and_writes_nothing(policy: Path, tmp_path: Path, run: Run) -> None:
    arguments = (
        "--envs",
        f"{ORCHARD},function",
        "--weights",
        1,
        3,
        "--model",
        policy,
        "--out",
        tmp_path / "run",
        *SMALL,
    )
    status, told = run(*arguments, "--dry-run")
    assert status == 0
    assert "25%" in told
    assert "memory: about 0." in told
    status, told = run(*arguments, "--dry-run", "--json")
    plan = json.loads(told)
    assert plan["envs"]["function"]["weight"] == 3
    assert (plan["conversations"], plan["accumulation"], plan["processes"]) == (8, 2, 1)
    assert 0 < plan["memory"] < plan["free"]
    assert plan["config"]["credit"]["preset"] == "usergym"
    assert not (tmp_path / "run").exists()


def test_help_and_a_mistake_in_the_settings_do_not_wait_for_torch(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom usergym.cli import main\n"
        "for line in (['--help'], ['--envs', 'function', '--model', 'x', '--group', '1'],\n"
        "             ['--envs', 'function', '--model', 'x']):\n"
        "    sys.argv = ['usergym', 'train', 'grpo', *line]\n"
        "    try:\n        main()\n    except SystemExit as stop:\n        print('exit', stop.code)\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(("exit", "True", "False"))]
    assert lines[-1] == "False False", done.stdout + done.stderr
    assert "no model 'x'" in done.stderr
