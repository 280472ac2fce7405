"""A verl run in the terms of its documentation, as overrides of verl's own configuration. Imports no verl: a plan can
be looked at where there is no GPU."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from usergym.models.providers import PROVIDERS, SAME, key_of, parse
from usergym.training.credit import Preset, TrajectoryScoreMethod, TurnLevelMethod

Engine = Literal["sglang", "vllm"]

MODULE = "usergym.training.verl"
"""What verl must import in every process of a run."""
VARIABLE = "VERL_USE_EXTERNAL_MODULES"
AGENT = "usergym"
RULES = "rules"
"""In place of a model's name: the environments' rule-based users."""
ESTIMATORS: dict[str, Preset | None] = {
    "usergym_turn": None,
    "usergym_conservative": "conservative",
    "usergym_turnwise": "turnwise",
    "usergym_paper": "paper",
    "usergym_userrl": "userrl",
    "grpo_multiturn": "userrl",
    "usergym_grpo": "grpo",
}
"""Names of advantage estimators by the preset of credit they stand for; None: `algorithm.preset`, or our own."""
PASSTHROUGH = "token_passthrough"


@dataclass(frozen=True)
class VerlRun:
    """One run of verl's trainer. Lengths are in tokens, batch sizes in conversations' tasks (of which each is played
    `rollouts` times), except `micro_batch`: conversations on one GPU at a time."""

    model: str
    train_files: tuple[str, ...]
    validation_files: tuple[str, ...]
    user_model: str = RULES
    judge_model: str = RULES
    envs: tuple[str, ...] = ()
    """Environments with options (`intention:data=FOLDER`); others are loaded by their bare names."""
    estimator: str = "usergym_turn"
    turn_level_method: str = "R2G"
    trajectory_score_method: str = "Sum"
    gamma: float = 1.0
    train_batch: int = 128
    mini_batch: int = 16
    micro_batch: int = 8
    rollouts: int = 8
    turns: int = 16
    """Replies of the agent in one conversation."""
    prompt: int = 1152
    response: int = 8192
    """All that follows the first prompt, what others say included."""
    reply: int | None = None
    """One reply; None: what is left of `response`."""
    learning_rate: float = 1e-6
    gradient_checkpointing: bool = True
    activation_offload: bool = True
    engine: Engine = "sglang"
    tensor_parallel: int = 1
    gpu_memory_utilization: float = 0.5
    n_gpus_per_node: int = 8
    nnodes: int = 1
    epochs: int = 15
    save_freq: int = 1
    test_freq: int = 5
    loggers: tuple[str, ...] = ("console", "wandb")
    project: str = "UserRL"
    experiment: str = "usergym"
    folder: str = ""
    """Of checkpoints; empty: verl's default."""
    max_lost: float = 0.5
    """The run ends after a step that lost a larger share of its conversations."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.estimator not in (*ESTIMATORS, PASSTHROUGH):
            raise ValueError(f"estimator {self.estimator!r}: there are {', '.join((*ESTIMATORS, PASSTHROUGH))}")
        for name, value, choices in (
            ("turn_level_method", self.turn_level_method, get_args(TurnLevelMethod)),
            ("trajectory_score_method", self.trajectory_score_method, get_args(TrajectoryScoreMethod)),
            ("rollout engine", self.engine, get_args(Engine)),
        ):
            if value not in choices:
                raise ValueError(f"{name} {value!r}: there are {', '.join(choices)}")
        for name in ("turns", "prompt", "response", "mini_batch", "micro_batch", "tensor_parallel", "nnodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give 1 or more")
        if not 0 <= self.gamma <= 1:
            raise ValueError(f"gamma is {self.gamma}; give a number from 0 to 1")
        if self.rollouts < 2 and self.estimator != PASSTHROUGH:
            raise ValueError(f"rollouts is {self.rollouts}; a group needs 2 or more to have a baseline")
        if self.train_batch % self.mini_batch:
            raise ValueError(f"train_batch {self.train_batch} is no multiple of mini_batch {self.mini_batch}")
        gpus = self.n_gpus_per_node * self.nnodes
        if gpus < 1 or self.train_batch * self.rollouts % gpus:
            raise ValueError(
                f"train_batch {self.train_batch} x rollouts {self.rollouts} = {self.train_batch * self.rollouts} "
                f"conversations do not divide among {gpus} GPUs"
            )
        if gpus % self.tensor_parallel:
            raise ValueError(f"tensor_parallel {self.tensor_parallel} does not divide {gpus} GPUs")
        if not 0 < self.max_lost <= 1:
            raise ValueError(f"max_lost is {self.max_lost}; give a share above 0 and at most 1")


def overrides(run: VerlRun) -> list[str]:
    """`key=value` for verl's `ppo_trainer` configuration (verl 0.9), one a setting. Holds no key and no URL: those are
    read from the environment by the process that asks."""
    values: dict[str, object] = {
        "algorithm.adv_estimator": run.estimator,
        "algorithm.gamma": run.gamma,
        "algorithm.use_kl_in_reward": False,
        "+algorithm.turn_level_method": run.turn_level_method,
        "+algorithm.trajectory_score_method": run.trajectory_score_method,
        "+algorithm.max_lost": run.max_lost,
        "data.train_files": run.train_files,
        "data.val_files": run.validation_files,
        "data.train_batch_size": run.train_batch,
        "data.max_prompt_length": run.prompt,
        "data.max_response_length": run.response,
        "data.filter_overlong_prompts": True,
        "data.truncation": "error",
        "data.return_raw_chat": True,
        "data.seed": run.seed,
        **_model(run),
        **_rollout(run),
        "critic.enable": False,
        "reward.custom_reward_function.path": f"pkg://{MODULE}",
        "reward.custom_reward_function.name": "compute_score",
        "trainer.logger": run.loggers,
        "trainer.project_name": run.project,
        "trainer.experiment_name": run.experiment,
        "trainer.n_gpus_per_node": run.n_gpus_per_node,
        "trainer.nnodes": run.nnodes,
        "trainer.total_epochs": run.epochs,
        "trainer.save_freq": run.save_freq,
        "trainer.test_freq": run.test_freq,
        "trainer.val_before_train": False,
        "trainer.use_v1": True,
        "+usergym.user_model": run.user_model,
        "+usergym.judge_model": run.judge_model,
        "+usergym.envs": run.envs,
        "+usergym.reply": run.reply,
        "+usergym.seed": run.seed,
        f"+ray_kwargs.ray_init.runtime_env.env_vars.{VARIABLE}": MODULE,
    }
    if run.folder:
        values["trainer.default_local_dir"] = run.folder
    return [f"{key}={written(value)}" for key, value in values.items()]


def _model(run: VerlRun) -> dict[str, object]:
    return {
        "actor_rollout_ref.model.path": run.model,
        "actor_rollout_ref.model.enable_gradient_checkpointing": run.gradient_checkpointing,
        "actor_rollout_ref.model.enable_activation_offload": run.activation_offload,
        "actor_rollout_ref.actor.optim.lr": run.learning_rate,
        "actor_rollout_ref.actor.ppo_mini_batch_size": run.mini_batch,
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": run.micro_batch,
        "actor_rollout_ref.actor.use_kl_loss": False,
        "actor_rollout_ref.actor.entropy_coeff": 0,
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu": run.micro_batch,
    }


def _rollout(run: VerlRun) -> dict[str, object]:
    return {
        "actor_rollout_ref.rollout.name": run.engine,
        "actor_rollout_ref.rollout.n": run.rollouts,
        "actor_rollout_ref.rollout.tensor_model_parallel_size": run.tensor_parallel,
        "actor_rollout_ref.rollout.gpu_memory_utilization": run.gpu_memory_utilization,
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu": run.micro_batch,
        "actor_rollout_ref.rollout.multi_turn.max_assistant_turns": run.turns,
        "actor_rollout_ref.rollout.agent.default_agent_loop": AGENT,
    }


def written(value: object) -> str:
    """A value in the grammar of hydra's overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./:@-]*", value)
        if plain and value.lower() not in ("null", "true", "false", "inf", "nan"):
            return value
        # Inside quotes a backslash is itself, except where it stands before a quote.
        return "'" + re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + ("\\'" if found[2] else ""), value) + "'"
    if isinstance(value, Sequence):
        return f"[{','.join(map(written, value))}]"
    return str(value)


