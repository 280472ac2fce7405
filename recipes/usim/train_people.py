"""Training on a person's states and words, as `usergym train users`."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import machine
import models
import numbers_of
import seats
from beginning import Beginning, Held, beginning, held
from choice import Choice, chosen
from job import Findings, Job
from line import Line
from place import Place, place_of, tracked
from rows import data_of
from settings import Variables, folder

from usergym.cli.train_users import longest, people_of, validation
from usergym.environments.people.contexts import Context, read_contexts
from usergym.environments.people.gym import People
from usergym.training import courses, trackers
from usergym.training.courses import Course
from usergym.training.users_config import UsersConfig
from usergym.training.verl_prefixes import write_map

OWNED = {
    "--mode": "CONFIG",
    "--config": "CONFIG",
    "--hierarchy": "HIERARCHY_CONFIG",
    "--model": "BASE_MODEL or RESUME",
    "--prefixes": "RESUME",
    "--judge-model": "JUDGE_MODEL",
    "--out": "OUTPUT_DIR",
    "--steps": "TRAIN_EPOCHS or TOTAL_TRAINING_STEPS",
    "--prompts": "TRAIN_BATCH_SIZE",
    "--group": "N_ROLLOUTS",
    "--updates": "PPO_MINI_BATCH_SIZE",
    "--micro-batch": "PPO_MICRO_BATCH_SIZE_PER_GPU",
    "--learning-rate": "LEARNING_RATE",
    "--beta": "KL_LOSS_COEF",
    "--temperature": "TEMPERATURE",
    "--eval-temperature": "VAL_TEMPERATURE",
    "--max-tokens": "MAX_GEN_LENGTH",
    "--thinking": "MAX_GEN_LENGTH",
    "--max-length": "MAX_PROMPT_LENGTH and MAX_GEN_LENGTH",
    "--validation": "VAL_SIZE",
    "--eval-every": "TEST_FREQ",
    "--save-every": "SAVE_FREQ",
    "--keep": "KEEP",
    "--seed": "SEED",
    "--project": "WANDB_PROJECT",
}
CUT = ("FSDP", "DEEPSPEED")
"""Kinds of accelerate's configuration that spread weights over the processes."""


class TrainJob(Job):
    """On several GPUs torchrun starts the processes, unless accelerate is configured."""

    def command(self) -> list[list[str]]:
        start = machine.launcher(self.world, self.there if self.accelerate else 0, self.accelerate)
        return [[*start, "-m", "usergym", *self.verb], *self.arguments()]


def train(line: Line, v: Variables, found: Findings, extras: Sequence[str]) -> tuple[Job, Place]:
    found.owned = OWNED
    start, base = beginning(line.resume), models.base_of(v)
    choice = chosen(line.config, v)
    contexts: Sequence[Context] = ()
    data = Path("<DATA>")
    with found.looking():
        data = data_of(v, line.dataset, choice.mode)
        contexts = read_contexts(str(data))
    sizes, lengths = numbers_of.sizes(v, line.world), numbers_of.lengths(v, line, choice)
    course = numbers_of.course(v, line, choice, contexts, sizes.batch)
    judge, model = seats.seated(v.text("JUDGE_MODEL")), base if start.run else start.model or base
    flags = [
        *_learned(v, choice, sizes, lengths),
        *_looked_at(v, course),
        *([["--judge-model", judge]] if judge else []),
        *tracked(v),
    ]
    config = v.path("ACCELERATE_CONFIG")
    place = place_of(v, f"{choice.mode.name}_{line.dataset.name}", extras, start.run)
    with found.looking():
        seats.reachable(judge)
    template = _template(v, found, choice, model, extras)
    best = _held(found, start, choice, contexts)
    prefixes = place.out / "hierarchy_map.json" if best and best.imported else start.prefixes
    files = [
        ["--model", model],
        *([["--prefixes", folder(prefixes)]] if best and prefixes else []),
        ["--out", folder(place.out)],
        *([["--chat-template", folder(place.out / models.TEMPLATE)]] if template else []),
    ]
    found.good.append(course.told)
    found.notes.extend([*choice.notes, *_told(start, line)])
    if unused := machine.unused(line.world, len(line.gpus), config):
        found.notes.append(unused)
    job = TrainJob(("train", "users"), "usergym.cli.train_users:users", [[str(data)], *files, *flags], OWNED, extras)
    job.world, job.there, job.accelerate, job.environment = line.world, len(line.gpus), config, dict(place.environment)
    job.write = partial(_write, place.out, template, best)
    job.estimate = partial(_estimate, job, found, bool(contexts))
    return job, place


