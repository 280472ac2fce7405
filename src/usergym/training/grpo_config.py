"""The settings of a GRPO run, and what is wrong with them before any compute. Imports no torch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from usergym.training.played import Credit
from usergym.training.stage import PATIENCE_SECONDS
from usergym.types import Speaker


@dataclass(frozen=True)
class GrpoConfig:
    """Lengths are in tokens. A step is one batch of conversations: `prompts` tasks, each played `group` times."""

    model: str
    out: Path
    steps: int = 100
    prompts: int = 8
    group: int = 8
    micro_batch: int = 8
    """Conversations in one forward pass, per process."""
    updates: int = 1
    """Optimizer steps made of one batch of conversations; more than one is off-policy, so clipped."""
    learning_rate: float = 1e-6
    schedule: Literal["constant", "constant_with_warmup", "linear", "cosine"] = "constant_with_warmup"
    warmup: int = 0
    """Steps."""
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    loss: Literal["dapo", "grpo", "dr_grpo", "bnpo", "cispo"] = "dapo"
    """`dapo` weighs every sampled token of a step alike, so neither padding nor packing changes it; see TRL for the
    others."""
    epsilon: float = 0.2
    epsilon_high: float | None = None
    beta: float = 0.0
    """Weight of the KL term to the model as it was; 0 loads no second model for it."""
    entropy: float = 0.0
    """Weight of an entropy bonus."""
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 256
    """Of one reply."""
    max_length: int | None = None
    """Of one conversation; what the model was made for, unless given."""
    credit: Annotated[Credit, Parameter(name="*", group="Credit")] = field(default_factory=Credit)
    speaker: Speaker = "assistant"
    lora: bool = False
    lora_r: int = 16
    lora_alpha: int = 32
    bf16: bool = False
    gradient_checkpointing: bool = False
    vllm: Literal["colocate", "server"] | None = None
    vllm_url: str = "http://127.0.0.1:8000"
    gpu_memory_utilization: float = 0.5
    validation: int = 32
    """Held-out tasks, over all environments."""
    eval_every: int = 10
    """Steps; 0: never."""
    eval_temperature: float = 0.0
    save_every: int | None = None
    """Steps, a multiple of `eval_every`; at every evaluation, unless given."""
    keep: int = 2
    """Checkpoints, besides the best."""
    patience: float = PATIENCE_SECONDS
    """Seconds that replies wait for slower conversations before they are generated without them."""
    max_lost: float = 0.5
    """Share of a step's conversations that may fail before the run saves and stops."""
    seed: int = 0
    track: tuple[str, ...] = ("console",)
    project: str = "usergym"
    chat_template: Path | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "prompts", "micro_batch", "updates", "max_tokens", "keep"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name.replace('_', '-')} is {getattr(self, name)}; give 1 or more")
        if self.group < 2:
            raise ValueError(
                f"group is {self.group}; a conversation is judged by the others of its task, so give 2 or more"
            )
        if self.save_every is not None and (self.save_every < 1 or self.save_every % max(1, self.eval_every)):
            raise ValueError(
                f"save-every is {self.save_every}, eval-every {self.eval_every}; the best checkpoint is one that was "
                "evaluated, so give a multiple"
            )
        if not 0 <= self.max_lost <= 1:
            raise ValueError(f"max-lost is {self.max_lost}; give a share from 0 to 1")
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; samples of one task must differ, so give more than 0")

    @property
    def conversations(self) -> int:
        return self.prompts * self.group

    def accumulation(self, processes: int) -> int:
        """Forward passes of one update on each process. ValueError where the batch cannot be cut so."""
        parts = self.micro_batch * processes * self.updates
        if self.conversations % parts:
            raise ValueError(
                f"{self.conversations} conversations a step (prompts {self.prompts} x group {self.group}) cannot be "
                f"cut into {self.updates} update(s) of {processes} process(es) with {self.micro_batch} conversations at a "
                f"time; choose numbers of which prompts x group is a multiple"
            )
        return self.conversations // parts

    def identity(self) -> dict[str, Any]:
        """What a resumed run must have alike."""
        told: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        for name in ("out", "track", "project", "patience", "max_lost", "keep", "save_every"):
            told.pop(name)
        return told
