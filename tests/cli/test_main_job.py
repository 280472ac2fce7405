import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.terminal import ROOT, SHARED, environment, mock_server, usergym
from usergym.rollouts.store import read_trajectories


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    usergym(folder, "generate", "calendar", "--n-samples", 20, "--n-events", 4, "--output", "c.jsonl")
    usergym(folder, "rollout", "--tasks", "c.jsonl", "--model", "oracle", "--out", "oracle")
    usergym(folder, "rollout", "--tasks", "c.jsonl", "--model", "idle", "--out", "idle", "--repeats", 2)
    return folder


def test_generated_conversations_have_the_documented_fields_and_pass_the_check(made: Path) -> None:
    found = rows(made / "c.jsonl")
    assert len({row["sample_id"] for row in found}) == 20
    row = found[0]
    assert len(row["expected_calendar_states"]) == len(row["user_prompts"]) == len(row["user_intents"])
    assert len(row["events"]) == 4
    assert 0.6 <= row["smalltalk_factor"] <= 1
    assert "20 rows, 0 with something wrong" in usergym(made, "check", "c.jsonl").stdout


def test_a_json_output_is_one_list_of_the_same_conversations(made: Path) -> None:
    usergym(made, "generate", "calendar", "--n-samples", 20, "--n-events", 4, "--output", "c.json")
    listed = json.loads((made / "c.json").read_text())
    assert sorted(map(str, listed)) == sorted(map(str, rows(made / "c.jsonl")))


def test_the_oracle_earns_everything_and_idle_play_nothing(made: Path) -> None:
    for agent, reward, count in (("oracle", 1.0, 20), ("idle", 0.0, 40)):
        played = list(read_trajectories(made / "runs" / agent))
        assert [t.reward() for t in played] == [reward] * count
        metrics = json.loads((made / "runs" / agent / "metrics.json").read_text())
        assert metrics["mean"] == reward
        assert metrics["scored"] == count


def test_export_writes_the_documented_shape_split_by_task(made: Path) -> None:
    done = usergym(made, "export", "runs/oracle", "--n-val", 5, "--json")
    assert json.loads(done.stdout)["validation"] == 5
    train, validation = rows(made / "train.jsonl"), rows(made / "validation.jsonl")
    assert (len(train), len(validation)) == (15, 5)
    row = train[0]
    assert set(row) == {"responses_create_params", "exp_cal_state"}
    assert row["responses_create_params"]["input"][0]["role"] == "system"
    assert row["responses_create_params"]["input"][-1]["role"] == "user"
    assert row["responses_create_params"]["tools"] == []
    texts = {str(row["responses_create_params"]["input"]) for row in train}
    assert not texts & {str(row["responses_create_params"]["input"]) for row in validation}


def test_exported_rows_are_tasks_again(made: Path) -> None:
    usergym(made, "export", "runs/oracle", "--n-val", 5)
    usergym(made, "rollout", "--tasks", "train.jsonl", "--model", "oracle", "--out", "again")
    assert [t.reward() for t in read_trajectories(made / "runs/again")] == [1.0] * 15


@pytest.mark.parametrize("form", ["sft", "sharegpt", "verl"])
def test_other_training_formats(made: Path, form: str) -> None:
    done = usergym(made, "export", "runs/oracle", "--format", form, "--n-val", 0, "--train", f"{form}.jsonl")
    assert "20 rows" in done.stdout
    assert len(rows(made / f"{form}.jsonl")) == 20


def test_success_can_be_left_out(made: Path) -> None:
    usergym(made, "export", "runs/oracle", "--n-val", 0, "--train", "kept.jsonl")
    before = (made / "kept.jsonl").read_bytes()
    done = usergym(
        made, "export", "runs/oracle", "--exclude-success", "--n-val", 0, "--train", "kept.jsonl", fails=True
    )
    assert "20 success" in done.stderr
    assert (made / "kept.jsonl").read_bytes() == before


def test_regrading_a_run_gives_its_rewards_and_ids(made: Path) -> None:
    done = json.loads(usergym(made, "regrade", "runs/oracle", "--json").stdout)
    assert done["same"] == done["conversations"] == 20
    first, second = (
        {t.id: t for t in read_trajectories(made / "runs" / name)} for name in ("oracle", "oracle-regraded")
    )
    assert {key: t.rewards for key, t in first.items()} == {key: t.rewards for key, t in second.items()}


def test_convert_and_back_loses_nothing(made: Path) -> None:
    source = "runs/oracle/trajectories.jsonl"
    for form in ("sharegpt", "messages", "nemo_gym", "verl"):
        usergym(made, "convert", source, f"out.{form}.jsonl", "--to", form)
        usergym(made, "convert", f"out.{form}.jsonl", f"back.{form}.jsonl")
        assert sorted((made / f"back.{form}.jsonl").read_bytes().splitlines()) == sorted(
            (made / source).read_bytes().splitlines()
        )


