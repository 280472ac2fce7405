"""The documented variables as a run of verl: shown with --dry-run, otherwise checked, written down and started.

What stands behind --dry-run, or in its place, is hydra's: key=value. A key that has a variable is that variable.
"""

import dataclasses
import importlib.util
import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from usergym.cli.errors import told_in_one_line
from usergym.data.formats.userrl import own_task
from usergym.models.base import StopRun
from usergym.models.providers import parse
from usergym.models.transport import show
from usergym.rows import read_rows
from usergym.training.record import Record
from usergym.training.verl_setup import MODULE, RULES, VARIABLE, VerlRun, bare, check, merged, model_name, overrides

ROLLOUT, ACTOR, MODEL = "actor_rollout_ref.rollout", "actor_rollout_ref.actor", "actor_rollout_ref.model"
SETTINGS = {
    "MODEL_PATH": ("model", f"{MODEL}.path"),
    "TRAIN_FILES": ("train_files", "data.train_files"),
    "VAL_FILES": ("validation_files", "data.val_files"),
    "MULTITURN_MODEL_NAME": ("user_model", "usergym.user_model", f"{ROLLOUT}.multi_turn.model_name"),
    "JUDGE_MODEL_NAME": ("judge_model", "usergym.judge_model"),
    "ENVS": ("envs", "usergym.envs"),
    "ADV_ESTIMATOR": ("estimator", "algorithm.adv_estimator"),
    "TURN_LEVEL_METHOD": (
        "turn_level_method",
        "algorithm.turn_level_method",
        f"{ROLLOUT}.multi_turn.turn_level_method",
    ),
    "TRAJECTORY_SCORE_METHOD": (
        "trajectory_score_method",
        "algorithm.trajectory_score_method",
        f"{ROLLOUT}.multi_turn.trajectory_score_method",
    ),
    "GAMMA": ("gamma", "algorithm.gamma"),
    "TRAIN_BATCH_SIZE": ("train_batch", "data.train_batch_size"),
    "PPO_MINI_BATCH_SIZE": ("mini_batch", f"{ACTOR}.ppo_mini_batch_size"),
    "PPO_MICRO_BATCH_SIZE_PER_GPU": ("micro_batch", f"{ACTOR}.ppo_micro_batch_size_per_gpu"),
    "N_ROLLOUTS": ("rollouts", f"{ROLLOUT}.n"),
    "MAX_TURNS": ("turns", f"{ROLLOUT}.multi_turn.max_assistant_turns", f"{ROLLOUT}.multi_turn.max_turns"),
    "MAX_PROMPT_LENGTH": ("prompt", "data.max_prompt_length"),
    "MAX_RESPONSE_LENGTH": ("response", "data.max_response_length"),
    "LEARNING_RATE": ("learning_rate", f"{ACTOR}.optim.lr"),
    "TOTAL_EPOCHS": ("epochs", "trainer.total_epochs"),
    "ENABLE_GRADIENT_CHECKPOINTING": ("gradient_checkpointing", f"{MODEL}.enable_gradient_checkpointing"),
    "ENABLE_ACTIVATION_OFFLOAD": ("activation_offload", f"{MODEL}.enable_activation_offload"),
    "ROLLOUT_NAME": ("engine", f"{ROLLOUT}.name"),
    "TENSOR_MODEL_PARALLEL_SIZE": ("tensor_parallel", f"{ROLLOUT}.tensor_model_parallel_size"),
    "GPU_MEMORY_UTILIZATION": ("gpu_memory_utilization", f"{ROLLOUT}.gpu_memory_utilization"),
    "N_GPUS_PER_NODE": ("n_gpus_per_node", "trainer.n_gpus_per_node"),
    "NNODES": ("nnodes", "trainer.nnodes"),
    "SAVE_FREQ": ("save_freq", "trainer.save_freq"),
    "TEST_FREQ": ("test_freq", "trainer.test_freq"),
    "LOGGER": ("loggers", "trainer.logger"),
    "PROJECT_NAME": ("project", "trainer.project_name"),
    "EXPERIMENT_NAME": ("experiment", "trainer.experiment_name"),
    "OUTPUT_DIR": ("folder", "trainer.default_local_dir"),
    "MAX_LOST": ("max_lost", "algorithm.max_lost"),
    "SEED": ("seed", "data.seed", "usergym.seed"),
}
"""A variable's field of VerlRun, and the keys of verl's configuration that it stands for."""

FREE = (
    *("n_gpus_per_node", "nnodes", "engine", "tensor_parallel", "gpu_memory_utilization", "micro_batch"),
    *("gradient_checkpointing", "activation_offload", "folder", "save_freq", "test_freq", "loggers", "epochs"),
)
"""What may differ when a run goes on."""

