"""Between two steps: when a run is saved and validated besides its fixed steps, and when it ends before the last."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from transformers import TrainerCallback


class Pauses(TrainerCallback):  # type: ignore[misc]
    """`updates`: optimizer steps of one batch of conversations; only behind the last of them a run can be resumed.

    The last step is validated like others, and what did better than all before is saved, so that the best checkpoint
    is the best of all that was validated.
    """

    def __init__(self, updates: int, validated: bool) -> None:
        self.updates = updates
        self.validated = validated
        self.why = ""
        """Why the run is to end behind this step."""

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if self.why and state.global_step % self.updates == 0:
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False
        elif self.validated and state.global_step >= state.max_steps:
            control.should_evaluate = True

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Mapping[str, float], **more: Any) -> None:
        best = -math.inf if state.best_metric is None else state.best_metric
        if state.global_step and metrics["eval_reward"] > best:
            control.should_save = True


class Draws:
    """Where torch's draws stood, so that a step which is left in the middle can be played again as it was."""

    def __init__(self) -> None:
        self.cpu = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def restore(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.cuda:
            torch.cuda.set_rng_state_all(self.cuda)
