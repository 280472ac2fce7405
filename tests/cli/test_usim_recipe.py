"""recipes/usim as a person runs its script: the documented lines, what a dry run shows and leaves alone, real runs."""

import importlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.terminal import ROOT, SHARED, environment
from usergym.environments.people.gym import People
from usergym.rollouts.store import read_trajectories
from usergym.rows import Writer
from usergym.training import tiny
from usergym.types import split_of
from usergym.users.population import population
from usergym.users.states.modes import MODEL_TYPES, MODES
from usergym.users.states.prompting import system_prompt

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked")

RECIPE = ROOT / "recipes" / "usim"
SCRIPT = RECIPE / "train_grpo.sh"
FOLDERS = (str(RECIPE), str(ROOT / "recipes" / "sdpo"))
TRAINED = [name for name, mode in MODES.items() if mode.trains]
SMALL = {
    "TRAIN_BATCH_SIZE": "2",
    "N_ROLLOUTS": "2",
    "PPO_MINI_BATCH_SIZE": "1",
    "TOTAL_TRAINING_STEPS": "2",
    "SAVE_FREQ": "1",
    "VAL_SIZE": "2",
    "MAX_GEN_LENGTH": "16",
    "LEARNING_RATE": "1e-3",
}


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


def seed() -> str:
    if not (SHARED / "seeds").exists():
        pytest.skip("the published description is not beside the checkout")
    (path,) = (SHARED / "seeds").glob("001_*.txt")
    return path.read_text()


def documented() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", seed(), re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    found = [line.partition("train_grpo.sh")[2] for line in lines if "train_grpo.sh" in line]
    return [line for line in found if "<" not in line]


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_every_documented_line_passes_a_dry_run_and_creates_nothing(
    run: Run, made: Path, inputs: dict[str, str], tmp_path: Path
) -> None:
    lines = documented()
    assert len(lines) >= 5
    for line in lines:
        for words in shlex.split(line):
            if "global_step" in words:
                shutil.copytree(made / "policy", Path(words) / "actor")
    before = tree(tmp_path)
    for line in lines:
        shown = run(f"{line} --dry-run", **inputs)
        assert shown.status == 0, (line, shown.err)
        gpus, dataset, config, *_ = shlex.split(line)
        evaluates = config == "eval_only"
        verb = ("eval", "users") if evaluates else ("train", "users")
        start = shown.command.index("usergym")
        assert tuple(shown.command[start + 1 : start + 3]) == verb
        assert f"CUDA_VISIBLE_DEVICES={gpus}" in shown.command
        assert "memory for the" in shown.out
        assert re.search(rf"data/users/{dataset}\w*/rl/sebvgcr", shown.command[start + 3])
        assert f"GPUS={gpus}, and of these 0 are there" in shown.out, "which a dry run may be without"
        if not evaluates:
            assert shown.command[start - 2] == str(len(gpus.split(","))), "one process on each"
            assert shown.flag("--mode") == config
        if "global_step" in line:
            assert shown.flag("--model").endswith("/actor")
        refused = run(line, **inputs)
        assert (refused.status, refused.ran) == (3, None), "a run needs them"
    assert tree(tmp_path) == before


def test_the_documented_variables_have_their_meaning(run: Run, inputs: dict[str, str]) -> None:
    block = seed().partition("## Configuration Examples")[2]
    given = {name: value.strip("'") for name, value in re.findall(r"^([A-Z_]+)=(\S+)", block, re.MULTILINE)}
    assert len(given) == 9
    shown = run("cpu medium separate_system_prompt --dry-run", **given, **inputs)
    assert shown.status == 0, shown.err
    assert given.items() <= shown.values.items()
    assert "with these variables CONFIG separate_system_prompt is separate_system_prompt_hetero" in shown.out
    wanted = {"--mode": "separate_system_prompt_hetero", "--hierarchy": given["HIERARCHY_CONFIG"]}
    wanted |= {"--save-every": "25", "--max-tokens": "1024", "--thinking": "512", "--max-length": "8192"}
    assert {name: shown.flag(name) for name in wanted} == wanted
    default = run("cpu wildchat_english response_only_wildchat --dry-run", **inputs)
    told = {"BASE_MODEL_TYPE": "qwen", "ENABLE_THINKING": "False", "TRAIN_EPOCHS": "1", "SAVE_FREQ": "25"}
    told |= {"MAX_GEN_LENGTH": "512", "MAX_PROMPT_LENGTH": "7168", "N_ROLLOUTS": "4", "VAL_SIZE": "500"}
    assert told.items() <= default.values.items()
    assert (default.flag("--learning-rate"), default.flag("--beta"), default.flag("--group")) == ("1e-6", "1e-3", "4")
    assert (default.flag("--temperature"), default.flag("--eval-temperature")) == ("0.8", "0.4")