def _learned(v: Variables, choice: Choice, sizes: numbers_of.Sizes, lengths: numbers_of.Lengths) -> list[list[str]]:
    return [
        ["--mode", choice.mode.name],
        *([["--hierarchy", choice.config]] if choice.config else []),
        ["--prompts", str(sizes.batch)],
        ["--group", str(sizes.group)],
        ["--updates", str(sizes.updates)],
        ["--micro-batch", str(sizes.micro)],
        ["--learning-rate", v.text("LEARNING_RATE")],
        ["--schedule", "constant"],
        ["--beta", v.text("KL_LOSS_COEF")],
        ["--temperature", v.text("TEMPERATURE")],
        ["--max-tokens", str(lengths.reply)],
        *([["--thinking", str(lengths.thinking)]] if lengths.thinking else []),
        ["--max-length", str(lengths.prompt + lengths.reply)],
        ["--gradient-checkpointing"],
    ]


def _looked_at(v: Variables, course: numbers_of.Course) -> list[list[str]]:
    return [
        ["--steps", str(course.steps)],
        ["--validation", str(course.validated)],
        ["--eval-every", str(course.check if course.validated else 0)],
        ["--eval-temperature", v.text("VAL_TEMPERATURE")],
        ["--save-every", str(course.save)],
        ["--keep", str(course.keep)],
        ["--seed", str(v.whole("SEED", 0))],
    ]


def _template(v: Variables, found: Findings, choice: Choice, model: str, extras: Sequence[str]) -> str | None:
    """Where every reply is thought about, the model's own template begins the thought; elsewhere the prompt asks."""
    if any(each.partition("=")[0] == "--chat-template" for each in extras):
        return None
    thinks = choice.mode.thinking and not choice.mode.hetero
    return models.template_of(found, model, thinks, v.text("BASE_MODEL_TYPE") == "userlm")


def _held(found: Findings, start: Beginning, choice: Choice, contexts: Sequence[Context]) -> Held | None:
    """The best states, for a new run of a configuration that builds on them."""
    if start.run or not start.prefixes:
        return None
    if not (choice.mode.separate and choice.mode.conditioned):
        found.notes.append(f"{start.prefixes.name} is not used: {choice.mode.name} builds on no states")
        return None
    with found.looking():
        best = held(start, contexts, choice.hierarchy)
        found.notes.append(best.told)
        return best
    return None


def _told(start: Beginning, line: Line) -> list[str]:
    if start.run:
        return [f"RESUME: goes on with the run in {start.run}, with its own weights, optimizer and place in the data"]
    if start.weights:
        return [f"RESUME: a new run begins with the weights in {start.weights}, and with the first task"]
    chat = line.dataset.chat and not line.config.name.endswith("_wildchat")
    return [f"{line.dataset.name} has a configuration of its own: {line.config.name}_wildchat"] * chat


def _write(out: Path, template: str | None, best: Held | None) -> None:
    if template:
        seats.write_template(out / models.TEMPLATE, template)
    if best and best.imported:
        write_map(best.imported, out / "hierarchy_map.json")


def _estimate(job: Job, found: Findings, there: bool, bound: inspect.BoundArguments) -> list[str]:
    """`there`: the rows are; what is wrong with them is said already."""
    given: Mapping[str, Any] = bound.arguments
    config: UsersConfig = given["config"]
    with found.looking():
        config.accumulation(job.world)
        trackers.check(config.track)
    if there:
        with found.looking():
            judged = "seats" in given and given["seats"].judge_model is not None
            config = _checked(people_of(given["who"], given["data"], judged, config.prompts), config, job.world)
    spread: Mapping[str, object] = {}
    with found.looking():
        spread = machine.accelerate_config(job.accelerate)
    shape = None
    with found.looking():
        shape = models.shape_of(config.model)
        config.context(shape.context if shape else None)
    cut = spread.get("distributed_type") in CUT and job.world > 1
    return models.of_training(config, shape, job.world, job.there, cut)


def _checked(people: People, config: UsersConfig, world: int) -> UsersConfig:
    """As the verb takes it: no reply is longer than its levels may be."""
    if people.builds and world > 1:
        raise ValueError(
            f"{people.mode.name} builds on the states of earlier steps, which every process would have of its own; "
            "give one GPU, or CONFIG separate_system_prompt"
        )
    train = partial(people.tasks, "train", config.seed)
    courses.check([Course("people", people, train, validation(people, config))])
    return replace(config, max_tokens=min(config.max_tokens, longest(people)))
