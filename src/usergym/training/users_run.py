"""A run that trains a simulated user on states: GRPO in the environment people, with the prefixes found so far kept
beside every checkpoint."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from accelerate.utils import gather_object

from usergym.environments.people.gym import People
from usergym.models.base import Model
from usergym.rollouts.engine import Cast
from usergym.training import grpo
from usergym.training.courses import Course
from usergym.training.grpo import Trained
from usergym.training.grpo_config import GrpoConfig
from usergym.training.trl_seam import ConversationTrainer
from usergym.types import Task, Trajectory

FILE = "prefixes.json"
LEFT_OUT = "left_out.json"
"""In the folder of a run: how many rows of its data could not be used, and why."""


def train(
    config: GrpoConfig,
    course: Course,
    cast: Cast,
    models: Sequence[Model] = (),
    *,
    identity: Mapping[str, Any] = {},
    resume: bool = True,
    say: Callable[[str], None] = print,
) -> Trained:
    """Trains on the tasks of `course`, whose environment is People; raises as `grpo.train`."""
    people = course.environment
    assert isinstance(people, People)
    made_by = partial(StateTrainer, people=people)
    return grpo.train(config, [course], cast, models, identity=identity, resume=resume, say=say, made_by=made_by)


class StateTrainer(ConversationTrainer):
    """Tells the reservoir what step it is, saves it with every checkpoint, and logs what it holds."""

    def __init__(self, *arguments: Any, people: People, **more: Any) -> None:
        self.people = people
        super().__init__(*arguments, **more)

    def train(self, resume_from_checkpoint: str | bool | None = None, *arguments: Any, **more: Any) -> Any:
        if isinstance(resume_from_checkpoint, str):
            saved = Path(resume_from_checkpoint, FILE)
            if saved.is_file():
                self.people.restore(saved)
        if self.accelerator.is_main_process and (skipped := self.people.skipped):
            told = {"rows": skipped.count, "why": skipped.why, "first": [str(row) for row in skipped.rows]}
            text = msgspec.json.format(msgspec.json.encode(told), indent=2)
            (Path(str(self.args.output_dir)).parent / LEFT_OUT).write_bytes(text + b"\n")
        return super().train(resume_from_checkpoint, *arguments, **more)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """The prefixes first: a checkpoint is whole when its last file is there, which is not this one."""
        if self.accelerator.is_main_process and self.people.builds:
            folder = Path(self.args.output_dir, f"checkpoint-{self.state.global_step}")
            folder.mkdir(parents=True, exist_ok=True)
            self.people.reservoir.save(folder / FILE)
        super()._save_checkpoint(model, trial)

    def _lived(self, starts: Sequence[tuple[Course, Task, int]]) -> list[Trajectory]:
        reservoir = self.people.reservoir
        reservoir.step = self.state.global_step // self.updates
        with reservoir.waiting() as offers:
            made = super()._lived(starts)
        # All processes keep the same, in the same order: the next level of a context may be asked for in any of them.
        for offer in gather_object(offers):
            reservoir.offer(offer)
        self._tell(made)
        return made

    def _tell(self, made: Sequence[Trajectory]) -> None:
        """Every level's mean score, and what share of all that was written kept to what was asked or did not, by
        why."""
        metrics = self._metrics["train"]
        scores: dict[str, list[float]] = {}
        for trajectory in made:
            for reward in trajectory.rewards:
                if reward.value is not None:
                    scores.setdefault(reward.name, []).append(reward.value)
                if reward.name.endswith("_kept"):
                    why = reward.reason.partition(":")[0] or "kept"
                    scores.setdefault(f"replies/{why}", []).append(1.0)
        pooled = dict[str, list[float]]()
        for own in gather_object([scores]):
            for name, values in own.items():
                pooled.setdefault(name, []).extend(values)
        said = sum(len(values) for name, values in pooled.items() if name.startswith("replies/"))
        for name, values in pooled.items():
            whole = said if name.startswith("replies/") else len(values)
            metrics[f"states/{name}"].append(sum(values) / whole)
        if self.people.builds:
            ages = list(self.people.reservoir.ages())
            metrics["states/prefixes"].append(len(ages))
            metrics["states/prefix_age"].append(sum(ages) / max(1, len(ages)))