def test_the_report_is_one_page(made: Path) -> None:
    usergym(made, "report", "runs/oracle", "runs/idle", "--output", "report.html")
    page = (made / "report.html").read_text()
    assert "oracle" in page
    assert "no_json_list" in page
    assert "https://" not in page.replace("http://www.w3.org", "").replace("https://www.w3.org", "")


@pytest.mark.skipif(not SHARED.exists(), reason="needs the recorded rollouts")
def test_recorded_rollouts_get_their_recorded_rewards(tmp_path: Path) -> None:
    data = SHARED / "data/nemo_gym"
    done = usergym(
        tmp_path,
        "regrade",
        data / "calendar_example_rollouts.jsonl",
        "--tasks",
        data / "calendar_example.jsonl",
        "--env",
        "calendar:mode=nemo_gym",
        "--json",
    )
    assert [outcome["now"] for outcome in json.loads(done.stdout)["outcomes"]] == [1, 0, 1, 0, 0]


def test_the_three_recipes_take_the_documented_flags(tmp_path: Path) -> None:
    def recipe(name: str, *arguments: str) -> None:
        program = ROOT / "recipes/calendar" / name
        with_url = environment(VLLM_BASE_URL=url)
        done = subprocess.run(
            [sys.executable, program, *arguments], cwd=tmp_path, env=with_url, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    with mock_server() as url:
        made = "--n-samples 6 --n-workers 10 --n-events 5 --min-time 600 --max-time 960 --model openai/gpt-4o-mini"
        out = "--endpoint vllm --ds-name generated --output ./data/synthetic_conversations.json"
        recipe("create_synth_conversations.py", *made.split(), *out.split())
        rolled = "--input ./data/synthetic_conversations.json --output ./data/rollouts.json --model Qwen/Qwen3-8B"
        recipe("generate_rollouts.py", *rolled.split(), "--n-workers", "50")
    graded = json.loads((tmp_path / "data/rollouts.json").read_text())
    assert {row["grade"] for row in graded} == {0}
    assert graded[0]["conversation"][0]["role"] == "system"
    files = "--input ./data/rollouts.json --output_train ./data/train.jsonl --output_val ./data/validation.jsonl"
    recipe("dataset_preprocess.py", *files.split(), "--n_val", "2", "--exclude_success")
    assert (len(rows(tmp_path / "data/train.jsonl")), len(rows(tmp_path / "data/validation.jsonl"))) == (4, 2)


def test_a_domain_file_is_generated_from(tmp_path: Path) -> None:
    usergym(tmp_path, "generate", ROOT / "examples/pharmacy.toml", "--n-samples", 12, "--output", "p.jsonl")
    made = rows(tmp_path / "p.jsonl")
    assert len(made) == 12
    assert [m["role"] for m in made[0]["conversation"][:3]] == ["system", "user", "assistant"]


def test_the_plan_is_printed_before_any_call(tmp_path: Path) -> None:
    done = usergym(
        tmp_path, "generate", "calendar", "--n-samples", 1000, "--model", "openai/gpt-4o-mini", "--plan", "--json"
    )
    plan = json.loads(done.stdout)
    (user,) = plan["speaking"]
    assert 15_000 < user["calls"] < 25_000
    assert user["cost"] > 0
    assert plan["disk_bytes"] > 0
    assert not list(tmp_path.iterdir())


def test_help_is_there_in_a_third_of_a_second_for_every_verb(tmp_path: Path) -> None:
    took = []
    for _ in range(5):
        started = time.perf_counter()
        usergym(tmp_path, "--help")
        took.append(time.perf_counter() - started)
    assert min(took) < 0.3
    from usergym.cli import VERBS

    for verb in VERBS:
        assert "Usage: usergym" in usergym(tmp_path, verb, "--help").stdout


def test_a_person_can_play_the_agent(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "usergym", "play", "calendar"],
        input="/help\nI see.\n",
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "no_json_list" in done.stdout


def test_sampling_of_generate_reaches_the_model_that_plays_the_user(tmp_path: Path) -> None:
    bodies = []

    class Recording(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Recording)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1/m"
    asked = ("--temperature", 0.6, "--top-p", 0.95, "--max-tokens", 77)
    usergym(tmp_path, "generate", "calendar", "--n-samples", 2, "--model", url, *asked, fails=True)
    server.shutdown()
    assert bodies
    assert all(body["temperature"] == 0.6 and body["top_p"] == 0.95 for body in bodies)
    assert all(77 in (body.get("max_tokens"), body.get("max_completion_tokens")) for body in bodies)