@pytest.mark.parametrize("key", TRAINED)
def test_every_key_is_a_configuration_and_its_switches_lead_to_it(key: str, run: Run, inputs: dict[str, str]) -> None:
    shown = run(f"cpu reddit {key} --dry-run", **inputs)
    assert shown.status == 0, shown.err
    assert shown.flag("--mode") == key
    assert shown.values["MAX_GEN_LENGTH"] == ("1024" if MODES[key].thinking else "512")
    names = ("ENABLE_THINKING", "ENABLE_HIERARCHY", "SEPARATE_GENERATION", "USE_DIFF_H_SYS_PROMPTS")
    switches = {name: shown.values[name] for name in names}
    other = next(name for name, mode in MODES.items() if mode.trains and mode.levels == MODES[key].levels)
    assert run(f"cpu reddit {other} --dry-run", **switches, **inputs).flag("--mode") == key


def test_a_step_is_of_about_32_tasks_whatever_the_number_of_gpus(run: Run, inputs: dict[str, str]) -> None:
    for gpus in range(1, 9):
        named = ",".join(map(str, range(gpus)))
        shown = run(f"{named} reddit response_only --dry-run", **inputs)
        assert shown.status == 0, shown.err
        prompts, updates = int(shown.flag("--prompts")), int(shown.flag("--updates"))
        assert prompts == 32 // gpus * gpus
        assert prompts * 4 % (updates * gpus) == 0
        assert updates in (8, 10), "updates of about four tasks"


