"""`usergym train cold-start`: a teacher plays, the best of it is kept, and a model is fine-tuned on that."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.table import Table

from usergym.cli.errors import told_in_one_line
from usergym.cli.eval_runs import slug
from usergym.cli.models import Models, resolved
from usergym.cli.options import Json, ModelOptions, at_least, identity, run_folder
from usergym.cli.running import Collection
from usergym.cli.tables import console as tables
from usergym.cli.train_sft import Reader, early_checks, run
from usergym.data import formats
from usergym.data.split import FirstRows
from usergym.environments.base import Environment, load
from usergym.evaluation.suite import Entry, entries
from usergym.rollouts.engine import Cast, Limits
from usergym.rollouts.store import Store, outcomes
from usergym.rows import Skipped, Writer
from usergym.training.sft_config import SftConfig
from usergym.types import Task, Trajectory, Turn, split_rank

TRAIN, HELD_OUT, KEPT = "sft.jsonl", "sft_validation.jsonl", "kept.json"


@dataclass
class Kept:
    """Of one environment: what of the teacher's play is learned from."""

    env: str
    played: int = 0
    kept: list[Trajectory] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def mean(self) -> float | None:
        """Reward of what is kept."""
        rewards = [each.reward() or 0.0 for each in self.kept]
        return sum(rewards) / len(rewards) if rewards else None


@dataclass(frozen=True)
class Teaching:
    """Who plays what, and what of it is kept."""

    teacher: str
    user_model: str | None
    judge_model: str | None
    tasks_per_env: int
    repeats: int
    top_k: int | None
    min_reward: float | None
    n_val: int
    concurrency: int
    max_replies: int | None
    resume: bool


@told_in_one_line
def cold_start(
    *,
    envs: Annotated[tuple[str, ...], Parameter(name=["--envs", "--env"], negative="", consume_multiple=True)],
    config: Annotated[SftConfig, Parameter(name="*", group="Training")],
    teacher: str = "oracle",
    user_model: str | None = None,
    judge_model: str | None = None,
    tasks_per_env: int = 100,
    repeats: int = 1,
    top_k: int | None = None,
    min_reward: float | None = None,
    n_val: int = 0,
    max_replies: int | None = None,
    concurrency: int = 64,
    models: Annotated[ModelOptions, Parameter(name="*", group="Models")] = ModelOptions(),
    resume: Annotated[bool, Parameter(negative="--fresh")] = True,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> None:
    """Teach a model how an environment is played, before reinforcement learning: a teacher plays training tasks, the
    best conversations are kept, and the model is fine-tuned on the teacher's words in them.

    The run's folder gets collect/ENV (one run for each environment, as `usergym rollout` leaves it), sft.jsonl and
    sft_validation.jsonl (what is learned from, as `usergym export --format sft` writes it), kept.json (what was kept,
    and what left out for which reason), and what `usergym train sft` leaves. The same command goes on where it stopped,
    in whichever stage that was.

    Examples:

        usergym train cold-start --envs intention,telepathy --model local/smollm2 --lora --out cold
        usergym train cold-start --envs tau --teacher openai/gpt-4o --user-model openai/gpt-4o-mini --repeats 4 \\
            --min-reward 1 --top-k 500 --model Qwen/Qwen3-0.6B --out cold-tau

    Parameters
    ----------
    envs
        Environments with options, divided by spaces or commas: function,telepathy or calendar:level=hard. Their tasks
        are those of the split `train`.
    teacher
        Who plays: oracle, or a model (PROVIDER/MODEL, http://HOST:PORT/v1/MODEL, local/smollm2).
    user_model
        Model that plays the user. Default: each environment's rule-based user.
    judge_model
        Model that judges, in environments that ask one.
    tasks_per_env
        Tasks of each environment.
    repeats
        Samples of each task.
    top_k
        Keep so many conversations of each environment, the best by reward; else all that earned something.
    min_reward
        Keep only conversations with at least this reward, such as 1 for success. Default: with a reward above 0.
    n_val
        Hold out so many of the kept conversations, those of one task together.
    max_replies
        End a conversation after so many replies of the teacher. Default: what each environment says.
    concurrency
        Conversations in flight.
    resume
        Go on where the run stopped, or start over.
    dry_run
        Play and keep, print what would be trained and the memory it would take, and stop there.
    json
        Print one JSON object instead of tables.
    """
    at_least(1, tasks_per_env=tasks_per_env, repeats=repeats, top_k=top_k, concurrency=concurrency)
    at_least(1, max_replies=max_replies)
    at_least(0, n_val=n_val)
    config = replace(config, out=run_folder(str(config.out), "cold-start"))
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            "cold-start plays in one process: start it alone with --dry-run, then torchrun -m usergym train sft "
            f"{config.out / TRAIN} in as many as you like"
        )
    early_checks(config)
    settings = (teacher, user_model, judge_model, tasks_per_env, repeats, top_k, min_reward, n_val, concurrency)
    teaching = Teaching(*settings, max_replies, resume)
    played = [(entry, load(entry.spec)) for entry in entries(envs)]
    kept = [_kept(config, teaching, models, entry, environment) for entry, environment in played]
    _write(config.out, kept, [environment for _, environment in played], n_val)
    if not json:
        _show(kept)
    train, held_out = (
        [each for _, each in Reader("assistant", False, Skipped()).all([path])] if path.exists() else []
        for path in (config.out / TRAIN, config.out / HELD_OUT)
    )
    run(config, train, held_out, resume=resume, dry_run=dry_run, json=json)


