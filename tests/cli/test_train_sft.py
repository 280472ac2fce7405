"""`usergym train sft` as a person uses it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import usergym
from usergym.cli import main
from usergym.training import tiny

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")

FRUIT = ("apple", "plum", "pear", "fig", "melon", "grape", "lemon", "kiwi")


def rows() -> list[dict[str, Any]]:
    asked = {"role": "user", "content": "Which fruit is ripe?"}
    return [
        {
            "messages": [
                {**asked, "content": f"{asked['content']} {n}"},
                {"role": "assistant", "content": f"The {fruit}."},
            ]
        }
        for n, fruit in enumerate(FRUIT)
    ]


def written(path: Path, found: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [message["content"] for row in rows() for message in row["messages"]]
    sizes = {"hidden": 16, "layers": 1, "heads": 2, "vocabulary": 300, "context": 64}
    return tiny.make(tmp_path_factory.mktemp("tiny"), texts, **sizes)  # type: ignore[arg-type]


class Terminal:
    """Calls the command in this process, in a folder of its own."""

    def __init__(self, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str], folder: Path) -> None:
        self.patch = patch
        self.captured = captured
        patch.chdir(folder)
        patch.setenv("COLUMNS", "200")

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Exit status, stdout, stderr."""
        self.patch.setattr("sys.argv", ["usergym", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else int(left.code is not None)
        out, err = self.captured.readouterr()
        return status, out, err

    def fails(self, *arguments: object) -> str:
        status, _, err = self(*arguments)
        assert status == 1
        return err


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


def test_bad_input_is_one_line_before_anything_is_loaded(tmp_path: Path, model: Path) -> None:
    """In a process of its own, which would show what it imports by how long it takes."""
    written(tmp_path / "rows.jsonl", rows())
    silent = tmp_path / "silent"
    silent.mkdir()
    for path in model.iterdir():
        if path.name != "chat_template.jinja":
            (silent / path.name).write_bytes(path.read_bytes())

    def told(*arguments: object) -> str:
        return usergym(tmp_path, "train", "sft", *arguments, fails=True).stderr.strip()

    assert told("rows.jsonl", "--model", "nothing").startswith("error: no model 'nothing': give a folder of")
    assert told("rows.jsonl", "--model", "silent").endswith("has no chat template; give one with --chat-template FILE")
    assert not (tmp_path / "runs").exists()


def test_bad_input_is_one_line(terminal: Terminal, model: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", rows())
    written(tmp_path / "empty.jsonl", [])
    written(tmp_path / "mute.jsonl", [{"messages": [{"role": "user", "content": "Anybody?"}]}])
    written(tmp_path / "strange.jsonl", [{"messages": "none"}])

    def told(*arguments: object) -> str:
        return terminal.fails("train", "sft", *arguments, "--model", model)

    assert "error: no data given; give files or run folders" in told()
    assert "none.jsonl does not exist; give a file of conversations" in told("none.jsonl")
    assert "nothing to train on: the data holds no conversation" in told("empty.jsonl")
    assert "nothing to train on: left out are 1 no assistant turn" in told("mute.jsonl")
    assert "strange.jsonl:1" in told("strange.jsonl")
    assert "both hold out; give one of them" in told(file, "--validation", file, "--n-val", 2)
    assert "8 validation rows asked of 8" in told(file, "--n-val", 8)
    assert "no tracker 'mlflow'" in told(file, "--track", "mlflow")
    assert "--batch 3 cannot be cut" in told(file, "--batch", 3, "--micro-batch", 2)
    status, _, err = terminal("train", "sft", file, "--model", model, "--batch", 0)
    assert status != 0
    assert "--batch is 0; give 1 or more" in err
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_tells_what_would_be_done_and_does_nothing(terminal: Terminal, model: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", rows())
    status, out, _ = terminal("train", "sft", file, "--model", model, "--n-val", 2, "--dry-run", "--out", "it")
    assert status == 0
    for words in ("memory: about", "all weights, 3 steps of 16", "runs/it", "│ train      │ 6 ", "│ validation │ 2 "):
        assert words in out
    _, out, _ = terminal("train", "sft", file, "--model", model, "--dry-run", "--json", "--lora", "--steps", 7)
    told = json.loads(out)
    assert told["config"]["lora"] is True
    assert (told["steps"], told["train"]["rows"], told["train"]["left_out"]) == (7, 8, {})
    assert told["memory"] > 0
    assert not (tmp_path / "runs").exists()


def test_a_run_trains_is_refused_otherwise_and_reported(terminal: Terminal, model: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", rows())
    asked = ("train", "sft", file, "--model", model, "--n-val", 2, "--batch", 4, "--epochs", 2, "--out", "it")
    status, out, err = terminal(*asked, "--learning-rate", 0.01, "--track", "console,tensorboard")
    assert status == 0, err
    assert "the model is in runs/it/model" in out
    run = tmp_path / "runs" / "it"
    assert {"config.json", "metrics.jsonl", "curves.png", "model", "checkpoints", "tensorboard"} <= {
        path.name for path in run.iterdir()
    }
    assert "step 4/4  validation loss" in err
    assert "{'loss'" not in out + err

    assert "nothing was left to do" in terminal(*asked, "--learning-rate", 0.01)[2]
    assert "sft.learning_rate was 0.01, now 0.02" in terminal.fails(*asked, "--learning-rate", 0.02)
    assert "left out" in terminal("train", "sft", file, "--model", "runs/it", "--dry-run", "--out", "more")[1]

    assert terminal("report", "it", "--output", "page.html")[0] == 0
    page = (tmp_path / "page.html").read_text()
    assert "it: Loss" in page
    assert page.count("<svg") >= 3
