"""recipes/usim as a person runs its script: the documented lines, and what a dry run shows and leaves alone."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import SHARED, environment
from tests.cli.usim_script import RECIPE, SCRIPT, Run, exported, inputs, made, run, tree
from usergym.users.states.modes import MODEL_TYPES, MODES

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked")
__all__ = ["exported", "inputs", "made", "run"]  # fixtures

TRAINED = [name for name, mode in MODES.items() if mode.trains]


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
    whole = ("plain", *MODES, *MODEL_TYPES)
    assert all(name in run("", **inputs).err for name in whole)
    for line in ("--help", "-h", "cpu reddit --help"):
        shown = run(line, **inputs)
        assert (shown.status, shown.err) == (0, "")
        assert all(name in shown.out for name in (*whole, "--dry-run"))


def test_every_model_type_is_asked_in_its_own_way(run: Run, made: Path, inputs: dict[str, str]) -> None:
    for name, kind in MODEL_TYPES.items():
        resume = "" if kind.base == "api" else str(made / "policy")
        shown = run(("cpu", "reddit", "eval_only", "no", "", resume, name, "--dry-run"), **inputs)
        assert shown.status == 0, (name, shown.err)
        assert shown.flag("--hierarchy") == kind.levels
        assert shown.flag("--model") == (f"checkpoint/{resume}" if resume else "openai/gpt-5")
        thinks = kind.thinking and kind.levels not in ("think_r", "sebvgcr")
        assert ("--thinking" in shown.command) == thinks, name


def test_the_script_itself_runs(made: Path, tmp_path: Path) -> None:
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
