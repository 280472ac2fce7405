"""What is wrong with an SDPO run and with the files that it learns from, said before any compute. Loads no model."""

import os
from collections.abc import Iterable

from usergym.training import checkpoints
from usergym.training.conversations import Encoder
from usergym.training.grpo_checks import processes
from usergym.training.hindsight import template_of
from usergym.training.memory import shards
from usergym.training.recorded import Prepared, prepared
from usergym.training.sdpo_config import SdpoConfig
from usergym.types import Trajectory


def check(config: SdpoConfig) -> None:
    """ValueError for what cannot be computed by the processes that were started."""
    if processes() > 1 and config.estimator != "sampled":
        raise ValueError(
            f"--estimator {config.estimator} runs in one process, and {processes()} were started; start one, or give "
            "--estimator sampled"
        )
    deepspeed = os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() in ("1", "true")
    if shards() > 1 and (not deepspeed or os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "3"):
        raise ValueError("replies are scored with whole weights, which FSDP and ZeRO-3 cut; start with DDP, or ZeRO-2")


def read(config: SdpoConfig, recorded: Iterable[Trajectory]) -> Prepared:
    """Recorded conversations as the run will learn from them. ValueError or LookupError for a model that cannot be
    used, or where nothing is left to learn from."""
    found = checkpoints.check(config.model, config.chat_template)
    encoder = Encoder(checkpoints.tokenizer(found, config.chat_template))
    made_for = (found.shape and found.shape.context) or encoder.tokenizer.model_max_length
    window = min(config.max_length or made_for, made_for)
    ready = prepared(recorded, encoder, template_of(str(config.template)), window, config.speaker)
    if not ready.conversations:
        why = ", ".join(f"{count:,} {reason}" for reason, count in ready.left_out.items())
        raise ValueError(f"nothing to train on: {f'left out are {why}' if why else 'the files hold no conversation'}")
    return ready
