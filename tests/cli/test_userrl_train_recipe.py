"""recipes/userrl/train.sh and sft.sh as a person runs them, without a GPU and without the packages they start."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import ROOT, environment, usergym

RECIPES = ROOT / "recipes" / "userrl"


def script(folder: Path, name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["bash", str(RECIPES / name), *arguments],
        cwd=folder,
        env=environment(PYTHON=sys.executable, **variables),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def shown(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The variables that a dry run prints."""
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n\n")[0].splitlines()
    return {line.split()[0]: line[31:].split("   (")[0].strip() for line in lines}


def command_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    return shlex.split(done.stdout.split("\n\n")[1].replace("\\\n", " "))


def test_a_dry_run_shows_every_documented_value_and_the_command(tmp_path: Path) -> None:
    done = script(tmp_path, "train.sh", "--dry-run", MODEL_PATH="/models/q", CUDA_VISIBLE_DEVICES="0,1")
    values = shown(done)
    expected = {
        "PROJECT_DIR": str(tmp_path),
        "CUDA_VISIBLE_DEVICES": "0,1",
        "OPENAI_API_KEY": "not set",
        "MODEL_PATH": "/models/q",
        "MULTITURN_MODEL_NAME": "rules",
        "ADV_ESTIMATOR": "grpo_multiturn",
        "TURN_LEVEL_METHOD": "Equalized",
        "TRAJECTORY_SCORE_METHOD": "Sum",
        "GAMMA": "0.8",
        "TRAIN_BATCH_SIZE": "128",
        "N_ROLLOUTS": "8",
        "MAX_TURNS": "16",
        "MAX_PROMPT_LENGTH": "1152",
        "MAX_RESPONSE_LENGTH": "8192",
        "LEARNING_RATE": "1e-06",
        "ENABLE_GRADIENT_CHECKPOINTING": "True",
        "ENABLE_ACTIVATION_OFFLOAD": "True",
        "GPU_MEMORY_UTILIZATION": "0.5",
        "ROLLOUT_NAME": "sglang",
        "N_GPUS_PER_NODE": "8",
        "NNODES": "1",
        "SAVE_FREQ": "1",
        "TEST_FREQ": "5",
        "LOGGER": "console, wandb",
        "PROJECT_NAME": "UserRL",
        "OUTPUT_DIR": f"{tmp_path}/checkpoints/UserRL/userrl",
    }
    assert {name: values.get(name) for name in expected} == expected
    command = command_of(done)
    assert command[0] == "VERL_USE_EXTERNAL_MODULES=usergym.training.verl"
    assert command[2:4] == ["-m", "verl.trainer.main_ppo"]
    assert "actor_rollout_ref.model.path=/models/q" in command
    assert "algorithm.gamma=0.8" in command
    assert not list(tmp_path.iterdir())


