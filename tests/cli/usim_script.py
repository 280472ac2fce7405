"""recipes/usim/train_grpo.sh in this process, which has torch already, and rows and a policy for it."""

import importlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.terminal import ROOT, environment
from usergym.environments.people.gym import People
from usergym.rows import Writer
from usergym.training import tiny
from usergym.types import split_of
from usergym.users.population import population
from usergym.users.states.prompting import system_prompt

RECIPE = ROOT / "recipes" / "usim"
SCRIPT = RECIPE / "train_grpo.sh"
FOLDERS = (str(RECIPE), str(ROOT / "recipes" / "sdpo"))


class Shown(NamedTuple):
    """What the script printed, and the command that it ran."""

    status: int
    out: str
    err: str
    ran: list[str] | None
    environ: Mapping[str, str]

    @property
    def values(self) -> dict[str, str]:
        table = self.out.partition("\n\n")[0].splitlines()
        return {line.split()[0]: line.split(None, 1)[1] for line in table}

    @property
    def command(self) -> list[str]:
        return shlex.split(self.out.split("\n\n")[1].replace(" \\\n", " "))

    def flag(self, name: str) -> str:
        return self.command[self.command.index(name) + 1]


Run = Callable[..., Shown]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the script itself exports where nothing is set."""
    python = tmp_path_factory.mktemp("python") / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\0" "$@" >&2\nenv -0\n')
    python.chmod(0o755)
    kept = {"PATH": os.environ["PATH"], "PYTHON": str(python)}
    done = subprocess.run([str(SCRIPT), "", "a b"], env=kept, capture_output=True, text=True, timeout=20)
    assert done.stderr.split("\0")[:-1] == ["-B", str(RECIPE / "train_grpo.py"), "", "a b"]
    pairs = dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)
    return {name: value for name, value in pairs.items() if name.isupper() and name not in (*kept, "PWD", "SHLVL", "_")}


@pytest.fixture
def run(
    exported: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """The script's Python in this process, which has torch already, and in it what it runs: `real`, or only looked
    at."""
    known, path = set(sys.modules), list(sys.path)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(str(RECIPE))
    monkeypatch.setattr("usergym.training.progress.curves", lambda folder: None)
    entry = importlib.import_module("train_grpo")
    launch = sys.modules["launch"]
    taken: list[Any] = []

    def played(name: str | tuple[str, ...], *, real: bool = False, **variables: str) -> Shown:
        def play(command: list[str], more: Mapping[str, str]) -> int:
            taken.append((command, more))
            return _run(monkeypatch, command[3:]) if real else 0

        clean = {key: value for key, value in environment().items() if not key.startswith(("HF_", "WANDB", "WORLD"))}
        with monkeypatch.context() as changed:
            for key in set(os.environ) - set(clean):
                changed.delenv(key)
            for key, value in {**clean, **exported, "CUDA_VISIBLE_DEVICES": "", **variables}.items():
                changed.setenv(key, value)
            changed.setattr(launch, "played", play)
            changed.setattr(sys, "argv", ["train_grpo.py", *(shlex.split(name) if isinstance(name, str) else name)])
            capfd.readouterr()
            taken.clear()
            status: Any = 0
            try:
                entry.main()
            except SystemExit as stop:
                status = stop.code or 0
            out, err = capfd.readouterr()
        assert "Traceback" not in err, err
        return Shown(status, out, err, *(taken[0] if taken else (None, {})))

    yield played
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(FOLDERS):
            del sys.modules[name]


def _run(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> int:
    from usergym.cli import main

    monkeypatch.setattr(sys, "argv", ["usergym", *arguments])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that was never trained, rows as they are prepared for three data sets, and the same as they were."""
    folder = tmp_path_factory.mktemp("made")
    rows = list(population(30, 6, 0))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("reddit", "medium", "wildchat_english"):
        place = folder / "data" / "users" / name / "rl" / "sebvgcr"
        for split, file in (("train", "train"), ("validation", "val"), ("test", "test")):
            with Writer(place / f"{file}.parquet") as writer:
                for row in rows:
                    if split_of(row["user_id"], 0.15, 0.15) == split:
                        writer.write(row)
    people = People(people=30, posts=6)
    texts = [text for task in people.tasks("train") for text in (task.opening[0].said, *task.data["truth"].values())]
    frames = [system_prompt(people.hierarchy, level, "") for level in people.hierarchy.names]
    tiny.make(folder / "policy", texts, fixed=frames, vocabulary=900, hidden=32, layers=1, heads=2, context=2048)
    return folder


@pytest.fixture
def inputs(made: Path, run: Run) -> dict[str, str]:
    """With the rows where the documented preparation leaves them."""
    Path("data").symlink_to(made / "data")
    return {"BASE_MODEL": str(made / "policy"), "JUDGE_MODEL": "rules", "EVAL_JUDGE_MODEL": "rules"}


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
