"""`usergym generate`: persona-driven conversations, streamed to a file as they finish."""

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.models import Models, resolved
from usergym.cli.options import Json, ModelOptions, at_least, identity
from usergym.cli.running import Collection, check_writable
from usergym.cli.tables import show_generated, show_plan
from usergym.cli.task_rows import write_task_rows
from usergym.data.domain import Domain, DomainFile, conversation_row, read_domain
from usergym.data.synthesize import Synthesis, seat_fixed_replies, seat_fixed_replies_or
from usergym.environments.base import Environment, names
from usergym.environments.calendar.rows import to_row as calendar_row
from usergym.environments.calendar.world import Calendar
from usergym.evaluation.metrics import summarise
from usergym.evaluation.plan import plan as make_plan
from usergym.models.sampled import SampledModel
from usergym.rollouts.engine import Cast
from usergym.rollouts.store import Store, outcomes, read_trajectories
from usergym.rows import Writer
from usergym.types import Trajectory
from usergym.users.prompted import default_prompt

ToRow = Callable[[Trajectory], dict[str, Any]]


@told_in_one_line
def generate(
    what: str,
    /,
    *,
    n_samples: Annotated[int, Parameter(name=["--n-samples", "--limit"])] = 100,
    n_workers: Annotated[int, Parameter(name=["--n-workers", "--concurrency"])] = 100,
    n_events: int = 7,
    min_time: int = 600,
    max_time: int = 960,
    model: Annotated[str | None, Parameter(name=["--model", "--user-model"])] = None,
    assistant_model: str | None = None,
    personas: Annotated[str, Parameter(name=["--personas", "--ds-name"])] = "generated",
    offset: int = 0,
    n_traits: int | None = None,
    split: Literal["train", "validation", "test"] | None = None,
    seed: int = 0,
    output: Path | None = None,
    resume: Annotated[bool, Parameter(negative="--fresh")] = True,
    plan: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
    models: Annotated[ModelOptions, Parameter(name="*", group="Models")] = ModelOptions(),
) -> int | None:
    """Generate persona-driven conversations.

    A simulated user with a persona and an agenda talks to an assistant whose replies are fixed. Without --model
    the user is rule-based: no key, no server. Conversations are written to --output as they finish; a run that was
    killed goes on where it stopped when the same command is given again.

    An environment with rows of its own (workplace) gives tasks instead: a request, the tools, and what should come of
    it, as NeMo Gym's rows.

    Examples:

        usergym generate calendar --n-samples 1000
        usergym generate calendar --n-samples 100 --model openai/gpt-4o-mini --plan
        usergym generate my_domain.toml --output my_domain.jsonl
        usergym generate workplace:people=40,emails=2000 --n-samples 500 --split train --output train.jsonl

    Parameters
    ----------
    what
        `calendar`, a domain file of your own (TOML or JSON; docs/domains.md), or `workplace` with its options.
    n_samples
        Conversations to generate.
    n_workers
        Conversations in flight.
    n_events
        Events per conversation (calendar).
    min_time
        Earliest event time, minutes from midnight (calendar).
    max_time
        Latest event end, minutes from midnight (calendar).
    model
        Model that plays the user. Default: the rule-based user.
    assistant_model
        Model that answers where a step of a domain file has no fixed_response.
    personas
        `generated`, `nvidia/Nemotron-Personas-USA`, or a JSONL or parquet file.
    offset
        Index of the first persona.
    n_traits
        How many traits of a persona the user is told; all unless given.
    split
        Of an environment's tasks: train, validation or test.
    seed
        Same seed, same conversations.
    output
        *.jsonl streams; *.json is one list, written at the end. Default: conversations.jsonl, or tasks.jsonl.
    resume
        Go on where the output stopped, or start over.
    plan
        Print calls, tokens, dollars and disk, and stop before the first call.
    json
        Print one JSON object instead of tables.
    """
    at_least(1, n_samples=n_samples, n_workers=n_workers)
    at_least(0, offset=offset, n_traits=n_traits)
    if what.partition(":")[0] in names() and what != "calendar":
        given = {"--model": model, "--assistant-model": assistant_model, "--plan": plan, "--n-traits": n_traits}
        given |= {"--personas": personas != "generated", "--n-events": n_events != 7, "--offset": offset}
        given |= {"--min-time": min_time != 600, "--max-time": max_time != 960}
        strange = [flag for flag, was in given.items() if was]
        return write_task_rows(what, n_samples, seed, split, output or Path("tasks.jsonl"), strange, resume, json)
    if split:
        raise ValueError("--split is for tasks of an environment; conversations are split by `usergym export`")
    output = output or Path("conversations.jsonl")
    if what == "calendar":
        environment: Environment = Calendar(
            n_events=n_events,
            min_time=min_time,
            max_time=max_time,
            personas=personas,
            offset=offset,
            n_traits=n_traits,
        )
        to_row: ToRow = calendar_row
        source: str | DomainFile = what
    else:
        given = {"--personas": personas != "generated", "--n-traits": n_traits is not None, "--n-events": n_events != 7}
        given |= {"--min-time": min_time != 600, "--max-time": max_time != 960}
        environment, source = _domain(Path(what), offset, model is None, [flag for flag, was in given.items() if was])
        to_row = conversation_row
    connected = Models(models)
    if plan:
        asked = {"user": model} if model else {}
        stream = environment.tasks(seed=seed)
        overhead = {"user": len(default_prompt()) + 800}  # the persona and the agenda sentence
        planned = make_plan(
            Synthesis(environment), stream, n_samples, seat_fixed_replies, asked, connected.prices, overhead
        )
        show_plan(planned, json)
        return None
    user = SampledModel(connected.connect(model), models.sampling()) if model else None
    replies = seat_fixed_replies_or(connected.connect(assistant_model)) if assistant_model else seat_fixed_replies
    folder = output.with_name(output.name + ".run")
    if resume and output.exists() and output.stat().st_size and not (folder / "config.json").exists():
        raise ValueError(f"{output} exists and no run beside it can go on with it; give another --output, or --fresh")
    check_writable(output)
    store = Store.open(
        folder,
        identity(
            verb="generate",
            what=source,
            n_events=n_events,
            window=[min_time, max_time],
            personas=[personas, offset, n_traits],
            model=resolved(model, models),
            assistant_model=resolved(assistant_model, models),
            sampling=models.sampling(),
            seed=seed,
        ),
        {"n_samples": n_samples, "n_workers": n_workers, "output": str(output)},
        fresh=not resume,
    )
    collection = Collection(
        Synthesis(environment),
        islice(environment.tasks(seed=seed), n_samples),
        Cast(replies, user),
        store,
        connected.all,
        seed=seed,
        concurrency=n_workers,
        total=n_samples,
    )
    rows = _collect(collection, output, to_row)
    summary = summarise(outcomes(folder))
    show_generated(summary, output, rows, json)
    return 0 if rows else 1


def _domain(path: Path, offset: int, rule_based: bool, strange: list[str]) -> tuple[Domain, DomainFile]:
    """`strange`: flags of the calendar that were given for a domain file."""
    if strange:
        raise ValueError(f"{', '.join(strange)}: only for calendar; write it in {path} instead")
    file = read_domain(path)
    environment = Domain(file, offset)
    if rule_based:
        environment.check_rule_based()
    return environment, file


def _collect(collection: Collection, output: Path, to_row: ToRow) -> int:
    """Plays to the end and writes the rows of everything the run has finished, now or earlier; how many."""
    folder = collection.store.folder
    with Writer(output) as writer:
        streams = writer.kind == ".jsonl"

        def write(trajectories: Iterable[Trajectory]) -> None:
            for trajectory in trajectories:
                if not trajectory.error:
                    writer.write(to_row(trajectory))

        if streams:
            write(read_trajectories(folder))
        collection.run(write if streams else lambda group: None)
        if not streams:
            write(read_trajectories(folder))
    return writer.rows
