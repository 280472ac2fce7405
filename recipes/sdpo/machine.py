"""How many processes are started and by whom, and what they take in memory."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from settings import several

from usergym.training import memory
from usergym.training.checkpoints import Checkpoint
from usergym.training.memory import Load
from usergym.training.sdpo_config import SdpoConfig
from usergym.training.shape import Shape

DOCUMENTED: Mapping[str, Shape] = {
    "Qwen/Qwen3-8B": Shape(8_190_735_360, 2_727_936, 36, 4096, 12_288, 151_936, 40_960, True),
    "Qwen/Qwen3-4B": Shape(4_022_468_096, 2_064_384, 36, 2560, 9_728, 151_936, 40_960, True),
}
"""Sizes of the documented models, from their published configurations: an estimate needs no download."""


def gpus() -> int:
    try:
        import torch
    except ModuleNotFoundError:
        raise LookupError("this needs torch; pip install 'usergym[train]'") from None
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def accelerate_config(path: Path | None) -> dict[str, Any]:
    """What the file says; {} without one. ValueError where it is no such file."""
    if path is None:
        return {}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"ACCELERATE_CONFIG={path}: {error.strerror}; check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"ACCELERATE_CONFIG={path} is no YAML file: {' '.join(str(error).split())[:120]}") from None
    if not isinstance(found, dict) or "distributed_type" not in found:
        raise ValueError(f"ACCELERATE_CONFIG={path} names no distributed_type; `accelerate config` writes such a file")
    return found


def whole_weights(accelerate: Mapping[str, Any]) -> None:
    """ValueError where the configuration cuts the weights, by which replies are scored."""
    stage = (accelerate.get("deepspeed_config") or {}).get("zero_stage")
    if accelerate.get("distributed_type") == "FSDP" or stage == 3:
        raise ValueError(
            "ACCELERATE_CONFIG cuts the weights over the processes (FSDP, ZeRO-3), and replies are scored with whole "
            "ones; give recipes/sdpo/multigpu_accelerate_config.yaml, or ZeRO-2"
        )


def unused(world: int, there: int, config: Path | None) -> str | None:
    """Why the file is not read, where it is not."""
    if config is None or (world > 1 and there):
        return None
    why = "one process is Python alone" if world <= 1 else "without a GPU torchrun starts the processes"
    return f"ACCELERATE_CONFIG={config} is not used: {why}"


def enough(world: int, there: int) -> None:
    """ValueError where CUDA is used and there are fewer devices than processes."""
    if there and world > there:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES")
        told = f" (CUDA_VISIBLE_DEVICES={seen})" if seen is not None else ""
        raise ValueError(
            f"WORLD_SIZE={world}, and there {'is' if there == 1 else 'are'} {there} GPU{'s' * (there != 1)}{told}; "
            f"give WORLD_SIZE={there}"
        )


def launcher(world: int, there: int, config: Path | None) -> list[str]:
    """What stands before `-m usergym`: nothing but Python for one process, accelerate on GPUs, torchrun on a CPU,
    where accelerate starts one process whatever it is told."""
    if world <= 1:
        return [sys.executable]
    if not there:
        return [*_program("torchrun", "torch.distributed.run"), "--standalone", "--nproc-per-node", str(world)]
    how = ["--config_file", str(config)] if config else ["--multi_gpu", "--mixed_precision", "bf16"]
    how += [] if config else ["--dynamo_backend", "no"]
    start = _program("accelerate", "accelerate.commands.accelerate_cli")
    return [*start, "launch", *how, "--num_machines", "1", "--num_processes", str(world)]


def _program(name: str, module: str) -> list[str]:
    """The one that belongs to this Python, whichever is first on the path."""
    beside = Path(sys.executable).with_name(name)
    return [str(beside)] if beside.exists() else [sys.executable, "-m", module]


def shape_of(name: str, found: Checkpoint | None) -> Shape | None:
    return (found.shape if found else None) or DOCUMENTED.get(name)


def of_training(
    config: SdpoConfig, shape: Shape | None, prompt: int, world: int, there: int, accelerate: Mapping[str, Any]
) -> list[str]:
    """Lines on memory and disk. `prompt`: its tokens at most."""
    if shape is None:
        return [f"memory for the trainer: not known before {config.model} is on this machine"]
    window = shape.context or 1 << 30
    tokens = config.per_pass(world) * min(config.max_length or prompt + config.max_tokens, window)
    cut = accelerate.get("distributed_type") == "DEEPSPEED" and world > 1 and there > 0
    half = bool(there) if config.bf16 is None else config.bf16
    rank = config.lora_r if config.lora else 0
    shards = world if cut else 1
    each = memory.needed(shape, Load(tokens, rank, half, config.gradient_checkpointing, shards, config.copies))
    # Weights and two moments, and a teacher that moves; of an adapter these are small, and its base is not saved again.
    values = 4 if config.teacher in ("ema", "periodic") else 3
    kept = 4 * values * (shape.per_rank * config.lora_r if config.lora else shape.parameters)
    return [
        _told("the trainer", each, world, there),
        f"disk: up to {several(config.keep, 'checkpoint')} of about {kept / 2**30:,.1f} GiB in {config.out}",
    ]


def of_asking(who: str, name: str, shape: Shape | None, world: int, there: int) -> str:
    """Of a model that only answers, in float32."""
    if shape is None:
        return f"memory for {who}: not known before {name} is on this machine"
    return _told(who, 4 * shape.parameters, world, there)


def _told(who: str, each: int, world: int, there: int) -> str:
    free = memory.available()
    everywhere = f" for each of {world} processes" if world > 1 else ""
    line = f"memory for {who}: about {each / 2**30:,.1f} GiB{everywhere} (a rough estimate)"
    if free is None:
        return line
    short = "; TOO LITTLE" if each * (1 if there else max(1, world)) > free else ""
    return f"{line}; {free / 2**30:,.1f} GiB are free{short}"
