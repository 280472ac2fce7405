"""Supervised fine-tuning on conversations: a run from its settings. The trainer is TRL's, the rows are ours."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from trl import SFTConfig as Arguments
from trl import SFTTrainer

from usergym.training import checkpoints, trackers
from usergym.training.conversations import Conversation, Encoder, Examples, encode
from usergym.training.memory import Load, check_memory, shards, told_where_memory_ends
from usergym.training.progress import follow
from usergym.training.record import ADAPTER, Record, is_main
from usergym.training.sft_config import SftConfig


@dataclass(frozen=True)
class Prepared:
    """What a run will train on, before any model is loaded."""

    checkpoint: checkpoints.Checkpoint
    train: Examples
    validation: Examples
    steps: int

    def load(self, config: SftConfig) -> Load:
        """What one forward and backward pass holds."""
        longest = max(self.train.longest, self.validation.longest)
        return Load(
            config.micro_batch * longest,
            config.lora_r * config.lora,
            half(config),
            config.gradient_checkpointing,
            shards(),
        )


@dataclass(frozen=True)
class Trained:
    """What a run came to."""

    model: Path
    steps: int
    loss: float | None
    """Of the last step; None where the run had been done before."""
    validation_loss: float | None
    """Of the best checkpoint, which is the trained model."""


def half(config: SftConfig) -> bool:
    """Whether the trainer computes in bfloat16."""
    return config.bf16 if config.bf16 is not None else torch.cuda.is_available() and torch.cuda.is_bf16_supported()


def prepare(config: SftConfig, train: Iterable[Conversation], validation: Iterable[Conversation] = ()) -> Prepared:
    """Rows of both, by the model's tokenizer. ValueError or LookupError for a model that cannot be used, or where no
    row is left to train on."""
    trackers.check(config.track)
    accumulation(config)
    found = checkpoints.check(config.model, config.chat_template)
    tokenizer = checkpoints.tokenizer(found, config.chat_template)
    encoder = Encoder(tokenizer)
    made_for = (found.shape and found.shape.context) or tokenizer.model_max_length
    longest = min(config.max_length or made_for, made_for)
    rows = encode(encoder, train, longest, config.overlong)
    held_out = encode(encoder, validation, longest, config.overlong)
    if not rows.rows:
        why = ", ".join(f"{count:,} {reason}" for reason, count in rows.left_out.items())
        raise ValueError(f"nothing to train on: {f'left out are {why}' if why else 'the data holds no conversation'}")
    per_epoch = -(-len(rows.rows) // config.batch)
    return Prepared(found, rows, held_out, config.steps or max(1, round(per_epoch * config.epochs)))


def accumulation(config: SftConfig) -> int:
    """Forward passes of one step on each process. ValueError where the batch cannot be cut so."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    micro = min(config.micro_batch, config.batch)
    if config.batch % (micro * processes):
        raise ValueError(
            f"--batch {config.batch} cannot be cut into {processes} process(es) with --micro-batch {micro} "
            "conversations at a time; choose a batch that is a multiple of their product"
        )
    return config.batch // (micro * processes)


def train(
    config: SftConfig,
    data: Iterable[Conversation],
    validation: Iterable[Conversation] = (),
    *,
    resume: bool = True,
    say: Callable[[str], None] = print,
) -> Trained:
    """Trains until the last step, or goes on where a run in `config.out` stopped; what is left is described in
    `record`. ValueError and LookupError come before any compute; RunRefused where the folder holds another run."""
    prepared = prepare(config, data, validation)
    return fit(config, prepared, resume=resume, say=say)


def fit(config: SftConfig, prepared: Prepared, *, resume: bool = True, say: Callable[[str], None] = print) -> Trained:
    """As `train`, on rows that are there."""
    if not config.ignore_memory:
        check_memory(config.model, prepared.checkpoint.shape, prepared.load(config))
    identity = {"sft": config.identity(), "rows": _digest(prepared.train), "held_out": _digest(prepared.validation)}
    record = Record.start(config.out, identity, resume=resume, settings=config.settings())
    try:
        if resume and record.done:
            say(f"nothing was left to do: {record.model} is trained")
            return Trained(record.model, prepared.steps, None, None)
        latest = record.latest() if resume else None
        trainer = _trainer(config, prepared, record, latest is not None)
        follow(trainer, record, "console" in config.track)
        if latest:
            say(f"going on from step {latest.name.rpartition('-')[2]}")
        try:
            with checkpoints.quiet(), told_where_memory_ends():
                trainer.train(resume_from_checkpoint=str(latest) if latest else None)
        except KeyboardInterrupt:
            # Trackers and the terminal are left as at any other end.
            trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)
            raise
        return _finished(trainer, record, prepared.steps)
    finally:
        record.close()


