"""`usergym collect`: rows of a file to a running agent server, and what comes back into another."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json, above_zero, at_least
from usergym.data.rollout_inputs import Agent, Asked

if TYPE_CHECKING:
    from usergym.data.rollout_file import RolloutFile
    from usergym.data.rollout_inputs import Inputs

HEAD = "http://127.0.0.1:11000"


@dataclass
class Collected:
    """One batch: what is asked of whom, and where it goes."""

    asked: Asked
    output: Path
    head: str = HEAD
    agent: str | None = None
    agent_url: str | None = None
    concurrency: int = 64
    deadline: float = 1800.0
    attempts: int = 3
    fresh: bool = False
    token: str = field(default="", repr=False)
    json: bool = False


@told_in_one_line
def collect(
    input: Path,
    /,
    *,
    output: Path,
    agent: str | None = None,
    head: str = HEAD,
    agent_url: str | None = None,
    limit: int | None = None,
    repeats: int = 1,
    add_seed: Annotated[bool, Parameter(negative="")] = False,
    params: str = "{}",
    concurrency: int = 64,
    deadline: float = 1800.0,
    attempts: int = 3,
    skip_bad: Annotated[bool, Parameter(negative="")] = False,
    resume: Annotated[bool, Parameter(negative="--fresh")] = True,
    json: Json = False,
) -> int:
    """Send rows to a running agent server, and write what comes back with its reward.

    Every row is checked before the first is sent. The same command goes on where it stopped. A rollout that failed is
    a line in OUTPUT_failures.jsonl and has no reward.

    Examples:

        usergym collect rows.jsonl --output rollouts.jsonl --agent calendar_simple_agent --repeats 4
        usergym collect rows.jsonl --output rollouts.jsonl --params '{"temperature": 0.7}'

    Parameters
    ----------
    input
        Rows in NeMo Gym's form (JSONL, JSON or parquet).
    output
        The file of rollouts, ending in .jsonl.
    agent
        Name of the agent for rows that name none. Default: the only one that runs.
    head
        URL of the head server, which knows where the agents are.
    agent_url
        URL of an agent server, where there is no head.
    limit
        The first so many rows.
    repeats
        Rollouts of each row.
    add_seed
        Sample each repeat with a seed of its own.
    params
        JSON over the responses_create_params of every row.
    concurrency
        Rollouts in flight.
    deadline
        Seconds one rollout may take, with its retries.
    attempts
        How often a rollout that failed is taken up by later calls of this command.
    skip_bad
        Leave out rows that cannot be sent, count and list them; otherwise they end the command.
    resume
        Go on where the file stopped, or start over.
    json
        Print one JSON object instead of tables.
    """
    import os

    at_least(1, limit=limit, repeats=repeats, concurrency=concurrency, attempts=attempts)
    above_zero(deadline=deadline)
    try:
        over = msgspec.json.decode(params, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ValueError(f"--params {params}: {error}; write a JSON object") from None
    return run(
        Collected(
            Asked(input, limit, repeats, add_seed, over, skip_bad),
            output,
            head,
            agent,
            agent_url,
            concurrency,
            deadline,
            attempts,
            not resume,
            os.environ.get("USERGYM_TOKEN", ""),
            json,
        )
    )


def run(batch: Collected) -> int:
    """Collects; the exit status: 1 when nothing was scored, or the server went."""
    from usergym.data.rollout_file import RolloutFile, beside, check_paths
    from usergym.data.rollout_inputs import prepared

    started = time.monotonic()
    headers = {"Authorization": f"Bearer {batch.token}"} if batch.token else {}
    check_paths(batch.asked.source, batch.output)
    agents = asyncio.run(_agents(batch, headers))
    default = batch.agent or (next(iter(agents)) if len(agents) == 1 else None)
    with prepared(batch.asked, agents, default, beside(batch.output, "materialized_inputs")) as inputs:
        file = RolloutFile.open(batch.output, batch.fresh)
        try:
            file.begin(_identity(batch, default, [agents[name] for name in inputs.names]), inputs)
            _play(batch, inputs, agents, file, headers)
        finally:
            file.close()
    return _report(batch, len(inputs), file.failed, time.monotonic() - started)


def _identity(batch: Collected, default: str | None, agents: Sequence[Agent]) -> dict[str, Any]:
    """What was asked of whom. Of an agent that is not asked this time, what was known stays."""
    of_all = {"agent": default, "params": batch.asked.params, "add_seed": batch.asked.add_seed}
    return of_all | {f"{agent.name}: {key}": value for agent in agents for key, value in agent.identity.items()}


def _play(
    batch: Collected, inputs: "Inputs", agents: Mapping[str, Agent], file: "RolloutFile", headers: Mapping[str, str]
) -> None:
    from usergym.cli.running import console, how_to_resume
    from usergym.data.collecting import Pace, ServerGone
    from usergym.data.collecting import collect as collect_all

    for note in inputs.notes + file.notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    if inputs.skipped:
        console.print(str(inputs.skipped), style="yellow", markup=False, highlight=False, soft_wrap=True)
    pace = Pace(batch.concurrency, batch.deadline, attempts=batch.attempts)
    try:
        with _bar(len(inputs), sum(file.todo(inputs, batch.attempts))) as advance:
            asyncio.run(collect_all(inputs, agents, file, pace, headers, advance))
    except KeyboardInterrupt:
        there = f"what came in is in {batch.output}" if file.keys else "nothing had come in"
        console.print(f"\ninterrupted: {there}. {how_to_resume()}", markup=False, soft_wrap=True)
        sys.exit(130)
    except ServerGone as error:
        came = len(file.keys) // 3
        there = f"{came:,} of {len(inputs):,} rollouts are in {batch.output}" if came else "no rollout came in"
        raise ServerGone(f"{error}\n{there}; {error.remedy}, then run the same command again") from None
    file.finish()


def _bar(total: int, todo: int) -> Any:
    from contextlib import contextmanager

    from usergym.cli.running import progress
    from usergym.data.collecting import Progress

    @contextmanager
    def shown() -> Any:
        with progress("rollouts", total) as advance:
            advance([], total - todo)

            def one(now: Progress) -> None:
                advance([], 1)

            yield one

    return shown()


async def _agents(batch: Collected, headers: Mapping[str, str]) -> dict[str, Agent]:
    from usergym.cli.heads import agents_of

    if batch.agent_url:
        name = batch.agent or "agent"
        return {name: Agent(name, batch.agent_url)}
    found = await agents_of(batch.head, headers)
    if batch.agent and batch.agent not in found:
        from usergym.cli.ng.overrides import did_you_mean

        near = did_you_mean(batch.agent, found)
        raise LookupError(
            f"no agent {batch.agent!r} runs at {batch.head}{near} (there are: {', '.join(found) or 'none'})"
        )
    return found


def _report(batch: Collected, wanted: int, failed: Mapping[Any, Any], seconds: float) -> int:
    from usergym.cli.rollout_tables import show_rollouts
    from usergym.data.printable import one_line
    from usergym.data.rollout_metrics import aggregate, summarise

    summary = summarise(batch.output, failed)
    if summary.whole.rows:
        path = batch.output.with_name(f"{batch.output.stem}_aggregate_metrics.json")
        path.write_bytes(msgspec.json.format(msgspec.json.encode(aggregate(summary)), indent=2) + b"\n")
    messages = {one_line(each.kind): one_line(each.message) for each in failed.values()}
    show_rollouts(summary, batch.output, wanted, seconds, batch.json, messages)
    return 0 if summary.whole.rewards else 1
