"""`usergym eval`: several environments, one command, any models; and two such runs compared."""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.eval_runs import TASKS, refuse_other, slug
from usergym.cli.eval_tables import Shown, show, write
from usergym.cli.models import PLAYED, Models, resolved
from usergym.cli.options import ModelOptions, RunOptions, above_zero, at_least, identity
from usergym.cli.running import console, how_to_resume, progress
from usergym.cli.tables import show_plan, show_skipped
from usergym.data.tasks import read_tasks
from usergym.environments.base import Environment, load
from usergym.evaluation.plan import plan
from usergym.evaluation.plan import together as planned_together
from usergym.evaluation.playing import Job, play_all
from usergym.evaluation.suite import Entry, data_file, entries, with_data
from usergym.models.base import StopRun
from usergym.rollouts.engine import Cast, Limits, seat_oracle
from usergym.rollouts.store import Store
from usergym.rows import Skipped
from usergym.types import Task, stable_hash

eval = App(name="eval", help="Evaluate models over several environments; `usergym eval compare` compares two runs.")
for verb, line in {
    "compare": "Compare two runs, task by task.",
    "style": "Compare models or checkpoints by a user's taste.",
    "users": "How well models think and speak as people.",
}.items():
    # The verb that is called explains itself by its docstring; the others are not imported for their line here.
    place = f"usergym.cli.eval_{verb}:eval_{verb}"
    eval.command(place, name=verb, help=None if sys.argv[2:3] == [verb] else line)

LONGEST_NAME = 60
"""Characters that the environments take in a folder's name."""


@dataclass(frozen=True)
class Asked:
    """What is evaluated, on what."""

    envs: tuple[Entry, ...]
    models: tuple[str, ...]
    split: str
    data: Path | None
    limit: int | None
    passes: int
    max_replies: int | None
    max_seconds: float | None
    user_model: str | None
    user_temperature: float | None
    judge_model: str | None
    skipped: Skipped | None
    """Takes bad rows; None: the first one ends the run."""

    def settings(self) -> dict[str, Any]:
        """What may grow under the same name."""
        return {"data": str(self.data), "passes": self.passes, "limit": self.limit}

    def tasks(self, entry: Entry, environment: Environment, seed: int) -> Iterator[Task]:
        if self.data:
            file = data_file(self.data, entry.name, self.split)
            skip = self.skipped is not None
            return islice(read_tasks(file, environment, skip_bad=skip, skipped=self.skipped), self.limit)
        return islice(environment.tasks(self.split, seed), self.limit or TASKS)


@eval.default
def evaluate(
    *,
    envs: Annotated[tuple[str, ...], Parameter(name=["--envs", "--env"], negative="", consume_multiple=True)] = (
        "all",
    ),
    model: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = ("local/smollm2",),
    split: Literal["train", "validation", "test"] = "test",
    data: Path | None = None,
    skip_bad: Annotated[bool, Parameter(negative="")] = False,
    passes: int = 1,
    max_replies: int | None = None,
    max_seconds: float | None = None,
    user_model: str | None = None,
    user_temperature: float | None = None,
    judge_model: str | None = None,
    beside: Literal["published"] | None = None,
    samples: int = 20,
    run: Annotated[RunOptions, Parameter(name="*", group="Run")] = RunOptions(),
    models: Annotated[ModelOptions, Parameter(name="*", group="Models")] = ModelOptions(),
) -> None:
    """Evaluate models over several environments.

    One folder with a run for each model and environment, a table, metrics.json, a file of one row per conversation,
    and a page. The same command goes on where it stopped. What fails is tried three times; what still failed is told,
    and never counted as zero.

    Examples:

        usergym eval --envs all --model oracle idle --limit 10
        usergym eval --envs function,telepathy,calendar:level=hard --model vllm/Qwen/Qwen3-8B --passes 4
        usergym eval --envs userrl --data UserRL/data --model openai/gpt-4o-mini --beside published --plan

    Parameters
    ----------
    envs
        all; userrl (its fifteen names: travel22 to travel2222, bamboogle, function, intention, persuasion, tau,
        telepathy, turtle); or environments with options, divided by spaces or commas.
    model
        Agents: PROVIDER/MODEL, http://HOST:PORT/v1/MODEL, local/smollm2, the folder of a trained model, or oracle,
        idle. The others are compared to the first.
    split
        Which tasks.
    data
        A copy of UserRL's folder `data`: its parquet files are played instead of our own tasks.
    skip_bad
        Leave out rows of those files that cannot be read, count and list them; otherwise the first one ends it.
    passes
        Samples of each task, for pass@k and pass^k.
    max_replies
        End a conversation after so many replies of the agent; it is scored as it stands. Default: what each
        environment says.
    max_seconds
        Wall clock of one conversation; over it is a failure, not a zero.
    user_model
        Model that plays the user. Default: each environment's rule-based one.
    user_temperature
        Of the model that plays the user; the server's default unless given.
    judge_model
        Model that judges, in environments that ask one.
    beside
        published: put the numbers that UserRL published beside the measured ones.
    samples
        Conversations to show on the page, per model.
    """
    at_least(1, passes=passes, max_replies=max_replies)
    at_least(0, user_temperature=user_temperature, samples=samples)
    above_zero(max_seconds=max_seconds)
    if len(set(model)) < len(model):
        raise ValueError(f"--model {' '.join(model)}: one comes twice; for more samples of each task give --passes")
    asked = Asked(
        tuple(entries(envs)),
        model,
        split,
        data,
        run.limit,
        passes,
        max_replies,
        max_seconds,
        user_model,
        user_temperature,
        judge_model,
        Skipped() if skip_bad else None,
    )
    _evaluate(asked, run, models, samples, beside is not None)


