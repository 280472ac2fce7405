"""A GRPO run from its settings: model, trainer, record, checkpoints."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from peft import LoraConfig, PeftModel
from trl import GRPOConfig

from usergym.models.base import Model, StopRun
from usergym.rollouts.engine import Cast, begin
from usergym.training import checkpoints, trackers
from usergym.training.chat import Chat
from usergym.training.courses import Course, schedule
from usergym.training.grpo_checks import check, processes
from usergym.training.grpo_config import GrpoConfig
from usergym.training.memory import told_where_memory_ends
from usergym.training.progress import follow
from usergym.training.record import ADAPTER, Record, is_main, read_metrics
from usergym.training.recorded import Recorded
from usergym.training.stage import Stage
from usergym.training.trl_seam import ConversationTrainer
from usergym.types import Seat, Task, Trajectory

TRAJECTORIES = "trajectories.jsonl"
SIGNALS = "signals.jsonl"
"""One line for each reply of an SDPO run."""


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
    made_by: Callable[..., ConversationTrainer] = ConversationTrainer,
    held_out: Sequence[Course] = (),
) -> Trained:
    """Trains until the last step, or goes on where a run in `config.out` stopped. `models` (of the users and judges of
    `cast`) are closed at the end; `identity` says who they are, and must be the same on resume. Raises ValueError or
    LookupError, before any compute, for settings that cannot work; RunRefused where the folder holds another run;
    StopRun where a model's key was refused or its budget is spent, with the last checkpoint to resume from. `made_by`
    makes the trainer: another way to give credit. `held_out`: courses that are only validated on."""
    check(config, courses, cast, held_out)
    told = {
        **identity,
        "grpo": config.identity(),
        "courses": [[course.name, course.weight] for course in courses],
        "digests": {course.name: digest for course in courses if (digest := course.environment.digest)},
    }
    record = Record.start(config.out, told, resume=resume, settings=config.settings())
    services = [model for course in (*courses, *held_out) for model in course.environment.services.values()]
    stage = Stage([*models, *services], config.patience)
    try:
        if resume and record.done:
            say(f"nothing was left to do: {record.model} is trained")
            return Trained(record.model, config.steps)
        latest = record.latest() if resume else None
        due = _due(config, record, latest)
        trainer = _trainer(config, courses, held_out, cast, stage, record, due, say, made_by)
        return _finished(_run(trainer, config, record, latest, say), record, config)
    finally:
        stage.close()
        record.close()


def _due(config: GrpoConfig, record: Record, latest: Path | None) -> bool:
    """Whether the run begins with a validation: its first, or one that was left in the middle."""
    if latest is None:
        return True
    step = _step(latest)
    validated = any(line["step"] == step and "eval_reward" in line for line in read_metrics(record.folder))
    done, rest = divmod(step, config.updates)
    return not validated and not rest and (done % max(1, config.eval_every) == 0 or done == config.steps)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _run(
    trainer: ConversationTrainer, config: GrpoConfig, record: Record, latest: Path | None, say: Callable[[str], None]
) -> ConversationTrainer:
    step = _step(latest) // config.updates if latest else 0
    if is_main():
        _forget(record.folder, step * config.conversations)
        if latest:
            say(f"going on from step {step}")
        else:
            record.rewind(-1)
    try:
        with checkpoints.quiet(), told_where_memory_ends():
            trainer.train(resume_from_checkpoint=str(latest) if latest else None)
    except (StopRun, KeyboardInterrupt):
        # Trackers and the terminal are left as at any other end.
        trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)
        raise
    return trainer


def _trainer(
    config: GrpoConfig,
    courses: Sequence[Course],
    held_out: Sequence[Course],
    cast: Cast,
    stage: Stage,
    record: Record,
    due: bool,
    say: Callable[[str], None],
    made_by: Callable[..., ConversationTrainer],
) -> ConversationTrainer:
    in_half = half(config)
    model, tokenizer = checkpoints.load(
        config.model,
        dtype="bfloat16" if in_half and config.lora else "auto",
        merge=not config.lora,
        template=config.chat_template,
    )
    context = config.context(getattr(model.config, "max_position_embeddings", None))
    if config.speaker == "assistant":
        played = [(course, next(iter(course.train()))) for course in courses if course.name != Recorded.name]
        played += [(course, course.validation[0]) for course in held_out if course.validation]
        check_first_prompts(played, Chat(tokenizer), context, config.max_tokens)
    validation = [(course, task) for course in (*courses, *held_out) for task in course.validation]
    validated = config.eval_every > 0 and bool(validation)
    with checkpoints.quiet():
        trainer = made_by(
            model,
            _arguments(config, record, context, validated, due, in_half),
            tokenizer,
            schedule(courses, config.steps * config.prompts),
            validation,
            stage,
            cast,
            config.credit,
            speaker=config.speaker,
            context=context - config.max_tokens,
            seed=config.seed,
            updates=config.updates,
            max_lost=config.max_lost,
            eval_temperature=config.eval_temperature,
            keep=_keeper(record),
            say=say,
            peft_config=None if isinstance(model, PeftModel) else _lora(config),
        )
    follow(trainer, record, "console" in config.track)
    return trainer


def check_first_prompts(first: Sequence[tuple[Course, Task]], chat: Chat, context: int, reply: int) -> None:
    """ValueError where a conversation has no room for its first reply, by the first task of each course."""
    for course, task in first:
        world = course.environment.start(task)
        begun = begin(task, 0, 0)
        begun.seats, begun.turns = {"assistant": Seat(world.system)}, list(task.opening)
        length = len(chat.first(begun.view("assistant"), world.tools("assistant")))
        if length + reply > context:
            raise ValueError(
                f"the first prompt of task {task.id} of {course.name} has {length:,} tokens and a reply may have "
                f"{reply:,}, more than the {context:,} of a conversation; raise --max-length, or lower --max-tokens"
            )


def half(config: GrpoConfig) -> bool:
    """Whether the trainer computes in bfloat16."""
    return config.bf16 if config.bf16 is not None else torch.cuda.is_available() and torch.cuda.is_bf16_supported()


def _arguments(
    config: GrpoConfig, record: Record, context: int, validated: bool, due: bool, in_half: bool
) -> GRPOConfig:
    every = config.save_every or config.eval_every or 10
    arguments = GRPOConfig(
        output_dir=str(record.checkpoints),
        max_steps=config.steps * config.updates,
        # Which must be two or more, though nothing but its own advantages needs them.
        num_generations=config.group if config.group > 1 else config.conversations,
        num_generations_eval=1,
        generation_batch_size=config.conversations,
        per_device_train_batch_size=config.per_pass(processes()),
        gradient_accumulation_steps=config.accumulation(processes()),
        max_completion_length=config.max_tokens,
        learning_rate=config.rate,
        lr_scheduler_type=config.schedule,
        warmup_steps=config.warmup * config.updates,
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
        bf16=in_half,
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=config.gradient_checkpointing,
        use_vllm=config.vllm is not None,
        vllm_mode=config.vllm or "colocate",
        vllm_server_base_url=config.vllm_url if config.vllm == "server" else None,
        vllm_gpu_memory_utilization=config.gpu_memory_utilization,
        vllm_max_model_length=context if config.vllm else None,
        shuffle_dataset=False,
        remove_unused_columns=False,
        eval_strategy="steps" if validated else "no",
        eval_steps=config.eval_every * config.updates if validated else None,
        eval_on_start=validated and due,
        metric_for_best_model="eval_reward" if validated else None,
        greater_is_better=True if validated else None,
        load_best_model_at_end=validated,
        save_strategy="steps",
        save_steps=every * config.updates,
        save_total_limit=config.keep + validated,
        logging_steps=1,
        disable_tqdm=True,
        log_level="error",
        log_level_replica="error",
        report_to=trackers.report_to(config.track, config.project, record.folder),
        run_name=os.environ.get("WANDB_NAME") or record.folder.name,
        project=config.project,
        seed=config.seed,
    )
    arguments.num_generations = config.group
    return arguments


def _lora(config: GrpoConfig) -> LoraConfig | None:
    if not config.lora:
        return None
    return LoraConfig(r=config.lora_r, lora_alpha=config.lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM")


def _keeper(record: Record) -> Callable[[int, Sequence[Trajectory]], None]:
    """Appends the conversations of every step to the run, each process to a file of its own."""

    def keep(step: int, played: Sequence[Trajectory]) -> None:
        append(record.folder, TRAJECTORIES, played)

    return keep


def append(folder: Path, name: str, lines: Sequence[object]) -> None:
    """Each process to a file of its own."""
    rank = os.environ.get("RANK", "0")
    with (folder / (name if rank == "0" else name.replace(".", f"-{rank}."))).open("ab") as file:
        file.write(b"".join(msgspec.json.encode(each) + b"\n" for each in lines))


def _forget(folder: Path, sample: int) -> None:
    """Drops the conversations from `sample` on, which will be played again, and a line that was not written whole."""
    for path in (each for name in (TRAJECTORIES, SIGNALS) for each in folder.glob(name.replace(".", "*."))):
        draft = path.with_suffix(".tmp")
        try:
            with path.open("rb") as lines, draft.open("wb") as file:
                kept = (line for number, line in enumerate(lines, 1) if _sample(line, path, number) < sample)
                file.writelines(kept)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def _sample(line: bytes, path: Path, number: int) -> float:
    if not line.endswith(b"\n"):
        return math.inf
    try:
        return msgspec.json.decode(line, type=_Numbered).sample
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}:{number}: {error}; take the line out, and the run goes on") from None


class _Numbered(msgspec.Struct):
    sample: int


def _finished(trainer: ConversationTrainer, record: Record, config: GrpoConfig) -> Trained:
    state = trainer.state
    steps = state.global_step // config.updates
    if trainer.stopped or state.global_step < state.max_steps:
        return Trained(None, steps, trainer.stopped or "interrupted")
    draft = record.model.with_suffix(".tmp")
    with checkpoints.quiet():
        if isinstance(trainer.accelerator.unwrap_model(trainer.model), PeftModel):
            trainer.save_model(str(record.folder / ADAPTER))
            if is_main():
                checkpoints.save(trainer.accelerator.unwrap_model(trainer.model), trainer.processing_class, draft)
        else:
            trainer.save_model(str(draft))
    trainer.accelerator.wait_for_everyone()
    if is_main():
        draft.replace(record.model)  # whole or not at all: that it is there says that the run is done
    trainer.accelerator.wait_for_everyone()
    best = state.best_metric if state.best_model_checkpoint else None
    return Trained(record.model, steps, best=best)
