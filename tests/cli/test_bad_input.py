import json
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli.terminal import command, environment, mock_server, until, usergym
from usergym.rollouts.store import read_trajectories


def conversations(folder: Path, n: int = 6) -> Path:
    usergym(folder, "generate", "calendar", "--n-samples", n, "--n-events", 3, "--output", "c.jsonl")
    return folder / "c.jsonl"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda line: line[:-20], "not JSON"),
        (lambda line: json.dumps({k: v for k, v in json.loads(line).items() if k != "user_prompts"}), "user_prompts"),
        (lambda line: json.dumps(json.loads(line) | {"expected_calendar_states": 7}), "expected_calendar_states"),
        (lambda line: "[1, 2]", "JSON object"),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_field_or_skipped_and_counted(
    tmp_path: Path, damage: object, told: str
) -> None:
    path = conversations(tmp_path)
    lines = path.read_text().splitlines()
    lines[2] = damage(lines[2])  # type: ignore[operator]
    path.write_text("\n".join(lines) + "\n")
    done = usergym(tmp_path, "rollout", "--tasks", "c.jsonl", "--model", "oracle", fails=True)
    assert "c.jsonl:3" in done.stderr
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    done = usergym(tmp_path, "rollout", "--tasks", "c.jsonl", "--model", "oracle", "--skip-bad")
    assert "1 bad row skipped" in done.stdout
    assert "c.jsonl:3" in done.stdout
    assert "5/5" in done.stdout


def test_an_expected_constraint_that_cannot_be_read_is_unscored_and_never_zero(tmp_path: Path) -> None:
    path = conversations(tmp_path)
    row = json.loads(path.read_text().splitlines()[0])
    for state in row["expected_calendar_states"]:
        for event in state.values():
            event["constraint"] = "whenever the moon is full"
    path.write_text(json.dumps(row) + "\n")
    usergym(tmp_path, "rollout", "--tasks", "c.jsonl", "--model", "oracle", "--out", "run", fails=True)
    (played,) = read_trajectories(tmp_path / "runs/run")
    assert played.reward() is None
    assert "whenever the moon is full" in played.rewards[0].reason


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--n-events", 99), "12"),
        (("--min-time", 605), "15"),
        (("--min-time", 900, "--max-time", 600), "900"),
        (("--n-samples", 0), "--n-samples"),
    ],
)
def test_what_cannot_be_generated_is_refused_before_any_call(tmp_path: Path, arguments: tuple, told: str) -> None:
    done = usergym(tmp_path, "generate", "calendar", "--model", "http://127.0.0.1:9/v1/m", *arguments, fails=True)
    assert told in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_endpoint_that_is_not_there_is_one_line_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    done = usergym(tmp_path, "rollout", "--model", "http://127.0.0.1:9/v1/m", fails=True)
    assert time.monotonic() - started < 5
    assert "http://127.0.0.1:9/v1" in done.stderr
    assert "mock-llm" in done.stderr
    assert "Run the same command again" in done.stderr


def test_a_missing_key_is_one_line_that_names_the_variable(tmp_path: Path) -> None:
    done = usergym(tmp_path, "rollout", "--model", "openai/gpt-4o-mini", fails=True)
    assert "OPENAI_API_KEY" in done.stderr


def test_a_refused_key_stops_the_run_and_is_written_nowhere(tmp_path: Path) -> None:
    with mock_server("--key", "right") as url:
        done = usergym(
            tmp_path, "rollout", "--model", "m", "--endpoint", "openai", fails=True, OPENAI_BASE_URL=url,
            OPENAI_API_KEY="sk-wrong-9f3a",
        )  # fmt: skip
    assert "401" in done.stderr
    everything = done.stdout + done.stderr + "".join(p.read_text() for p in tmp_path.rglob("*") if p.is_file())
    assert "sk-wrong-9f3a" not in everything


