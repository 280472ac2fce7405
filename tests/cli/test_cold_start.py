"""`usergym train cold-start`: play, keep, export, train, each taken up where it stopped."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.test_train_sft import Terminal
from usergym.cli.train_cold_start import Teaching, choose
from usergym.environments.base import load
from usergym.models import tool_text
from usergym.models.chat_format import tools_to_chat
from usergym.rollouts.store import read_trajectories
from usergym.training import tiny
from usergym.types import Failure, Message, Reward, Task, Trajectory, Turn

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")

SPEC = "intention:actions=native"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fixed = []
    for spec in (SPEC, "function"):
        environment = load(spec)
        world = environment.start(next(environment.tasks("train")))
        fixed += [world.system, tool_text.instructions(world.tools("assistant"))]
    sizes = {"hidden": 16, "layers": 1, "heads": 2, "vocabulary": 300, "context": 4096}
    return tiny.make(tmp_path_factory.mktemp("tiny"), fixed, fixed=fixed, **sizes)  # type: ignore[arg-type]


def test_one_command_plays_keeps_and_trains(terminal: Terminal, model: Path, tmp_path: Path) -> None:
    asked = ("train", "cold-start", "--envs", SPEC, "function", "--model", model, "--tasks-per-env", 6, "--top-k", 4)
    asked += ("--n-val", 2, "--steps", 2, "--batch", 2, "--micro-batch", 1, "--repeats", 2, "--out", "cold")
    status, out, err = terminal(*asked, "--dry-run")
    assert status == 0, err
    run = tmp_path / "runs" / "cold"
    kept = {each["env"]: each for each in json.loads((run / "kept.json").read_text())}
    assert [kept[env]["played"] for env in (SPEC, "function")] == [12, 12]
    assert {each["kept"] for each in kept.values()} == {4}
    assert kept[SPEC]["left_out"] == {"not among the best 4": 8}
    assert kept["function"]["left_out"] == {"said before": 6, "not among the best 4": 2}
    assert not (run / "model").exists()

    rows = [json.loads(line) for name in ("sft", "sft_validation") for line in (run / f"{name}.jsonl").open()]
    assert len(rows) == 8
    environment = load(SPEC)
    played = {each.id: each for each in read_trajectories(run / "collect" / "intention-actions=native")}
    world = environment.start(next(iter(played.values())).task)
    row = next(row for row in rows if row["messages"][0]["content"] == world.system)
    assert row["tools"] == tools_to_chat(world.tools("assistant"))
    views = [[message.content for message in each.view("assistant")] for each in played.values()]
    assert [message["content"] or "" for message in row["messages"]] in views

    before = {path: path.read_bytes() for path in run.rglob("trajectories.jsonl")}
    status, out, err = terminal(*asked)
    assert status == 0, err
    assert "the model is in runs/cold/model" in out
    assert {path: path.read_bytes() for path in before} == before

    shutil.rmtree(run / "model")
    shutil.rmtree(run / "checkpoints" / "checkpoint-2")
    assert "validation loss" in terminal(*asked)[1]
    assert "nothing was left to do" in terminal(*asked)[2]
    assert "was made with another configuration" in terminal.fails(*asked, "--max-replies", 1)


def test_a_cold_start_without_anything_to_learn_is_one_line(terminal: Terminal, model: Path) -> None:
    asked = ("train", "cold-start", "--envs", "function", "--model", model, "--tasks-per-env", 3)
    assert "nothing to learn from: of what was played, 3 earned too little" in terminal.fails(
        *asked, "--teacher", "idle"
    )
    assert "no environment 'chess'" in terminal.fails("train", "cold-start", "--envs", "chess", "--model", model)
    assert "no model 'nothing'" in terminal.fails("train", "cold-start", "--envs", "function", "--model", "nothing")


def conversation(name: str, reward: float | None, words: str = "Hello.", error: Failure | None = None) -> Trajectory:
    task = Task(name, "it", group=name.partition("-")[0])
    turns = [Turn("user", Message("assistant", "Well?")), Turn("assistant", Message("assistant", words))]
    return Trajectory(task, 0, 0, turns=turns, rewards=[Reward("score", reward)], error=error)


def teaching(top_k: int | None = None, min_reward: float | None = None) -> Teaching:
    return Teaching("oracle", None, None, 9, 1, top_k, min_reward, 0, 1, None, True)


def test_the_best_are_kept_and_everything_else_is_counted() -> None:
    played = [
        conversation("a-1", 0.5),
        conversation("a-2", 0.5),
        conversation("b", 0.5),
        conversation("c", 1.0, "Good day."),
        conversation("d", 0.0),
        conversation("e", None),
        conversation("f", 1.0, error=Failure("user", "gone")),
        conversation("g", 1.0, ""),
    ]
    kept = choose("it", played, teaching(top_k=2))
    assert kept.kept[0].task.id == "c"
    assert [each.reward() for each in kept.kept] == [1.0, 0.5]
    assert dict(kept.left_out) == {
        "said before": 1,
        "earned too little": 1,
        "not scored": 1,
        "failed": 1,
        "nothing said": 1,
        "not among the best 2": 1,
    }
    assert choose("it", reversed(played), teaching(top_k=2)).kept == kept.kept
    assert [each.task.id for each in choose("it", played, teaching(min_reward=1.0)).kept] == ["c"]