def _kept(config: SftConfig, teaching: Teaching, models: ModelOptions, entry: Entry, environment: Environment) -> Kept:
    """Plays what is not played yet, and chooses."""
    folder = config.out / "collect" / slug(entry.name)
    tasks = list(islice(environment.tasks("train", config.seed), teaching.tasks_per_env))
    if not tasks:
        raise ValueError(f"environment {entry.name!r} has no training tasks; take it out of --envs")
    _collect(folder, tasks, config.seed, teaching, models, entry, environment)
    return choose(entry.name, outcomes(folder), teaching)


def _collect(
    folder: Path,
    tasks: Sequence[Task],
    seed: int,
    teaching: Teaching,
    options: ModelOptions,
    entry: Entry,
    environment: Environment,
) -> None:
    connected = Models(options)
    judge, max_replies = teaching.judge_model, teaching.max_replies or environment.max_replies
    cast = Cast(
        connected.agent(teaching.teacher),
        connected.user(teaching.user_model),
        services=connected.services(judge),
        limits=Limits(max_replies),
    )
    store = Store.open(
        folder,
        identity(
            verb="cold-start",
            env=entry.spec,
            env_files=environment.digest,
            split="train",
            model=resolved(teaching.teacher, options),
            user_model=resolved(teaching.user_model, options),
            judge_model=resolved(judge, options),
            sampling=options.sampling(),
            max_replies=max_replies,
            seed=seed,
        ),
        {"tasks": len(tasks), "repeats": teaching.repeats, "concurrency": teaching.concurrency},
        fresh=not teaching.resume,
    )
    environment.folder = folder
    Collection(
        environment,
        tasks,
        cast,
        store,
        connected.all,
        repeats=teaching.repeats,
        seed=seed,
        concurrency=teaching.concurrency,
        total=len(tasks) * teaching.repeats,
        label=entry.name,
    ).run()


def choose(env: str, played: Iterable[Trajectory], teaching: Teaching) -> Kept:
    """The conversations to learn from, the best first; of those with one reward, in the order of their tasks' hash."""
    done = Kept(env)
    said: set[bytes] = set()
    best: list[tuple[float, Trajectory]] = []
    for trajectory in sorted(played, key=lambda one: (split_rank(one.task.group), one.id)):
        done.played += 1
        reward = trajectory.reward()
        words = msgspec.json.encode([trajectory.task.group, trajectory.view("assistant")])
        if trajectory.error:
            done.left_out["failed"] += 1
        elif reward is None:
            done.left_out["not scored"] += 1
        elif reward <= 0 if teaching.min_reward is None else reward < teaching.min_reward:
            done.left_out["earned too little"] += 1
        elif not any(map(_said, trajectory.turns)):
            done.left_out["nothing said"] += 1
        elif words in said:
            done.left_out["said before"] += 1
        else:
            said.add(words)
            best.append((reward, trajectory))
    best.sort(key=lambda pair: -pair[0])
    done.kept = [trajectory for _, trajectory in best[: teaching.top_k]]
    if len(best) > len(done.kept):
        done.left_out[f"not among the best {teaching.top_k:,}"] += len(best) - len(done.kept)
    return done


def _said(turn: Turn) -> bool:
    message = turn.message
    return turn.speaker == "assistant" and message.role == "assistant" and bool(message.content or message.tool_calls)


def _write(folder: Path, kept: Sequence[Kept], environments: Sequence[Environment], n_val: int) -> None:
    """Rows for training and for validation, whole files or none."""
    total = sum(len(part.kept) for part in kept)
    if not total:
        why = ", ".join(f"{count:,} {reason}" for part in kept for reason, count in part.left_out.items())
        raise ValueError(
            f"nothing to learn from: of what was played, {why}; lower --min-reward, or take another teacher"
        )
    first = FirstRows(n_val)
    for part in kept:
        for trajectory in part.kept:
            first.add(msgspec.structs.replace(trajectory.task, split=None))
    first.check()
    with Writer(folder / TRAIN, whole=True) as train, Writer(folder / HELD_OUT, whole=True) as held_out:
        for part, environment in zip(kept, environments, strict=True):
            for trajectory, row in _rows(part.kept, environment):
                place = first.split(msgspec.structs.replace(trajectory.task, split=None))
                (held_out if place == "validation" else train).write(row)
    if not n_val:
        (folder / HELD_OUT).unlink(missing_ok=True)
    told = [
        {"env": part.env, "played": part.played, "kept": len(part.kept), "reward": part.mean, "left_out": part.left_out}
        for part in kept
    ]
    (folder / KEPT).write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")


def _rows(kept: Sequence[Trajectory], environment: Environment) -> Iterator[tuple[Trajectory, dict[str, object]]]:
    """With the tools that the very environment gives, in the form in which it was played."""
    for trajectory in kept:
        tools = tuple(environment.start(trajectory.task).tools("assistant"))
        for row in formats.write_rows(trajectory, "sft", "assistant", tools, whole=False):
            yield trajectory, row


def _show(kept: Sequence[Kept]) -> None:
    table = Table("environment", "played", "kept", "reward", "left out", title="What is learned from")
    for part in kept:
        left = ", ".join(f"{count:,} {reason}" for reason, count in part.left_out.items()) or "-"
        mean = "-" if part.mean is None else f"{part.mean:.3f}"
        table.add_row(part.env, f"{part.played:,}", f"{len(part.kept):,}", mean, left)
    tables.print(table)