def test_a_budget_ends_the_run_cleanly_and_it_goes_on(tmp_path: Path) -> None:
    with mock_server() as url:
        run = ("rollout", "--env", "calendar:until=end", "--model", f"{url}/m", "--limit", 6, "--out", "run")
        stopped = usergym(tmp_path, *run, "--max-requests", 20, fails=True)
        assert stopped.returncode == 3
        assert "20" in stopped.stderr
        usergym(tmp_path, *run)
        calls = json.load(urlopen(url.replace("/v1", "/stats")))["requests"]
    played = list(read_trajectories(tmp_path / "runs/run"))
    assert len(played) == 6
    assert calls == sum(t.usage("assistant").calls for t in played)


def test_another_configuration_under_the_same_name_is_refused(tmp_path: Path) -> None:
    usergym(tmp_path, "rollout", "--model", "oracle", "--limit", 2, "--out", "run")
    done = usergym(tmp_path, "rollout", "--model", "idle", "--limit", 2, "--out", "run", fails=True)
    assert 'model.name was "oracle", now "idle"' in done.stderr
    usergym(tmp_path, "rollout", "--model", "idle", "--limit", 2, "--out", "run", "--fresh")


def test_a_wrong_name_lists_the_right_ones(tmp_path: Path) -> None:
    assert "calendar" in usergym(tmp_path, "rollout", "--env", "chess", fails=True).stderr
    assert "mode" in usergym(tmp_path, "rollout", "--env", "calendar:colour=red", fails=True).stderr
    assert "vllm" in usergym(tmp_path, "rollout", "--model", "gpt-4o", fails=True).stderr


@pytest.mark.parametrize("faults", [("--error-rate", 0.1), ("--malformed-rate", 0.1), ("--drop-rate", 0.1)])
def test_faults_of_a_server_are_retried_and_cost_no_reward(tmp_path: Path, faults: tuple) -> None:
    with mock_server(*faults, "--truncate-rate", 0.05, "--rate-limit", 0.05, "--retry-after", 0.1) as url:
        usergym(tmp_path, "rollout", "--env", "calendar:until=end", "--model", f"{url}/m", "--limit", 5, "--out", "run")
    played = list(read_trajectories(tmp_path / "runs/run"))
    assert [t.error for t in played] == [None] * 5
    assert {t.reward() for t in played} == {0.0}


def test_an_outage_is_a_failure_and_not_a_zero(tmp_path: Path) -> None:
    with mock_server("--error-rate", 1.0) as url:
        done = usergym(
            tmp_path, "rollout", "--model", f"{url}/m", "--limit", 3, "--retries", 0, "--out", "run", fails=True
        )
    assert "3 unavailable" in done.stdout
    assert "not scored" in done.stdout
    assert not (tmp_path / "runs/run/trajectories.jsonl").read_text()


def test_ctrl_c_says_how_to_go_on_and_exits_130(tmp_path: Path) -> None:
    with mock_server("--latency", 0.05) as url:
        run = ("rollout", "--env", "calendar:until=end", "--model", f"{url}/m", "--limit", 30, "--out", "run")
        with subprocess.Popen(
            command(*run, "--concurrency", 8), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
        ) as child:
            kept = tmp_path / "runs/run/trajectories.jsonl"
            until(lambda: kept.exists() and kept.stat().st_size > 0, child)
            child.send_signal(signal.SIGINT)
            _, told = child.communicate(timeout=10)
        assert child.returncode == 130
        assert "Run the same command again" in told
        assert "Traceback" not in told
        usergym(tmp_path, *run)
    assert Counter(t.id for t in read_trajectories(tmp_path / "runs/run")).most_common(1)[0][1] == 1
    assert len(list(read_trajectories(tmp_path / "runs/run"))) == 30


