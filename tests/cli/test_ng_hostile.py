"""What ng_collect_rollouts makes of an agent server that is broken, or means harm."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.ng_terminal import calendar_row, ng, rows, written

RESPONSE = {"id": "r", "output": [], "object": "response"}
GOOD = {"response": RESPONSE, "reward": 0.5}


@contextmanager
def agent(*replies: bytes) -> Iterator[str]:
    """The URL of an agent server that answers the row of each index with its reply."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            row = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            payload = replies[row["_ng_task_index"]]
            self.send_response(200)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def collected(folder: Path, *replies: bytes, more: tuple[str, ...] = (), status: int = 0) -> str:
    written(folder / "in.jsonl", [calendar_row(n) for n in range(len(replies))])
    with agent(*replies) as url:
        given = ("+input_jsonl_fpath=in.jsonl", "+output_jsonl_fpath=out.jsonl", f"+agent_url={url}", *more)
        done = ng(folder, "collect_rollouts", *given, status=status)
    return done.stdout + done.stderr


def test_a_reply_in_many_lines_is_one_line_of_the_file(tmp_path: Path) -> None:
    pretty = json.dumps({**GOOD, "note": "two\nlines"}, indent=2).encode()
    collected(tmp_path, pretty, pretty.replace(b"\n", b"\r\n"), pretty.replace(b"\n", b"\r"), json.dumps(GOOD).encode())
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 4
    assert b"\r" not in (tmp_path / "out.jsonl").read_bytes()
    found = rows(tmp_path / "out.jsonl")
    assert [(row["_ng_task_index"], row["reward"]) for row in found] == [(n, 0.5) for n in range(4)]
    assert found[0]["note"] == "two\nlines"


@pytest.mark.parametrize("field", ["note", "usage", "response", "reward", "_ng_failure_class", "error"])
def test_a_reply_that_is_nested_too_deep_costs_that_rollout_alone(tmp_path: Path, field: str) -> None:
    def deep(levels: int) -> bytes:
        inner = b"[" * levels + b"]" * levels
        body = {"response": {**RESPONSE, "usage": {"x": "HERE"}}} if field == "usage" else {field: "HERE"}
        return json.dumps({**GOOD, **body}).encode().replace(b'"HERE"', inner)

    depths = (900, 980, 1000, 1100, 5000, 100_000)
    told = collected(tmp_path, json.dumps(GOOD).encode(), *(deep(levels) for levels in depths))
    found = rows(tmp_path / "out.jsonl")
    failed = rows(tmp_path / "out_failures.jsonl")
    assert found[0]["reward"] == 0.5
    assert len(found) + len(failed) == 1 + len(depths)
    assert {row["_ng_failure_class"] for row in failed} == {"malformed"}
    assert "malformed" in told
    ng(tmp_path, "viewer", "out.jsonl")


@pytest.mark.parametrize("number", [b"1e308", b"-1e308", b"1e400", b"1e9", b"NaN", b"Infinity", b"9" * 400, b'"1"'])
def test_a_reward_that_is_none_is_no_reward(tmp_path: Path, number: bytes) -> None:
    odd = json.dumps(GOOD).encode().replace(b"0.5", number)
    told = collected(tmp_path, json.dumps(GOOD).encode(), odd, odd)
    assert [row["reward"] for row in rows(tmp_path / "out.jsonl")] == [0.5]
    assert [row["_ng_failure_class"] for row in rows(tmp_path / "out_failures.jsonl")] == ["malformed"] * 2
    assert "failed: 2 malformed" in told


@pytest.mark.parametrize("number", [b"1e308", b"-1e308", b"9" * 400])
def test_numbers_without_bound_do_not_end_the_batch(tmp_path: Path, number: bytes) -> None:
    usage = b'{"response": {"usage": {"input_tokens": NN, "output_tokens": 1}}, "reward": 1, "score": NN, "cost": NN}'
    told = collected(tmp_path, *[usage.replace(b"NN", number)] * 2, json.dumps(GOOD).encode())
    assert (tmp_path / "out_aggregate_metrics.json").exists()
    assert "in out.jsonl" in told
    ng(tmp_path, "viewer", "out.jsonl")


@pytest.mark.parametrize("usage", ["x", [], 5, {"input_tokens": "x"}, {"input_tokens": -1}, {"a": {"b": [1e308]}}])
def test_a_usage_that_is_none_counts_nothing(tmp_path: Path, usage: object) -> None:
    collected(tmp_path, json.dumps({"response": {**RESPONSE, "usage": usage}, "reward": 1}).encode())
    assert rows(tmp_path / "out.jsonl")[0]["reward"] == 1
    assert ng(tmp_path, "viewer", "out.jsonl").stdout.count("0 tokens in, 0 out") == 1


def test_a_file_of_somebody_elses_with_a_reward_that_is_none_is_shown(tmp_path: Path) -> None:
    written(tmp_path / "out.jsonl", [{**GOOD, "reward": 1e308}] * 3 + [GOOD])
    assert "mean reward 0.500; 3 unscored" in ng(tmp_path, "viewer", "out.jsonl").stdout


EVIL = "\x1b]0;owned\x07\x1b[31mred\x9b2J\rover\x08\u202e"


def test_what_a_server_says_cannot_drive_the_terminal(tmp_path: Path) -> None:
    failure = {"_ng_failure_class": EVIL + "class", "_ng_failure_message": EVIL, "error": EVIL}
    shown = {
        "response": {**RESPONSE, "output": [{"type": "message", "role": "assistant", "content": f"{EVIL} said"}]},
        "reward": 1.0,
        "category": EVIL,
        "reward_reason": EVIL,
    }
    told = collected(tmp_path, *[json.dumps(each).encode() for each in (failure, shown, {**shown, "category": "b"})])
    told += ng(tmp_path, "viewer", "out.jsonl").stdout
    told += ng(tmp_path, "viewer", "out.jsonl", "+row=1").stdout
    assert "class" in told
    assert "\\x1b[31mred" in told
    assert not [sign for sign in told if not sign.isprintable() and sign != "\n"]


def test_an_unbounded_number_of_rollouts_is_refused_at_once(tmp_path: Path) -> None:
    for repeats in ("1000000000000", "10000001", "9" * 30):
        told = collected(tmp_path, json.dumps(GOOD).encode(), more=(f"+num_repeats={repeats}",), status=1)
        assert "more than the 10,000,000 rollouts of one batch; lower +num_repeats" in told
        assert [each.name for each in tmp_path.iterdir()] == ["in.jsonl"]
