"""A rough estimate of what training takes in memory, so that too little of it is said before any compute.

It counts weights, gradients, Adam's two moments, the activations that the backward pass needs and the logits. It knows
nothing of fragmentation, nor of a sampler beside the trainer.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from usergym.training.shape import Shape

PROCESS = 700 * 2**20
"""Of Python with torch, before any model."""
LOGITS_AT_ONCE = 32_768
"""Positions whose logits TRL's language-model head holds at a time."""


@dataclass(frozen=True)
class Load:
    """What one process computes at once."""

    tokens: int
    """Of one forward pass: rows times the longest row."""
    lora_r: int = 0
    """0: all weights are trained."""
    half: bool = False
    """bfloat16 over float32 weights; with LoRA the frozen weights are bfloat16 too."""
    checkpointing: bool = False
    """Activations are computed again in the backward pass, layer by layer."""
    shards: int = 1
    """Processes over which FSDP or ZeRO cut weights, gradients and moments."""
    copies: int = 0
    """Of the weights that are trained, as they were or as they are on average."""


_FIRST_VERSION = ("memory.limit_in_bytes", "memory.usage_in_bytes")


def needed(shape: Shape, load: Load) -> int:
    """Bytes, of one process.

    A layer keeps about ten vectors of the model's width and four of the feed-forward's for each token, with an adapter
    twice as many; attention is taken to be fused, so nothing grows with the square of the length.
    """
    trained = shape.per_rank * load.lora_r if load.lora_r else shape.parameters
    weights = shape.parameters * (2 if load.half and load.lora_r else 4) + (4 * trained if load.lora_r else 0)
    states = trained * 4 * 3
    size = 2 if load.half else 4
    layer = load.tokens * (10 * shape.hidden + 4 * shape.inner) * size * (2 if load.lora_r else 1)
    activations = (
        layer + load.tokens * shape.hidden * size * shape.layers if load.checkpointing else layer * shape.layers
    )
    logits = min(load.tokens, LOGITS_AT_ONCE) * shape.vocabulary * 4 * 3
    copies = load.copies * trained * 4
    return PROCESS + (weights + states) // load.shards + copies + activations + logits


def check_memory(name: str, shape: Shape | None, load: Load) -> None:
    """ValueError where `name` cannot be trained so on this machine; nothing where that is not known."""
    there = available()
    if shape is None or there is None:
        return
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if not _has_gpu() else 1
    wanted = needed(shape, load) * processes
    if wanted > there:
        together = f" in {processes} processes" if processes > 1 else ""
        remedies = ["--lora"] * (not load.lora_r) + ["a smaller --micro-batch", "a shorter --max-length"]
        raise ValueError(
            f"training {name} ({shape.parameters / 1e6:,.0f} M parameters, {load.tokens:,} tokens at once{together}) "
            f"needs about {wanted / 2**30:,.1f} GiB, and {there / 2**30:,.1f} GiB are free; give "
            f"{', '.join(remedies)}, --gradient-checkpointing, or another model (--ignore-memory tries it all the same)"
        )


@contextmanager
def told_where_memory_ends() -> Iterator[None]:
    """ValueError with the remedies in place of what torch raises, also for a full disk and for weights that have run
    away."""
    try:
        yield
    except RuntimeError as error:
        if "inline_container" in str(error) or "No space left" in str(error):
            raise ValueError(
                "no room to write a checkpoint; make room, and run again to go on from the last"
            ) from error
        if "probability tensor contains" in str(error):
            raise ValueError(
                "the weights are no longer finite; start over with a smaller --learning-rate or --max-grad-norm"
            ) from error
        if "out of memory" not in str(error) and "allocate memory" not in str(error):
            raise
        reason = str(error).strip().splitlines()[0][:200]
        raise ValueError(
            f"memory ran out ({reason}); give --lora, a smaller --micro-batch, a shorter --max-length or "
            "--gradient-checkpointing, and run again to go on from the last checkpoint"
        ) from error


def shards() -> int:
    """Over how many processes accelerate's environment has weights cut."""
    cut = any(
        os.environ.get(name, "").lower() in ("1", "true")
        for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")
    )
    return int(os.environ.get("WORLD_SIZE", "1")) if cut else 1


def available() -> int | None:
    """Free bytes of this process's GPU, or of the machine within its control group; None where nobody tells."""
    if _has_gpu():
        import torch

        free: int = torch.cuda.mem_get_info(int(os.environ.get("LOCAL_RANK", "0")))[0]
        return free
    return min((found for found in (_of_machine(), _of_group()) if found is not None), default=None)


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _of_group(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What the process's control group still has, files that the kernel may drop not counted as used."""
    for folder, most, used in ((root, "memory.max", "memory.current"), (root / "memory", *_FIRST_VERSION)):
        try:
            lines = (folder / "memory.stat").read_text().splitlines()
            files = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
            return int((folder / most).read_text()) - int((folder / used).read_text()) + files
        except (OSError, ValueError):
            continue
    return None
