"""`usergym train sdpo` as a person uses it: online and offline, killed, with users that fail, and given nonsense."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.cli.terminal import ROOT, command, environment
from tests.cli.train_commands import Run, train_command
from tests.training.orchards import steps
from tests.training.sdpo_runs import reader, signals
from usergym.training.teachers import FILE

__all__ = ["reader"]
pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked")

ORCHARD = "training.orchard:asks=3"
SMALL = (
    *("--prompts", 3, "--group", 2, "--micro-batch", 2, "--max-tokens", 12, "--max-length", 220, "--validation", 0),
    *("--learning-rate", 3e-3, "--patience", 60),
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    return train_command("sdpo", monkeypatch, capfd, tmp_path)


def tuples(path: Path, *rows: tuple[str, str, str]) -> Path:
    lines = [{"x": [{"role": "user", "content": x}], "y": y, "o": o, "meta": {}} for x, y, o in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def talk(path: Path) -> Path:
    """Two conversations without any ids."""
    lines = []
    for name in "ab":
        said = [("user", "Hello."), ("assistant", "Yes?"), ("user", f"I say {name}."), ("assistant", f"agreed {name}.")]
        lines.append(json.dumps({"messages": [{"role": role, "content": words} for role, words in said]}) + "\n")
    path.write_text("".join(lines))
    return path


FRUIT = [
    (f"tree-{n}. Which fruit is ripe?", fruit, f"No {fruit} for me.") for n, fruit in enumerate(["fig", "plum", "pear"])
]


class User(BaseHTTPRequestHandler):
    """A user over HTTP who says the same every time, and of every `fails` requests refuses one."""

    def do_POST(self) -> None:
        server: Any = self.server
        self.rfile.read(int(self.headers["Content-Length"]))
        with server.guard:
            server.asked += 1
            broken = server.fails and server.asked % server.fails == 0
        message = {"role": "assistant", "content": "Which fruit is ripe?"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        told = {"error": {"message": "out of order"}} if broken else {"id": "x", "model": "user", "choices": [choice]}
        body = json.dumps(told).encode()
        self.send_response(500 if broken else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


@contextmanager
def user(fails: int = 0) -> Iterator[str]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), User)
    server.asked, server.fails, server.guard = 0, fails, threading.Lock()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/user"
    finally:
        server.shutdown()
        server.server_close()


def test_a_user_who_always_says_the_same_is_told_of_once(reader: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "run"
    with user() as name:
        status, told = run(
            *("--envs", ORCHARD, "--model", reader, "--user-model", name, "--out", out, "--steps", 2, *SMALL)
        )
    assert status == 0, told
    assert told.count("reactions of a step are the same ('Which fruit is ripe?')") == 1
    assert "look at who plays the user" in told
    said = {step: [line for line in signals(out) if line["sample"] // 6 == step - 1] for step in (1, 2)}
    for step, share in steps(out, "sdpo/distinct_reactions").items():
        assert share == pytest.approx(1 / sum(not line["left_out"] for line in said[step]))


def test_two_small_steps_of_the_same_reaction_are_told_of_too(reader: Path, tmp_path: Path, run: Run) -> None:
    small = ("--prompts", 2, "--max-tokens", 24, "--max-length", 240, "--validation", 0, "--micro-batch", 2)
    with user() as name:
        arguments = ("--envs", "training.orchard:asks=2", "--model", reader, "--user-model", name, "--max-replies", 1)
        status, told = run(*arguments, "--steps", 4, "--out", tmp_path / "run", *small)
    assert status == 0, told
    assert told.count("reactions of") == 1
    assert "steps in a row are the same ('Which fruit is ripe?')" in told
    assert "look at who plays the user" in told


def test_recorded_reactions_that_are_all_alike_are_a_matter_of_the_data(reader: Path, tmp_path: Path, run: Run) -> None:
    data = tuples(tmp_path / "own.jsonl", *((x, y, "Thank you.") for x, y, _ in FRUIT))
    out = tmp_path / "run"
    status, told = run(data, "--model", reader, "--prompts", 2, "--epochs", 2, "--learning-rate", 1e-5, "--out", out)
    assert status == 0, told
    assert "all 4 reactions of 2 steps in a row are the same ('Thank you.')" in told
    assert "look at what stands in the data" in told
    assert "who plays" not in told


def test_where_nothing_is_generated_the_length_of_replies_does_not_matter(
    reader: Path, tmp_path: Path, run: Run
) -> None:
    data = tuples(tmp_path / "own.jsonl", *FRUIT)
    arguments = (data, "--model", reader, "--prompts", 2, "--max-length", 200)
    status, told = run(*arguments, "--out", tmp_path / "run")
    assert status == 0, told
    assert "trained 2 steps" in told
    status, told = run(*arguments, "--envs", ORCHARD, "--validation", 2, "--out", tmp_path / "other")
    assert status == 1
    assert "a conversation may have 200 tokens and one reply 256" in told


def test_a_folder_that_is_typed_with_a_separator_stays_where_it_points(reader: Path, tmp_path: Path, run: Run) -> None:
    data = tuples(tmp_path / "own.jsonl", *FRUIT)
    for typed, place in (("./here", "here"), ("there/", "there"), ("bare", "runs/bare"), ("a/b", "a/b")):
        arguments = (data, "--model", reader, "--prompts", 2, "--steps", 1, "--max-length", 200, "--out", typed)
        status, told = run(*arguments)
        assert status == 0, told
        assert (tmp_path / place / "model" / "config.json").exists(), typed
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["bare"]


def test_what_cannot_be_gone_on_from_is_named_with_a_remedy(reader: Path, tmp_path: Path, run: Run) -> None:
    data, out = tuples(tmp_path / "own.jsonl", *FRUIT), tmp_path / "run"
    arguments = (data, "--model", reader, "--prompts", 2, "--steps", 3, "--eval-every", 0, "--save-every", 1)
    arguments += ("--teacher", "ema", "--anchor", 0, "--out", out)  # type: ignore[assignment]
    status, told = run(*arguments)
    assert status == 0, told
    shutil.rmtree(out / "model")
    last, before = (out / "checkpoints" / f"checkpoint-{step}" for step in (3, 2))
    for name in ("model.safetensors", "optimizer.pt", FILE):
        whole = (last / name).read_bytes()
        (last / name).write_bytes(whole[: len(whole) // 2])
        status, told = run(*arguments)
        assert status == 1, told
        assert f"{last / name} is cut short or empty, so the run cannot go on from checkpoint-3; remove {last}" in told
        (last / name).write_bytes(whole)
    for name, line in (("signals.jsonl", '{"sample":9,"ta'), ("signals.jsonl", ""), ("metrics.jsonl", '{"step":"x"}')):
        whole = (out / name).read_bytes()
        (out / name).write_bytes(whole + f"{line}\n".encode())
        status, told = run(*arguments)
        assert status == 1, told
        place = f"{out / name}:{len(whole.splitlines()) + 1}: "
        assert place in told
        assert "take the line out" in told
        (out / name).write_bytes(whole)
    shutil.rmtree(last)
    status, told = run(*arguments)
    assert (status, "going on from step 2" in told) == (0, True), told
    assert before.exists()
    assert not [*out.glob("*.tmp")]


def test_an_outage_of_the_user_leaves_its_conversations_out_and_too_much_of_it_stops_the_run(
    reader: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "run"
    with user(fails=9) as name:
        arguments = ("--envs", ORCHARD, "--model", reader, "--user-model", name, "--retries", 0, *SMALL)
        status, told = run(*arguments, "--steps", 3, "--max-lost", 0.95, "--out", out)
        assert status == 0, told
        lost = steps(out, "lost/unavailable")
        assert lost
        assert "conversations are left out" in told
        played = [json.loads(line) for line in (out / "trajectories.jsonl").read_text().splitlines()]
        failed = {each["sample"] for each in played if each.get("error")}
        assert len(failed) == pytest.approx(6 * sum(lost.values()))
        assert {line["sample"] for line in signals(out)} == {*range(18)} - failed
        assert load_file(out / "model" / "model.safetensors")

        status, told = run(*arguments, "--steps", 3, "--max-lost", 0, "--out", tmp_path / "strict")
    assert status == 3, told
    assert "stopped after step 1: " in told
    assert "were lost" in told


def test_a_run_that_was_killed_comes_to_what_it_would_have_come_to_and_says_so_of_every_reply_once(
    reader: Path, tmp_path: Path, run: Run
) -> None:
    arguments = ["--envs", ORCHARD, "--model", reader, "--steps", 9, "--save-every", 2, "--teacher", "ema", *SMALL]
    arguments += ["--eval-every", 0]
    out = tmp_path / "broken"
    where = environment(PYTHONPATH=str(ROOT / "tests"), OMP_NUM_THREADS="1")
    start = command("train", "sdpo", *arguments, "--out", out)
    with subprocess.Popen(start, cwd=tmp_path, env=where, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        while not (out / "checkpoints" / "checkpoint-2" / "trainer_state.json").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.kill()
    with (out / "signals.jsonl").open("a") as file:
        file.write('{"sample": 3, "torn')
    status, told = run(*arguments, "--out", out)
    assert (status, "going on from step" in told) == (0, True), told
    status, _ = run(*arguments, "--out", tmp_path / "whole")
    assert status == 0
    for name in ("model/model.safetensors", f"checkpoints/checkpoint-8/{FILE}"):
        some, others = load_file(out / name), load_file(tmp_path / "whole" / name)
        assert all(each.equal(others[key]) for key, each in some.items()), name
    assert signals(out) == signals(tmp_path / "whole")
    replies = Counter((line["sample"], line["turn"]) for line in signals(out))
    assert max(replies.values()) == 1
    played = [json.loads(line) for line in (out / "trajectories.jsonl").read_text().splitlines()]
    assert [*replies] == [
        (each["sample"], place) for each in played for place, turn in enumerate(each["turns"]) if "tokens" in turn
    ]


def test_recorded_tuples_are_learned_from_as_often_as_it_is_asked(reader: Path, tmp_path: Path, run: Run) -> None:
    data = tuples(tmp_path / "own.jsonl", *FRUIT, ("Silent?", "Yes.", " "), ("Short?", "", "Say something."))
    out = tmp_path / "run"
    arguments: tuple[object, ...] = (
        data,
        "--model",
        reader,
        "--sdpo",
        "legacy-offline",
        "--prompts",
        2,
        "--max-tokens",
        12,
    )
    arguments += ("--learning-rate", 3e-3)
    status, told = run(*arguments, "--epochs", 2.5, "--out", out, "--json")
    assert status == 0, told
    assert json.JSONDecoder().raw_decode(told, told.index('{"model"'))[0]["steps"] == 5
    lines = signals(out)
    assert {line["template"] for line in lines} == {"improve"}
    assert Counter(line["reaction"] for line in lines) == {
        "No fig for me.": 3,
        "No plum for me.": 3,
        "No pear for me.": 2,
        "Say something.": 2,
    }
    assert not load_file(out / "model" / "model.safetensors")["model.embed_tokens.weight"].equal(
        load_file(reader / "model.safetensors")["model.embed_tokens.weight"]
    )
    status, told = run(*arguments, "--out", tmp_path / "other")
    assert status == 0
    assert "4 conversations to learn from; left out: 1 unanswered" in told
    assert "trained 2 steps" in told
    data.write_text(data.read_text().replace("plum", "kiwi"))
    status, told = run(*arguments, "--out", tmp_path / "other")
    assert status == 1
    assert "was trained with another configuration: recorded was " in told


def test_a_run_folder_is_learned_from_by_its_ids_and_held_out_tasks_are_played(
    reader: Path, tmp_path: Path, run: Run
) -> None:
    status, told = run("--envs", ORCHARD, "--model", reader, "--out", tmp_path / "online", "--steps", 1, *SMALL)
    assert status == 0, told
    arguments: tuple[object, ...] = (
        tmp_path / "online",
        "--model",
        reader,
        "--envs",
        ORCHARD,
        "--prompts",
        3,
        "--epochs",
        1,
    )
    arguments += (
        "--validation",
        2,
        "--eval-every",
        1,
        "--max-tokens",
        12,
        "--max-length",
        300,
        "--learning-rate",
        3e-3,
    )
    status, told = run(*arguments, "--dry-run")
    assert status == 0, told
    assert "recorded" in told
    assert ORCHARD in told
    status, told = run(*arguments, "--out", tmp_path / "offline")
    assert status == 0, told
    assert [*steps(tmp_path / "offline", "eval_reward")] == [0, *steps(tmp_path / "offline", "loss")]
    online = {(f"{line['task']}#{line['sample']}", line["turn"]): line for line in signals(tmp_path / "online")}
    again = [line for line in signals(tmp_path / "offline") if line["sample"] < 3 and "effect" in line]
    assert len(again) > 2
    for line in again:
        before = online[line["task"].partition(":")[2], line["turn"]]
        assert (line["reaction"], line["tokens"]) == (before["reaction"], before["tokens"])
        assert line["effect"] == pytest.approx(before["effect"], abs=1e-5)


def test_the_user_learns_from_what_the_agent_said_to_them(reader: Path, tmp_path: Path, run: Run) -> None:
    """What they said first is what the conversation was opened with."""
    data = talk(tmp_path / "talks.jsonl")
    status, told = run(data, "--model", reader, "--speaker", "user", "--prompts", 2, "--out", tmp_path / "run")
    assert status == 0, told
    assert [(line["turn"], line["reaction"]) for line in signals(tmp_path / "run")] == [
        (2, "agreed a."),
        (2, "agreed b."),
    ]


def test_a_dry_run_says_what_it_would_do_and_creates_nothing(reader: Path, tmp_path: Path, run: Run) -> None:
    data = tuples(tmp_path / "own.jsonl", *FRUIT)
    for arguments, told in (
        ((data, "--epochs", 3, "--prompts", 2), "5 steps of 2 tasks x 1 conversations"),
        (("--envs", ORCHARD), "100 steps of 16 tasks x 1 conversations"),
    ):
        before = sorted(tmp_path.iterdir())
        status, printed = run(*arguments, "--model", reader, "--dry-run", "--out", tmp_path / "run", "--max-tokens", 12)
        assert status == 0, printed
        assert told in printed
        assert "SDPO" in printed
        status, printed = run(
            *arguments, "--model", reader, "--dry-run", "--out", tmp_path / "run", "--json", "--max-tokens", 12
        )
        assert json.loads(printed)["config"]["template"] == "neutral"
        assert sorted(tmp_path.iterdir()) == before


def test_what_cannot_work_is_one_line_with_a_remedy_before_any_compute(reader: Path, tmp_path: Path, run: Run) -> None:
    data = tuples(tmp_path / "own.jsonl", *FRUIT)
    talks = talk(tmp_path / "talks.jsonl")
    silent = tuples(tmp_path / "silent.jsonl", ("Silent?", "Yes.", ""), ("Long?", "Yes.", "a" * 9000))
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    other = tmp_path / "other.jsonl"
    other.write_text('{"x": 3, "y": "no", "o": "no"}\n')
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in reader.iterdir():
        if "chat_template" not in path.name:
            (bare / path.name).write_bytes(path.read_bytes())
    config = json.loads((bare / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (bare / "tokenizer_config.json").write_text(json.dumps(config))
    online = ("--envs", ORCHARD, "--model", reader)
    offline = (data, "--model", reader, "--max-tokens", 12)
    for arguments, told in (
        (
            ("--model", reader),
            "neither data nor --envs given; give files of conversations, or where the policy shall play",
        ),
        ((*offline, "--group", 2), "--group is 2; a recorded reply has no siblings, so leave it out"),
        (
            (*offline, "--envs", ORCHARD, "--weights", 1),
            "--weights 1 says what is played in training, and with files of",
        ),
        ((talks, *offline[1:], "--envs", ORCHARD, "--speaker", "user"), "nobody plays the agent; give --agent-model"),
        ((*offline, "--cross-fit"), "--cross-fit compares the replies to one task, and --group is 1; give 2 or more"),
        ((*offline, "--epochs", 0), "--epochs is 0"),
        ((*offline, "--epochs", "inf"), "--epochs is inf; give a number"),
        ((*offline, "--epochs", "1e300"), "makes more than 1,000,000 steps; give fewer, or --steps"),
        ((*offline, "--epochs", 2, "--steps", 3), "--epochs 2 and --steps 3 both say how long it takes"),
        ((*offline, data), "own.jsonl is given twice; give it once"),
        (
            (*offline, "--user-model", "frozen"),
            "--user-model frozen is about what is played, and without --envs nothing",
        ),
        ((*offline, "--max-replies", 3), "--max-replies 3 is about what is played, and without --envs nothing"),
        ((*online, "--epochs", 2), "--epochs 2 is about files of conversations, and none is given"),
        ((*online, "--skip-bad"), "--skip-bad is about files of conversations, and none is given"),
        ((*online, "--top-k", 5), "--top-k 5 is of whole distributions; give --estimator topk with it"),
        ((*online, "--user-temperature", 0.5), "--user-temperature 0.5 is of the model that plays the user, and none"),
        ((data, "--model", bare), "has no chat template; give one with --chat-template FILE"),
        ((silent, "--model", reader), "nothing to train on: left out are 1 unanswered, 1 too_long"),
        ((empty, "--model", reader), "nothing to train on: the files hold no conversation"),
        ((other, "--model", reader), "other.jsonl:1"),
        ((tmp_path / "none.jsonl", "--model", reader), "none.jsonl"),
        ((*online, "--centring", "sibling"), "--centring sibling compares the replies to one task, and --group is 1"),
        ((*online, "--reward-weight", 1), "--reward-weight compares the replies to one task, and --group is 1"),
        ((*online, "--prompts", 1), "a step is of two conversations or more; give a larger --prompts"),
        (
            (*online, "--estimator", "full", "--control", "empty"),
            "--control, --gate, --signal-clip and --centring do not apply; leave them out, or give --estimator sampled",
        ),
        ((*online, "--estimator", "topk", "--anchor", 1), "has its own loss: --loss dapo or grpo, no --reward-weight"),
        ((*online, "--estimator", "full", "--beta", 0.1), "has its own loss: --loss dapo or grpo, no --reward-weight"),
        (
            (*online, "--estimator", "full", "--sdpo", "legacy-online"),
            "--sdpo legacy-online is of sampled tokens, and --estimator full is not; give one",
        ),
        (
            (*online, "--divergence", "jsd"),
            "--divergence jsd compares whole distributions; give --estimator topk or full",
        ),
        (
            (*offline, "--sdpo", "legacy-offline", "--updates", 2),
            "knows no importance weights, which --updates 2 needs",
        ),
        ((*online, "--ema-rate", 1), "--ema-rate is 1.0; give more than 0 and less than 1"),
        ((*online, "--gate", "inf"), "--gate is inf; give 0 or more"),
        (
            (*online, "--template", "kind"),
            "no hindsight template 'kind'; there are neutral, improve, critique, bare, or",
        ),
        (("--envs", "style:style=no_list", "--model", reader), "no_lists"),
        ((*online, "--teacher", "old"), "live"),
        ((*online, "--envs", "chess"), "no environment 'chess'; there are"),
    ):
        status, printed = run(*arguments, "--out", tmp_path / "run")
        assert status in (1, 2), (arguments, printed)
        assert told in " ".join(printed.split()), (arguments, printed)
        lines = [line for line in printed.splitlines() if line.strip()]
        assert len(lines) - ("conversations to learn from" in lines[0]) == 1 or status == 2, printed
    assert not (tmp_path / "run").exists()


def test_help_and_a_mistake_in_the_settings_do_not_wait_for_torch(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom usergym.cli import main\n"
        "for line in (['--help'], ['--envs', 'function', '--model', 'x', '--cross-fit'],\n"
        "             ['--envs', 'function', '--model', 'x'], ['nothing.jsonl', '--model', 'x']):\n"
        "    sys.argv = ['usergym', 'train', 'sdpo', *line]\n"
        "    try:\n        main()\n    except SystemExit as stop:\n        print('exit', stop.code)\n"
        "    if 'nothing.jsonl' not in line: print('torch' in sys.modules, 'transformers' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(("exit", "True", "False"))]
    assert "Traceback" not in done.stderr
    assert lines == ["exit 0", "False False", "exit 2", "False False", "exit 1", "False False", "exit 1"], (
        done.stdout + done.stderr
    )
