"""Rows of data files, and tasks of our own."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.environments.tau.conversations import played, tasks
from tests.environments.tau.published import DATA, PARQUET, needs_data
from usergym.environments import load
from usergym.environments.base import RowError
from usergym.environments.tau import generate
from usergym.environments.tau.domain import Domain
from usergym.environments.tau.outcome import outcome
from usergym.rollouts.engine import seat_oracle
from usergym.types import split_of


@needs_data
def test_published_tasks_keep_their_split_and_are_grouped_by_customer() -> None:
    environment = load(f"tau:data={DATA}")
    counts = {split: len(list(environment.tasks(split))) for split in ("train", "validation", "test")}
    assert counts == {"train": 500, "validation": 20, "test": 165}
    row = json.loads((DATA / "retail" / "tasks_dev.jsonl").read_text().splitlines()[0])
    task = environment.read(row)
    assert (task.id, task.split, task.group) == ("tau-retail-dev-000", "validation", f"retail-{row['user_id']}")
    assert environment.read(json.loads(json.dumps({"id": task.id, "env": "tau", "data": task.data}))).data == task.data


@needs_data
def test_a_folder_of_one_domain_is_found_by_its_files() -> None:
    environment = load(f"tau:data={DATA / 'airline'}")
    assert {task.data["domain"] for task in environment.tasks()} == {"airline"}
    assert len(list(environment.tasks())) == 50


@needs_data
@pytest.mark.skipif(not PARQUET.is_file(), reason="the parquet file is not there")
def test_every_row_of_the_parquet_file_is_a_task() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    environment = load(f"tau:data={DATA}")
    found = [environment.read(row) for row in parquet.read_table(PARQUET).to_pylist()]
    assert len(found) == 165
    assert len({task.id for task in found}) == 165
    assert found[0].id == "tau-retail-test-000"
    assert found[-1].id == "tau-airline-test-049"
    assert {task.split for task in found} == {"test"}
    assert played(environment, found[0], seat_oracle).reward() == 1.0


def peer(key: Any) -> dict[str, Any]:
    return {"reward_model": {"env_name": "TauGym", "id": key}, "extra_info": {}}


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (peer("retail-000"), "reward_model.id"),
        (peer("hotel-1"), "reward_model.id"),
        (peer(3), "reward_model.id"),
        ({"id": 3}, "id"),
        ({"id": "x-1", "user_id": "a", "instruction": "b", "actions": []}, "domain"),
        ({"id": "retail-test-001", "instruction": "b", "actions": []}, "user_id"),
        ({"id": "retail-test-001", "user_id": "a", "instruction": "b"}, "actions"),
        ({"id": "retail-test-001", "user_id": "a", "instruction": "b", "actions": [{"name": "x"}]}, "actions"),
        ({"id": "a", "env": "calendar"}, "env"),
    ],
)
def test_a_row_that_is_no_task_names_its_field(row: dict[str, Any], field: str) -> None:
    with pytest.raises(RowError) as caught:
        load("tau").read(row)
    assert caught.value.field == field


def test_a_missing_or_broken_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"products\.json is missing"):
        Domain.load("retail", tmp_path)
    for table in ("products", "users", "orders"):
        (tmp_path / f"{table}.json").write_text("{}")
    (tmp_path / "tasks_test.jsonl").write_text('{"id": "retail-test-000"}\n{')
    with pytest.raises(RowError, match=r"tasks_test\.jsonl, line 2"):
        Domain.load("retail", tmp_path)
    (tmp_path / "users.json").write_text("[]")
    with pytest.raises(RowError, match=r"users\.json"):
        Domain.load("retail", tmp_path)
    with pytest.raises(LookupError, match="no domain 'hotel'; there are retail, airline"):
        Domain.load("hotel", tmp_path)


def test_own_tasks_go_on_over_further_databases() -> None:
    found = list(itertools.islice(load("tau").tasks(None, 1), 300))
    assert len({task.id for task in found}) == 300
    assert {task.data["database"]["number"] for task in found} >= {0, 1, 2}
    assert [task.data["domain"] for task in found[:4]] == ["retail", "airline"] * 2


@pytest.mark.parametrize("name", ["retail", "airline"])
def test_own_tasks_are_of_every_outcome_and_their_calls_work(name: str) -> None:
    environment = load(f"tau:domain={name}")
    outcomes: dict[str, int] = {}
    for task in tasks(environment, 300):
        found = environment.domain(task)  # type: ignore[attr-defined]
        kind = outcome(found, task.data)
        outcomes[kind] = outcomes.get(kind, 0) + 1
        desk = found.desk()
        for action in task.data["actions"]:
            assert not desk.call(action["name"], action["arguments"]).startswith("Error"), (task.id, action)
        assert found.reward(task.data, task.data["actions"], task.data["outputs"]) == 1.0
    assert set(outcomes) == {"change", "tell", "refuse", "transfer"}
    assert outcomes["change"] > 150
    assert min(outcomes.values()) >= 5


@pytest.mark.parametrize("name", ["retail", "airline"])
def test_a_customer_is_in_one_split_whatever_the_database(name: str) -> None:
    environment = load(f"tau:domain={name}")
    for split in ("train", "validation", "test"):
        for task in tasks(environment, 40, split):
            assert task.group == f"{name}-{task.data['user_id']}"
            assert task.split == split
            assert split_of(task.group, validation=0.1, test=0.1) == split


@pytest.mark.parametrize("name", ["retail", "airline"])
@needs_data
def test_generated_tables_have_the_published_fields(name: str) -> None:
    ours, theirs = generate.domain(name, 1, 0).tables, Domain.load(name, DATA).tables
    assert ours.keys() == theirs.keys()
    for table in ours:
        fields = {frozenset(record) - {"cancel_reason"} for record in ours[table].values()}
        assert fields == {frozenset(next(iter(theirs[table].values())))}
    assert not ours["users"].keys() & theirs["users"].keys()


def test_a_generated_domain_is_the_same_wherever_it_is_made() -> None:
    again = generate.domain.__wrapped__("airline", 4, 2)
    assert again.tables == generate.domain("airline", 4, 2).tables
    assert again.tables != generate.domain("airline", 4, 3).tables
