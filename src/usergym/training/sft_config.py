"""The settings of supervised fine-tuning, and what is wrong with them before any compute. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from usergym.training.conversations import Overlong
from usergym.training.run_folder import RunFolder

_SETTINGS = (
    *("out", "chat_template", "track", "project", "keep", "save_every"),
    *("micro_batch", "gradient_checkpointing", "ignore_memory"),
)
"""What a resumed run may have otherwise: it changes nothing that is learned, or shows in the rows."""


@dataclass(frozen=True)
class SftConfig:
    """Lengths are in tokens. A step is one batch of conversations, whatever the number of processes."""

    model: str
    """What is trained: a folder of transformers files, of an adapter or of a training run, a .gguf file,
    local/smollm2, or a hub id."""
    out: RunFolder = Path("runs/sft")
    """Run folder; a bare name means runs/NAME."""
    epochs: float = 3.0
    """How often every conversation is seen."""
    steps: int | None = None
    """How many steps, in place of --epochs."""
    learning_rate: float | None = None
    """The highest. Default: 2e-5, with --lora 2e-4."""
    schedule: Literal["constant", "constant_with_warmup", "linear", "cosine"] = "cosine"
    """How the learning rate goes on after the warmup."""
    warmup: float = 0.03
    """Steps in which the learning rate rises; below 1 a share of all steps."""
    weight_decay: float = 0.0
    """Of AdamW."""
    max_grad_norm: float = 1.0
    """Longer gradients are cut to it."""
    batch: int = 16
    """Conversations in a step, over all processes."""
    micro_batch: int = 4
    """Conversations in one forward pass of one process; less takes less memory and changes nothing else."""
    max_length: int | None = None
    """Tokens of one conversation. Default: what the model was made for."""
    overlong: Overlong = "drop"
    """Longer conversations are left out and counted, cut behind the last reply that fits whole, or end the run."""
    packing: bool = False
    """Several conversations in one row: faster where they are short. For a GPU with flash attention."""
    lora: bool = False
    """Train a low-rank adapter instead of all weights. A model that is an adapter already is trained on."""
    lora_r: int = 16
    """Rank of the adapter."""
    lora_alpha: int = 32
    """Its scale is alpha / r."""
    lora_targets: tuple[str, ...] = ("all-linear",)
    """Which matrices get one: their names, such as q_proj,v_proj."""
    bf16: bool | None = None
    """Compute in bfloat16; full training keeps its weights in float32. Default: where the GPU can."""
    gradient_checkpointing: bool = False
    """Compute activations twice instead of keeping them: slower, in less memory."""
    save_every: int | None = None
    """Steps between checkpoints, each of which is validated. Default: one an epoch."""
    keep: int = 2
    """Checkpoints that stay, the best among them."""
    seed: int = 0
    """Decides order and adapter."""
    track: tuple[str, ...] = ("console",)
    """Where figures go: console, trackio, tensorboard, wandb."""
    project: str = "usergym"
    """Its name in the trackers."""
    chat_template: Path | None = None
    """Jinja file, for a model without a chat template, or in place of its own."""
    ignore_memory: bool = False
    """Try it although the estimate says that there is too little memory."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "micro_batch", "max_length", "lora_r", "lora_alpha", "save_every", "keep"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name.replace('_', '-')} is {value}; give 1 or more")
        for name in ("epochs", "learning_rate", "max_grad_norm"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"--{name.replace('_', '-')} is {value}; give more than 0")
        for name in ("warmup", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"--{name.replace('_', '-')} is {getattr(self, name)}; give 0 or more")
        for name in ("track", "lora_targets"):
            parts = tuple(part.strip() for each in getattr(self, name) for part in each.split(","))
            object.__setattr__(self, name, parts)

    @property
    def rate(self) -> float:
        return self.learning_rate or (2e-4 if self.lora else 2e-5)

    def identity(self) -> dict[str, Any]:
        """What a resumed run must have alike."""
        return {name: value for name, value in self._told().items() if name not in _SETTINGS}

    def settings(self) -> dict[str, Any]:
        return {name: value for name, value in self._told().items() if name in _SETTINGS}

    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return told