def test_every_value_is_a_variable_and_an_override(tmp_path: Path) -> None:
    done = script(
        tmp_path,
        "train.sh",
        "--dry-run",
        "trainer.n_gpus_per_node=4",
        'actor_rollout_ref.rollout.multi_turn.turn_level_method="EM"',
        "actor_rollout_ref.model.path=/models/other",
        "trainer.total_training_steps=3",
        MODEL_PATH="/models/q",
        GAMMA="0.95",
        ROLLOUT_NAME="vllm",
        LOGGER="console",
        MULTITURN_MODEL_NAME="gpt-4o",
        OPENAI_BASE_URL="http://me:hush@localhost:9000/v1",
        OPENAI_API_KEY="sk-very-secret",
    )
    values, command = shown(done), command_of(done)
    assert (values["GAMMA"], values["ROLLOUT_NAME"], values["N_GPUS_PER_NODE"]) == ("0.95", "vllm", "4")
    assert (values["TURN_LEVEL_METHOD"], values["MODEL_PATH"]) == ("EM", "/models/other")
    assert (values["MULTITURN_MODEL_NAME"], values["OPENAI_API_KEY"]) == ("openai/gpt-4o", "set")
    assert "localhost:9000" in values["OPENAI_BASE_URL"]
    assert "secret" not in done.stdout
    assert "hush" not in done.stdout
    assert "+algorithm.turn_level_method=EM" in command
    assert "trainer.logger=[console]" in command
    assert command[-1] == "trainer.total_training_steps=3"
    keys = [each.partition("=")[0].lstrip("+") for each in command[4:]]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("arguments", "variables", "told"),
    [
        ((), {}, "error: no model; set MODEL_PATH"),
        ((), {"MODEL_PATH": "models/nothing/here"}, "error: no model at models/nothing/here"),
        (("--dry-run",), {"GAMMA": "much"}, "error: GAMMA='much'"),
        (("--dry-run",), {"ADV_ESTIMATOR": "gae"}, "error: estimator 'gae'"),
        (("--dryrun",), {}, "error: '--dryrun' is neither"),
        (("--dry-run",), {"N_GPUS_PER_NODE": "3"}, "do not divide among 3 GPUs"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, arguments: tuple[str, ...], variables: dict, told: str) -> None:
    done = script(tmp_path, "train.sh", *arguments, **variables)
    assert done.returncode == 1
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    for split in ("train", "validation", "test"):
        usergym(folder, "envs", "merge", "function", "--split", split, "--tasks", 4, "--output", f"{split}.parquet")
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


def test_a_hosted_user_without_a_key_and_files_that_do_not_fit_are_said_before_any_gpu(
    rows: Path, tmp_path: Path
) -> None:
    base = {"MODEL_PATH": str(rows), "TRAIN_FILES": str(rows / "train.parquet")}
    good = base | {"VAL_FILES": str(rows / "validation.parquet")}
    for variables, told in (
        (good | {"MULTITURN_MODEL_NAME": "gpt-4o"}, "no key for openai/gpt-4o: set OPENAI_API_KEY"),
        (base, "no validation file"),
        (base | {"VAL_FILES": str(rows / "test.parquet")}, "is a test task, and checkpoints are chosen on VAL_FILES"),
        (base | {"VAL_FILES": str(rows / "train.parquet")}, "is trained on too"),
    ):
        done = script(tmp_path, "train.sh", **variables)
        assert done.returncode in (1, 3)
        assert told in done.stderr
        assert len(done.stderr.splitlines()) == 1
        dry = script(tmp_path, "train.sh", "--dry-run", **variables)
        assert dry.returncode == 0
        assert told in dry.stdout.partition("before it can run: ")[2]
    assert "before it can run" not in script(tmp_path, "train.sh", "--dry-run", **good).stdout


def test_the_cold_start_has_the_documented_settings(tmp_path: Path) -> None:
    done = script(tmp_path, "sft.sh", "--dry-run", "--save-every", "50", MODEL_PATH="/models/q", NUM_TRAIN_EPOCHS="2")
    values = shown(done)
    assert (values["CUTOFF_LEN"], values["LEARNING_RATE"], values["LR_SCHEDULER_TYPE"]) == ("16384", "1e-5", "cosine")
    assert (values["PER_DEVICE_TRAIN_BATCH_SIZE"], values["GRADIENT_ACCUMULATION_STEPS"]) == ("2", "4")
    assert (values["WARMUP_RATIO"], values["NUM_TRAIN_EPOCHS"], values["BF16"]) == ("0.1", "2", "true")
    command = command_of(done)
    assert command[1:6] == ["-m", "usergym", "train", "sft", f"{tmp_path}/data/sft.jsonl"]
    assert command[-2:] == ["--save-every", "50"]
    for flag, value in (("--model", "/models/q"), ("--max-length", "16384"), ("--micro-batch", "2"), ("--batch", "8")):
        assert command[command.index(flag) + 1] == value
    several = command_of(script(tmp_path, "sft.sh", "--dry-run", MODEL_PATH="/models/q", NPROC_PER_NODE="4"))
    assert several[several.index("--batch") + 1] == "32"
    assert several[1:5] == ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=4"]
    missing = script(tmp_path, "sft.sh")
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: no model; set MODEL_PATH")


def test_the_command_of_the_cold_start_is_one_that_train_sft_takes(tmp_path: Path) -> None:
    (tmp_path / "sft.jsonl").write_text("")
    variables = {"MODEL_PATH": str(tmp_path / "absent"), "DATA": str(tmp_path / "sft.jsonl"), "OUTPUT_DIR": "out"}
    done = script(tmp_path, "sft.sh", **variables)
    assert done.returncode == 1
    assert "error: no model" in done.stderr