def merged(own: Sequence[str], given: Sequence[str]) -> list[str]:
    """`own` overrides without those that `given` ones set too, then `given`: each key once."""
    taken = {bare(each) for each in given}
    return [*(each for each in own if bare(each) not in taken), *given]


def bare(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def model_name(name: str) -> str:
    """A model as MULTITURN_MODEL_NAME names it, in our own terms: one that says its provider goes there; any other
    is at OPENAI_BASE_URL, or at OpenAI. `rules`, or nothing: no model."""
    name = name.strip()
    if not name or name == RULES:
        return RULES
    named = name.startswith(("http://", "https://")) or name.partition("/")[0] in (*PROVIDERS, *SAME)
    return name if named else f"openai/{name}"


def check(run: VerlRun) -> None:
    """What can be known before any compute. ValueError for a model or a file that is not there, UnknownModel or
    StopRun for a user or a judge that cannot be asked."""
    path = Path(run.model).expanduser()
    hub = run.model.count("/") == 1 and not run.model.startswith((".", "/", "~")) and not path.exists()
    if not run.model or not (hub or (path / "config.json").is_file()):
        where = f"no model at {run.model}" if run.model else "no model"
        raise ValueError(f"{where}; set MODEL_PATH to a folder of transformers files, or to a hub id ORG/NAME")
    for kind, files in (("train", run.train_files), ("validation", run.validation_files)):
        for file in files:
            if not Path(file).is_file():
                raise ValueError(f"no {kind} file {file}; make it with `usergym envs merge ... --split {kind}`")
    for name in (run.user_model, run.judge_model):
        if name != RULES:
            key_of(parse(name))
