"""A trained user in a seat that asks for more than words is refused before anybody is asked, in one line."""

from pathlib import Path

import pytest

from tests.cli.terminal import usergym
from usergym.training import tiny
from usergym.users.states import load
from usergym.users.states.speaking import Speech


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    Speech(load("ser")).save(folder)
    return tiny.make(folder, ["Why should school begin later?"], vocabulary=300, hidden=16, layers=1, heads=2)


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        (("rollout",), ("--model", "idle", "--limit", 2)),
        (("train", "grpo"), ("--dry-run",)),
        (("serve", "user"), ("--port", 0)),
    ],
)
def test_a_trained_user_who_was_to_declare_its_stance_is_told_which_judge_works(
    user: Path, tmp_path: Path, verb: tuple[str, ...], options: tuple[object, ...]
) -> None:
    flags: dict[str, tuple[object, ...]] = {
        "rollout": ("--user-model", user, "--env"),
        "train": ("--user-model", user, "--model", user, "--envs"),
        "serve": ("--model", user, "--env"),
    }
    done = usergym(tmp_path, *verb, *flags[verb[0]], "persuasion:judge=user", *options, fails=True)
    assert "persuasion:judge=rules, or with persuasion:judge=model" in done.stderr
    assert done.stderr.strip().count("\n") == 0, done.stderr
