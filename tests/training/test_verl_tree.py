"""Checkpoints as the published tree: whole or not at all, made again without harm, found by any of its folders."""

import json
import os
import shutil
from pathlib import Path

import pytest

from usergym.training import verl_tree
from usergym.training.users_run import FILE
from usergym.training.verl_tree import PREFIXES, Found, export_tree, find_tree


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What a run of two updates a step leaves: two whole checkpoints, one in the middle of a step, one cut short."""
    run = tmp_path / "run"
    for number in (2, 3, 4, 6):
        checkpoint = run / "checkpoints" / f"checkpoint-{number}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "config.json").write_text('{"model_type": "llama"}')
        (checkpoint / "model.safetensors").write_bytes(bytes([number]) * verl_tree.LINKED)
        for name in ("optimizer.pt", "rng_state_0.pth", "tokenizer.json"):
            (checkpoint / name).write_text(name)
        (checkpoint / PREFIXES).write_text(f'{{"step": {number}}}')
        (checkpoint / "trainer_state.json").write_text("{}" if number < 6 else "{")
    identity = {"people": {"data": "rows.jsonl"}, "grpo": {"updates": 2, "prompts": 8, "seed": 5}}
    (run / "config.json").write_text(json.dumps({"identity": identity, "starts": []}))
    return run


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_whole_checkpoint_is_laid_out_and_the_last_is_named(run: Path, tmp_path: Path) -> None:
    assert PREFIXES == FILE
    tree = tmp_path / "tree"
    assert export_tree(run, tree) == [1, 2]
    actor = tree / "global_step_2" / "actor"
    assert sorted(path.name for path in tree.iterdir()) == [
        *("global_step_1", "global_step_2", "latest_checkpointed_iteration.txt")
    ]
    assert {path.name for path in actor.iterdir()} == {
        *("config.json", "model.safetensors", "tokenizer.json", "data.json", "hierarchy_map.json")
    }
    place = {"global_step": 2, "tasks": 16, "seed": 5, "data": "rows.jsonl"}
    assert json.loads((actor / "data.json").read_text()) == place
    assert (actor / "hierarchy_map.json").read_text() == '{"step": 4}'
    assert (tree / "latest_checkpointed_iteration.txt").read_text() == "2"


def test_weights_take_no_room_twice_and_what_is_there_stays(run: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    export_tree(run, tree)
    weights = tree / "global_step_1" / "actor" / "model.safetensors"
    assert weights.samefile(run / "checkpoints" / "checkpoint-2" / "model.safetensors")
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    shutil.rmtree(run / "checkpoints" / "checkpoint-2")
    assert export_tree(run, tree) == [2]
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("global*")} == {
        path: time for path, time in before.items() if "global" in str(path) and "actor" not in str(path)
    }
    assert weights.read_bytes()[0] == 2, "a checkpoint that the run has dropped stays in the tree"


def test_a_step_that_was_made_again_takes_the_place_of_the_old(run: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    export_tree(run, tree)
    weights = run / "checkpoints" / "checkpoint-4" / "model.safetensors"
    weights.unlink()
    weights.write_bytes(b"9" * verl_tree.LINKED)
    export_tree(run, tree)
    assert (tree / "global_step_2" / "actor" / "model.safetensors").read_bytes()[:1] == b"9"


@pytest.mark.parametrize("place", range(1, 12))
def test_whatever_moment_it_is_stopped_at_steps_are_whole_or_not_there(
    run: Path, tmp_path: Path, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, whole = tmp_path / "tree", tmp_path / "whole"
    export_tree(run, whole)
    left = place
    names = [(os, "link"), (shutil, "copy2"), (Path, "replace"), (Path, "write_bytes")]

    with monkeypatch.context() as patched:
        for owner, name in names:

            def stopping(*arguments: object, real: object = getattr(owner, name)) -> object:
                nonlocal left
                left -= 1
                if left <= 0:
                    raise KeyboardInterrupt
                return real(*arguments)  # type: ignore[operator]

            patched.setattr(owner, name, stopping)
        with pytest.raises(KeyboardInterrupt):
            export_tree(run, tree)
    for step in tree.glob("global_step_*"):
        assert everything(step) == everything(whole / step.name)
    named = tree / "latest_checkpointed_iteration.txt"
    assert not named.exists() or (tree / f"global_step_{named.read_text()}").is_dir()
    assert export_tree(run, tree) == [1, 2]
    assert everything(tree) == everything(whole)


def test_a_folder_that_is_no_run_of_people_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run of usergym train users"):
        export_tree(tmp_path, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_a_tree_is_found_by_any_of_its_folders(run: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    export_tree(run, tree)
    actor = tree / "global_step_2" / "actor"
    found = Found(actor, actor / "hierarchy_map.json", 2)
    assert [find_tree(path) for path in (tree, tree / "global_step_2", actor)] == [found] * 3
    assert find_tree(tmp_path) is None
    (tree / "latest_checkpointed_iteration.txt").write_text("7")
    with pytest.raises(ValueError, match="says '7', and there is no global_step_7"):
        find_tree(tree)


def test_a_published_tree_is_read_where_its_weights_are_merged(tmp_path: Path) -> None:
    step = tmp_path / "global_step_550"
    actor = step / "actor"
    merged = actor / "huggingface"
    merged.mkdir(parents=True)
    (merged / "config.json").write_text("{}")
    (actor / "model_world_size_8_rank_0.pt").write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"shards of several processes; merge them first: python -m verl\.model_merger"
    ):
        find_tree(step)
    (merged / "model.safetensors").write_bytes(b"")
    (step / "hierarchy_map.pt").write_bytes(b"")
    found = find_tree(step)
    assert found
    assert (found.weights, found.step) == (merged, 550)
    assert found.prefixes
    assert found.prefixes.samefile(step / "hierarchy_map.pt")
    shutil.rmtree(actor)
    actor.mkdir()
    with pytest.raises(ValueError, match="holds no weights that transformers reads"):
        find_tree(step)
