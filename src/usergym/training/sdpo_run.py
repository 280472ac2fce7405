"""An SDPO run from its settings: online, where the policy plays and is reacted to, or offline, on conversations that
were recorded."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from usergym.models.base import Model
from usergym.rollouts.engine import Cast
from usergym.training import grpo
from usergym.training.courses import Course
from usergym.training.grpo import SIGNALS, Trained, append
from usergym.training.recorded import Prepared, course_of, named
from usergym.training.sdpo_checks import check
from usergym.training.sdpo_config import SdpoConfig
from usergym.training.sdpo_seam import ReactionTrainer
from usergym.training.sdpo_whole import WholeTrainer
from usergym.types import Task, Trajectory, stable_hash


def online(
    config: SdpoConfig,
    courses: Sequence[Course],
    cast: Cast,
    models: Sequence[Model] = (),
    *,
    identity: Mapping[str, Any] = {},
    resume: bool = True,
    say: Callable[[str], None] = print,
) -> Trained:
    """The policy plays, and learns from what is said to it; raises as `grpo.train` and `check`."""
    check(config)
    config = config.counted()
    trainer = ReactionTrainer if config.estimator == "sampled" else WholeTrainer
    made_by = partial(trainer, sdpo=config, record=partial(append, config.out, SIGNALS))
    return grpo.train(config, courses, cast, models, identity=identity, resume=resume, say=say, made_by=made_by)


def offline(
    config: SdpoConfig,
    ready: Prepared,
    held_out: Sequence[Course],
    cast: Cast,
    models: Sequence[Model] = (),
    *,
    identity: Mapping[str, Any] = {},
    resume: bool = True,
    say: Callable[[str], None] = print,
) -> Trained:
    """The policy learns from what was said to others' replies, without weights for that; raises as `grpo.train` and
    `check`."""
    check(config)
    config = config.counted(len(ready.conversations))
    record = partial(append, config.out, SIGNALS)
    trainer = RecordedTrainer if config.estimator == "sampled" else RecordedWholeTrainer
    made_by = partial(trainer, conversations=named(ready), sdpo=config, record=record)
    return grpo.train(
        config,
        [course_of(ready)],
        cast,
        models,
        identity={**identity, "recorded": _told(ready)},
        resume=resume,
        say=say,
        made_by=made_by,
        held_out=held_out,
    )


def _told(ready: Prepared) -> str:
    """What a resumed run must find again."""
    of_each = [stable_hash(msgspec.json.encode(each).decode()) for each in ready.conversations]
    return f"{len(of_each)} conversations, {stable_hash(*of_each):016x}"


class RecordedTrainer(ReactionTrainer):
    """Takes its conversations from where they were recorded; only held-out tasks are played."""

    recorded = True

    def __init__(self, *arguments: Any, conversations: Mapping[str, Trajectory], **more: Any) -> None:
        self.conversations = conversations
        super().__init__(*arguments, **more)

    def _lived(self, starts: Sequence[tuple[Course, Task, int]]) -> list[Trajectory]:
        self._starts = starts
        self._trajectories = [
            msgspec.structs.replace(self.conversations[task.id], task=task, sample=sample) for _, task, sample in starts
        ]
        return self._trajectories


class RecordedWholeTrainer(RecordedTrainer, WholeTrainer):
    """Likewise, by whole distributions."""