@pytest.mark.parametrize(
    ("line", "variables", "told"),
    [
        ("0 reddit", {}, "2 arguments; expected GPUS DATASET CONFIG [PUSH MESSAGE RESUME MODEL_TYPE]"),
        ("0 reddit response_only no a b base c", {}, "8 arguments"),
        ("0 redit response_only", {}, "no data set 'redit'; there are reddit, youtube, medium, amazon"),
        ("0 reddit separate", {}, "no mode 'separate'"),
        ("0 reddit eval_only no '' '' sft-thinking", {}, "no model type 'sft-thinking'; did you mean sft-think?"),
        ("0;1 reddit response_only", {}, "GPUS='0;1': expected different numbers"),
        ("0,0 reddit response_only", {}, "GPUS='0,0': expected different numbers"),
        ("cpu reddit response_only maybe", {}, "PUSH='maybe': expected yes or no"),
        ("cpu reddit response_only --dryrun", {}, "'--dryrun' is no argument of this script; there are --dry-run and"),
        ("cpu reddit response_only -- --steps 3", {}, "--steps is what TRAIN_EPOCHS or TOTAL_TRAINING_STEPS sets here"),
        ("cpu reddit response_only -- --no-such-flag", {}, "no-such-flag"),
        ("cpu reddit response_only no '' ./nothing", {}, "RESUME=./nothing: there is no such folder"),
        ("cpu reddit eval_only no '' '' sft-think", {}, "MODEL_TYPE sft-think is of a trained model; give RESUME"),
        ("cpu enron response_only", {}, "there are no rows of enron in data/users/enron/rl; make them with"),
        ("cpu reddit response_only", {"DATA": "gone"}, "DATA=gone: there is no such file or folder"),
        ("cpu reddit response_only", {"BASE_MODEL": "./gone"}, "no model './gone'"),
        ("cpu reddit response_only", {"BASE_MODEL_TYPE": "llama"}, "BASE_MODEL_TYPE='llama': expected qwen or userlm"),
        ("cpu reddit response_only", {"ENABLE_THINKING": "maybe"}, "ENABLE_THINKING='maybe': expected True or False"),
        ("cpu reddit separate_reward_subset", {"SEPARATE_GENERATION": "True"}, "no configuration has"),
        ("cpu reddit response_only", {"HIERARCHY_CONFIG": "gone.json"}, "no hierarchy 'gone.json'"),
        ("cpu reddit response_only", {"SAVE_FREQ": "3", "TEST_FREQ": "2"}, "SAVE_FREQ is 3, TEST_FREQ 2"),
        ("cpu reddit response_only", {"PPO_MINI_BATCH_SIZE": "3"}, "cannot be cut into updates"),
        ("cpu reddit response_only_think", {"MAX_GEN_LENGTH": "512"}, "leaves nothing to think in"),
        ("cpu reddit response_only", {"EXP_NAME": "../up"}, "EXP_NAME='../up'"),
        ("0,1 reddit separate_generation", {}, "separate_generation builds on the states of earlier steps"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_made(
    run: Run, inputs: dict[str, str], tmp_path: Path, line: str, variables: dict[str, str], told: str
) -> None:
    before = tree(tmp_path)
    words = shlex.split(line)
    place = words.index("--") if "--" in words else len(words)
    shown = run((*words[:place], "--dry-run", *words[place:]), **{**inputs, **variables})
    assert shown.status == 1, shown.out
    assert told in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert tree(tmp_path) == before


def test_lists_of_what_there_is_are_whole(run: Run, inputs: dict[str, str]) -> None:
    kinds = run("cpu reddit eval_only no '' '' nonsense --dry-run", **inputs).err
    assert all(name in kinds for name in MODEL_TYPES)
    keys = run("cpu reddit nonsense --dry-run", **inputs).err
    assert all(name in keys for name in MODES)


def test_every_model_type_is_asked_in_its_own_way(run: Run, made: Path, inputs: dict[str, str]) -> None:
    for name, kind in MODEL_TYPES.items():
        resume = "" if kind.base == "api" else str(made / "policy")
        shown = run(("cpu", "reddit", "eval_only", "no", "", resume, name, "--dry-run"), **inputs)
        assert shown.status == 0, (name, shown.err)
        assert shown.flag("--hierarchy") == kind.levels
        assert shown.flag("--model") == (f"checkpoint/{resume}" if resume else "openai/gpt-5")
        thinks = kind.thinking and kind.levels not in ("think_r", "sebvgcr")
        assert ("--thinking" in shown.command) == thinks, name


def test_a_documented_run_leaves_the_documented_tree_and_goes_on_from_it(
    run: Run, made: Path, inputs: dict[str, str], tmp_path: Path
) -> None:
    variables = {**inputs, **SMALL, "EXP_NAME": "exp", "DATA": str(made / "rows.jsonl")}
    line = ("cpu", "reddit", "separate_generation")
    done = run((*line, "yes", "it's done", "--", "--patience", "60"), real=True, **variables)
    assert done.status == 0, done.err
    assert "git add -A && git commit -m 'it'\"'\"'s done' && git push" in done.out
    out = Path("outputs/exp")
    assert (out / "latest_checkpointed_iteration.txt").read_text() == "2"
    for step in (1, 2):
        actor = out / f"global_step_{step}" / "actor"
        files = {path.name for path in actor.iterdir()}
        assert {"model.safetensors", "config.json", "tokenizer.json", "data.json", "hierarchy_map.json"} <= files
        assert not {"optimizer.pt", "trainer_state.json", "prefixes.json"} & files
        told = json.loads((actor / "data.json").read_text())
        assert told == {"global_step": step, "tasks": 2 * step, "seed": 0, "data": str(made / "rows.jsonl")}
    assert not [path for path in out.iterdir() if path.name.endswith((".tmp", ".old"))]

    marks = {path: path.stat().st_mtime_ns for path in out.glob("global_step_*/**/*")}
    logged = (out / "metrics.jsonl").read_text()
    again = run((*line, "no", "", str(out), "--", "--patience", "60"), real=True, **variables)
    assert again.status == 0, again.err
    assert (out / "metrics.jsonl").read_text() == logged, "nothing was left to do"
    assert {path: path.stat().st_mtime_ns for path in out.glob("global_step_*/**/*")} == marks

    variables.pop("EXP_NAME")
    last = run((*line, "no", "", str(out / "global_step_2"), "--dry-run"), **variables)
    assert (last.flag("--out"), last.flag("--model")) == ("./outputs/exp", inputs["BASE_MODEL"])
    first = run((*line, "no", "", str(out / "global_step_1"), "--dry-run"), **variables)
    assert first.status == 0, first.err
    assert first.flag("--out") != "./outputs/exp"
    assert first.flag("--model") == "outputs/exp/global_step_1/actor"
    assert first.flag("--prefixes") == "./outputs/exp/global_step_1/actor/hierarchy_map.json"

    evaluated = run(
        ("cpu", "reddit", "eval_only", "no", "", str(out), "humanlm-sep-prompt", "--dry-run"),
        EVAL_SIZE="2",
        **variables,
    )
    assert evaluated.status == 0, evaluated.err
    assert evaluated.flag("--model") == "checkpoint/outputs/exp/checkpoints/checkpoint-4"


def test_a_run_begins_with_the_published_prefixes(run: Run, made: Path, inputs: dict[str, str]) -> None:
    import torch

    people = People(config="separate_generation", data=str(made / "rows.jsonl"))
    first = next(people.tasks("train", 0)).data["context"]
    context = next(each for each in people.contexts if each.id == first)
    row = {
        "prompt": [{"role": "user", "content": "Cake?\n<stance>\nfor cake\n</stance>\n"}],
        "extra_info": {"target_user_id": context.user, "post_id": context.post},
        "reward_model": {"ground_truth": context.truth["response"]},
    }
    entry = {"reward": 0.95, "field": "for cake", "data": row}
    actor = Path("theirs/global_step_7/actor")
    shutil.copytree(made / "policy", actor)
    torch.save({"hierarchy_map": {"stance": {"stance:3": [entry]}}}, actor / "hierarchy_map.pt")
    variables = {
        **inputs,
        **SMALL,
        "DATA": str(made / "rows.jsonl"),
        "OUTPUT_DIR": "begun",
        "TOTAL_TRAINING_STEPS": "1",
    }
    line = ("cpu", "reddit", "separate_generation", "no", "", "theirs/global_step_7")
    shown = run((*line, "--dry-run"), **variables)
    assert shown.status == 0, shown.err
    assert "hierarchy_map.pt: 1 prefixes" in shown.out
    assert not Path("begun").exists()
    done = run((*line, "--", "--patience", "60", "--micro-batch-is-no-flag"), **variables)
    assert done.ran is None
    done = run((*line, "--", "--patience", "60", "--levels", "emotion"), real=True, **variables)
    assert done.status == 0, done.err
    told = [reward for each in read_trajectories(Path("begun")) for reward in each.rewards if reward.name == "prefix"]
    assert {(reward.value, reward.reason) for reward in told} == {(0.95, "<stance>for cake</stance>")}
    saved = json.loads(Path("begun/global_step_1/actor/hierarchy_map.json").read_text())
    assert saved["prefixes"][context.id]["stance"][0]["step"] == 0, "as old as it was when its run ended"


class Boom:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (os.mkdir, ("harm",))


def test_a_file_that_would_run_code_is_refused_unread(run: Run, made: Path, inputs: dict[str, str]) -> None:
    import torch

    actor = Path("theirs/global_step_7/actor")
    shutil.copytree(made / "policy", actor)
    torch.save({"stance": {"a": [Boom()]}}, actor / "hierarchy_map.pt")
    shown = run("cpu reddit separate_generation no '' theirs/global_step_7 --dry-run", **inputs)
    assert shown.status == 1
    assert "hierarchy_map.pt holds more than plain values" in shown.err
    assert not Path("harm").exists()


def test_a_model_that_would_think_is_evaluated_without_it_where_its_type_does_not(
    run: Run, made: Path, inputs: dict[str, str]
) -> None:
    thinking = Path("thinking")
    shutil.copytree(made / "policy", thinking)
    own = (thinking / "chat_template.jinja").read_text()
    (thinking / "chat_template.jinja").write_text(own + "{% if enable_thinking is defined %}{% endif %}")
    variables = {**inputs, "BASE_MODEL": str(thinking), "EVAL_SIZE": "2", "OUTPUT_DIR": "evaluated"}
    plain = run("cpu reddit eval_only no '' '' base-think --dry-run", **variables)
    assert plain.flag("--model") == "checkpoint/thinking"
    done = run("cpu reddit eval_only", real=True, **variables)
    assert done.status == 0, done.out + done.err
    assert done.ran
    assert "checkpoint/./evaluated/model" in done.ran
    assert Path("evaluated/model/chat_template.jinja").read_text().startswith("{%- set enable_thinking = false %}")
    assert Path("evaluated/model/model.safetensors").resolve() == (thinking / "model.safetensors").resolve()
    assert (Path("evaluated") / "results.json").is_file()


def test_a_user_model_speaks_as_the_user(run: Run, made: Path, inputs: dict[str, str]) -> None:
    from usergym.training import checkpoints
    from usergym.training.chat import Chat
    from usergym.types import Message

    model, tokenizer = checkpoints.load(str(made / "policy"))
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]}
    )
    model.resize_token_embeddings(len(tokenizer))
    checkpoints.save(model, tokenizer, Path("userlm"))
    variables = {**inputs, **SMALL, "BASE_MODEL": "./userlm", "BASE_MODEL_TYPE": "userlm", "OUTPUT_DIR": "out"}
    done = run("cpu reddit response_only", **variables)
    assert done.ran, done.err
    given = Path(done.ran[done.ran.index("--chat-template") + 1])
    chat = Chat(checkpoints.tokenizer(checkpoints.find("./userlm"), given))
    said = chat.tokenizer.decode(chat.first([Message("system", "You."), Message("user", "Ada: Cake?")]))
    assert said.split("<|start_header_id|>")[1:] == [
        "system<|end_header_id|>\n\nYou.<|eot_id|>",
        "assistant<|end_header_id|>\n\nAda: Cake?<|eot_id|>",
        "user<|end_header_id|>\n\n",
    ]
    own = run("cpu reddit response_only --dry-run", **{**variables, "BASE_MODEL": inputs["BASE_MODEL"]})
    assert "--chat-template" not in own.command, "a model without its tokens keeps its own"


