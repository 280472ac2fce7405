"""The settings of a GRPO run, and what is wrong with them before any compute. Imports no torch."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from usergym.training.played import Credit
from usergym.training.run_folder import RunFolder
from usergym.training.stage import PATIENCE_SECONDS
from usergym.types import Speaker

_SETTINGS = (
    *("out", "chat_template", "track", "project", "keep", "save_every", "patience", "max_lost", "micro_batch"),
    *("gradient_checkpointing", "gpu_memory_utilization", "vllm", "vllm_url", "ignore_memory"),
)
"""What a resumed run may have otherwise: it changes nothing that is learned."""


@dataclass(frozen=True)
class GrpoConfig:
    """Lengths are in tokens. A step is one batch of conversations: `prompts` tasks, each played `group` times."""

    model: str
    """What is trained: a folder of transformers files, of an adapter or of a training run, a .gguf file,
    local/smollm2, or a hub id."""
    out: RunFolder = Path("runs/grpo")
    """Run folder; a bare name means runs/NAME."""
    steps: int = 100
    """Batches of conversations."""
    prompts: int = 8
    """Tasks in a step."""
    group: int = 8
    """Conversations of each, which are compared with each other."""
    micro_batch: int | None = None
    """Conversations in one forward pass of one process; less takes less memory and changes nothing else. Default: as
    many as divide a step, 8 at most."""
    updates: int = 1
    """Optimizer steps made of one batch of conversations; more than one is off-policy, so clipped."""
    learning_rate: float | None = None
    """The highest. Default: 1e-6, with --lora 1e-5."""
    schedule: Literal["constant", "constant_with_warmup", "linear", "cosine"] = "constant_with_warmup"
    """How the learning rate goes on after the warmup."""
    warmup: int = 0
    """Steps in which the learning rate rises."""
    weight_decay: float = 0.0
    """Of AdamW."""
    max_grad_norm: float = 1.0
    """Longer gradients are cut to it."""
    loss: Literal["dapo", "grpo", "dr_grpo", "bnpo", "cispo"] = "dapo"
    """`dapo` weighs every sampled token of a step alike, so neither padding nor packing changes it; see TRL for the
    others."""
    epsilon: float = 0.2
    """How far the ratio of probabilities may go before it is clipped."""
    epsilon_high: float | None = None
    """Likewise upwards. Default: as epsilon."""
    beta: float = 0.0
    """Weight of the KL term to the model as it was; 0 loads no second model for it."""
    entropy: float = 0.0
    """Weight of an entropy bonus."""
    temperature: float = 1.0
    """At which the policy plays."""
    top_p: float = 1.0
    """Likewise; below 1 the tokens that are played are not those that the loss believes in."""
    max_tokens: int = 256
    """Of one reply."""
    max_length: int | None = None
    """Of one conversation. Default: what the model was made for."""
    credit: Annotated[Credit, Parameter(name="*", group="Credit")] = field(default_factory=Credit)
    """How rewards become the advantages of tokens."""
    speaker: Speaker = "assistant"
    """Which side is trained."""
    lora: bool = False
    """Train a low-rank adapter instead of all weights. A model that is an adapter already is trained on."""
    lora_r: int = 16
    """Rank of the adapter."""
    lora_alpha: int = 32
    """Its scale is alpha / r."""
    bf16: bool | None = None
    """Compute in bfloat16; full training keeps its weights in float32. Default: where the GPU can."""
    gradient_checkpointing: bool = False
    """Compute activations twice instead of keeping them: slower, in less memory."""
    vllm: Literal["colocate", "server"] | None = None
    """Who generates: vLLM beside the trainer, or a server that `trl vllm-serve` started. Default: transformers."""
    vllm_url: str = "http://127.0.0.1:8000"
    """Of that server."""
    gpu_memory_utilization: float = 0.5
    """Share of a GPU that vLLM takes beside the trainer."""
    validation: int = 32
    """Held-out tasks, over all environments."""
    eval_every: int = 10
    """Steps between two validations, with one before the first step and one after the last; 0: never."""
    eval_temperature: float = 0.0
    """At which the policy plays held-out tasks."""
    save_every: int | None = None
    """Steps, a multiple of `eval_every`. Default: at every validation; what does better than all before is always
    saved."""
    keep: int = 2
    """Checkpoints that stay, besides the best."""
    patience: float = PATIENCE_SECONDS
    """Seconds that replies wait for slower conversations before they are generated without them."""
    max_lost: float = 0.5
    """Share of a step's conversations that may fail before the run saves and stops."""
    seed: int = 0
    """Decides tasks, users and draws."""
    track: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ("console",)
    """Where figures go: console, trackio, tensorboard, wandb."""
    project: str = "usergym"
    """Its name in the trackers."""
    chat_template: Path | None = None
    """Jinja file, for a model without a chat template, or in place of its own."""
    ignore_memory: bool = False
    """Try it although the estimate says that there is too little memory."""

    def __post_init__(self) -> None:
        self._check_ranges()
        if self.speaker == "judge":
            raise ValueError("--speaker judge: judges are not trained; give assistant or user")
        self._check_group()
        if self.save_every is not None and self.save_every % max(1, self.eval_every):
            raise ValueError(
                f"--save-every is {self.save_every}, --eval-every {self.eval_every}; give a multiple, so that what is "
                "saved was validated"
            )
        parts = tuple(part.strip() for each in self.track for part in each.split(","))
        object.__setattr__(self, "track", parts)

    def _check_group(self) -> None:
        if self.group < 2:
            raise ValueError(
                f"--group is {self.group}; a conversation is judged by the others of its task, so give 2 or more"
            )

    def _check_ranges(self) -> None:
        counts = ("steps", "prompts", "micro_batch", "updates", "max_tokens", "max_length", "keep", "save_every")
        for name in (*counts, "lora_r", "lora_alpha"):
            self._refuse(name, lambda value: value >= 1, "1 or more")
        for name in ("learning_rate", "max_grad_norm", "temperature", "epsilon", "epsilon_high"):
            self._refuse(name, lambda value: value > 0, "more than 0")
        for name in ("warmup", "weight_decay", "beta", "validation", "eval_every", "eval_temperature", "patience"):
            self._refuse(name, lambda value: value >= 0, "0 or more")
        self._refuse("max_lost", lambda value: 0 <= value <= 1, "a share from 0 to 1")
        for name in ("top_p", "gpu_memory_utilization"):
            self._refuse(name, lambda value: 0 < value <= 1, "more than 0, at most 1")

    def _refuse(self, name: str, right: Callable[[float], bool], wanted: str) -> None:
        value = getattr(self, name)
        if value is not None and not (math.isfinite(value) and right(value)):
            raise ValueError(f"--{name.replace('_', '-')} is {value}; give {wanted}")

    @property
    def conversations(self) -> int:
        return self.prompts * self.group

    @property
    def rate(self) -> float:
        return self.learning_rate or (1e-5 if self.lora else 1e-6)

    @property
    def copies(self) -> int:
        """Of the trained weights, that are held beside them; with LoRA the model without its adapter is there."""
        return int(self.beta > 0 and not self.lora)

    def accumulation(self, processes: int) -> int:
        """Forward passes of one update on each process. ValueError where the batch cannot be cut so."""
        parts = self.per_pass(processes) * processes * self.updates
        if self.conversations % parts:
            raise ValueError(
                f"{self.conversations} conversations a step (--prompts {self.prompts} x --group {self.group}) cannot "
                f"be cut into {self.updates} update(s) of {processes} process(es) with --micro-batch "
                f"{self.per_pass(processes)} conversations at a time; choose numbers whose product divides them"
            )
        return self.conversations // parts

    def per_pass(self, processes: int) -> int:
        """Conversations in one forward pass of one process."""
        share = self.conversations // (processes * self.updates)
        return self.micro_batch or max((each for each in range(1, 9) if share and share % each == 0), default=1)

    def context(self, longest: int | None) -> int:
        """Of a whole conversation, on a model made for `longest`. ValueError where not even one reply fits."""
        context = min(self.max_length or longest or 1 << 30, longest or 1 << 30)
        if context <= self.max_tokens:
            raise ValueError(
                f"a conversation may have {context} tokens and one reply {self.max_tokens}; "
                "give a larger --max-length, or a smaller --max-tokens"
            )
        return context

    def identity(self) -> dict[str, Any]:
        """What a resumed run must have alike."""
        return {name: value for name, value in self._told().items() if name not in _SETTINGS}

    def settings(self) -> dict[str, Any]:
        return {name: value for name, value in self._told().items() if name in _SETTINGS}

    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return told
