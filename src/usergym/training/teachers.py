"""Whose eyes judge in hindsight: the policy as it is, as it was, or a slow average of itself.

A teacher is a copy of the weights that are trained (of an adapter: of the adapter alone), put into the model while it
scores; there is never a second model.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

Kind = Literal["live", "base", "ema", "periodic"]

FILE = "teacher.safetensors"


class Teacher(TrainerCallback):  # type: ignore[misc]
    """`live`: the policy at this step. `base`: as training began. `ema`: w <- (1 - rate) w + rate policy after every
    optimizer step. `periodic`: a copy of the policy, taken again every `every` optimizer steps.

    As a callback of the trainer it follows the steps; it is saved and resumed with the checkpoints.
    """

    def __init__(self, kind: Kind, model: Any, rate: float = 0.05, every: int = 50) -> None:
        self.kind = kind
        self.rate = rate
        self.every = every
        self.weights: dict[str, torch.Tensor] = {}
        if kind != "live":
            # In bfloat16 an average would stand still: what it gains in a step is less than it can tell apart.
            dtype = torch.float32 if kind == "ema" else None
            self.weights = {name: each.detach().to(dtype, copy=True) for name, each in _trained(model)}

    @contextmanager
    def seated(self, model: Any) -> Iterator[None]:
        """The model has the teacher's weights within."""
        if self.kind == "live":
            yield
            return
        own = {}
        for name, parameter in _trained(model):
            own[name] = parameter.data
            parameter.data = self.weights[name].to(parameter)
        try:
            yield
        finally:
            for name, parameter in _trained(model):
                parameter.data = own[name]

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
        if self.kind == "ema":
            for name, parameter in _trained(model):
                self.weights[name].lerp_(parameter.detach().to(self.weights[name]), self.rate)
        elif self.kind == "periodic" and state.global_step % self.every == 0:
            for name, parameter in _trained(model):
                self.weights[name].copy_(parameter.detach())

    def save(self, checkpoint: Path) -> None:
        """Into the folder of a checkpoint; nothing for a teacher that is made anew when a run goes on."""
        if self.kind in ("ema", "periodic"):
            checkpoint.mkdir(parents=True, exist_ok=True)
            save_file({name: each.contiguous() for name, each in self.weights.items()}, checkpoint / FILE)

    def resume(self, checkpoint: Path) -> None:
        """As it stood when a checkpoint was saved. ValueError where that has none."""
        if self.kind not in ("ema", "periodic"):
            return
        if not (checkpoint / FILE).exists():
            raise ValueError(f"{checkpoint} has no {FILE}, so its {self.kind} teacher is lost; start over with --fresh")
        for name, value in load_file(checkpoint / FILE).items():
            self.weights[name].copy_(value)


def _trained(model: Any) -> list[tuple[str, Any]]:
    """The same names whatever accelerate has wrapped the model in."""
    prefix = "module."
    return [(name.removeprefix(prefix), each) for name, each in model.named_parameters() if each.requires_grad]
