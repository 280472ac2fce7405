import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli.terminal import ROOT, SHARED, command, environment, mock_server, usergym
from usergym.rollouts.store import read_trajectories

DATA = SHARED / "data" / "userrl"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Oracle and idle over three environments."""
    folder = tmp_path_factory.mktemp("eval")
    arguments = ("--envs", "calendar:level=easy,function", "workplace", "--model", "oracle", "idle", "--limit", 5)
    done = usergym(folder, "eval", *arguments, "--passes", 2, "--out", "both", "--beside", "published")
    return folder, done.stdout


def test_one_command_leaves_a_run_for_each_model_and_environment(evaluated: tuple[Path, str]) -> None:
    folder, printed = evaluated
    run = folder / "runs/both"
    for model in ("oracle", "idle"):
        for env in ("calendar-level=easy", "function", "workplace"):
            assert len(list(read_trajectories(run / model / env))) == 10
    assert "idle against oracle" in printed
    assert "arXiv 2509.19736" in printed


def test_the_numbers_are_those_of_the_conversations(evaluated: tuple[Path, str]) -> None:
    told = json.loads((evaluated[0] / "runs/both/metrics.json").read_text())
    scores = {(each["model"], each["env"]): each for each in told["scores"]}
    assert len(scores) == 6
    for (model, _), each in scores.items():
        assert each["score"]["mean"] == (1.0 if model == "oracle" else 0.0)
        assert (each["tasks"], each["conversations"], each["scored"]) == (5, 10, 10)
        assert each["pass_hat"]["2"] == each["score"]["mean"]
    assert scores["oracle", "function"]["userrl"]["mean"] == 1.0
    assert scores["oracle", "workplace"]["userrl"] is None
    compared = {each["env"]: each for each in told["comparisons"]["idle"]}
    assert compared["all"]["difference"]["mean"] == -1.0
    assert compared["all"]["p"] < 0.001
    assert len(told["published"]["models"]) == 15


def test_there_is_a_row_per_conversation_and_a_page_that_loads_nothing(evaluated: tuple[Path, str]) -> None:
    import pyarrow.parquet

    run = evaluated[0] / "runs/both"
    rows = pyarrow.parquet.read_table(run / "conversations.parquet").to_pylist()
    assert len(rows) == 60
    assert {row["env"] for row in rows} == {"calendar:level=easy", "function", "workplace"}
    assert all(row["score"] == float(row["model"] == "oracle") for row in rows)
    page = (run / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!https://arxiv\.org/abs/|#)', page)
    for words in ("Score by environment", "idle against oracle", "Gemini-2.5-Pro", "could show"):
        assert words in page


def test_the_same_command_again_plays_nothing_and_tells_the_same(evaluated: tuple[Path, str]) -> None:
    folder, _ = evaluated
    arguments = ("--envs", "calendar:level=easy,function", "workplace", "--model", "oracle", "idle", "--limit", 5)
    before = {path: path.read_bytes() for path in folder.rglob("trajectories.jsonl")}
    told = json.loads(usergym(folder, "eval", *arguments, "--passes", 2, "--out", "both", "--json").stdout)
    assert before == {path: path.read_bytes() for path in folder.rglob("trajectories.jsonl")}
    assert len(told["scores"]) == 6
    done = usergym(folder, "eval", *arguments, "--passes", 2, "--seed", 3, "--out", "both", fails=True)
    assert "seed was 0, now 3" in done.stderr


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (("--envs", "turtle", "--model", "oracle", "--limit", 5, "--passes", 2), "--envs was also function"),
        (("--envs", "all", "--model", "oracle", "--passes", 2), "--model was also idle"),
        (("--model", "oracle", "idle", "--limit", 5), "--passes was 2, now 1"),
        (("--model", "oracle", "idle", "--limit", 4, "--passes", 2), "--limit was 5, now 4"),
        (("--model", "oracle", "idle", "--limit", 5, "--passes", 2, "--data", "x"), "--data was None, now x"),
        (("--envs", "turtle", "--model", "oracle", "--limit", 5, "--fresh"), "--envs was also function"),
    ],
)
def test_an_evaluation_of_less_or_of_other_things_under_the_same_name_is_refused(
    evaluated: tuple[Path, str], other: tuple[object, ...], told: str
) -> None:
    folder, _ = evaluated
    kept = ("metrics.json", "report.html", "conversations.parquet")
    before = [(folder / "runs/both" / name).read_bytes() for name in kept]
    envs = () if "--envs" in other else ("--envs", "calendar:level=easy,function", "workplace")
    done = usergym(folder, "eval", *envs, *other, "--out", "both", fails=True)
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert before == [(folder / "runs/both" / name).read_bytes() for name in kept]
    assert not (folder / "runs/both/oracle/turtle").exists()


def test_more_under_the_same_name_is_added(tmp_path: Path) -> None:
    usergym(tmp_path, "eval", "--envs", "function", "--model", "oracle", "--limit", 2, "--out", "e")
    more = ("--envs", "function,calendar", "--model", "oracle", "idle", "--limit", 3, "--passes", 2, "--out", "e")
    told = json.loads(usergym(tmp_path, "eval", *more, "--json").stdout)
    assert [(each["tasks"], each["conversations"]) for each in told["scores"]] == [(3, 6)] * 4
    assert json.loads((tmp_path / "runs/e/metrics.json").read_text())["scores"] == told["scores"]


def test_what_has_no_name_is_named_after_its_models_and_environments(tmp_path: Path) -> None:
    for envs in ("function", "turtle", "userrl"):
        usergym(tmp_path, "eval", "--envs", envs, "--model", "oracle", "--limit", 1)
    names = {path.name for path in (tmp_path / "runs").iterdir()}
    assert names == {"eval-oracle-function", "eval-oracle-turtle", "eval-oracle-userrl"}


@pytest.mark.parametrize("flag", ["--passes", "--limit", "--max-replies", "--max-seconds"])
def test_a_number_that_cannot_be_is_a_wrong_flag_whatever_the_flag(tmp_path: Path, flag: str) -> None:
    done = usergym(tmp_path, "eval", "--envs", "function", "--model", "oracle", flag, 0, fails=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {flag} is 0")


def test_two_runs_are_compared_task_by_task(evaluated: tuple[Path, str]) -> None:
    folder, _ = evaluated
    done = usergym(folder, "eval", "compare", "runs/both/oracle", "both/idle", "--metric", "success", "--json")
    found = {each["env"]: each for each in json.loads(done.stdout)["comparisons"]}
    assert found["workplace"]["difference"]["tasks"] == 5
    assert found["workplace"]["p"] == 2 / 2**5
    assert "difference" in usergym(folder, "eval", "compare", "both/idle/function", "both/oracle").stdout
    wrong = usergym(folder, "eval", "compare", "both", "both/idle", fails=True)
    assert "idle, oracle" in wrong.stderr
    assert "no run" in usergym(folder, "eval", "compare", "nothing", "both/idle", fails=True).stderr


def test_a_failing_server_is_told_and_never_counted_as_zero(tmp_path: Path) -> None:
    with mock_server("--error-rate", 1.0) as url:
        arguments = ("--envs", "function,calendar", "--model", f"{url}/m", "--limit", 2, "--retries", 0)
        done = usergym(tmp_path, "eval", *arguments, "--out", "e", "--json", fails=True)
    told = json.loads(done.stdout)
    assert [each["score"] for each in told["scores"]] == [None, None]
    assert [each["errors"] for each in told["scores"]] == [{"unavailable": 2}, {"unavailable": 2}]
    assert told["averages"] == []
    tried = [len(path.read_text().splitlines()) for path in tmp_path.rglob("failures.jsonl")]
    assert tried == [6, 6], "each of two conversations three times"


def test_conversations_that_fail_now_and_then_are_tried_again(tmp_path: Path) -> None:
    with mock_server("--malformed-rate", 0.15, "--seed", 4, "--text", "I do not know.") as url:
        arguments = ("--envs", "function,calendar", "--model", f"{url}/m", "--limit", 12, "--retries", 0)
        done = usergym(tmp_path, "eval", *arguments, "--out", "e", "--json", "--max-replies", 2)
    told = json.loads(done.stdout)
    failures = sum(len(path.read_text().splitlines()) for path in tmp_path.rglob("failures.jsonl"))
    assert failures
    for each in told["scores"]:
        assert each["scored"] + sum(each["errors"].values()) == 12
        assert each["score"]["samples"] == each["scored"] >= 10


def test_a_killed_evaluation_goes_on_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    with mock_server("--latency", 0.15, "--text", "I do not know.") as url:
        arguments = ["eval", "--envs", "function,calendar", "--model", f"{url}/m", "--limit", 6, "--out", "k"]
        arguments += ["--concurrency", 3, "--max-replies", 2]
        stats = url.removesuffix("/v1") + "/stats"
        with subprocess.Popen(command(*arguments), cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL) as run:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and len(list(tmp_path.rglob("journal-*"))) < 2:
                time.sleep(0.02)
            time.sleep(0.7)
            os.kill(run.pid, signal.SIGKILL)
        finished = sum(len(list(read_trajectories(path.parent))) for path in tmp_path.rglob("trajectories.jsonl"))
        assert finished < 12
        told = json.loads(usergym(tmp_path, *arguments, "--json").stdout)
        asked = json.loads(urlopen(stats).read())["requests"]
    assert [each["scored"] for each in told["scores"]] == [6, 6]
    replies = sum(
        turn.usage.calls
        for path in tmp_path.rglob("trajectories.jsonl")
        for each in read_trajectories(path.parent)
        for turn in each.turns
        if turn.usage
    )
    assert replies <= asked <= replies + 3


def test_a_plan_counts_calls_and_asks_nobody(tmp_path: Path) -> None:
    arguments = ("--envs", "calendar,workplace", "--model", "openai/gpt-4o-mini", "--limit", 3, "--plan", "--json")
    told = json.loads(usergym(tmp_path, "eval", *arguments).stdout)
    (speaking,) = told["speaking"]
    assert told["conversations"] == 6
    assert speaking["calls"] > 6
    assert speaking["cost"] > 0
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--envs", "chess"), "no environment 'chess'"),
        (("--envs", "function,function"), "twice"),
        (("--model", "oracle", "oracle"), "comes twice"),
        (("--passes", "0"), "--passes is 0"),
        (("--envs", "function", "--data", "nowhere"), "nowhere"),
        (("--envs", "function:colour=blue"), "no option 'colour'"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    done = usergym(tmp_path, "eval", "--limit", 1, *([] if "--model" in arguments else ["--model", "oracle"]),
                   *arguments, fails=True)  # fmt: skip
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.skipif(not DATA.exists(), reason="published files are not here")
def test_published_tasks_are_played_from_their_files(tmp_path: Path) -> None:
    arguments = ("--envs", "function,intention", "--data", DATA, "--model", "oracle", "--out", "p", "--json")
    told = json.loads(usergym(tmp_path, "eval", *arguments).stdout)
    scores = {each["env"]: each for each in told["scores"]}
    assert (scores["function"]["tasks"], scores["intention"]["tasks"]) == (78, 40)
    assert scores["function"]["userrl"]["mean"] == 1.0
    most = scores["intention"]["userrl"]["mean"]
    assert most == pytest.approx(2.6775), "with a detail a question at most 2.68 can be earned"


@pytest.mark.skipif(not DATA.exists(), reason="published files are not here")
def test_rows_that_cannot_be_read_end_it_or_are_counted_and_listed(tmp_path: Path) -> None:
    arguments = ("eval", "--envs", "turtle", "--data", DATA, "--model", "idle", "--out", "p")
    assert "reward_model.title" in usergym(tmp_path, *arguments, fails=True).stderr
    done = usergym(tmp_path, *arguments, "--skip-bad", "--json")
    (scores,) = json.loads(done.stdout)["scores"]
    (skipped,) = re.findall(r"(\d+) bad rows skipped", done.stderr)
    assert scores["scored"] + int(skipped) == 48


def test_the_recipe_takes_the_documented_arguments(tmp_path: Path) -> None:
    words = "--model_name oracle --max_turns 16 --pass_k 1 --temperature 0 --envs function turtle --save_name out/r"
    done = subprocess.run(
        ["bash", ROOT / "recipes/userrl/eval.sh", *words.split(), "--limit", "3"],
        cwd=tmp_path,
        env=environment(PYTHON=command()[0], PROJECT_ROOT=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "out/r_results.json").read_text())
    assert {each["env"]: each["score"]["mean"] for each in told["scores"]} == {"function": 1.0, "turtle": 1.0}
