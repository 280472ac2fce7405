import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import ROOT, SHARED, command, environment, usergym
from usergym.environments.base import load
from usergym.evaluation.suite import spec_of
from usergym.rows import read_rows

DATA = SHARED / "data" / "userrl"


def test_environments_are_listed_and_one_is_shown(tmp_path: Path) -> None:
    listed = json.loads(usergym(tmp_path, "envs", "--json").stdout)
    assert {"calendar", "workplace", "function"} <= set(listed)
    shown = json.loads(usergym(tmp_path, "envs", "function", "--json").stdout)
    assert shown["tools"] == ["interact_with_env"]
    assert "no environment 'chess'" in usergym(tmp_path, "envs", "chess", fails=True).stderr


@pytest.mark.parametrize("name", ["lamp", "my_company.support_desk"])
def test_a_new_environment_works_as_it_is_written(tmp_path: Path, name: str) -> None:
    told = json.loads(usergym(tmp_path, "envs", "new", name, "--json").stdout)
    rollout, test = told["commands"]
    assert rollout.split()[:2] == ["usergym", "rollout"]
    done = usergym(tmp_path, *rollout.split()[1:], "--json")
    assert json.loads(done.stdout)["summary"]["mean"] == 1.0
    checked = subprocess.run(
        [sys.executable, "-m", *test.split(), "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout
    assert usergym(tmp_path, "envs", "check", told["name"], "--leakage").returncode == 0
    lint = ["ruff", "check", "--config", ROOT / "pyproject.toml", "--ignore", "I001", "."]
    assert subprocess.run([sys.executable, "-m", *lint], cwd=tmp_path, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a-b", "no name in Python"),
        ("class", "no name"),
        ("json.mine", "installed"),
        ("lamp", "exists"),
        ("", "the name is empty"),
        ("__init__", "a meaning of its own"),
        ("own.__main__", "a meaning of its own"),
    ],
)
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "gyms").mkdir()
    (tmp_path / "gyms/lamp.py").write_text("mine = True\n")
    assert told in usergym(tmp_path, "envs", "new", name, fails=True).stderr
    assert [path.name for path in tmp_path.rglob("*.py")] == ["lamp.py"]
    assert (tmp_path / "gyms/lamp.py").read_text() == "mine = True\n"


def test_the_leakage_check_tells_what_it_compared(tmp_path: Path) -> None:
    done = usergym(tmp_path, "envs", "check", "function", "calendar", "--leakage", "--tasks", 40, "--json")
    for each in json.loads(done.stdout):
        assert each["leaks"] == []
        assert each["tasks"] == {"train": 40, "validation": 40, "test": 40}
        assert each["keys"]["group"]["test"] > 10
        named = {"content", "secret"} - each["keys"].keys()
        assert len(each["not_compared"]) == len(named)


LEAKY = '''
from usergym.environments.base import Environment, World
from usergym.types import Task


class Leaky(Environment):
    """Says the same in every split."""

    name = __name__

    def tasks(self, split=None, seed=0):
        yield from (Task(f"{split}-{n}", self.name, data={"n": n}) for n in range(9))

    def start(self, task):
        return World(task)


environment = Leaky
'''


def test_a_leak_is_listed_and_fails(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/leaky.py").write_text(LEAKY)
    done = usergym(tmp_path, "envs", "check", "own.leaky", "--leakage", fails=True)
    assert "task of validation task validation-0 is in train-0" in done.stdout
    for kind in ("content: ", "hidden texts: "):
        assert f"not compared: {kind}" in done.stdout


def test_tasks_of_several_environments_are_merged_with_caps_and_read_again(tmp_path: Path) -> None:
    flags = ("--tasks", 40, "--most", "function=20", "--share", "turtle=0.5", "--json")
    told = json.loads(usergym(tmp_path, "envs", "merge", "function", "turtle", "--output", "m.parquet", *flags).stdout)
    taken = told["sources"]["taken"]
    assert taken["function"] == 20
    assert taken["turtle"] == told["sources"]["read"]["turtle"] // 2
    rows = [row for _, row in read_rows(tmp_path / "m.parquet")]
    assert len(rows) == told["rows"] == sum(taken.values())
    assert len({row["extra_info"]["split"] for row in rows}) == 1
    again = usergym(tmp_path, "envs", "merge", "m.parquet", "--output", "n.jsonl", "--most", "m.parquet=5")
    assert "5" in again.stdout
    usergym(tmp_path, "envs", "merge", "function", "--output", "f.parquet", "--tasks", 9)
    played = usergym(tmp_path, "rollout", "--env", "function", "--tasks", "f.parquet", "--model", "oracle", "--json")
    assert json.loads(played.stdout)["summary"]["mean"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "no source"),
        (("function", "--most", "turtle=3"), "turtle is no source"),
        (("function", "--most", "function=x"), "no number"),
        (("function", "--share", "function=2"), "share above 0"),
    ],
)
def test_caps_that_mean_nothing_are_refused(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    assert told in usergym(tmp_path, "envs", "merge", *arguments, "--output", "m.parquet", fails=True).stderr


def recipe(folder: Path, *arguments: str) -> str:
    script = ROOT / "recipes/userrl/merge_customize.py"
    done = subprocess.run(
        [command()[0], script, *arguments], cwd=folder, env=environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not DATA.exists(), reason="published files are not here")
def test_the_merge_recipe_takes_published_files_with_the_documented_caps(tmp_path: Path) -> None:
    names = ["travel22_multiturn_onechoice", "function_multiturn", "turtle_multiturn", "bamboogle_multiturn"]
    where = ("--data_dir", str(DATA), "--output_dir", "out")
    recipe(tmp_path, "--datasets", *names, "--split", "test", "--seed", "42", *where)
    rows = [row for _, row in read_rows(tmp_path / "out/test.parquet")]
    counts = {name: sum(row["data_source"] == name for row in rows) for name in {row["data_source"] for row in rows}}
    assert counts == {
        "interact_travelgym": 101 // 2,
        "interact_function": 50,
        "interact_turtlegym": 48,
        "interact_searchgym": 62,
    }


def test_the_merge_recipe_makes_tasks_of_ours_where_there_are_no_files(tmp_path: Path) -> None:
    recipe(tmp_path, "--datasets", "function_multiturn", "--split", "train", "--tasks", "250")
    rows = [row for _, row in read_rows(tmp_path / "data/alltrain_multiturn/train.parquet")]
    assert len(rows) == 200
    environment_of = load(spec_of("function"))
    assert all(row["reward_model"]["env_name"] == "FunctionGym" for row in rows)
    assert environment_of.name == "function"
