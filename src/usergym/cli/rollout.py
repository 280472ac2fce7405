"""`usergym rollout`: conversations with the agent under test, played turn by turn and graded."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.models import PLAYED, Models, resolved
from usergym.cli.options import ModelOptions, RunOptions, above_zero, at_least, identity
from usergym.cli.running import Collection, check_writable, console
from usergym.cli.tables import show_plan, show_skipped, show_summary, told_left_out
from usergym.data.convert import refuse_itself
from usergym.data.formats import graded
from usergym.data.tasks import read_tasks
from usergym.environments.base import load
from usergym.evaluation.metrics import summarise
from usergym.evaluation.plan import plan
from usergym.rollouts.engine import Cast, Limits, seat_oracle
from usergym.rollouts.store import Store, outcomes, read_trajectories
from usergym.rows import Skipped, Writer
from usergym.types import Task, Trajectory


@told_in_one_line
def rollout(
    *,
    env: str = "calendar",
    model: str = "local/smollm2",
    tasks: Path | None = None,
    split: Literal["train", "validation", "test"] | None = None,
    user_model: str | None = None,
    user_temperature: float | None = None,
    judge_model: str | None = None,
    repeats: int = 1,
    max_replies: int | None = None,
    max_seconds: float | None = None,
    offset: int = 0,
    output: Path | None = None,
    skip_bad: Annotated[bool, Parameter(negative="")] = False,
    run: Annotated[RunOptions, Parameter(name="*", group="Run")] = RunOptions(),
    models: Annotated[ModelOptions, Parameter(name="*", group="Models")] = ModelOptions(),
) -> int | None:
    """Play conversations with the agent under test, and grade them.

    The run is kept under runs/: one line per conversation in trajectories.jsonl. The same command goes on where it
    stopped, and pays for nothing twice.

    Examples:

        usergym rollout --env calendar --model oracle --limit 20
        usergym rollout --env calendar:level=hard --tasks conversations.jsonl --model vllm/Qwen/Qwen3-8B --repeats 4
        usergym rollout --model openai/gpt-4o-mini --max-cost 1.50 --plan

    Parameters
    ----------
    env
        Environment, with options: calendar, calendar:level=hard,until=end. `usergym envs` lists them.
    model
        The agent: PROVIDER/MODEL, http://HOST:PORT/v1/MODEL, local/smollm2, the folder of a
        trained model, or oracle, idle.
    tasks
        Conversations or rows to play (JSONL, JSON or parquet). Default: the environment's own tasks.
    split
        Of the environment's own tasks: train, validation or test.
    user_model
        Model that plays the user. Default: the rule-based user, or the words of the rows.
    user_temperature
        Of the model that plays the user; the server's default unless given.
    judge_model
        Model that judges, in environments that ask one.
    repeats
        Samples of each task.
    max_replies
        End a conversation after so many replies of the agent; it is graded as it stands. Default: what the
        environment says.
    max_seconds
        Wall clock of one conversation; over it is a failure, not a zero.
    offset
        Leave out the first so many tasks.
    output
        Also write rows with `conversation`, `grade`, `grade_reason`, `exp_cal_state` (JSON or JSONL).
    skip_bad
        Leave out rows that cannot be read, count and list them; otherwise the first one ends the run.
    """
    at_least(1, repeats=repeats, max_replies=max_replies)
    at_least(0, offset=offset, user_temperature=user_temperature)
    above_zero(max_seconds=max_seconds)
    environment = load(env)
    max_replies = max_replies or environment.max_replies
    skipped = Skipped()
    limit = run.limit or (None if tasks else 100)

    def stream() -> Iterator[Task]:
        own: Iterable[Task] = (
            read_tasks(tasks, environment, skip_bad=skip_bad, skipped=skipped)
            if tasks
            else environment.tasks(split, run.seed)
        )
        return islice(own, offset, None if limit is None else offset + limit)

    total = limit if tasks is None else sum(1 for _ in stream())
    skipped.clear()
    if not total:
        raise ValueError(f"{tasks} holds no tasks")
    if run.plan:
        speakers = (("assistant", model), ("user", user_model))
        asked = {speaker: name for speaker, name in speakers if name and name not in PLAYED}
        show_plan(plan(environment, stream(), total * repeats, seat_oracle, asked, Models(models).prices), run.json)
        return None
    left_out = environment.skipped
    show_skipped(left_out, as_json=True)
    connected = Models(models)
    cast = Cast(
        connected.agent(model),
        connected.user(user_model, user_temperature),
        services=connected.services(judge_model),
        limits=Limits(max_replies, seconds=max_seconds),
    )
    if output:
        if tasks:
            refuse_itself(tasks, output)
        check_writable(output)
    store = Store.open(
        run.folder(f"{env}-{model.rsplit('/', 1)[-1]}"),
        identity(
            verb="rollout",
            env=env,
            env_files=environment.digest,
            split=split,
            model=resolved(model, models),
            user_model=resolved(user_model, models),
            user_temperature=user_temperature,
            judge_model=resolved(judge_model, models),
            sampling=models.sampling(),
            max_replies=max_replies,
            seed=run.seed,
        ),
        {
            "tasks": str(tasks),
            "repeats": repeats,
            "limit": run.limit,
            "concurrency": run.concurrency,
            "max_seconds": max_seconds,
            **({"rows_left_out": left_out.why} if left_out else {}),
        },
        fresh=not run.resume,
    )
    environment.folder = store.folder
    played: list[int] = []
    seconds = Collection(
        environment,
        stream(),
        cast,
        store,
        connected.all,
        repeats=repeats,
        seed=run.seed,
        concurrency=run.concurrency,
        total=total * repeats,
    ).run(lambda group: played.append(len(group)))
    if not played:
        console.print(f"nothing was left to play: all of it was done before, in {store.folder}")
    if output:
        write_rows(output, read_trajectories(store.folder))
    show_skipped(skipped, run.json)
    return _summarised(store.folder, seconds, left_out, run.json)


def _summarised(folder: Path, seconds: float, left_out: Skipped, as_json: bool) -> int:
    summary = summarise(outcomes(folder))
    (folder / "metrics.json").write_bytes(summary.to_json())
    show_summary(summary, folder, seconds, as_json, left_out.why)
    if left_out and not as_json:
        console.print(told_left_out(left_out), markup=False, highlight=False)
    return 0 if summary.scored else 1


def write_rows(path: Path, trajectories: Iterable[Trajectory]) -> None:
    with Writer(path) as writer:
        for trajectory in trajectories:
            for row in graded.write(trajectory):
                writer.write(row)
