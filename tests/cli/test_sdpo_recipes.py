"""recipes/sdpo as a person runs its scripts: their variables, what a dry run shows and leaves alone, and a real run."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import yaml

from tests.cli.terminal import ROOT, SHARED, environment
from usergym.environments.base import load
from usergym.training import tiny
from usergym.training.record import read_metrics

RECIPES = ROOT / "recipes" / "sdpo"
TLDR, HELPSTEER, OFFLINE = "train_online_sdpo_tldr.sh", "train_online_sdpo.sh", "train_offline_sdpo.sh"
EVAL, SIGNAL = "eval_checkpoints.sh", "run_signal_analysis.sh"
PREPARE = {"tldr": "prepare_data_tldr.sh", "helpsteer": "prepare_data_helpsteer.sh"}
SCRIPTS = (TLDR, HELPSTEER, OFFLINE, EVAL, "eval_checkpoints_tldr.sh", SIGNAL, *PREPARE.values())
OURS = ("HF_TOKEN", "WANDB", "SCRATCH", "TMPDIR", "WORLD_SIZE", "ACCELERATE", "HF_HUB_CACHE", "HF_DATASETS_CACHE")


class Shown(NamedTuple):
    """What a script printed, and what it did."""

    status: int
    out: str
    err: str
    ran: list[str] | None = None
    """The command that would have taken the script's place."""
    environ: Mapping[str, str] = {}

    @property
    def values(self) -> dict[str, str]:
        table = self.out.partition("\n\n")[0].splitlines()
        return {line.split()[0]: line.split(None, 1)[1] if " " in line else "" for line in table}

    @property
    def command(self) -> list[str]:
        return shlex.split(self.out.split("\n\n")[1].replace(" \\\n", " "))

    def flag(self, name: str) -> str:
        return self.command[self.command.index(name) + 1]


def clean(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in environment().items() if not name.startswith(OURS)}
    return {**kept, "CUDA_VISIBLE_DEVICES": "", **variables}


