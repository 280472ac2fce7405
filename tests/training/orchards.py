"""Short GRPO runs in the orchard, and what a trainer computed in them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from transformers import TrainerCallback

from tests.training.orchard import Orchard
from usergym.environments.base import Environment
from usergym.rollouts.engine import Cast
from usergym.training.courses import Course
from usergym.training.grpo import Trained, train
from usergym.training.grpo_config import GrpoConfig
from usergym.training.trl_seam import ConversationTrainer
from usergym.types import Trajectory


def settings(policy: Path, out: Path, **more: Any) -> GrpoConfig:
    small: dict[str, Any] = {
        "steps": 2,
        "prompts": 2,
        "group": 4,
        "micro_batch": 4,
        "max_tokens": 12,
        "max_length": 220,
        "learning_rate": 3e-3,
        "eval_every": 0,
        "validation": 0,
        "patience": 60.0,
        "track": (),
    }
    return GrpoConfig(str(policy), out, **{**small, **more})


def course(environment: Environment | None = None, name: str = "orchard", held_out: int = 0, **more: Any) -> Course:
    environment = environment or Orchard()
    validation = list(islice(environment.tasks("validation"), held_out))
    return Course(name, environment, partial(environment.tasks, "train"), validation, **more)


def trained(config: GrpoConfig, *courses: Course, cast: Cast | None = None, **more: Any) -> Trained:
    """Without a picture of the curves, which takes longer than the run."""
    with patch("usergym.training.progress.curves"):
        return train(config, courses or [course()], cast or Cast(None), **{"say": lambda line: None, **more})


def metrics(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def steps(out: Path, name: str = "reward") -> dict[int, float]:
    """What was logged of every step."""
    return {line["step"]: line[name] for line in metrics(out) if name in line}


class Seen:
    """What trainers were given: of every batch its conversations and inputs, of every forward pass its inputs."""

    def __init__(self) -> None:
        self.trainers: list[ConversationTrainer] = []
        self.played: list[list[Trajectory]] = []
        self.batches: list[dict[str, Any]] = []
        self.passes: list[dict[str, Any]] = []
        self.gradients: list[torch.Tensor] = []
        """Of every optimizer step, all weights in one row."""


class Gradients(TrainerCallback):
    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any, **more: Any) -> None:
        gradients = [weights.grad.flatten() for weights in model.parameters() if weights.grad is not None]
        self.seen.gradients.append(torch.cat(gradients).clone())


@contextmanager
def watched() -> Iterator[Seen]:
    """Looks over the shoulder of the trainers that are made in the meantime."""
    seen = Seen()
    kept = {
        name: getattr(ConversationTrainer, name)
        for name in ("__init__", "_generate_and_score_completions", "_compute_loss", "_conversations")
    }

    def made(self: Any, *args: Any, **more: Any) -> None:
        seen.trainers.append(self)
        kept["__init__"](self, *args, **more)
        self.add_callback(Gradients(seen))

    def batch(self: Any, inputs: Any) -> Any:
        out = kept["_generate_and_score_completions"](self, inputs)
        seen.batches.append({name: value.clone() for name, value in out.items() if torch.is_tensor(value)})
        return out

    def loss(self: Any, model: Any, inputs: Any) -> Any:
        seen.passes.append(inputs)
        return kept["_compute_loss"](self, model, inputs)

    def conversations(self: Any, starts: Any, group: int) -> Any:
        out = kept["_conversations"](self, starts, group)
        if self.model.training:
            seen.played.append(out)
        return out

    for name, function in zip(kept, (made, batch, loss, conversations), strict=True):
        setattr(ConversationTrainer, name, function)
    try:
        yield seen
    finally:
        for name, function in kept.items():
            setattr(ConversationTrainer, name, function)
