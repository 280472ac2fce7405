"""The numbers of a training run, from the documented variables and what is published of each data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import rows
from choice import Choice
from line import Line
from settings import Variables, several

from usergym.environments.people.contexts import Context, of_split
from usergym.users.states.spec import LAST

PROMPTS = 32
"""Tasks of a step over all GPUs, as far as these divide them."""


@dataclass(frozen=True)
class Sizes:
    """Of a step."""

    batch: int
    group: int
    updates: int
    micro: int


@dataclass(frozen=True)
class Lengths:
    """In tokens."""

    prompt: int
    reply: int
    thinking: int


@dataclass(frozen=True)
class Course:
    """How long, and how often it is looked at."""

    steps: int
    save: int
    check: int
    keep: int
    validated: int
    told: str


def sizes(v: Variables, world: int) -> Sizes:
    """ValueError where a step cannot be cut into updates of whole tasks."""
    group = v.whole("N_ROLLOUTS", 2)
    batch = counted(v, "TRAIN_BATCH_SIZE", str(PROMPTS // world * world))
    mini, micro = v.whole("PPO_MINI_BATCH_SIZE"), v.whole("PPO_MICRO_BATCH_SIZE_PER_GPU")
    replies = batch * group
    each = min(max(1, mini * group // world), max(1, replies // world))
    if replies % (each * world):
        raise ValueError(
            f"TRAIN_BATCH_SIZE={batch} with N_ROLLOUTS={group} makes {replies} replies in a step, which cannot be cut "
            f"into updates of {each} on each of {world} processes; give another TRAIN_BATCH_SIZE or PPO_MINI_BATCH_SIZE"
        )
    if each % micro:
        raise ValueError(f"PPO_MICRO_BATCH_SIZE_PER_GPU={micro} does not divide the {each} replies of an update")
    return Sizes(batch, group, replies // (each * world), micro)


def lengths(v: Variables, line: Line, choice: Choice) -> Lengths:
    """ValueError where a reply that may think is no longer than one that may not."""
    thinks = choice.mode.thinking
    prompt = counted(v, "MAX_PROMPT_LENGTH", rows.prompt_tokens(line.dataset))
    reply = counted(v, "MAX_GEN_LENGTH", "1024" if thinks else "512")
    said = choice.hierarchy.level(LAST).max_tokens if LAST in choice.hierarchy.names else 0
    if thinks and reply <= said:
        raise ValueError(
            f"MAX_GEN_LENGTH={reply} leaves nothing to think in: a response may have {said} tokens of them; give more"
        )
    return Lengths(prompt, reply, max(0, reply - said) if thinks else 0)


def course(v: Variables, line: Line, choice: Choice, contexts: Sequence[Context], batch: int) -> Course:
    epochs, save = v.number("TRAIN_EPOCHS"), v.whole("SAVE_FREQ")
    levels = len(choice.hierarchy.judged) if choice.mode.separate else 1
    people = sum(1 for _ in of_split(contexts, "train"))
    tasks = people * levels
    steps = counted(v, "TOTAL_TRAINING_STEPS", str(max(1, round(epochs * tasks / batch))))
    check = counted(v, "TEST_FREQ", str(save))
    keep = ceil(steps / save) if v.text("KEEP") == "all" else v.whole("KEEP")
    validated = counted(v, "VAL_SIZE", rows.sizes(line.dataset)[0], 0)
    asked = f"{several(people, 'context')} with {several(levels, 'level')}: {several(tasks, 'task')}"
    told = f"{asked}; {several(steps, 'step')} of {several(batch, 'task')}"
    return Course(steps, save, check, keep, validated, told)


def counted(v: Variables, name: str, default: str, least: int = 1) -> int:
    """A whole number whose default is not the script's."""
    v.environ = {**v.environ, name: v.text(name, default)}
    return v.whole(name, least)