def script(folder: Path, name: str, *arguments: str, **variables: str) -> Shown:
    """As it is, in a process of its own."""
    done = subprocess.run(
        [str(RECIPES / name), *arguments],
        cwd=folder,
        env=clean(PYTHON=sys.executable, OMP_NUM_THREADS="1", **variables),
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Shown(done.returncode, done.stdout, done.stderr)


Run = Callable[..., Shown]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """The script's own exports and arguments, and behind them run.py in this process, which has torch already; what it
    would put in its place is kept."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(str(RECIPES))
    monkeypatch.chdir(tmp_path)
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\0" "$@" >&3\nenv -0\n')
    python.chmod(0o755)
    import importlib

    module: ModuleType = importlib.import_module("run")
    taken: list[Any] = []
    monkeypatch.setattr(os, "execvpe", lambda *given: taken.append(given) or 0)

    def played(name: str, *arguments: str, **variables: str) -> Shown:
        exported, status = _exported(python, name, arguments, clean(**variables))
        with monkeypatch.context() as changed:
            for gone in set(os.environ) - set(exported[0]):
                changed.delenv(gone)
            for key, value in exported[0].items():
                changed.setenv(key, value)
            changed.setattr(sys, "argv", exported[1])
            capfd.readouterr()
            taken.clear()
            try:
                module.main()
            except SystemExit as stop:
                status = int(stop.code or 0)
            out, err = capfd.readouterr()
        assert "Traceback" not in err, err
        return Shown(status, out, err, *((taken[0][1], taken[0][2]) if taken else ()))

    yield played
    for name in set(sys.modules) - known:
        if str(RECIPES) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def _exported(
    python: Path, name: str, arguments: tuple[str, ...], environ: dict[str, str]
) -> tuple[tuple[dict[str, str], list[str]], int]:
    """The environment and the line that a script hands to Python."""
    told = python.with_name("line")
    with told.open("wb") as line:
        done = subprocess.run(
            ["bash", "-c", f'exec 3>&{line.fileno()}; exec "$@"', "bash", str(RECIPES / name), *arguments],
            env={**environ, "PYTHON": str(python)},
            pass_fds=[line.fileno()],
            capture_output=True,
            timeout=20,
        )
    assert not done.stderr, done.stderr
    pairs = (entry.partition("=") for entry in done.stdout.decode().split("\0") if entry)
    words = told.read_bytes().decode().split("\0")[:-1]
    told.unlink()
    assert words[0] == "-B", "no bytecode beside the script"
    return ({key: value for key, _, value in pairs if key not in ("_", "SHLVL", "PYTHON")}, words[1:]), 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that was never trained, and prompts."""
    folder = tmp_path_factory.mktemp("made")
    texts: list[str] = []
    for split, count in (("train", 14), ("validation", 4)):
        rows = [task.opening[0].said for task in islice(load("style").tasks(split, 0), count)]
        texts += rows
        lines = [{"prompt": row} for row in (*rows, *(["word " * 600] if split == "train" else []))]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    tiny.make(folder / "policy", texts, vocabulary=400, hidden=32, layers=1, heads=2, context=2048)
    return folder


def inputs(made: Path, **more: str) -> dict[str, str]:
    return {
        "MODEL_NAME_OR_PATH": str(made / "policy"),
        "USER_MODEL_NAME_OR_PATH": "rules",
        "STYLE": "no_lists",
        "TRAIN_JSONL": str(made / "train.jsonl"),
        "VAL_JSONL": str(made / "validation.jsonl"),
        "TRAIN_N": "8",
        "EVAL_N": "2",
        "BS": "2",
        "GA": "1",
        "WORLD_SIZE": "1",
        "MAX_NEW_TOKENS": "24",
        **more,
    }


def test_every_default_of_the_published_tables_is_what_a_dry_run_resolves(run: Run, tmp_path: Path) -> None:
    if not (SHARED / "seeds").exists():
        pytest.skip("the published description is not beside the checkout")
    (text,) = (path.read_text() for path in (SHARED / "seeds").glob("002_*.txt"))
    for name, part in zip((TLDR, HELPSTEER), text.split("## Experiment")[1:], strict=True):
        rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", part, re.MULTILINE)
        assert len(rows) >= 6
        shown = run(name, "--dry-run", SCRATCH=str(tmp_path / "s"))
        for variable, default in rows:
            wanted = default.replace("$SCRATCH", str(tmp_path / "s")).replace("<run-id>", shown.values["RUN_ID"])
            assert shown.values[variable] == wanted, variable
        written = re.search(r"Writes to (\S+)/train.jsonl and", part)
        prepared = re.search(r"scripts/(prepare_\w+\.sh)", part)
        assert written
        assert prepared
        assert run(prepared[1], "--dry-run").values["OUT_DIR"] == written[1]
        assert shown.values["TRAIN_JSONL"] == f"{written[1]}/train.jsonl"
        flag = {"LR": "--learning-rate", "BS": "--micro-batch", "MODEL_NAME_OR_PATH": "--model"}
        assert {name: shown.flag(flag[name]) for name in flag} == {name: dict(rows)[name] for name in flag}


def test_the_documented_variables_are_there_with_their_defaults(run: Run, tmp_path: Path) -> None:
    both = {"TRAIN_N": "512", "EVAL_N": "256", "MAX_PROMPT_TOKENS": "512", "SEED": "42", "WORLD_SIZE": "4"}
    summaries = run(TLDR, "--dry-run", TMPDIR=str(tmp_path))
    general = run(HELPSTEER, "--dry-run")
    for shown, own in (
        (summaries, {"SYSTEM_PROMPT": "tldr", "WANDB_PROJECT": "tldr", "BASE_WORK": str(tmp_path)}),
        (general, {"SYSTEM_PROMPT": "general", "WANDB_PROJECT": "helpsteer", "BASE_WORK": "/tmp"}),
    ):
        assert both.items() | own.items() <= shown.values.items()
        assert shown.values["WANDB_NAME"] == shown.values["RUN_ID"]
        assert shown.flag("--steps") == {"tldr": "16", "general": "32"}[own["SYSTEM_PROMPT"]]
        assert "memory for the trainer: about" in shown.out
        assert shown.status == 1
        assert "TRAIN_JSONL=data/" in shown.err, "what is not there is said, also in a dry run"
    assert summaries.flag("--user-model") == "frozen", "the policy's own name"
    assert general.flag("--user-model") == "anthropic/claude-haiku-4-5-20251001"
    offline = run(OFFLINE, "--dry-run").values
    assert [offline[name] for name in ("LR", "BS", "GA", "WORLD_SIZE", "WANDB_PROJECT")] == [
        *("2e-6", "4", "8", "4", "wildfeedback")
    ]
    judged = run(EVAL, "--dry-run")
    assert judged.values["CKPTS"] == "3 6 9 12 15"
    assert judged.command[judged.command.index("--steps") + 1 :][:5] == ["3", "6", "9", "12", "15"]
    signal = run(SIGNAL, "--dry-run")
    assert (signal.values["N_CASES"], signal.values["SEED"], signal.status) == ("24", "123", 0)


def tree(*folders: Path) -> list[tuple[str, int]]:
    """Every path, and of a file when it was written."""
    found = (path for folder in folders for path in folder.rglob("*"))
    return sorted((str(path), path.stat().st_mtime_ns if path.is_file() else 0) for path in found)


def test_a_dry_run_creates_nothing(made: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    work = tmp_path / "work"
    for folder in (home, work):
        folder.mkdir()
    places = {"HOME": str(home), "HF_HOME": str(home / "hf"), "SCRATCH": str(work), "TMPDIR": str(work)}
    before = tree(tmp_path, made, RECIPES)
    done = script(work, TLDR, "--dry-run", **inputs(made), **places)
    assert done.status == 0, done.err
    assert tree(tmp_path, made, RECIPES) == before
    assert "TRAIN_JSONL: 8 of 15 prompts" in done.out
    assert "memory for the trainer: about" in done.out


HOSTILE = 'it\'s a "$HOME" `x`\nline'


def test_what_is_shown_is_what_runs_whatever_the_values_hold(run: Run, made: Path, tmp_path: Path) -> None:
    out = tmp_path / HOSTILE
    train = tmp_path / f"{HOSTILE}.jsonl"
    train.write_bytes((made / "train.jsonl").read_bytes())
    variables = inputs(made, OUTPUT_DIR=str(out), TRAIN_JSONL=str(train), WANDB_NAME=HOSTILE)
    shown = run(TLDR, "--", "--lora", "--dry-run", "--lora-r", "4", **variables)
    assert (shown.status, shown.ran) == (0, None), shown.err
    assert not out.exists()
    done = run(TLDR, "--", "--lora", "--lora-r", "4", **variables)
    assert done.ran
    assert shown.command == ["env", "-u", "WORLD_SIZE", f"WANDB_NAME={HOSTILE}", *done.ran]
    assert "WORLD_SIZE" not in done.environ
    assert done.environ["WANDB_NAME"] == HOSTILE
    assert done.ran[1:6] == ["-m", "usergym", "train", "sdpo", "--envs"]
    assert done.ran[-3:] == ["--lora", "--lora-r", "4"]
    assert (out / "tasks" / "train.jsonl").exists()


def tasks(out: Path, split: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "tasks" / f"{split}.jsonl").read_text().splitlines()]


def test_prompts_are_drawn_by_the_seed_and_long_ones_passed_over(run: Run, made: Path, tmp_path: Path) -> None:
    def drawn(folder: str, **more: str) -> list[dict[str, Any]]:
        assert run(TLDR, **inputs(made, OUTPUT_DIR=str(tmp_path / folder), **more)).ran
        return tasks(tmp_path / folder, "train")

    first = drawn("a", TRAIN_N="20")
    assert len(first) == 14, "all but the one that is too long"
    assert len({task["group"] for task in first}) == 14
    assert all("TL;DR:" in task["data"]["system"] for task in first)
    assert not {task["group"] for task in first} & {task["group"] for task in tasks(tmp_path / "a", "validation")}
    assert drawn("b", TRAIN_N="20") == first
    assert drawn("c", TRAIN_N="20", SEED="7") != first
    general = drawn("d", SYSTEM_PROMPT="general", STYLE="no_lists>more_lists", STYLE_EVERY="3")
    assert [task["data"] for task in general] == [{"styles": ["no_lists"]}] * 3 + [{"styles": ["more_lists"]}] * 5


def test_a_switch_for_reasoning_is_off_unless_asked_for(run: Run, made: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.mkdir()
    for path in (made / "policy").iterdir():
        (policy / path.name).write_bytes(path.read_bytes())
    template = policy / "chat_template.jinja"
    own = template.read_text() + "{% if add_generation_prompt and enable_thinking is defined %}calm{% endif %}"
    template.write_text(own)
    variables = inputs(made, MODEL_NAME_OR_PATH=str(policy), OUTPUT_DIR=str(tmp_path / "out"))
    done = run(TLDR, **variables)
    assert done.ran
    given = Path(done.ran[done.ran.index("--chat-template") + 1])
    assert given.read_text() == "{%- set enable_thinking = false %}\n" + own
    thinking = run(TLDR, ENABLE_THINKING="true", **variables)
    assert thinking.ran
    assert "--chat-template" not in thinking.ran


def test_secrets_pass_through_and_are_printed_nowhere(run: Run, made: Path, tmp_path: Path) -> None:
    secrets = {
        "HF_TOKEN": "hf_very_secret",
        "WANDB_API_KEY": "wandb_very_secret",
        "ANTHROPIC_API_KEY": "sk_very_secret",
    }
    variables = inputs(made, OUTPUT_DIR=str(tmp_path / "out"), **secrets)
    variables["USER_MODEL_NAME_OR_PATH"] = "http://me:hush_hush@localhost:9000/v1/m"
    shown = run(HELPSTEER, "--dry-run", "--", "--cache", str(tmp_path / "hf_very_secret"), **variables)
    assert {shown.values[name] for name in secrets} == {"set"}
    for word in (*secrets.values(), "hush_hush"):
        assert word not in shown.out + shown.err
    assert shown.command[shown.command.index("--track") + 1 :][:2] == ["console", "wandb"]
    done = run(HELPSTEER, **variables)
    assert done.ran
    assert secrets.items() <= done.environ.items()
    assert "http://me:hush_hush@localhost:9000/v1/m" in done.ran
    assert "very_secret" not in "".join((done.out, done.err, *done.ran))


def test_a_missing_key_is_a_warning_before_the_run_and_refused_by_it(run: Run, made: Path) -> None:
    variables = inputs(made, USER_MODEL_NAME_OR_PATH="")
    shown = run(HELPSTEER, "--dry-run", **variables)
    assert shown.status == 0, shown.err
    assert "before it can run: no key for anthropic/claude-haiku-4-5-20251001: set ANTHROPIC_API_KEY" in shown.out
    done = run(HELPSTEER, **variables)
    assert done.status
    assert done.ran is None
    assert "ANTHROPIC_API_KEY" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "arguments", "variables", "told"),
    [
        (TLDR, ("--dryrun",), {}, "'--dryrun' is no argument of this script; there are --dry-run and"),
        (TLDR, ("--", "--learning-rate", "1"), {}, "--learning-rate is what LR sets here; give LR=VALUE"),
        (TLDR, ("--", "--no-such-flag"), {}, "no-such-flag"),
        (TLDR, (), {"BS": "1"}, "BS x GA x WORLD_SIZE is 1 x 1 x 1, and a step is of 2 conversations or more"),
        (TLDR, (), {"ANCHOR": "-1"}, "ANCHOR='-1': expected a number, 0 or more"),
        (TLDR, ("--", "--anchor", "1"), {}, "--anchor is what ANCHOR sets here; give ANCHOR=VALUE"),
        (TLDR, (), {"BS": "two"}, "BS='two': expected a whole number, 1 or more"),
        (TLDR, (), {"LR": "-1"}, "LR='-1': expected a number, more than 0"),
        (TLDR, (), {"SYSTEM_PROMPT": "poem"}, "SYSTEM_PROMPT='poem': expected tldr or general"),
        (TLDR, (), {"STYLE": "no_list"}, "no style 'no_list'; did you mean no_lists"),
        (TLDR, (), {"RUN_ID": "../up"}, "RUN_ID='../up'"),
        (TLDR, (), {"TRAIN_JSONL": "/path/to/train.jsonl"}, "TRAIN_JSONL=/path/to/train.jsonl: there is no such file"),
        (TLDR, (), {"TRAIN_JSONL": "odd.jsonl"}, "TRAIN_JSONL: odd.jsonl, row 2: field 'prompt'"),
        (TLDR, (), {"VAL_JSONL": "{made}/train.jsonl"}, "VAL_JSONL holds a prompt of TRAIN_JSONL"),
        (TLDR, (), {"MAX_PROMPT_TOKENS": "2"}, "train.jsonl: all 15 prompts are too long; raise MAX_PROMPT_TOKENS"),
        (TLDR, (), {"MODEL_NAME_OR_PATH": "./nothing"}, "no model './nothing'"),
        (TLDR, (), {"USER_MODEL_NAME_OR_PATH": "./nothing"}, "no model './nothing'"),
        (TLDR, (), {"MAX_NEW_TOKENS": "4000"}, "one reply 4000"),
        (TLDR, (), {"SAVE_EVERY": "4"}, "SAVE_EVERY is 4, EVAL_EVERY 3"),
        (TLDR, (), {"ACCELERATE_CONFIG": "none.yaml"}, "ACCELERATE_CONFIG=none.yaml: No such file"),
        (TLDR, (), {"ACCELERATE_CONFIG": "odd.jsonl"}, "ACCELERATE_CONFIG=odd.jsonl"),
        (OFFLINE, (), {"BASE_MODEL": "{made}/policy", "TRAIN_JSONL": ""}, "TRAIN_JSONL is not set"),
        (OFFLINE, (), {"BASE_MODEL": "{made}/policy", "TRAIN_JSONL": "odd.jsonl"}, "odd.jsonl:1"),
        (EVAL, (), {"JUDGE_MODEL": "rules"}, "RUN_DIR is not set"),
        (EVAL, (), {"JUDGE_MODEL": "rules", "RUN_DIR": "gone"}, "no training run 'gone'"),
        (EVAL, (), {"CKPTS": "3,x"}, "CKPTS='3,x': expected steps"),
        (SIGNAL, (), {"MODEL": "{made}/policy", "CASES_JSON": "odd.json"}, "CASES_JSON=odd.json: there is no such"),
        (SIGNAL, (), {"MODEL": "{made}/policy", "TEMPLATE": "odd"}, "odd"),
        (PREPARE["tldr"], (), {"SOURCE": "./nothing.jsonl"}, "nothing.jsonl"),
    ],
)
def test_what_is_wrong_is_one_line_in_a_run_and_in_a_dry_run(
    run: Run, made: Path, tmp_path: Path, name: str, arguments: tuple[str, ...], variables: dict[str, str], told: str
) -> None:
    (tmp_path / "odd.jsonl").write_text('{"prompt": "Fine?"}\n{"text": "Not so fine."}\n')
    given = inputs(made) if name == TLDR else {"WORLD_SIZE": "1"}
    given |= {key: value.format(made=made) for key, value in variables.items()}
    for line in (arguments, ("--dry-run", *arguments)):
        done = run(name, *line, OUTPUT_DIR=str(tmp_path / "out"), OUT_DIR=str(tmp_path / "out"), **given)
        assert done.status == 1, done.out
        problems = done.err.splitlines()
        assert sum(told in problem for problem in problems) == 1
        assert (done.out + done.err).count(problems[0].removeprefix("error: ")) == 1, "a dry run says it once too"
        assert len(problems) == 1 or "--dry-run" in line
        assert all(problem.startswith("error: ") for problem in problems)
        assert done.ran is None
        assert not (tmp_path / "out").exists()


