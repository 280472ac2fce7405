"""`usergym train sdpo`: learning from how users react, online or from recorded conversations."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from usergym.cli.casting import CastOptions
from usergym.cli.errors import told_in_one_line
from usergym.cli.models import Models
from usergym.cli.options import Json, ReachOptions, above_zero, run_folder
from usergym.cli.tables import show_skipped
from usergym.cli.train_grpo import courses_of, numbers, refuse_heat_of_nobody, say, show_plan, to_its_end
from usergym.data.convert import read_conversations
from usergym.evaluation.suite import entries
from usergym.rollouts.engine import Cast
from usergym.rows import Skipped
from usergym.training.courses import Course
from usergym.training.frozen import Frozen
from usergym.training.record import is_main
from usergym.training.recorded import Prepared, course_of
from usergym.training.sdpo_config import SdpoConfig


@told_in_one_line
def sdpo(
    *data: Path,
    envs: Annotated[tuple[str, ...], Parameter(name=["--envs", "--env"], negative="", consume_multiple=True)] = (),
    weights: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True, show_default=False)] = (),
    tasks: Path | None = None,
    validation_tasks: Path | None = None,
    epochs: float | None = None,
    skip_bad: Annotated[bool, Parameter(negative="")] = False,
    seats: Annotated[CastOptions, Parameter(name="*", group="Who plays")] = CastOptions(),
    config: Annotated[SdpoConfig, Parameter(name="*", group="Training")],
    models: Annotated[ReachOptions, Parameter(name="*", group="Models")] = ReachOptions(),
    resume: Annotated[bool, Parameter(negative="--fresh")] = True,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int | None:
    """Train a model on how users take its replies: each token's signal is what knowing the reaction adds to its
    log-probability, log p(y|x,o) - log p(y|x).

    Online, in any environment whose user answers: o is the user's next message, after every reply of a conversation.
    Offline, on files of conversations or tuples (x, y, o): o is what was said next. The run's folder is that of
    `usergym train grpo`, and signals.jsonl says for each reply which reaction it was judged by, in which template, and
    what that came to. The same command goes on from the last checkpoint.

    Examples:

        usergym train sdpo --envs style:style=no_lists --model local/smollm2 --lora --out no-lists
        usergym train sdpo --envs style:style=concise_casual_beginner --user-model anthropic/claude-haiku-4-5 \\
            --model Qwen/Qwen3-8B --validation 64
        usergym train sdpo tuples.jsonl --sdpo legacy-offline --model Qwen/Qwen3-4B --epochs 2
        usergym train sdpo --envs intention,travel --model runs/cold/model --group 4 --centring sibling

    Parameters
    ----------
    data
        Files of conversations or of tuples (x, y, o), in any format that `usergym convert` reads, or run folders; none:
        the policy plays in --envs.
    envs
        Environments with options, divided by spaces or commas. With data they are validated on, and not trained in.
    weights
        The share of tasks of each environment, in their order; equal unless given.
    tasks
        Train on these tasks or rows instead of the environment's own; for one environment.
    validation_tasks
        Validate on these, whose groups must not be in --tasks.
    epochs
        With data, in place of --steps: how often all of it is gone through. Default: 1.
    skip_bad
        Leave out rows that cannot be read, count and list them; otherwise the first one ends the run.
    resume
        Go on where the run stopped, or start over.
    dry_run
        Print the settings as they were understood, check all that can be checked, and stop before any compute.
    json
        Print one JSON object at the end.
    """
    above_zero(epochs=epochs)
    if not data and not envs:
        raise ValueError(
            "neither data nor --envs given; give files of conversations, or where the policy shall play: "
            "usergym train sdpo --envs style:style=no_lists --model local/smollm2"
        )
    _refuse_what_has_no_effect(data, envs, config, seats, epochs, skip_bad, validation_tasks)
    config = replace(config, out=run_folder(str(config.out), "sdpo"))
    courses = courses_of(entries(envs), numbers(weights), tasks, validation_tasks, config) if envs else []
    connected = Models(models)
    frozen = Frozen(config.model, config.chat_template, config.max_tokens)
    cast = seats.cast(connected, frozen)
    told = {**seats.told(models), "tasks": tasks, "validation_tasks": validation_tasks}
    told["data"] = [str(path) for path in data] or None
    ready = None
    if data:
        _refuse_what_is_for_playing(config, tasks, weights)
        ready = _ready(config, data, skip_bad, json)
        if not any(course.validation for course in courses) or not config.eval_every:
            config = _that_generates_nothing(config)
    config = config.counted(len(ready.conversations) if ready else None, epochs or 1.0)
    trained_on, held_out = ([course_of(ready)], courses) if ready else (courses, [])
    _check(config, trained_on, held_out, cast)
    if dry_run:
        show_plan(config, trained_on, cast, json, "SDPO", held_out, _chosen(config))
        return None
    from usergym.training.sdpo_run import offline, online

    identity = {key: value for key, value in told.items() if value is not None}
    all_models = [frozen, *connected.all]
    options: dict[str, Any] = {"identity": identity, "resume": resume, "say": say}
    run = (
        partial(offline, config, ready, courses, cast, all_models, **options)
        if ready
        else partial(online, config, courses, cast, all_models, **options)
    )
    return to_its_end(run, config.out, json)


def _refuse_what_has_no_effect(
    data: Sequence[Path],
    envs: Sequence[str],
    config: SdpoConfig,
    seats: CastOptions,
    epochs: float | None,
    skip_bad: bool,
    validation_tasks: Path | None,
) -> None:
    if epochs is not None and config.steps is not None:
        raise ValueError(f"--epochs {epochs:g} and --steps {config.steps} both say how long it takes; give one of them")
    of_data = {f"--epochs {epochs or 0:g}": epochs is not None, "--skip-bad": skip_bad}
    if not data and (given := [flag for flag, there in of_data.items() if there]):
        raise ValueError(f"{given[0]} is about files of conversations, and none is given; leave it out, or give files")
    if not envs:
        played = {**vars(seats), "validation_tasks": validation_tasks}
        for name, value in played.items():
            if value is not None:
                raise ValueError(
                    f"--{name.replace('_', '-')} {value} is about what is played, and without --envs nothing is; leave "
                    "it out, or name with --envs what to validate on"
                )
    refuse_heat_of_nobody(seats)
    found = [_file(path) for path in data]
    if twice := next((path for n, path in enumerate(found) if path in found[:n]), None):
        raise ValueError(f"{data[found.index(twice)]} is given twice; give it once, and --epochs 2 to go through it so")


def _file(path: Path) -> Path:
    """What is read of a path, a run's folder too."""
    return (path / "trajectories.jsonl" if path.is_dir() else path).resolve()


