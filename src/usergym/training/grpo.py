"""A GRPO run from its settings: model, trainer, record, checkpoints."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from peft import LoraConfig
from trl import GRPOConfig

from usergym.models.base import Model
from usergym.rollouts.engine import Cast
from usergym.training import checkpoints, trackers
from usergym.training.courses import Course, check, schedule
from usergym.training.grpo_config import GrpoConfig
from usergym.training.progress import follow
from usergym.training.record import ADAPTER, Record, is_main
from usergym.training.stage import Stage
from usergym.training.trl_seam import ConversationTrainer
from usergym.types import Trajectory

TRAJECTORIES = "trajectories.jsonl"


@dataclass(frozen=True)
class Trained:
    """What a run came to."""

    model: Path | None
    """The trained model; None where the run stopped before its last step."""
    steps: int
    stopped: str = ""
    """Why before its last step."""
    best: float | None = None
    """Held-out reward of the best checkpoint, which is the trained model."""


def train(
    config: GrpoConfig,
    courses: Sequence[Course],
    cast: Cast,
    models: Sequence[Model] = (),
    *,
    identity: Mapping[str, Any] = {},
    resume: bool = True,
    say: Callable[[str], None] = print,
) -> Trained:
    """Trains until the last step, or goes on where a run in `config.out` stopped. `models` (of the users and judges of
    `cast`) are closed at the end; `identity` says who they are, and must be the same on resume. Raises ValueError or LookupError, before any compute, for settings that cannot
    work; StopRun where a model's key was refused or its budget is spent, with the last checkpoint to resume from."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    config.accumulation(processes)
    check(courses)
    trackers.check(config.track)
    checkpoints.check(config.model, config.chat_template)
    told = {**identity, "grpo": config.identity(), "courses": [[course.name, course.weight] for course in courses]}
    record = Record.start(config.out, told, resume=resume)
    stage = Stage(models, config.patience)
    try:
        if record.done:
            return Trained(record.model, config.steps)
        trainer = _trainer(config, courses, cast, stage, record, processes, say)
        latest = record.latest()
        if latest:
            step = int(latest.name.rpartition("-")[2])
            _forget(record.folder, step * config.conversations)
            say(f"going on from step {step}")
        with checkpoints.quiet():
            trainer.train(resume_from_checkpoint=str(latest) if latest else None)
            return _finished(trainer, record, config)
    finally:
        stage.close()
        record.close()


def _trainer(
    config: GrpoConfig,
    courses: Sequence[Course],
    cast: Cast,
    stage: Stage,
    record: Record,
    processes: int,
    say: Callable[[str], None],
) -> ConversationTrainer:
    model, tokenizer = checkpoints.load(
        config.model, dtype="bfloat16" if config.bf16 and config.lora else "auto", template=config.chat_template
    )
    longest = getattr(model.config, "max_position_embeddings", None) or 1 << 30
    context = min(config.max_length or longest, longest)
    if context <= config.max_tokens:
        raise ValueError(
            f"a conversation may have {context} tokens and one reply {config.max_tokens}; "
            "give a larger --max-length, or a smaller --max-tokens"
        )
    trainer = ConversationTrainer(
        model,
        _arguments(config, record, processes, context, any(course.validation for course in courses)),
        tokenizer,
        schedule(courses, config.steps * config.prompts),
        [(course, task) for course in courses for task in course.validation],
        stage,
        cast,
        config.credit,
        speaker=config.speaker,
        context=context - config.max_tokens,
        seed=config.seed,
        max_lost=config.max_lost,
        eval_temperature=config.eval_temperature,
        keep=_keeper(record),
        say=say,
        peft_config=_lora(config),
    )
    follow(trainer, record, "console" in config.track)
    return trainer


def _arguments(config: GrpoConfig, record: Record, processes: int, context: int, validated: bool) -> GRPOConfig:
    evaluated = validated and config.eval_every > 0
    with_gpu = torch.cuda.is_available()
    return GRPOConfig(
        output_dir=str(record.checkpoints),
        max_steps=config.steps * config.updates,
        num_generations=config.group,
        num_generations_eval=1,
        generation_batch_size=config.conversations,
        per_device_train_batch_size=config.micro_batch,
        gradient_accumulation_steps=config.accumulation(processes),
        max_completion_length=config.max_tokens,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.schedule,
        warmup_steps=config.warmup,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        loss_type=config.loss,
        epsilon=config.epsilon,
        epsilon_high=config.epsilon_high,
        beta=config.beta,
        entropy_coef=config.entropy,
        scale_rewards="none",
        temperature=config.temperature,
        top_p=config.top_p,
        bf16=config.bf16,
        use_cpu=not with_gpu,
        gradient_checkpointing=config.gradient_checkpointing,
        use_vllm=config.vllm is not None,
        vllm_mode=config.vllm or "colocate",
        vllm_server_base_url=config.vllm_url if config.vllm == "server" else None,
        vllm_gpu_memory_utilization=config.gpu_memory_utilization,
        vllm_max_model_length=context if config.vllm else None,
        shuffle_dataset=False,
        remove_unused_columns=False,
        eval_strategy="steps" if evaluated else "no",
        eval_steps=config.eval_every * config.updates if evaluated else None,
        eval_on_start=evaluated,
        metric_for_best_model="eval_reward" if evaluated else None,
        greater_is_better=True if evaluated else None,
        load_best_model_at_end=evaluated,
        save_strategy="steps",
        save_steps=(config.save_every or config.eval_every or 10) * config.updates,
        save_total_limit=config.keep,
        logging_steps=1,
        disable_tqdm=True,
        log_level="error",
        report_to=trackers.report_to(config.track, config.project, record.folder),
        project=config.project,
        seed=config.seed,
    )


def _lora(config: GrpoConfig) -> LoraConfig | None:
    if not config.lora:
        return None
    return LoraConfig(r=config.lora_r, lora_alpha=config.lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM")


def _keeper(record: Record) -> Callable[[int, Sequence[Trajectory]], None]:
    """Appends the conversations of every step to the run, each process to a file of its own."""
    path = record.folder / _trajectories()

    def keep(step: int, played: Sequence[Trajectory]) -> None:
        with path.open("ab") as file:
            file.write(b"".join(msgspec.json.encode(each) + b"\n" for each in played))

    return keep


def _trajectories() -> str:
    rank = os.environ.get("RANK", "0")
    return TRAJECTORIES if rank == "0" else TRAJECTORIES.replace(".", f"-{rank}.")


def _forget(folder: Path, sample: int) -> None:
    """Drops the conversations from `sample` on, which will be played again."""
    path = folder / _trajectories()
    if not path.exists():
        return
    draft = path.with_suffix(".tmp")
    with path.open("rb") as lines, draft.open("wb") as file:
        file.writelines(line for line in lines if msgspec.json.decode(line, type=_Numbered).sample < sample)
    draft.replace(path)


class _Numbered(msgspec.Struct):
    sample: int


def _finished(trainer: ConversationTrainer, record: Record, config: GrpoConfig) -> Trained:
    state = trainer.state
    if trainer.stopped or state.global_step < state.max_steps:
        return Trained(None, state.global_step, trainer.stopped or "interrupted")
    if config.lora:
        trainer.save_model(str(record.folder / ADAPTER))
        if is_main():
            checkpoints.save(trainer.accelerator.unwrap_model(trainer.model), trainer.processing_class, record.model)
    else:
        trainer.save_model(str(record.model))
    trainer.accelerator.wait_for_everyone()
    return Trained(record.model, state.global_step, best=state.best_metric)