def test_variables_of_the_published_scripts_without_a_meaning_are_said(run: Run, made: Path) -> None:
    shown = run(TLDR, "--dry-run", TRAIN_SCRIPT="main.py", **inputs(made))
    assert "TRAIN_SCRIPT has no meaning here" in shown.out


def test_one_process_is_python_and_several_are_torchrun_or_accelerate(run: Run, made: Path, tmp_path: Path) -> None:
    import machine
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    alone = run(TLDR, "--dry-run", **inputs(made, WORLD_SIZE="0"))
    assert alone.command[4:7] == [sys.executable, "-m", "usergym"]
    assert alone.flag("--prompts") == "2"
    two = run(TLDR, "--dry-run", **inputs(made, WORLD_SIZE="2", GA="2"))
    assert [Path(two.command[4]).name, *two.command[5:10]] == [
        *("torchrun", "--standalone", "--nproc-per-node", "2", "-m", "usergym")
    ]
    assert (two.flag("--prompts"), two.flag("--steps")) == ("8", "1")

    config = RECIPES / "multigpu_accelerate_config.yaml"
    assert machine.accelerate_config(config) == yaml.safe_load(config.read_text())
    for file in (None, config):
        command = [*machine.launcher(4, 4, file), "-m", "usergym", "train", "sdpo", "--lora"]
        assert [Path(command[0]).name, command[1]] == ["accelerate", "launch"]
        asked = launch_command_parser().parse_args(command[2:])
        asked, _, _ = _validate_launch_command(asked)
        assert (asked.multi_gpu, asked.num_processes, asked.num_machines, asked.mixed_precision) == (True, 4, 1, "bf16")
        assert (asked.module, asked.training_script, asked.training_script_args) == (
            *(True, "usergym"),
            ["train", "sdpo", "--lora"],
        )
    machine.enough(4, 4)
    machine.enough(4, 0)
    with pytest.raises(ValueError, match="WORLD_SIZE=4, and there are 2 GPUs"):
        machine.enough(4, 2)


