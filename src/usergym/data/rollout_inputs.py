"""Rows on their way to an agent server: checked and mended, all of them before the first is sent, then written as
they will be sent, one line per rollout.

That file is what workers read from, so memory holds a few numbers per rollout and no rows; and a rollout that the
peer wrote without its input can be graded again from it.
"""

import hashlib
import sys
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from usergym.data.formats.nemo_gym import environment_of
from usergym.data.gym_lint import Fault, mend_params, mend_row
from usergym.data.rows import BadRow, Place, Skipped, read_rows
from usergym.environments.base import Environment, RowError, load, names

LISTED = 20
"""Bad rows that are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent server."""

    name: str
    url: str
    environment: str | None = None
    """Our name of what it plays; None where it is not known."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Further fields that each row must have there, and why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be collected."""

    source: Path
    limit: int | None = None
    """The first so many rows."""
    repeats: int = 1
    add_seed: bool = False
    """Each repeat of a row is sampled with a seed of its own: its index."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Over the `responses_create_params` of every row."""
    skip_bad: bool = False


@dataclass
class Inputs:
    """Rollouts in the order in which they are sent: abc with two repeats is aabbcc."""

    path: Path
    repeats: int
    tasks: "array[int]" = field(default_factory=lambda: array("q"))
    """The index of each row that is played: its place in the source, from 0."""
    prints: "array[int]" = field(default_factory=lambda: array("q"))
    """A hash of every row of the source; 0 for one that was left out."""
    offsets: "array[int]" = field(default_factory=lambda: array("q"))
    """Where the line of each rollout begins, and where the last one ends."""
    agents: "array[int]" = field(default_factory=lambda: array("h"))
    """Of each row, an index into `names`."""
    names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was mended, each kind once."""
    skipped: Skipped = field(default_factory=lambda: Skipped(LISTED))

    def __len__(self) -> int:
        return len(self.tasks) * self.repeats


class BadRows(ValueError):
    """Rows that cannot be sent."""


def prepare(asked: Asked, agents: Mapping[str, Agent], default: str | None, path: Path) -> Inputs:
    """Checks every row and writes `path`. `default`: the agent of rows that name none. BadRows lists what is wrong;
    with `skip_bad` those rows are left out and counted instead."""
    inputs = Inputs(path, asked.repeats)
    lint = _Lint(asked, agents, default)
    draft = path.with_name(f".{path.name}.tmp")
    try:
        with draft.open("wb") as file:
            for place, row in islice(_rows(asked.source), asked.limit):
                _one(inputs, lint, file, place, row)
            inputs.offsets.append(file.tell())
        inputs.notes = [*lint.notes, *(f"{kind} ({count:,} rows)" for kind, count in lint.mends.most_common())]
        _refuse(asked, inputs)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return inputs


def _one(inputs: Inputs, lint: "_Lint", file: IO[bytes], place: Place, row: dict[str, Any] | BadRow) -> None:
    index = len(inputs.prints)
    if not isinstance(row, BadRow):
        try:
            sent, agent = lint.row(row, index)
        except Fault as fault:
            row = BadRow(place, str(fault))
    if isinstance(row, BadRow):
        inputs.skipped.add(row)
        inputs.prints.append(0)
        return
    inputs.prints.append(fingerprint(row))
    inputs.tasks.append(index)
    inputs.agents.append(_place(inputs.names, agent))
    for repeat in range(inputs.repeats):
        inputs.offsets.append(file.tell())
        file.write(msgspec.json.encode(_repeat(sent, repeat, lint.asked.add_seed)) + b"\n")


class _Bad(Skipped):
    """Keeps the bad rows until their turn comes."""

    def take(self) -> list[BadRow]:
        taken, self.rows = self.rows, []
        return taken


def _rows(source: Path) -> Iterator[tuple[Place, dict[str, Any] | BadRow]]:
    """Every row in its place, those that are no JSON object as what is wrong with them."""
    bad = _Bad(listed=sys.maxsize)
    for place, row in read_rows(source, skip_bad=True, skipped=bad):
        yield from ((one.place, one) for one in bad.take())
        yield place, row
    yield from ((one.place, one) for one in bad.take())


def _refuse(asked: Asked, inputs: Inputs) -> None:
    bad = inputs.skipped
    if not inputs.tasks and not bad:
        raise BadRows(f"{asked.source} holds no rows")
    if bad and (not asked.skip_bad or not inputs.tasks):
        more = f"\n  and {bad.count - len(bad.rows)} more" if bad.count > len(bad.rows) else ""
        lines = "\n".join(f"  {row}" for row in bad.rows)
        what = f"{bad.count} of {len(inputs.prints)} rows cannot be sent, and nothing was sent"
        raise BadRows(f"{what}:\n{lines}{more}\nmend them, or leave them out with skip_bad")


class _Lint:
    """Checks rows; equal tool lists, which most rows share, are looked at once."""

    def __init__(self, asked: Asked, agents: Mapping[str, Agent], default: str | None) -> None:
        self.asked = asked
        self.agents = agents
        self.default = default
        self.mends: Counter[str] = Counter()
        overrides: set[str] = set()
        self.params = mend_params(asked.params, overrides.add, "the overrides of responses_create_params")
        self.notes = [f"overrides: {kind}" for kind in sorted(overrides)]
        self.environments: dict[str, Environment] = {}

    def row(self, row: Mapping[str, Any], index: int) -> tuple[dict[str, Any], str]:
        """The row as it is sent, without what differs between its repeats, and its agent."""
        kinds: set[str] = set()
        agent = self.agent(row)
        environment = agent.environment or environment_of(row)
        sent = mend_row(row, environment, agent.needs, kinds.add)
        sent["responses_create_params"] = {**sent["responses_create_params"], **self.params}
        sent["_ng_task_index"] = index
        sent["agent_ref"] = {"type": "responses_api_agents", "name": agent.name}
        self.read(environment, sent)
        self.mends.update(kinds)
        return sent, agent.name

    def agent(self, row: Mapping[str, Any]) -> Agent:
        ref = row.get("agent_ref")
        name = ref.get("name") if isinstance(ref, Mapping) else ref
        name = name or self.default
        if name is None:
            raise Fault("agent_ref", "the row names no agent, and none was given for such rows; give agent_name")
        if name not in self.agents:
            raise Fault("agent_ref", f"no agent {name!r} runs there; there are {', '.join(self.agents) or 'none'}")
        return self.agents[name]

    def read(self, environment: str, row: Mapping[str, Any]) -> None:
        """Asks the environment itself whether the row is a task."""
        if environment not in self.environments:
            if environment not in names():
                return
            self.environments[environment] = load(environment)
        try:
            self.environments[environment].read(row)
        except RowError as error:
            raise Fault(error.field, str(error).partition(": ")[2]) from None
        except ValueError as error:
            raise Fault("responses_create_params", str(error)) from None


def _repeat(row: Mapping[str, Any], repeat: int, add_seed: bool) -> dict[str, Any]:
    out = {**row, "_ng_rollout_index": repeat}
    if add_seed:
        params = row["responses_create_params"]
        metadata = {**(params.get("metadata") or {})}
        known = msgspec.json.decode(metadata.get("extra_body") or "{}")
        metadata["extra_body"] = msgspec.json.encode({**known, "seed": repeat}).decode()
        out["responses_create_params"] = {**params, "metadata": metadata}
    return out


def _place(names: list[str], name: str) -> int:
    if name not in names:
        names.append(name)
    return names.index(name)


def fingerprint(row: Mapping[str, Any]) -> int:
    """Of a row's values; never 0."""
    digest = hashlib.blake2b(msgspec.json.encode(row, order="sorted"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) or 1