def _that_generates_nothing(config: SdpoConfig) -> SdpoConfig:
    """Then a reply may be as long as --max-tokens says or not."""
    from usergym.training import checkpoints

    shape = checkpoints.check(config.model, config.chat_template).shape
    window = min(config.max_length or shape.context, shape.context) if shape and shape.context else config.max_length
    return replace(config, max_tokens=max(1, min(config.max_tokens, window - 1))) if window else config


def _refuse_what_is_for_playing(config: SdpoConfig, tasks: Path | None, weights: Sequence[str]) -> None:
    if config.group > 1:
        raise ValueError(f"--group is {config.group}; a recorded reply has no siblings, so leave it out")
    if tasks or weights:
        name = f"--tasks {tasks}" if tasks else f"--weights {' '.join(weights)}"
        raise ValueError(
            f"{name} says what is played in training, and with files of conversations nothing is; leave it out"
        )


def _chosen(config: SdpoConfig) -> str:
    """The choices of the signal, those that nobody gave as well."""
    whole = f" of the {config.top_k} likeliest" * (config.estimator == "topk") + f", {config.divergence}"
    estimator = config.estimator + whole * (config.estimator != "sampled")
    told = {
        "estimator": estimator,
        "teacher": config.teacher,
        "control": config.control,
        "centring": config.centring,
        "template": config.template,
        "anchor": f"{config.anchor:g}",
        "gate": f"{config.gate:g}",
        "loss": config.loss,
    }
    more = [
        name for name, given in (("cross-fitted", config.cross_fit), ("with rewards", config.reward_weight)) if given
    ]
    return f"form {config.sdpo}: " + ", ".join([*(f"{name} {value}" for name, value in told.items()), *more])


def _check(config: SdpoConfig, courses: Sequence[Course], held_out: Sequence[Course], cast: Cast) -> None:
    from usergym.training import grpo_checks, sdpo_checks

    sdpo_checks.check(config)
    grpo_checks.check(config, courses, cast, held_out)


def _ready(config: SdpoConfig, data: Sequence[Path], skip_bad: bool, json: bool) -> Prepared:
    from usergym.training.sdpo_checks import read

    skipped = Skipped()
    recorded = (each for path in data for each in read_conversations(path, skip_bad=skip_bad, skipped=skipped))
    ready = read(config, recorded)
    if is_main() and not json:
        told = [f"{count:,} {why}" for why, count in ready.left_out.items() if count]
        left = f"; left out: {', '.join(told)}" if told else ""
        short = f"; {ready.shortened:,} lost their oldest messages" if ready.shortened else ""
        say(f"{len(ready.conversations):,} conversations to learn from{left}{short}")
        show_skipped(skipped, json)
    return ready