def test_a_configuration_of_accelerate_that_is_not_used_is_noted_and_one_that_cuts_the_weights_refused(
    run: Run, made: Path
) -> None:
    import machine

    config = RECIPES / "multigpu_accelerate_config.yaml"
    for world, why in (("1", "one process is Python alone"), ("2", "without a GPU torchrun starts the processes")):
        given = inputs(made, WORLD_SIZE=world, ACCELERATE_CONFIG=str(config))
        told = f"note: ACCELERATE_CONFIG={config} is not used: {why}"
        assert told in run(TLDR, "--dry-run", **given).out.splitlines()
        done = run(TLDR, **given, OUTPUT_DIR="out")
        assert done.ran
        assert told in done.err.splitlines()
    assert machine.unused(4, 4, config) is None
    machine.whole_weights(machine.accelerate_config(config))
    for name in ("fsdp.yaml", "deepspeed_zero3.yaml"):
        cutting = machine.accelerate_config(RECIPES.parent / "accelerate" / name)
        with pytest.raises(ValueError, match="replies are scored with whole"):
            machine.whole_weights(cutting)


def test_the_anchor_is_the_forms_own_unless_it_is_set_and_its_copy_is_counted(run: Run, made: Path) -> None:
    def needed(shown: Shown) -> float:
        found = re.search(r"memory for the trainer: about ([\d.]+) GiB", shown.out)
        assert found
        return float(found[1])

    own = run(TLDR, "--dry-run")
    assert "--anchor" not in own.command
    none = run(TLDR, "--dry-run", ANCHOR="0")
    assert none.flag("--anchor") == "0"
    copy = 4 * 8_190_735_360 / 2**30
    assert needed(own) - needed(none) == pytest.approx(copy, abs=0.2)
    assert needed(run(TLDR, "--dry-run", SDPO="legacy-online")) == needed(none)
    for teacher, copies in (("base", 1), ("ema", 2), ("periodic", 2)):
        shown = run(TLDR, "--dry-run", "--", "--teacher", teacher)
        assert needed(shown) - needed(none) == pytest.approx(copies * copy, abs=0.2), teacher
    adapter = [needed(run(TLDR, "--dry-run", "--", "--lora", ANCHOR=weight)) for weight in ("0.5", "0")]
    assert adapter[0] - adapter[1] < copy / 20, "of the adapter alone"
    offline = run(OFFLINE, "--dry-run", ANCHOR="0.1", BASE_MODEL=str(made / "policy"), WORLD_SIZE="1")
    assert offline.flag("--anchor") == "0.1"


