"""Tasks of ours as UserRL's rows, and back, by every way there is."""

from itertools import islice
from pathlib import Path

import pytest

from usergym.data import formats
from usergym.data.convert import convert
from usergym.data.formats.userrl import GYMS, OWN
from usergym.data.merge import Cap, merge, prompt_tokens, task_rows
from usergym.data.tasks import read_tasks
from usergym.environments.base import load, names
from usergym.rows import BadRow, Writer, read_rows

HERE = [name for name in dict.fromkeys(GYMS.values()) if name in names()]


def written(folder: Path, name: str, kind: str = "parquet", count: int = 12) -> Path:
    path = folder / f"{name}.{kind}"
    with Writer(path, whole=True) as writer:
        for row in task_rows(load(name), "train", 3, count):
            writer.write(row)
    return path


@pytest.mark.parametrize("name", HERE)
def test_tasks_of_ours_come_back_whole_from_a_parquet_file(tmp_path: Path, name: str) -> None:
    environment = load(name)
    path = written(tmp_path, name)
    assert list(read_tasks(path, environment)) == list(islice(environment.tasks("train", 3), 12))


@pytest.mark.parametrize("name", HERE)
def test_a_row_has_the_columns_that_their_loader_reads(tmp_path: Path, name: str) -> None:
    for number, (_, row) in enumerate(read_rows(written(tmp_path, name, count=3))):
        assert set(row) == {"data_source", "prompt", "ability", "reward_model", "extra_info"}
        assert row["data_source"].startswith("interact_")
        assert [message["role"] for message in row["prompt"]] == ["system", "user"]
        assert row["reward_model"]["style"] == "rule"
        assert GYMS[row["reward_model"]["env_name"]] == name
        assert isinstance(row["reward_model"]["ground_truth"], str)
        info = row["extra_info"]
        assert (info["index"], info["split"], info["need_tools_kwargs"]) == (number, "train", True)
        made = info["tools_kwargs"]["interact_with_env"]["create_kwargs"]
        assert made == {"env_name": row["reward_model"]["env_name"], "id": row["reward_model"]["id"]}


@pytest.mark.parametrize("name", HERE)
def test_converting_there_and_back_loses_nothing(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, count=4)
    convert(path, tmp_path / "own.jsonl")
    convert(tmp_path / "own.jsonl", tmp_path / "again.parquet", "userrl")
    tasks = list(islice(load(name).tasks("train", 3), 4))
    for file in ("own.jsonl", "again.parquet"):
        found = [each for _, row in read_rows(tmp_path / file) for each in formats.read_row(row)]
        assert [each.task for each in found] == tasks
        assert all(each.turns == list(each.task.opening) for each in found)


def test_a_row_whose_task_was_spoilt_is_named(tmp_path: Path) -> None:
    path = tmp_path / "spoilt.jsonl"
    with Writer(path) as writer:
        for row in task_rows(load("function"), "train", 0, 2):
            row["extra_info"][OWN] = row["extra_info"][OWN][:-9]
            writer.write(row)
    with pytest.raises(BadRow, match=r"spoilt.jsonl:1: field 'extra_info.usergym'"):
        list(read_tasks(path, load("function")))


def rows(source: str, count: int, length: int = 40) -> list[dict]:
    prompt = [{"role": "user", "content": "x" * length}]
    return [{"data_source": source, "prompt": prompt, "extra_info": {"index": n}} for n in range(count)]


def test_caps_take_shares_bounds_and_short_prompts() -> None:
    sources = {"a": rows("a", 100), "b": rows("b", 80), "c": rows("c", 10), "d": rows("d", 5, length=4 * 1152)}
    caps = {"a": Cap(share=0.35), "b": Cap(share=0.5, least=50), "c": Cap(most=4)}
    found = list(merge(sources, caps, seed=1, longest=1152))
    counts = {name: sum(row["data_source"] == name for row in found) for name in "abcd"}
    assert counts == {"a": 35, "b": 50, "c": 4, "d": 0}
    assert prompt_tokens(sources["d"][0]) == 1152


def test_the_same_seed_takes_the_same_rows_in_the_same_order_and_they_are_mixed() -> None:
    sources = {"a": rows("a", 60), "b": rows("b", 60)}
    caps = {"a": Cap(most=20)}
    one, again, other = (list(merge(sources, caps, seed=seed)) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert {row["data_source"] for row in one[:15]} == {"a", "b"}


def test_more_of_one_source_changes_nothing_of_another() -> None:
    few = [
        row for row in merge({"a": rows("a", 50), "b": rows("b", 5)}, {"a": Cap(most=9)}) if row["data_source"] == "a"
    ]
    many = [
        row for row in merge({"a": rows("a", 50), "b": rows("b", 50)}, {"a": Cap(most=9)}) if row["data_source"] == "a"
    ]
    assert few == many
