"""A trainer's figures as they come: a line in `metrics.jsonl`, a line on the terminal, and the curves."""

import math
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from transformers import PrinterCallback, ProgressCallback, TrainerCallback

from usergym.training.curves import curves
from usergym.training.record import Record
from usergym.training.standstill import Standstill, kept
from usergym.training.unread import Unread

SHOWN = {
    "loss": "loss",
    "reward": "reward",
    "eval_loss": "validation loss",
    "eval_reward": "validation reward",
    "entropy": "entropy",
    "completions/mean_length": "length",
    "lost": "lost",
    "frac_reward_zero_std": "groups alike",
    "sdpo/effect": "effect",
    "sdpo/control_effect": "control's",
}
"""What a line on the terminal tells, and what it calls it."""

DRAWN_EVERY = 60.0
"""Seconds between two pictures of a run that goes on."""

_ENDS = "train_runtime"
"""In the summary with which a trainer ends; all it says is in the lines before it."""


def follow(trainer: Any, record: Record, console: bool = True) -> None:
    """Has the record and the terminal follow a transformers Trainer, in place of what that prints by itself."""
    for each in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(each)
    trainer.add_callback(RecordCallback(record, console))


class RecordCallback(TrainerCallback):  # type: ignore[misc]
    """On the main process only. A run that is resumed first drops what was logged after its checkpoint."""

    def __init__(self, record: Record, console: bool = True) -> None:
        self.record = record
        self.pace = Pace() if console else None
        self.drawn = time.monotonic()
        self.standstill, self.unread = Standstill(), Unread()

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.is_world_process_zero:
            self.record.rewind(state.global_step)
            if self.pace:
                self.pace.begin(state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.is_world_process_zero and self.pace:
            self.pace.step(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **more: Any) -> None:
        if not state.is_world_process_zero or not logs or _ENDS in logs:
            return
        self.record.log(state.global_step, logs)
        warnings = self.standstill.after(logs), self.unread.after(state.global_step, logs)
        if self.pace:
            self.pace.tell(logs)
            for warning in filter(None, warnings):
                self.pace.warn(warning)

    def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.is_world_process_zero and time.monotonic() - self.drawn > DRAWN_EVERY:
            curves(self.record.folder)
            self.drawn = time.monotonic()

    def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.is_world_process_zero:
            if self.pace:
                self.pace.end()
            curves(self.record.folder)


class Pace:
    """Lines of figures, and on a terminal a bar below them, on stderr."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, soft_wrap=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            TimeElapsedColumn(),
        )
        self.bar = Progress(*columns, console=self.console, disable=not self.console.is_terminal, refresh_per_second=2)
        self.task: TaskID | None = None
        self.at = self.first = self.last = 0
        self.began = time.monotonic()

    def begin(self, step: int, steps: int) -> None:
        self.at = self.first = step
        self.last = steps
        self.began = time.monotonic()
        self.task = self.bar.add_task("training", total=steps, completed=step, pace="")
        self.bar.start()

    def step(self, step: int) -> None:
        self.at = step
        if self.task is not None:
            self.bar.update(self.task, completed=step, pace=self.speed())

    def speed(self) -> str:
        """Seconds a step and time left, evaluations and saving included."""
        done = self.at - self.first
        if not done:
            return ""
        seconds = (time.monotonic() - self.began) / done
        return f"{seconds:.3g} s/step, {_clock(seconds * (self.last - self.at))} left"

    def tell(self, logs: Mapping[str, Any]) -> None:
        figures = [f"{name} {_figure(logs[key])}" for key, name in SHOWN.items() if isinstance(logs.get(key), float)]
        if not figures:
            return
        figures += filter(None, [kept(logs)])
        line = "  ".join((f"step {self.at:,}/{self.last:,}", *figures, *filter(None, [self.speed()])))
        self.console.print(line, markup=False, highlight=False)

    def warn(self, text: str) -> None:
        self.console.print(f"WARNING: {text}", style="bold red", markup=False, highlight=False)

    def end(self) -> None:
        self.bar.stop()


def _figure(value: float) -> str:
    return "not known" if not math.isfinite(value) else f"{value:.4g}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