def test_kill_9_of_generate_and_rollout_loses_nothing_and_pays_only_the_calls_in_flight_again(tmp_path: Path) -> None:
    random.seed(3)
    in_flight, kills = 6, 0
    with mock_server("--latency", 0.01) as url:
        verbs = (
            ("generate", "calendar", "--n-samples", 20, "--model", f"{url}/m", "--output", "c.jsonl"),
            ("rollout", "--env", "calendar:until=end", "--tasks", "c.jsonl", "--model", f"{url}/m", "--out", "run"),
        )
        for verb in verbs:
            while True:
                child = subprocess.Popen(
                    command(*verb, "--concurrency", in_flight), cwd=tmp_path, env=environment(),
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
                try:
                    assert child.wait(random.uniform(0.6, 1.2)) == 0
                    break
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
                    kills += 1
        calls = json.load(urlopen(url.replace("/v1", "/stats")))["requests"]
    assert kills >= 2
    made = list(read_trajectories(tmp_path / "c.jsonl.run"))
    played = list(read_trajectories(tmp_path / "runs/run"))
    assert sorted(t.id for t in made) == sorted({t.id for t in made})
    assert sorted(t.id for t in played) == sorted({t.id for t in played})
    assert len(made) == len(played) == len((tmp_path / "c.jsonl").read_text().splitlines()) == 20
    paid = sum(t.usage().calls for t in made + played)
    assert paid <= calls <= paid + kills * in_flight


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("rollout", "--limit", 0), "--limit"),
        (("rollout", "--offset", -2), "--offset"),
        (("rollout", "--deadline", "nan"), "--deadline"),
        (("rollout", "--retries", -1), "--retries"),
        (("rollout", "--max-seconds", 0), "--max-seconds"),
        (("rollout", "--tasks", "nope.jsonl"), "nope.jsonl"),
        (("rollout", "--tasks", "c.jsonl", "--model", "oracle", "--output", "c.jsonl"), "different files"),
        (("check", "nope.jsonl"), "nope.jsonl"),
        (("convert", "nope.jsonl", "out.jsonl"), "nope.jsonl"),
        (("report", "runs/nope"), "runs/nope"),
        (("mock-llm", "--port", 99999), "99999"),
        (("mock-llm", "--error-rate", 5), "error_rate"),
        (("generate", "calendar", "--personas", "nope.jsonl", "--output", "new.jsonl"), "nope.jsonl"),
        (("generate", "nope.toml"), "nope.toml"),
        (("generate", "calendar", "--output", "c.jsonl"), "c.jsonl"),
        (("regrade", "nope.jsonl"), "nope.jsonl"),
        (("play", "chess"), "calendar"),
        (("envs", "chess"), "calendar"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, arguments: tuple, told: str) -> None:
    made = conversations(tmp_path, 2)
    before = made.read_bytes()
    (tmp_path / "c.jsonl.run/config.json").unlink()
    done = usergym(tmp_path, *arguments, fails=True)
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert made.read_bytes() == before


def test_a_key_refused_in_the_middle_stops_the_run_at_once(tmp_path: Path) -> None:
    calls = []

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls.append(1)
            number = len(calls)
            self.rfile.read(int(self.headers["Content-Length"]))
            # What is in flight beside the refusal takes longer than it takes a busy machine to read it.
            time.sleep(0 if number == 25 else 0.05 if number < 22 else 0.8)
            status, body = 200, b'{"choices":[{"message":{"role":"assistant","content":"hm"},"finish_reason":"stop"}]}'
            if number == 25:
                status, body = 401, b"{}"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1/m"
    run = ("rollout", "--env", "calendar:until=end", "--model", url, "--limit", 20, "--concurrency", 4, "--out", "run")
    done = usergym(tmp_path, *run, fails=True)
    server.shutdown()
    assert "401" in done.stderr
    assert done.returncode == 3
    assert len(calls) <= 25 + 4


def test_a_full_disk_is_told_with_path_and_remedy(tmp_path: Path) -> None:
    conversations(tmp_path, 40)
    usergym(tmp_path, "rollout", "--tasks", "c.jsonl", "--model", "oracle", "--out", "run")
    for verb in (
        ("export", "runs/run", "--n-val", 0, "--train", "t.json"),
        ("convert", "runs/run", "t.jsonl", "--to", "sharegpt"),
        ("report", "runs/run", "--output", "t.html"),
    ):
        limited = ["bash", "-c", 'trap "" XFSZ; ulimit -f 4; exec "$@"', "bash", *command(*verb)]
        done = subprocess.run(limited, cwd=tmp_path, env=environment(), capture_output=True, text=True)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "t." in done.stderr
        assert "room" in done.stderr
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]
