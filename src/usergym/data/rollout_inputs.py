"""Rows on their way to an agent server: checked and mended, all of them before the first is sent, then written as
they will be sent, one line per rollout.

That file is what workers read from, so memory holds a few numbers per rollout and no rows; and a rollout that the
peer wrote without its input can be graded again from it.
"""

import contextlib
import hashlib
import os
import re
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
from usergym.environments.base import Environment, RowError, load, names
from usergym.rows import BadRow, Place, Skipped, read_rows

MOST_ROLLOUTS = 10_000_000
"""Of one batch: each is a line on the disk before the first is sent."""
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
    identity: Mapping[str, Any] = field(default_factory=dict)
    """What decides its rollouts: its model, its environment, its bounds."""


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
    problems: "_Problems" = field(default_factory=lambda: _Problems())
    draft: Path = Path()
    """What `path` will be; it is already read from."""

    def __len__(self) -> int:
        return len(self.tasks) * self.repeats

    def keep(self) -> None:
        """Puts the file where it belongs."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.draft.replace(self.path)
        self.draft = self.path


class BadRows(ValueError):
    """Rows that cannot be sent."""


@contextlib.contextmanager
def prepared(asked: Asked, agents: Mapping[str, Agent], default: str | None, path: Path) -> Iterator[Inputs]:
    """Checks every row, and holds them ready; `path` is written only by `keep`. `default`: the agent of rows that
    name none. BadRows lists what is wrong; with `skip_bad` those rows are left out and counted instead."""
    folder = next(folder for folder in path.absolute().parents if folder.is_dir())
    draft = folder / f".{path.name}.{os.getpid()}.tmp"
    inputs = Inputs(path, asked.repeats, draft=draft)
    lint = _Lint(asked, agents, default)
    try:
        _write(asked, inputs, lint)
        inputs.notes = [*lint.notes, *(f"{kind} ({count:,} rows)" for kind, count in lint.mends.most_common())]
        _refuse(asked, inputs)
        yield inputs
    finally:
        draft.unlink(missing_ok=True)


def _write(asked: Asked, inputs: Inputs, lint: "_Lint") -> None:
    try:
        file = inputs.draft.open("wb")
    except OSError as error:
        raise OSError(f"cannot write {inputs.path}: {error.strerror}; give another path") from error
    with file:
        for place, row in islice(_rows(asked.source), asked.limit):
            _one(inputs, lint, file, place, row)
        inputs.offsets.append(file.tell())


def _one(inputs: Inputs, lint: "_Lint", file: IO[bytes], place: Place, row: dict[str, Any] | BadRow) -> None:
    index = len(inputs.prints)
    if not isinstance(row, BadRow):
        try:
            sent, agent = lint.row(row, index)
        except Fault as fault:
            row = BadRow(place, str(fault))
    if isinstance(row, BadRow):
        inputs.skipped.add(row)
        inputs.problems.add(row)
        inputs.prints.append(0)
        return
    if (len(inputs.tasks) + 1) * inputs.repeats > MOST_ROLLOUTS:
        raise BadRows(
            f"{len(inputs.tasks) + 1:,} rows with {inputs.repeats:,} repeats are more than the {MOST_ROLLOUTS:,} "
            "rollouts of one batch; lower +num_repeats (--repeats) or +limit (--limit)"
        )
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
        yield from ((one.place, in_the_file(one)) for one in bad.take())
        yield place, row
    yield from ((one.place, in_the_file(one)) for one in bad.take())


def in_the_file(bad: BadRow) -> BadRow:
    """The place in a line without the line's own numbering, which always begins with 1."""
    return BadRow(bad.place, re.sub(r": line 1 column (\d+) \(char \d+\)", r" at column \1", bad.problem))


def _refuse(asked: Asked, inputs: Inputs) -> None:
    bad = inputs.skipped
    if not inputs.tasks and not bad:
        raise BadRows(f"{asked.source} holds no rows")
    if bad and (not asked.skip_bad or not inputs.tasks):
        what = f"{bad.count:,} of {len(inputs.prints):,} rows cannot be sent, and nothing was sent"
        remedy = "mend them" if not inputs.tasks else "mend them, or leave them out with +skip_bad=true (--skip-bad)"
        raise BadRows(f"{what}:\n{inputs.problems}\n{remedy}")


class _Problems:
    """What is wrong with rows: each problem once, with where it is first and how often."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[Place, int]] = {}
        self.more = 0

    def add(self, bad: BadRow) -> None:
        if bad.problem not in self.found and len(self.found) >= LISTED:
            self.more += 1
            return
        first, count = self.found.get(bad.problem, (bad.place, 0))
        self.found[bad.problem] = first, count + 1

    def __str__(self) -> str:
        lines = [
            f"  {place}{f' and {count - 1:,} more' if count > 1 else ''}: {problem}"
            for problem, (place, count) in self.found.items()
        ]
        return "\n".join(lines + [f"  and {self.more:,} more"] * bool(self.more))


class _Lint:
    """Checks rows; equal tool lists, which most rows share, are looked at once."""

    def __init__(self, asked: Asked, agents: Mapping[str, Agent], default: str | None) -> None:
        self.asked = asked
        self.agents = agents
        self.default = default
        self.mends: Counter[str] = Counter()
        overrides: set[str] = set()
        try:
            self.params = mend_params(asked.params, overrides.add)
        except Fault as fault:
            raise BadRows(f"+responses_create_params (--params): {fault}") from None
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
            there = f"; give +agent_name=NAME (--agent), one of {', '.join(self.agents)}"
            raise Fault("agent_ref", f"the row names no agent, and none was given for such rows{there}")
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
            if error.field == "company" and row.get("company") is None:
                return  # whether the tables of such a row are there, the head says (see `needs`)
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
