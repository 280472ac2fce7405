"""Tasks: our own, UserRL's lists, and its parquet rows."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import SHARED, usergym
from usergym.environments import load
from usergym.environments.base import RowError
from usergym.environments.intention import environment as Intention
from usergym.environments.intention.generator import templates
from usergym.types import split_of

PUBLISHED = SHARED / "data" / "userrl"
needs_peer = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the peer's data is not here")
ROW: dict[str, Any] = {
    "id": "abc",
    "category": "Food",
    "task": "Find a recipe.",
    "missing_details": [
        {"description": "Diet", "importance": "3", "inquiry": "Do you keep to a diet?", "options": ["vegan", "none"]},
        {"description": "Time", "importance": "1", "inquiry": "How much time is there?", "options": ["an hour"]},
    ],
}
PARQUET: dict[str, Any] = {
    "data_source": "interact_intention",
    "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "The task: Find a recipe."}],
    "ability": "interaction",
    "reward_model": {"style": "rule", "env_name": "IntentionGym", "id": "abc", "ground_truth": "Diet"},
    "extra_info": {"index": 0, "split": "train"},
}


def test_there_are_forty_templates_and_none_straddles_splits() -> None:
    assert len(templates()) == len({template.key for template in templates()}) >= 40
    shares = dict.fromkeys(("train", "validation", "test"), 0)
    for template in templates():
        shares[split_of(f"request-{template.key}", validation=0.1, test=0.1)] += 1
        assert len(template.details) >= 3
    assert min(shares.values()) >= 2
    groups = {split: {task.group for task in itertools.islice(Intention().tasks(split, 4), 150)} for split in shares}
    for one, other in itertools.combinations(groups.values(), 2):
        assert one.isdisjoint(other)


def test_a_generated_task_holds_three_to_six_details_with_a_wish_for_each() -> None:
    tasks = list(itertools.islice(Intention().tasks(None, 9), 400))
    assert len({json.dumps(task.data, sort_keys=True) for task in tasks}) > 390
    for task in tasks:
        assert 3 <= len(task.data["details"]) <= 6
        assert "{" not in task.data["request"]
        wishes = [detail["preference"] for detail in task.data["details"]]
        assert len(set(wishes)) == len(wishes)
        for detail in task.data["details"]:
            assert detail["preference"] in detail["options"]


def test_a_listed_row_draws_its_wishes_from_its_own_seed() -> None:
    one, other = Intention().read(ROW), Intention().read(ROW)
    assert one == other
    assert one.id == "intention-abc"
    assert one.opening[0].said == "Find a recipe."
    assert [detail["preference"] in detail["options"] for detail in one.data["details"]] == [True, True]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"missing_details": []}, "missing_details"),
        ({"missing_details": [3]}, r"missing_details\[0\]"),
        ({"task": None}, "task"),
        ({"id": 7}, "id"),
        ({"missing_details": [{**ROW["missing_details"][0], "importance": "4"}]}, r"missing_details\[0\].importance"),
        ({"missing_details": [{**ROW["missing_details"][0], "options": []}]}, r"missing_details\[0\].options"),
        ({"missing_details": [{"importance": "1", "options": ["a"]}]}, r"missing_details\[0\].description"),
    ],
)
def test_a_faulty_row_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(RowError, match=f"field '{field}'"):
        Intention().read({**ROW, **change})


def test_a_parquet_row_finds_its_details_in_the_folder_and_keeps_its_split(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="intention:data=FOLDER"):
        Intention().read(PARQUET)
    (tmp_path / "all_intentions_test.json").write_text(json.dumps([ROW]))
    gym = load(f"intention:data={tmp_path}")
    task = gym.read(PARQUET)
    assert (task.split, task.opening[0].said) == ("train", "The task: Find a recipe.")
    assert task.data["details"] == gym.read(ROW).data["details"]
    assert gym.read(ROW).split == "test"
    with pytest.raises(RowError, match=r"reward_model\.id"):
        gym.read({**PARQUET, "reward_model": {"env_name": "IntentionGym", "id": "unknown"}})
    with pytest.raises(RowError, match=r"reward_model\.env_name"):
        gym.read({**PARQUET, "reward_model": {"env_name": "TravelGym", "id": "abc"}})


def test_a_folder_without_the_lists_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"all_intentions_train\.json"):
        Intention(data=str(tmp_path))


@pytest.mark.parametrize(
    "data", [{}, {"request": "x"}, {"request": "x", "details": []}, {"request": "x", "details": [{"importance": 9}]}]
)
def test_a_task_that_cannot_be_played_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(RowError, match=r"field 'data\."):
        Intention().read({"id": "1", "env": "intention", "data": data})


@needs_peer
def test_the_published_rows_play_from_the_command_line(tmp_path: Path) -> None:
    rows = PUBLISHED / "intention_multiturn.test.parquet"
    options = f"intention:data={PUBLISHED}"
    done = usergym(tmp_path, "rollout", "--env", options, "--tasks", rows, "--model", "oracle", "--json", "--out", "r")
    assert json.loads(done.stdout)["summary"]["mean"] == 1.0
