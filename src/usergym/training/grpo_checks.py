"""What is wrong with a GRPO run, said before any compute. Loads no model."""

import importlib.util
import os
from collections.abc import Sequence

from usergym.models.base import Model
from usergym.rollouts.engine import Cast
from usergym.training import checkpoints, courses, trackers
from usergym.training.checkpoints import Checkpoint
from usergym.training.courses import Course
from usergym.training.grpo_config import GrpoConfig
from usergym.training.memory import Load, check_memory, shards
from usergym.training.recorded import Recorded

NEEDED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")


def processes() -> int:
    """How many torchrun or accelerate started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check(config: GrpoConfig, given: Sequence[Course], cast: Cast, held_out: Sequence[Course] = ()) -> Checkpoint:
    """What the model's name leads to. ValueError or LookupError for settings that cannot work. `held_out`: courses that
    are only validated on."""
    config.accumulation(processes())
    played = any(course.name != Recorded.name for course in (*given, *held_out))
    if config.speaker == "user" and cast.agent is None and played:
        raise ValueError("--speaker user trains the user, and nobody plays the agent; give --agent-model")
    courses.check(given)
    if config.speaker == "assistant" and cast.user_model:
        seat_once((*given, *held_out), cast.user_model)
    trackers.check(config.track)
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise LookupError(f"training needs {', '.join(missing)}; pip install 'usergym[train]'")
    if config.vllm and importlib.util.find_spec("vllm") is None:
        raise LookupError(f"--vllm {config.vllm} needs vllm; pip install vllm, or leave it out: transformers generates")
    found = checkpoints.check(config.model, config.chat_template)
    config.context(found.shape.context if found.shape else None)
    if not config.ignore_memory:
        check_memory(config.model, found.shape, load(config, found, given, cast))
    return found


def seat_once(given: Sequence[Course], user: Model) -> None:
    """Puts the model in the user's seat of a task of each environment, which says what it could not do there."""
    for course in given:
        task = next(iter(course.validation or course.train()), None)
        if course.name != Recorded.name and task is not None:
            course.environment.start(task).user(user)


def load(config: GrpoConfig, found: Checkpoint, given: Sequence[Course], cast: Cast) -> Load:
    """What one process computes at once: conversations of --max-length, or, where that is not given, such in which
    the policy says all it may and others nothing."""
    context = config.context(found.shape.context if found.shape else None)
    replies = cast.limits.replies or max((course.environment.max_replies or 1 for course in given), default=1)
    return Load(
        config.per_pass(processes()) * (context if config.max_length else min(context, replies * config.max_tokens)),
        config.lora_r if config.lora else 0,
        bool(config.bf16),
        config.gradient_checkpointing,
        shards(),
        config.copies,
    )
