"""What a training run leaves, what it must find there again, and its curves."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from usergym.rollouts.store import RunRefused
from usergym.training import trackers
from usergym.training.curves import POINTS, curves, gathered, svgs, thinned
from usergym.training.record import CONFIG, METRICS, Record, read_metrics

CONFIGURED = {"model": "tiny", "sft": {"batch": 4, "rate": 1e-3}}


def config_of(folder: Path) -> Any:
    return json.loads((folder / CONFIG).read_text())


def started(folder: Path, **more: Any) -> Record:
    record = Record.start(folder, CONFIGURED, **more)
    record.close()
    return record


def test_a_run_tells_what_it_was_made_with(tmp_path: Path) -> None:
    started(tmp_path, settings={"out": tmp_path})
    told = config_of(tmp_path)
    assert told["identity"] == CONFIGURED
    (start,) = told["starts"]
    assert {"python", "usergym", "torch", "transformers", "trl", "numpy"} <= set(start["versions"])
    assert start["command"]
    assert start["code"] is None or set(start["code"]) == {"commit", "dirty"}


def test_a_run_goes_on_only_with_the_same_configuration(tmp_path: Path) -> None:
    started(tmp_path, settings={"keep": 2})
    started(tmp_path, settings={"keep": 3})
    assert len(config_of(tmp_path)["starts"]) == 2
    with pytest.raises(RunRefused, match=r"another configuration: sft.batch was 4, now 8. Give another --out, or"):
        Record.start(tmp_path, {"model": "tiny", "sft": {"batch": 8, "rate": 1e-3}})


def test_starting_over_removes_what_a_run_left_and_nothing_else(tmp_path: Path) -> None:
    record = started(tmp_path)
    record.log(1, {"loss": 1.0})
    for name in (
        "checkpoints/checkpoint-1/a",
        "model/config.json",
        "adapter/b",
        "curves.png",
        "notes.txt",
        "collect/c",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert record.done
    started(tmp_path, resume=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "collect", CONFIG, "notes.txt"]
    assert len(config_of(tmp_path)["starts"]) == 1


def test_two_processes_cannot_train_into_one_folder(tmp_path: Path) -> None:
    record = Record.start(tmp_path, CONFIGURED)
    with pytest.raises(RunRefused, match="another process is writing"):
        Record.start(tmp_path, CONFIGURED)
    record.close()
    started(tmp_path)


def test_a_folder_with_the_lines_of_a_run_but_no_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / METRICS).write_text("")
    with pytest.raises(RunRefused, match=r"holds a run but no config.json"):
        Record.start(tmp_path, CONFIGURED)
    (tmp_path / CONFIG).write_text("[]")
    with pytest.raises(RunRefused, match="is not of a training run"):
        Record.start(tmp_path, CONFIGURED)


def test_no_secret_reaches_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-0123456789")
    monkeypatch.setattr("sys.argv", ["usergym", "--base-url", "http://me:hidden@host/v1", "--flag", "sk-0123456789"])
    asked = {"url": "https://me:hidden@host/v1", "key": "sk-0123456789"}
    for _ in range(2):
        Record.start(tmp_path, asked).close()
    text = (tmp_path / CONFIG).read_text()
    assert "hidden" not in text
    assert "sk-0123456789" not in text
    assert "https://***@host/v1" in text


def test_lines_are_figures_only_and_those_after_a_checkpoint_are_dropped(tmp_path: Path) -> None:
    record = started(tmp_path)
    record.log(1, {"loss": 2.0, "kind": "text", "reward": float("nan")})
    record.log(2, {"loss": 1.5})
    record.log(3, {"loss": 1.0})
    record.rewind(2)
    first, second = read_metrics(tmp_path)
    assert (first["loss"], first["reward"], second["step"]) == (2.0, None, 2)
    assert "kind" not in first
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"step": 3, "lo')
    started(tmp_path)
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 2]


@pytest.mark.parametrize("line", ['{"step":"x"}', "", "5", '{"loss": 1}', "\0\0\0", '{"step": 2, "x": "\udcff"}'])
def test_a_line_that_is_none_is_named_with_its_place(tmp_path: Path, line: str) -> None:
    record = started(tmp_path)
    record.log(1, {"loss": 2.0})
    with (tmp_path / METRICS).open("ab") as file:
        file.write(f"{line}\n".encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=f"{tmp_path / METRICS}:2: .*; take the line out"):
        record.rewind(1)


def test_a_checkpoint_of_whose_tensors_a_part_is_gone_is_named_with_a_remedy(tmp_path: Path) -> None:
    record = started(tmp_path)
    folder = record.checkpoints / "checkpoint-4"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text("{}")
    save_file({"a": torch.ones(30), "b": torch.ones(3)}, folder / "model.safetensors", metadata={"format": "pt"})
    save_file({}, folder / "none.safetensors")
    torch.save({"state": torch.ones(30)}, folder / "optimizer.pt")
    assert record.latest() == folder
    for name in ("model.safetensors", "optimizer.pt"):
        whole = (folder / name).read_bytes()
        for torn in (whole[:-1], whole[: len(whole) // 2], whole[:3], b"", bytes(len(whole))):
            (folder / name).write_bytes(torn)
            with pytest.raises(ValueError, match=f"{name} is cut short .* from checkpoint-4; remove {folder} to go on"):
                record.latest()
        (folder / name).write_bytes(whole)
    assert record.latest() == folder


def test_a_checkpoint_that_was_not_written_to_its_end_is_passed_over(tmp_path: Path) -> None:
    record = started(tmp_path)
    assert record.latest() is None
    for step, text in ((2, "{}"), (10, "{}"), (12, '{"global'), (13, None)):
        folder = record.checkpoints / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        if text:
            (folder / "trainer_state.json").write_text(text)
    assert record.latest() == record.checkpoints / "checkpoint-10"


def test_only_the_first_of_several_processes_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    record = Record.start(tmp_path / "run", CONFIGURED)
    record.log(1, {"loss": 1.0})
    assert not (tmp_path / "run").exists()


def logged(folder: Path, steps: int) -> None:
    record = started(folder)
    for step in range(1, steps + 1):
        values = {"loss": 1 / step, "reward": step / steps, "entropy": 0.5, "completions/mean_length": 40.0}
        record.log(step, values | {f"env/{name}/reward": step / steps for name in ("telepathy", "<intention>")})
        if step % 2 == 0:
            record.log(step, {"eval_reward": 0.5, "eval_reward_low": 0.4, "eval_reward_high": 0.6})
    record.log(steps, {"eval_reward": 0.7, "eval_reward_low": 0.6, "eval_reward_high": 0.8})


def test_curves_are_drawn_of_whatever_was_logged(tmp_path: Path) -> None:
    assert curves(tmp_path) is None
    logged(tmp_path, 6)
    path = curves(tmp_path)
    assert path == tmp_path / "curves.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    drawn = dict(svgs(tmp_path, "run-"))
    assert list(drawn) == [
        "Loss",
        "Reward",
        "Reward by environment, train",
        "Entropy, nats a token",
        "Tokens of a conversation's own words",
    ]
    assert "validation" in drawn["Reward"]
    assert "&lt;intention&gt;" in drawn["Reward by environment, train"]
    assert gathered(tmp_path)["eval_reward"][-1] == (6, 0.7)


def test_a_run_on_people_is_drawn_by_level_in_their_order_and_by_what_became_of_replies(tmp_path: Path) -> None:
    people = {"states": {"order": ["stance", "emotion", "response"]}}
    with closing(Record.start(tmp_path, {"people": people})) as record:
        for step in (1, 2, 3):
            figures = dict.fromkeys(("response", "response_kept", "stance", "stance_kept", "prefix"), step / 3)
            record.log(step, {f"states/{name}": value for name, value in figures.items()})
            record.log(step, {"states/replies/truncated": 1 - step / 3, "states/replies/kept": step / 3, "loss": 0.0})
    drawn = dict(svgs(tmp_path))
    assert list(drawn) == ["Loss", "Alignment by level, train", "Share of replies that kept to what was asked, or not"]
    levels, replies = list(drawn.values())[1:]
    assert 0 < levels.index(">stance<") < levels.index(">response<")
    assert not any(f">{name}<" in levels for name in ("emotion", "response_kept", "prefix"))
    assert 0 < replies.index(">kept<") < replies.index(">truncated<")


def test_long_curves_are_drawn_as_means_of_neighbours() -> None:
    points = [(step, float(step % 2)) for step in range(10 * POINTS)]
    drawn = thinned(points)
    assert len(drawn) == POINTS
    assert {value for _, value in drawn} == {0.5}
    assert thinned(points[:POINTS]) == points[:POINTS]


def test_a_tracker_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LookupError, match="no tracker 'mlflow'; there are console, trackio, tensorboard, wandb"):
        trackers.check(["mlflow"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LookupError, match=r"tracker 'wandb' is not installed; pip install 'usergym\[track\]'"):
        trackers.check(["console", "wandb"])


def test_what_no_training_run_left_is_not_removed(tmp_path: Path) -> None:
    for name, text in (("config.json", '{"model_type": "llama"}'), ("trajectories.jsonl", "{}\n")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text(text)
        with pytest.raises(RunRefused, match="give another --out"):
            Record.start(folder, CONFIGURED, resume=False)
        assert (folder / name).read_text() == text


def test_a_checkpoint_whose_state_holds_no_number_is_still_gone_on_from(tmp_path: Path) -> None:
    record = started(tmp_path)
    folder = record.checkpoints / "checkpoint-3"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text('{"log_history": [{"eval_reward": NaN}]}')
    assert record.latest() == folder