@told_in_one_line
def _evaluate(asked: Asked, run: RunOptions, models: ModelOptions, samples: int, beside: bool) -> int | None:
    if run.plan:
        _plan(asked, run, Models(models))
        return None
    names = [slug(name.rsplit("/", 1)[-1]) for name in asked.models]
    folder = run.folder(f"eval-{'+'.join(names)}-{_told(asked.envs)}")
    refuse_other(folder, asked.models, [entry.name for entry in asked.envs], asked.settings(), not run.resume)
    connected = Models(models)
    jobs = _jobs(asked, connected, models, run, folder)
    started = time.monotonic()
    _play(jobs, connected, asked, run)
    parts = [(job.model, job.env, job.store.folder) for job in jobs]
    shown = Shown.of(folder, parts, asked.models, time.monotonic() - started, beside=beside)
    write(shown, samples)
    if asked.skipped:
        show_skipped(asked.skipped, run.json)
    show(shown, run.json)
    return 0 if any(scores.scored for scores in shown.scores) else 1


def _told(envs: Sequence[Entry]) -> str:
    """Environments as a part of a folder's name."""
    for group in ("all", "userrl"):
        if list(envs) == entries([group]):
            return group
    names = "+".join(entry.name for entry in envs)
    return names if len(names) <= LONGEST_NAME else f"{len(envs)}-{stable_hash(names):016x}"


def _jobs(asked: Asked, connected: Models, options: ModelOptions, run: RunOptions, folder: Path) -> list[Job]:
    """Opens a run for each model and environment; all of them are checked before the first is."""
    loaded = [(name, entry, load(with_data(entry.spec, asked.data))) for name in asked.models for entry in asked.envs]
    if asked.data:
        for entry in asked.envs:
            data_file(asked.data, entry.name, asked.split)
    agents = {name: connected.agent(name) for name in asked.models}
    user = connected.user(asked.user_model, asked.user_temperature)
    services = connected.services(asked.judge_model)
    jobs: list[Job] = []
    try:
        for name, entry, environment in loaded:
            replies = asked.max_replies or environment.max_replies
            store = Store.open(
                folder / slug(name) / slug(entry.name),
                identity(
                    verb="eval",
                    name=entry.name,
                    env=entry.spec,
                    env_files=environment.digest,
                    split=asked.split,
                    model=resolved(name, options),
                    user_model=resolved(asked.user_model, options),
                    user_temperature=asked.user_temperature,
                    judge_model=resolved(asked.judge_model, options),
                    sampling=options.sampling(),
                    max_replies=replies,
                    seed=run.seed,
                ),
                {**asked.settings(), "model": name},
                fresh=not run.resume,
            )
            environment.folder = store.folder
            cast = Cast(agents[name], user, services=services, limits=Limits(replies, seconds=asked.max_seconds))
            jobs.append(Job(name, entry.name, environment, asked.tasks(entry, environment, run.seed), cast, store))
    except BaseException:
        for job in jobs:
            job.store.close()
        raise
    return jobs


def _play(jobs: Sequence[Job], connected: Models, asked: Asked, run: RunOptions) -> None:
    for job in jobs:
        for note in job.store.notes:
            console.print(f"note: {job.model}, {job.env}: {note}", markup=False)
    try:
        asyncio.run(_play_all(jobs, connected, asked, run))
    except KeyboardInterrupt:
        console.print(f"\ninterrupted: what was finished is kept. {how_to_resume()}")
        sys.exit(130)
    except StopRun as error:
        raise StopRun(str(error) if "again" in str(error) else f"{error}\n{how_to_resume()}") from None
    finally:
        for job in jobs:
            job.store.close()


async def _play_all(jobs: Sequence[Job], connected: Models, asked: Asked, run: RunOptions) -> None:
    total = None if asked.data and not asked.limit else len(jobs) * (asked.limit or TASKS) * asked.passes
    with progress("conversations", total) as advance:
        advance([], sum(job.store.finished for job in jobs))
        played = play_all(jobs, repeats=asked.passes, seed=run.seed, concurrency=run.concurrency)
        try:
            async with aclosing(played):
                async for _, group in played:
                    advance(group, len(group))
        finally:
            own = [service for job in jobs for service in job.environment.services.values()]
            for model in (*connected.all, *own):
                await model.close()


def _plan(asked: Asked, run: RunOptions, connected: Models) -> None:
    """One agent after the other; what the oracle does stands for what they do."""
    plans = []
    for name in asked.models:
        speakers = (("assistant", name), ("user", asked.user_model))
        asks = {speaker: each for speaker, each in speakers if each and each not in PLAYED}
        for entry in asked.envs:
            environment = load(with_data(entry.spec, asked.data))
            tasks = list(asked.tasks(entry, environment, run.seed))
            plans.append(plan(environment, tasks, len(tasks) * asked.passes, seat_oracle, asks, connected.prices))
    show_plan(planned_together(plans), run.json)
