"""`usergym serve` in a process of its own, and a client of NeMo Gym that finds its way through the head."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cli.terminal import command, environment, mock_server, usergym

STATE = {"0": {"event_id": 0, "duration": 60, "constraint": None, "min_time": "10:00", "max_time": "16:00"}}
ROW = {"id": 1, "responses_create_params": {"input": "Add x for one hour."}, "exp_cal_state": STATE}
ANSWER = '[{"event_id": 0, "event_name": "x", "start_time": "10:00", "duration": 60}]'


@contextmanager
def served(folder: Path, *arguments: object, **more: str) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """URLs by kind, and what was announced; ended as a person does, which must be clean."""
    program = command("serve", "--port", 0, "--json", *arguments)
    with subprocess.Popen(
        program, cwd=folder, env=environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.stderr.read())
        told = json.loads(line)
        try:
            yield {each["kind"]: each["url"] for each in told["servers"]}, told
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0, process.stderr.read()
        assert "Traceback" not in process.stderr.read()


def asked(url: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """Status, body and headers."""
    payload = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, payload, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read()), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), error.headers


def test_rows_are_played_and_verified_by_the_servers(tmp_path: Path) -> None:
    with mock_server("--text", ANSWER) as model, served(tmp_path, "--model", f"{model}/mock") as (urls, told):
        assert [each["name"] for each in told["servers"]] == [
            "head_server",
            "policy_model",
            "calendar",
            "calendar_simple_agent",
        ]
        assert all(asked(url)[:2] == (200, {"status": "ok"}) for url in urls.values())
        instances = asked(urls["head"] + "/server_instances")[1]
        agent = next(each["url"] for each in instances if each["process_name"] == "calendar_simple_agent")
        status, result, _ = asked(agent + "/run", ROW)
        assert (status, result["reward"], result["id"]) == (200, 1.0, 1)
        assert result["response"]["output"][0]["content"][0]["text"] == ANSWER
        status, _, headers = asked(urls["resources"] + "/seed_session", ROW)
        cookie = headers["Set-Cookie"].split(";")[0]
        assert asked(urls["resources"] + "/verify", result, Cookie=cookie)[1]["reward"] == 1.0
        config = asked(urls["head"] + "/global_config_dict_yaml")[1]
        assert "calendar_simple_agent:" in config


def test_a_token_is_wanted_and_no_secret_is_told(tmp_path: Path) -> None:
    options = ("--model", "vllm/some/model", "--token-variable", "GYM_TOKEN")
    with served(tmp_path, *options, GYM_TOKEN="t0ken", VLLM_API_KEY="sk-hidden-key") as (urls, _):
        assert asked(urls["head"])[0] == 200
        assert asked(urls["head"] + "/global_config_dict_yaml")[0] == 401
        status, config, _ = asked(urls["head"] + "/global_config_dict_yaml", Authorization="Bearer t0ken")
        assert status == 200
        assert "t0ken" not in config
        assert "hidden" not in config
        assert asked(urls["agent"] + "/run", ROW)[0] == 401


def test_a_model_that_is_not_there_fails_its_row_and_not_the_servers(tmp_path: Path) -> None:
    with served(tmp_path, "--model", "http://127.0.0.1:9/v1/none", "--retries", 0) as (urls, _):
        for _ in range(2):
            status, body, _ = asked(urls["agent"] + "/run", ROW)
            assert status in (502, 503)
            assert "reward" not in body
            assert "127.0.0.1:9" in body["error"]["message"]
        assert asked(urls["agent"])[0] == 200


def test_it_answers_within_a_second_of_the_command(tmp_path: Path) -> None:
    """The best of three, since this machine may be busy."""
    seconds = []
    for _ in range(3):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        begun = time.perf_counter()
        program = command("serve", "--model", "http://127.0.0.1:9/v1/none", "--port", port)
        with subprocess.Popen(program, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL) as process:
            try:
                while True:
                    try:
                        asked(f"http://127.0.0.1:{port}/")
                        break
                    except OSError:
                        assert time.perf_counter() - begun < 20
                        time.sleep(0.01)
                seconds.append(time.perf_counter() - begun)
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(10)
    assert min(seconds) < (3.0 if os.environ.get("PYTEST_XDIST_WORKER") else 1.5)


def test_what_is_wrong_with_the_command_is_one_line(tmp_path: Path) -> None:
    for arguments, words in (
        (("--host", "0.0.0.0"), "no token is set"),
        (("--token-variable", "NO_SUCH"), "NO_SUCH holds no token"),
        (("--env", "chess"), "no environment 'chess'"),
        (("--env", "calendar", "--env", "calendar:level=hard"), "two servers are called 'calendar'"),
        (("--port", "70000"), "give a port from 1 to 65535"),
        (("--max-steps", "0"), "--max-steps is 0; give 1 or more"),
    ):
        done = usergym(tmp_path, "serve", "--model", "http://127.0.0.1:9/v1/none", *arguments, fails=True)
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_two_environments_have_servers_of_their_own(tmp_path: Path) -> None:
    options = ("--env", "calendar", "--env", "calendar:level=hard", "--name", "one", "--name", "two")
    with served(tmp_path, "--model", "http://127.0.0.1:9/v1/none", *options) as (_, told):
        names = [each["name"] for each in told["servers"]]
        assert names[2:] == ["one", "one_simple_agent", "two", "two_simple_agent"]
        assert len({each["url"] for each in told["servers"]}) == 6
