"""The documented arguments: GPUS DATASET CONFIG [PUSH MESSAGE RESUME MODEL_TYPE]."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import machine

from usergym.data.prepare.users.datasets import Dataset, dataset
from usergym.models.base import StopRun
from usergym.users.states.modes import MODEL_TYPES, MODES, Mode, ModelType, mode, model_type

NAMES = ("GPUS", "DATASET", "CONFIG", "PUSH", "MESSAGE", "RESUME", "MODEL_TYPE")
DATASETS = ("reddit", "medium", "youtube", "amazon", "wildchat", "enron", "plain")
CHOICES = {
    "GPUS": "such as 0,1,2, or cpu",
    "DATASET": ", ".join(DATASETS),
    "CONFIG": ", ".join(MODES),
    "PUSH": "yes or no",
    "MESSAGE": "of the commit that PUSH names",
    "RESUME": "a run, a checkpoint, an outputs/EXP or its global_step_N",
    "MODEL_TYPE": ", ".join(MODEL_TYPES),
}
CPU = ("", "cpu")
DEVICES = "CUDA_VISIBLE_DEVICES"

_DEVICE = re.compile(r"\d{1,4}|(?:GPU|MIG)-[\w/-]+")


@dataclass(frozen=True)
class Line:
    gpus: tuple[str, ...]
    """As CUDA numbers them; none: one process on the CPU."""
    dataset: Dataset
    config: Mode
    push: bool
    message: str
    resume: str
    kind: ModelType
    given: Mapping[str, str]
    """The words, each by its one name."""

    @property
    def world(self) -> int:
        """Processes."""
        return max(1, len(self.gpus))


def usage() -> str:
    """What --help prints."""
    listed = "\n".join(f"  {name:<11} {what}" for name, what in CHOICES.items())
    return (
        f"usage: recipes/usim/train_grpo.sh {' '.join(NAMES[:3])} [{' '.join(NAMES[3:])}] [--dry-run] [-- FLAGS]\n\n"
        f"Trains a simulated user on latent states and words; CONFIG eval_only evaluates one.\n\n{listed}\n\n"
        "  --dry-run   check everything, print the variables, the command and what it takes, and create nothing\n"
        "  -- FLAGS    flags of `usergym train users`, or with eval_only of `usergym eval users`\n\n"
        "Settings are environment variables, such as BASE_MODEL, DATA and N_ROLLOUTS; recipes/usim/README.md lists "
        "them, and --dry-run shows their values."
    )


def read_line(words: Sequence[str]) -> Line:
    """ValueError or LookupError for a word that is not one of those there are, which it lists."""
    if wrong := next((word for word in words if word.startswith("-")), None):
        raise ValueError(
            f"{wrong!r} is no argument of this script; there are --dry-run and, behind --, the flags of the verb"
        )
    if not 3 <= len(words) <= len(NAMES):
        raise ValueError(
            f"{len(words)} arguments; expected {' '.join(NAMES[:3])} [{' '.join(NAMES[3:])}]. "
            + ". ".join(f"{name}: {what}" for name, what in CHOICES.items())
        )
    given = dict(zip(NAMES, (*words, *[""] * len(NAMES)), strict=False))
    push = given["PUSH"] or "no"
    if push not in ("yes", "no"):
        raise ValueError(f"PUSH={push!r}: expected yes or no")
    rules, kind = dataset(given["DATASET"]), model_type(given["MODEL_TYPE"] or "base")
    named = {"DATASET": rules.name, "PUSH": push, "MODEL_TYPE": kind.name}
    return Line(
        _gpus(given["GPUS"]),
        rules,
        mode(given["CONFIG"]),
        push == "yes",
        given["MESSAGE"],
        given["RESUME"],
        kind,
        given | named,
    )


def _gpus(text: str) -> tuple[str, ...]:
    if text.strip() in CPU:
        return ()
    found = tuple(part.strip() for part in text.split(","))
    if not all(map(_DEVICE.fullmatch, found)) or len(set(found)) < len(found):
        raise ValueError(f"GPUS={text!r}: expected different numbers such as 0,1,2, or cpu for one process without any")
    return found


def enough_gpus(line: Line, environ: Mapping[str, str]) -> int:
    """How many of the GPUs that are asked for are there, where `environ` is what the shell may use, and CUDA is told
    of the line's already. ValueError for fewer; StopRun where the machine has none, on which a dry run may be."""
    seen = environ.get(DEVICES)
    allowed = seen is None or set(line.gpus) <= {part.strip() for part in seen.split(",")}
    there = machine.gpus() if allowed else 0
    if there < len(line.gpus):
        told = f"; {DEVICES}={seen} is what this shell may use" if seen is not None else ""
        kind = ValueError if there else StopRun
        raise kind(f"GPUS={line.given['GPUS']}, and of these {there} are there{told}; name GPUs that are there, or cpu")
    return there
