"""`usergym train grpo`: multi-turn reinforcement learning against simulated users, tools and verifiers."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from usergym.cli.casting import CastOptions
from usergym.cli.errors import told_in_one_line
from usergym.cli.models import Models
from usergym.cli.options import Json, ReachOptions, run_folder
from usergym.cli.running import console, how_to_resume
from usergym.cli.tables import console as tables
from usergym.cli.tables import counted, print_json
from usergym.cli.train_sft import where_it_goes_on
from usergym.data.tasks import read_tasks
from usergym.environments.base import Environment, load
from usergym.evaluation.suite import Entry, entries
from usergym.models.base import StopRun
from usergym.rollouts.engine import Cast
from usergym.training.courses import Course
from usergym.training.frozen import Frozen
from usergym.training.grpo_config import GrpoConfig
from usergym.training.record import is_main
from usergym.types import Task

if TYPE_CHECKING:
    from usergym.training.grpo import Trained


@told_in_one_line
def grpo(
    *,
    envs: Annotated[tuple[str, ...], Parameter(name=["--envs", "--env"], negative="", consume_multiple=True)],
    weights: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True, show_default=False)] = (),
    tasks: Path | None = None,
    validation_tasks: Path | None = None,
    seats: Annotated[CastOptions, Parameter(name="*", group="Who plays")] = CastOptions(),
    config: Annotated[GrpoConfig, Parameter(name="*", group="Training")],
    models: Annotated[ReachOptions, Parameter(name="*", group="Models")] = ReachOptions(),
    resume: Annotated[bool, Parameter(negative="--fresh")] = True,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int | None:
    """Train a model by multi-turn GRPO: conversations with simulated users, tools and verifiers, credit for each turn.

    Runs on TRL: on this machine, or under torchrun and accelerate on several GPUs (DDP, FSDP, DeepSpeed). The run's
    folder gets config.json, metrics.jsonl, curves.png, every conversation (trajectories.jsonl, for `usergym view` and
    `usergym credit explain`), checkpoints, and at the end model/: the checkpoint that did best on held-out tasks. The
    same command goes on from the last checkpoint.

    Examples:

        usergym train grpo --envs intention --model runs/cold/model --out intention --steps 100
        usergym train grpo --envs function,telepathy --weights 1 2 --model Qwen/Qwen3-4B --lora --vllm colocate
        torchrun --nproc-per-node 8 -m usergym train grpo --envs tau --model Qwen/Qwen3-8B --user-model openai/gpt-4o

    Parameters
    ----------
    envs
        Environments with options, divided by spaces or commas: function,telepathy or calendar:level=hard. Training
        tasks are of the split `train`, held-out ones of `validation`.
    weights
        The share of tasks of each environment, in their order, divided by spaces or commas; equal unless given.
    tasks
        Train on these tasks or rows (JSONL, JSON, parquet) instead of the environment's own; for one environment.
    validation_tasks
        Validate on these, whose groups must not be in --tasks.
    resume
        Go on where the run stopped, or start over.
    dry_run
        Print the settings as they were understood, check all that can be checked, and stop before any compute.
    json
        Print one JSON object at the end.
    """
    config = replace(config, out=run_folder(str(config.out), "grpo"))
    courses = courses_of(entries(envs), numbers(weights), tasks, validation_tasks, config)
    refuse_heat_of_nobody(seats)
    connected = Models(models)
    frozen = Frozen(config.model, config.chat_template, config.max_tokens)
    cast = seats.cast(connected, frozen)
    if dry_run:
        show_plan(config, courses, cast, json)
        return None
    from usergym.training.grpo_checks import check

    check(config, courses, cast)
    from usergym.training.grpo import train

    told = {**seats.told(models), "tasks": tasks, "validation_tasks": validation_tasks}
    run = partial(
        train,
        config,
        courses,
        cast,
        [frozen, *connected.all],
        identity={key: value for key, value in told.items() if value is not None},
        resume=resume,
        say=say,
    )
    return to_its_end(run, config.out, json)


def refuse_heat_of_nobody(seats: CastOptions) -> None:
    if seats.user_temperature is not None and seats.user_model is None:
        raise ValueError(
            f"--user-temperature {seats.user_temperature:g} is of the model that plays the user, and none does; give "
            "--user-model, or leave it out"
        )


def to_its_end(run: Callable[[], "Trained"], out: Path, json: bool) -> int:
    """The exit status of a training run, which tells how it ended and how to go on. StopRun passes with the advice."""
    try:
        trained = run()
    except KeyboardInterrupt:
        say(f"\ninterrupted. {where_it_goes_on(out)}")
        sys.exit(130)
    except StopRun as error:
        advice = "" if "again" in str(error) else f"\nCheckpoints are in {out}. {how_to_resume()}"
        raise StopRun(f"{error}{advice}") from None
    if is_main():
        show_trained(trained, json)
    return 0 if trained.model else 3


def say(text: str) -> None:
    if is_main():
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_trained(trained: "Trained", json: bool) -> None:
    if json:
        print_json(trained)
    elif trained.model:
        best = "" if trained.best is None else f", held-out reward {trained.best:.3f}"
        tables.print(
            f"trained {counted(trained.steps, 'step')}{best}; the model is in {trained.model}",
            soft_wrap=True,
        )
    else:
        say(f"stopped after step {trained.steps:,}: {trained.stopped}. {how_to_resume()}")


def numbers(weights: Sequence[str]) -> tuple[float, ...]:
    parts = [part for text in weights for part in text.split(",") if part.strip()]
    try:
        return tuple(map(float, parts))
    except ValueError:
        raise ValueError(f"--weights {' '.join(weights)}: expected numbers, one for each environment") from None


def courses_of(
    wanted: list[Entry], weights: tuple[float, ...], tasks: Path | None, held_out: Path | None, config: GrpoConfig
) -> list[Course]:
    if any(not 0 < weight < float("inf") for weight in weights):
        raise ValueError(f"--weights {' '.join(map(str, weights))}: each must be more than 0")
    if weights and len(weights) != len(wanted):
        raise ValueError(f"--weights gives {len(weights)} numbers for {len(wanted)} environments; give one for each")
    if len(wanted) > 1 and (tasks or held_out):
        raise ValueError(f"--tasks is for one environment, and --envs names {len(wanted)}")
    share = -(-config.validation // len(wanted))
    courses = []
    for place, entry in enumerate(wanted):
        environment = load(entry.spec)
        validation = _tasks(environment, held_out, "validation", config.seed) if config.validation else ()
        train = partial(_tasks, environment, tasks, "train", config.seed)
        weight = weights[place] if weights else 1.0
        courses.append(Course(entry.name, environment, train, list(islice(validation, share)), weight))
    return courses


def _tasks(environment: Environment, file: Path | None, split: str, seed: int) -> Iterable[Task]:
    return read_tasks(file, environment) if file else environment.tasks(split, seed)


def show_plan(
    config: GrpoConfig,
    courses: Sequence[Course],
    cast: Cast,
    json: bool,
    way: str = "GRPO",
    held_out: Sequence[Course] = (),
    chosen: str = "",
    more: Mapping[str, object] = {},
) -> None:
    """The settings in full, what a step is made of, and the estimate of memory. `held_out`: only validated on;
    `chosen`: a line of what is peculiar to this way, `more` the same for --json."""
    from usergym.training.grpo_checks import check, load, processes
    from usergym.training.memory import available, needed

    found = check(config, courses, cast, held_out)
    memory, free = needed(found.shape, load(config, found, courses, cast)) if found.shape else None, available()
    shares = [*((course, course.weight) for course in courses), *((course, 0.0) for course in held_out)]
    envs = {course.name: {"weight": weight, "held_out": len(course.validation)} for course, weight in shares}
    told = {
        "config": {**config.identity(), **config.settings()},
        "envs": envs,
        "processes": processes(),
        "conversations": config.conversations,
        "accumulation": config.accumulation(processes()),
        "memory": memory,
        "free": free,
        **more,
    }
    if json:
        print_json(told)
        return
    table = Table("environment", "share", "held-out tasks", title=f"{config.model}: {way}")
    total = sum(course.weight for course in courses)
    for course, weight in shares:
        table.add_row(course.name, f"{weight / total:.0%}", f"{len(course.validation):,}")
    tables.print(table)
    what = f"LoRA of rank {config.lora_r}" if config.lora else "all weights"
    size = f"{found.shape.parameters / 1e6:,.1f} M parameters; " if found.shape else ""
    tables.print(
        f"{size}{what}, {counted(config.steps, 'step')} of {config.prompts} tasks x {config.group} conversations, "
        f"{processes()} process(es), learning rate {config.rate:g}, {config.out}"
    )
    if chosen:
        tables.print(chosen, soft_wrap=True)
    if memory is None:
        tables.print(f"memory: not known before {config.model} is on this machine", soft_wrap=True)
    else:
        there = f" of {free / 2**30:,.1f} GiB that are free" if free is not None else ""
        tables.print(
            f"memory: about {memory / 2**30:,.1f} GiB{there} (a rough estimate, for each process)", soft_wrap=True
        )