def test_what_is_counted_is_told_in_the_singular_and_in_the_plural(run: Run, made: Path) -> None:
    one = run(TLDR, "--dry-run", **inputs(made, TRAIN_N="3", BS="4", USER_MODEL_NAME_OR_PATH="frozen", EVAL_N="0"))
    assert one.status == 0, one.err
    assert "- 1 step of 4 prompts; 4 reactions of the policy as it was at the start in all" in one.out
    assert "- a step takes 4 prompts and there are only 3, so some come more than once" in one.out
    assert "disk: up to 1 checkpoint of about" in one.out
    more = run(TLDR, "--dry-run", **inputs(made, TRAIN_N="8"))
    assert "- 4 steps of 2 prompts each; 14 reactions of the rules in all" in more.out
    assert "disk: up to 2 checkpoints of about" in more.out
    model = {"MODEL": str(made / "policy")}
    assert "our own: 14 cases, of which 1 is played" in run(SIGNAL, "--dry-run", N_CASES="1", **model).out
    assert "our own: 14 cases, of which 4 are played" in run(SIGNAL, "--dry-run", N_CASES="4", **model).out
    again = run(SIGNAL, "--dry-run", **model)
    assert "our own: 14 cases, played again with other replies until there are 24" in again.out


def test_prompts_that_were_prepared_are_prompts_that_can_be_trained_on(run: Run, made: Path, tmp_path: Path) -> None:
    posts = [
        {"info": {"post": f"{letter * 8} did something odd to my {letter} today, and I laughed."}}
        for letter in "abcdefghij"
    ]
    (tmp_path / "raw").mkdir()
    for split, rows in (("train", posts[:8]), ("validation", posts[8:])):
        (tmp_path / "raw" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    variables = {"SOURCE": "raw", "CACHE_DIR": str(tmp_path / "cache")}
    shown = run(PREPARE["tldr"], "--dry-run", **variables)
    assert shown.status == 0, shown.err
    assert f"HF_DATASETS_CACHE={tmp_path}/cache/datasets" in shown.command
    assert not (tmp_path / "data").exists()
    done = run(PREPARE["tldr"], **variables)
    assert done.ran
    subprocess.run(done.ran, cwd=tmp_path, env=dict(done.environ), check=True, capture_output=True, timeout=60)
    given = inputs(made) | {"TRAIN_JSONL": "", "VAL_JSONL": ""}
    shown = run(TLDR, "--dry-run", **given)
    assert shown.status == 0, shown.err
    assert "TRAIN_JSONL: 8 of 8 prompts" in shown.out


def test_recorded_tuples_are_counted_into_steps(run: Run, made: Path, tmp_path: Path) -> None:
    rows = [
        {"x": [{"role": "user", "content": f"What is {n}?"}], "y": "A number.", "o": "Too short."} for n in range(40)
    ]
    (tmp_path / "tuples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = {"BASE_MODEL": str(made / "policy"), "TRAIN_JSONL": "tuples.jsonl", "BS": "1", "GA": "2", "WORLD_SIZE": "1"}
    shown = run(OFFLINE, "--dry-run", SDPO="legacy-offline", SCRATCH=str(tmp_path), **given)
    assert shown.status == 0, shown.err
    assert "about 40 steps of 2 conversations" in shown.out
    assert (shown.flag("--warmup"), shown.flag("--sdpo"), shown.flag("--epochs")) == ("2", "legacy-offline", "2")
    assert shown.values["OUTPUT_DIR"].startswith(f"{tmp_path}/sdpo-offline-runs/policy-")


def test_two_processes_on_a_cpu_both_take_part_and_their_checkpoints_are_compared(
    run: Run, made: Path, tmp_path: Path
) -> None:
    variables = inputs(made, WORLD_SIZE="2", MAX_NEW_TOKENS="200", SAVE_EVERY="1", EVAL_EVERY="1", LR="1e-3")
    done = script(tmp_path, TLDR, SCRATCH=str(tmp_path), RUN_ID="both", **variables)
    assert done.status == 0, done.err[-2000:]
    out = tmp_path / "sdpo-tldr-runs" / "both"
    steps = [line for line in read_metrics(out) if "loss" in line]
    assert [line["step"] for line in steps] == [1, 2]
    told = json.loads((out / "config.json").read_text())
    assert [start["processes"] for start in told["starts"]] == [2]
    wanted = {task["group"] for task in tasks(out, "train")}
    played = [
        {json.loads(line)["task"]["group"] for line in (out / name).read_text().splitlines()}
        for name in ("trajectories.jsonl", "trajectories-1.jsonl")
    ]
    assert [len(each) for each in played] == [4, 4]
    assert played[0] | played[1] == wanted
    signals = [(out / name).read_text().splitlines() for name in ("signals.jsonl", "signals-1.jsonl")]
    assert sum(map(len, signals)), "some of the replies were reacted to"

    given = {"RUN_DIR": str(out), "CKPTS": "1 2", "STYLE": "no_lists", "JUDGE_MODEL": "rules", "EVAL_N": "4"}
    shown = run("eval_checkpoints_tldr.sh", "--dry-run", DATA_PATH=str(made / "validation.jsonl"), **given)
    assert shown.status == 0, shown.err
    assert f"RUN_DIR: 2 checkpoints, compared with checkpoint/{made / 'policy'}" in shown.out
    (tmp_path / "one.jsonl").write_text('{"prompt": "How do I cook rice?"}\n')
    few = run("eval_checkpoints_tldr.sh", "--dry-run", DATA_PATH="one.jsonl", **given)
    assert few.err.splitlines() == [
        "error: DATA_PATH=one.jsonl: 1 of 1 prompt, and a win rate needs 2 or more; give a file of more prompts"
    ]
    trained = run("eval_checkpoints_tldr.sh", "--dry-run", DATA_PATH=str(made / "train.jsonl"), **given)
    assert trained.status == 1
    assert "were trained on" in trained.err
    assert not (out / "eval-no_lists").exists()
