"""Tasks: our own, and hand-made rows in the form of the peer's, whose own files could not be had."""

import itertools
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.terminal import usergym
from usergym.environments import load
from usergym.environments.base import RowError
from usergym.environments.persuasion import environment as Persuasion

ROW = {
    "id": "W1",
    "claim": "Bells should ring at noon",
    "argument": "The sound of bells at noon tells everybody the time of day. It is a custom of many centuries. Fine.",
}


def parquet_row(**about: str) -> dict[str, Any]:
    made = {"env_name": "PersuadeGym", "id": "W1"}
    return {
        "data_source": "interact_persuade",
        "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": f"Claim: {ROW['claim']}"}],
        "ability": "interaction",
        "reward_model": {"style": "rule", "ground_truth": "", "env_name": "PersuadeGym", "id": "W1", **about},
        "extra_info": {
            "index": 0,
            "split": "test",
            "need_tools_kwargs": True,
            "tools_kwargs": {"interact_with_env": {"create_kwargs": made}},
        },
    }


def test_each_claim_comes_once_a_seed_and_is_in_one_split() -> None:
    gym = Persuasion()
    groups = {split: {task.group for task in gym.tasks(split, 7)} for split in ("train", "validation", "test")}
    assert all(len(found) >= 3 for found in groups.values())
    for one, other in itertools.combinations(groups.values(), 2):
        assert one.isdisjoint(other)
    every = [task.group for task in gym.tasks(None, 7)]
    assert sorted(every) == sorted(set().union(*groups.values()))
    assert every != [task.group for task in gym.tasks(None, 8)]


def test_a_peers_row_is_a_task_whose_group_is_its_claim() -> None:
    task = Persuasion().read(ROW)
    assert task.data["reasons"] == ROW["argument"].split(" Fine")[0].replace(". It", ".|It").split("|")
    assert task.opening[0].said == f"{ROW['claim']}. {ROW['argument']}"
    other = Persuasion().read({**ROW, "id": "W2", "claim": "bells should ring at noon.", "argument": "I like them."})
    assert (task.id, task.group, task.split) == ("persuasion-W1", other.group, None)


def test_a_parquet_row_keeps_its_split_and_finds_its_claim(tmp_path: Path) -> None:
    inside = Persuasion().read(parquet_row(claim=ROW["claim"], argument=ROW["argument"]))
    assert (inside.split, inside.opening[0].said) == ("test", f"Claim: {ROW['claim']}")
    with pytest.raises(RowError, match="persuasion:data=FOLDER"):
        Persuasion().read(parquet_row())
    (tmp_path / "statements.json").write_text(json.dumps([ROW]))
    gym = load(f"persuasion:data={tmp_path}")
    assert gym.read(parquet_row()).data == inside.data
    with pytest.raises(RowError, match=r"reward_model\.claim"):
        gym.read(parquet_row(id="W9"))
    with pytest.raises(RowError, match=r"reward_model\.env_name"):
        gym.read(parquet_row(env_name="TravelGym"))
    with pytest.raises(ValueError, match="no such folder"):
        load(f"persuasion:data={tmp_path / 'nowhere'}")


@pytest.mark.parametrize("field", ["id", "claim", "argument"])
def test_a_faulty_row_names_its_field(field: str) -> None:
    with pytest.raises(RowError, match=f"field '{field}'"):
        Persuasion().read({**ROW, field: None})


def test_a_task_that_cannot_be_played_is_refused() -> None:
    gym = Persuasion()
    good = next(gym.tasks())
    for data in ({}, {**good.data, "points": [3]}, {**good.data, "reasons": []}):
        with pytest.raises(RowError, match="field 'data"):
            gym.read({"id": "1", "env": "persuasion", "data": data})
    with pytest.raises(RowError, match="field 'opening'"):
        gym.read({"id": "1", "env": "persuasion", "data": good.data})


def test_a_parquet_file_plays_from_the_command_line(tmp_path: Path) -> None:
    rows = [parquet_row(claim=ROW["claim"], argument=ROW["argument"])]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    done = usergym(
        tmp_path, "rollout", "--env", "persuasion", "--tasks", "rows.parquet", "--model", "idle", "--json", "--out", "r"
    )
    assert json.loads(done.stdout)["summary"]["mean"] == 0.0