def _trainer(config: SftConfig, prepared: Prepared, record: Record, resumed: bool) -> SFTTrainer:
    in_half = half(config)
    model, tokenizer = checkpoints.load(
        config.model,
        dtype="bfloat16" if in_half and config.lora else "auto",
        merge=not config.lora,
        template=config.chat_template,
    )
    lora = None
    if config.lora and not isinstance(model, PeftModel):
        lora = LoraConfig(
            r=config.lora_r,
            lora_alpha=config.lora_alpha,
            target_modules=_targets(config.lora_targets),
            task_type="CAUSAL_LM",
        )
    validation = _dataset(prepared.validation) if prepared.validation.rows else None
    with checkpoints.quiet():
        return SFTTrainer(
            model,
            _arguments(config, prepared, record, in_half, resumed),
            train_dataset=_dataset(prepared.train),
            eval_dataset=validation,
            processing_class=tokenizer,
            peft_config=lora,
        )


def _targets(names: Sequence[str]) -> str | list[str]:
    return "all-linear" if tuple(names) == ("all-linear",) else list(names)


def _dataset(examples: Examples) -> Dataset:
    return Dataset.from_dict(
        {"input_ids": [row.ids for row in examples.rows], "labels": [row.labels for row in examples.rows]}
    )


def _arguments(config: SftConfig, prepared: Prepared, record: Record, in_half: bool, resumed: bool) -> Arguments:
    validated = bool(prepared.validation.rows)
    every: dict[str, Any] = {"save_strategy": "epoch", "eval_strategy": "epoch" if validated else "no"}
    if config.save_every:
        every = {
            "save_strategy": "steps",
            "save_steps": config.save_every,
            "eval_strategy": "steps" if validated else "no",
            "eval_steps": config.save_every if validated else None,
        }
    micro = min(config.micro_batch, config.batch)
    return Arguments(
        output_dir=str(record.checkpoints),
        max_steps=prepared.steps,
        per_device_train_batch_size=micro,
        per_device_eval_batch_size=micro,
        gradient_accumulation_steps=accumulation(config),
        learning_rate=config.rate,
        lr_scheduler_type=config.schedule,
        warmup_steps=int(config.warmup if config.warmup >= 1 else config.warmup * prepared.steps),
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        max_length=prepared.train.longest if config.packing else None,
        packing=config.packing,
        dataset_kwargs=None if config.packing else {"skip_prepare_dataset": True},
        bf16=in_half,
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=config.gradient_checkpointing,
        eval_on_start=validated and not resumed,
        metric_for_best_model="eval_loss" if validated else None,
        load_best_model_at_end=validated,
        save_total_limit=config.keep,
        logging_steps=1,
        disable_tqdm=True,
        log_level="error",
        log_level_replica="error",
        report_to=trackers.report_to(config.track, config.project, record.folder),
        run_name=record.folder.name,
        project=config.project,
        seed=config.seed,
        **every,
    )


def _finished(trainer: SFTTrainer, record: Record, steps: int) -> Trained:
    state = trainer.state
    draft = record.model.with_suffix(".tmp")
    model = trainer.accelerator.unwrap_model(trainer.model)
    with checkpoints.quiet():
        if isinstance(model, PeftModel):
            trainer.save_model(str(record.folder / ADAPTER))
            if is_main():
                checkpoints.save(model, trainer.processing_class, draft)
        else:
            trainer.save_model(str(draft))
    trainer.accelerator.wait_for_everyone()
    if is_main():
        draft.replace(record.model)  # whole or not at all: that it is there says that the run is done
    trainer.accelerator.wait_for_everyone()
    losses = [row["loss"] for row in state.log_history if "loss" in row]
    return Trained(record.model, steps, losses[-1] if losses else None, state.best_metric)


def _digest(examples: Examples) -> dict[str, Any]:
    """What tells these rows from others."""
    digest = hashlib.blake2b(digest_size=8)
    for row in examples.rows:
        digest.update(row.labels.tobytes())
        digest.update(row.ids.tobytes())
    return {"count": len(examples.rows), "digest": digest.hexdigest()}