KEYS = ("OPENAI_API_KEY", "WANDB_API_KEY")


@told_in_one_line
def main() -> int:
    given = [each for each in sys.argv[1:] if each != "--dry-run"]
    if strange := [each for each in given if "=" not in each and not each.startswith("~")]:
        raise ValueError(f"{strange[0]!r} is neither --dry-run nor an override of the form key=value")
    values, rest = with_overrides(os.environ, given)
    run = run_of(values)
    command = [sys.executable, "-m", "verl.trainer.main_ppo", *merged(overrides(run), rest)]
    if "--dry-run" in sys.argv[1:]:
        shown(run, values, command)
        return 0
    checked(run)
    identity = {key: value for key, value in dataclasses.asdict(run).items() if key not in FREE}
    Record.start(run.folder, identity, settings={"command": command})
    Path(run.folder, "overrides.txt").write_text("\n".join(command[3:]) + "\n", encoding="utf-8")
    return os.execvpe(sys.executable, command, {**os.environ, VARIABLE: MODULE})


def with_overrides(variables: Mapping[str, str], given: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """The variables, an override of a key that has one in its place; and the other overrides."""
    names = {key: name for name, (_, *keys) in SETTINGS.items() for key in keys}
    values, rest = dict(variables), []
    for each in given:
        if name := names.get(bare(each)):
            values[name] = each.partition("=")[2].strip("'\"")
        else:
            rest.append(each)
    return values, rest


def run_of(values: Mapping[str, str]) -> VerlRun:
    """ValueError names a variable that is no number, or no choice."""
    types = {field.name: field.type for field in dataclasses.fields(VerlRun)}
    fields: dict[str, Any] = {"model": "", "train_files": (), "validation_files": ()}
    for name, (field, *_) in SETTINGS.items():
        text = values.get(name, "").strip()
        if not text:
            continue
        many = types[field] == tuple[str, ...]
        told = [part.strip(" '\"") for part in text.strip("[]").split(",")] if many else text
        try:
            fields[field] = msgspec.convert(told, types[field], strict=False)
        except msgspec.ValidationError as error:
            raise ValueError(f"{name}={text!r}: {error}") from None
    fields["user_model"] = model_name(fields.get("user_model", ""))
    fields["judge_model"] = model_name(fields.get("judge_model", fields["user_model"]))
    return VerlRun(**fields)


def checked(run: VerlRun) -> None:
    """ValueError or StopRun for whatever can be known before the first GPU is used."""
    check(run)
    if not run.folder:
        raise ValueError("OUTPUT_DIR is empty; give a folder for checkpoints")
    if importlib.util.find_spec("verl") is None:
        raise LookupError("verl is not installed; pip install 'usergym[verl]', and sglang or vllm for the rollouts")
    trained = {task.group for file in run.train_files for _, row in read_rows(file) if (task := own_task(row))}
    for file in run.validation_files:
        for place, row in read_rows(file):
            if (row.get("extra_info") or {}).get("split") == "test":
                raise ValueError(
                    f"{place} is a test task, and checkpoints are chosen on VAL_FILES; use validation tasks"
                )
            if (task := own_task(row)) and task.group in trained:
                raise ValueError(f"{place}: the group {task.group!r} is trained on too; use validation tasks")


def shown(run: VerlRun, values: Mapping[str, str], command: list[str]) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for name in ("PROJECT_DIR", "CUDA_VISIBLE_DEVICES"):
        console.print(f"{name:30} {values.get(name) or 'not set'}")
    for name in KEYS:
        console.print(f"{name:30} {'set' if values.get(name) else 'not set'}")
    console.print(f"{'OPENAI_BASE_URL':30} {show(values.get('OPENAI_BASE_URL', '')) or address(run.user_model)}")
    for name, (field, *keys) in SETTINGS.items():
        value = getattr(run, field)
        told = ", ".join(value) if isinstance(value, tuple) else value
        console.print(f"{name:30} {'not set' if told in ('', None) else told}   ({keys[0]})")
    console.print(
        f"\n{VARIABLE}={MODULE} \\\n" + " \\\n  ".join([shlex.join(command[:3]), *map(shlex.quote, command[3:])])
    )
    try:
        checked(run)
    except (ValueError, LookupError, StopRun) as error:
        console.print(f"\nbefore it can run: {error}")


def address(name: str) -> str:
    return "not set" if name == RULES else show(parse(name).base_url)


if __name__ == "__main__":
    main()