def test_the_script_itself_runs_and_its_checkpoints_can_be_laid_out_at_any_time(made: Path, tmp_path: Path) -> None:
    variables = {"BASE_MODEL": str(made / "policy"), "JUDGE_MODEL": "rules", "DATA": str(made / "rows.jsonl")}
    done = subprocess.run(
        [str(SCRIPT), "cpu", "--dry-run", "reddit", "response_only"],
        cwd=tmp_path,
        env={**environment(), "PYTHON": sys.executable, **variables},
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    assert "memory for the trainer: about" in done.stdout
    assert not list(tmp_path.iterdir())
    laid = subprocess.run(
        [sys.executable, str(RECIPE / "tree.py"), str(made), "tree"], cwd=tmp_path, capture_output=True, text=True
    )
    assert laid.returncode == 1
    assert "is no run of usergym train users" in laid.stderr
    assert not (tmp_path / "tree").exists()


def test_a_command_ends_with_what_it_is_told_to_end_by(run: Run) -> None:
    launch = importlib.import_module("launch")
    told = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
    told.start()
    program = "import os; print(os.environ['A'], flush=True); import time; time.sleep(60)"
    assert launch.played([sys.executable, "-c", program], {"A": "b"}) == 128 + signal.SIGTERM
    told.join()
    assert launch.played([sys.executable, "-c", "raise SystemExit(3)"], {}) == 3


def test_its_document_says_what_became_of_every_documented_command() -> None:
    text = (RECIPE / "README.md").read_text()
    blocks = "".join(re.findall(r"```bash\n(.*?)```", seed(), re.DOTALL)).replace("\\\n", " ")
    lines = [line.split() for line in blocks.splitlines() if line.strip() and not re.match(r"#|[A-Z_]+=", line)]
    assert len(lines) >= 12
    for words in lines:
        named = words[3:6] if "train_grpo.sh" in words[1] and "<" not in words[2] else words[:2]
        assert " ".join(named).partition("=")[0] in text, words


def test_its_document_names_every_variable_and_argument() -> None:
    text = (RECIPE / "README.md").read_text()
    names = re.findall(r"^export (\w+)=", SCRIPT.read_text(), re.MULTILINE)
    missing = [name for name in (*names, "GPUS", "DATASET", "CONFIG", "PUSH", "MESSAGE", "RESUME") if name not in text]
    assert not missing
    for key in TRAINED:
        assert key in text or key.replace("_wildchat", "") in text
