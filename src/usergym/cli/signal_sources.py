"""What `usergym signal` looks at: our own cases, those of a file, or the answered replies of recorded conversations."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from usergym.data.convert import read_conversations
from usergym.environments.base import load
from usergym.training import signal_cases
from usergym.training.reactions import reaction_to, replies
from usergym.training.signal_cases import Case, Kind
from usergym.training.tokens import MissingTokens, rows
from usergym.training.turns import is_reply
from usergym.types import Message, Tool, Trajectory

SOME = 6
"""Ids that an error names."""


@dataclass
class Source:
    """Cases, and what of the source gave none."""

    cases: list[Case] = field(default_factory=list)
    failed: int = 0
    """Conversations that failed."""
    unanswered: int = 0
    """Conversations without a reply that was answered."""
    more: bool = False
    """There are more than were asked for."""


def made_up(path: Path | None, id: str | None, count: int | None) -> Source:
    """The cases of a file, or ours; `count` of them, in laps."""
    cases = signal_cases.chosen(signal_cases.read(path) if path else signal_cases.own(), id)
    return Source(signal_cases.repeated(cases, len(cases) if count is None else count))


def recorded(path: Path, id: str | None, limit: int) -> Source:
    """The first answered replies of a run folder (a bare name means runs/NAME) or of a file that `usergym convert`
    reads. ValueError where none was answered, or none has the id."""
    if not path.exists() and (Path("runs") / path).is_dir():
        path = Path("runs") / path
    source = Source()
    seen: list[str] = []
    found = _answered(path, id, source, seen)
    source.cases = list(islice(found, limit))
    source.more = next(found, None) is not None
    if not source.cases and seen:
        raise ValueError(f"no conversation {id!r} with an answered reply in {path}; there are {', '.join(seen)}")
    if not source.cases:
        raise ValueError(
            f"{path} holds no reply that was answered ({source.unanswered:,} conversations without one, "
            f"{source.failed:,} failed); give conversations of several turns, or rows with x, y and o"
        )
    return source


def _answered(path: Path, id: str | None, source: Source, seen: list[str]) -> Iterator[Case]:
    counts: Counter[str] = Counter()
    """Of ids: several replies to one context are conversations of the same id."""
    for trajectory in read_conversations(path):
        if trajectory.error:
            source.failed += 1
            continue
        cases = list(answered(trajectory))
        source.unanswered += not cases
        for case in cases:
            counts[case.id] += 1
            if counts[case.id] > 1:
                case = msgspec.structs.replace(case, id=f"{case.id}~{counts[case.id]}")
            if id is None or id in (case.id, trajectory.id, trajectory.task.id):
                yield case
            elif len(seen) < SOME:
                seen.append(case.id)


def answered(trajectory: Trajectory) -> Iterator[Case]:
    """A case for every reply of the assistant after the opening that the user answered, with its ids where all replies
    were recorded with them. Its kind and its control are those of the task's data (`meta` of a tuple), if any."""
    data = trajectory.task.data
    kind: Kind | None = data["kind"] if data.get("kind") in ("reinforce", "constrain") else None
    told: dict[str, Any] = {"kind": kind, "control": data["control"] if isinstance(data.get("control"), str) else None}
    tools = _tools(trajectory)
    try:
        sampled = [reply for row in rows(trajectory) for reply in replies(trajectory, row)]
    except MissingTokens:
        sampled = []
    for reply in sampled:
        if reply.reaction:
            yield Case(
                f"{trajectory.id}:{reply.turn}",
                tuple(reply.since),
                reply.reaction,
                reply_ids=tuple(reply.ids),
                prompt_ids=tuple(reply.context),
                head=tuple(reply.head),
                tools=tuple(tools),
                **told,
            )
    if sampled:
        return
    own = [place for place, turn in enumerate(trajectory.turns) if is_reply(turn, "assistant")]
    for place in own[sum(is_reply(turn, "assistant") for turn in trajectory.task.opening) :]:
        message: Message = trajectory.turns[place].message
        if not message.tool_calls and (reaction := reaction_to(trajectory, place)):
            view = tuple(trajectory.view("assistant", until=place))
            yield Case(f"{trajectory.id}:{place}", view, reaction, reply=message.content, tools=tuple(tools), **told)


def _tools(trajectory: Trajectory) -> Sequence[Tool]:
    """Their schemas: of the task, else those of its environment, which the recorded prompt then confirms or not."""
    seat = trajectory.seats.get("assistant")
    if trajectory.task.tools is not None:
        return trajectory.task.tools
    if seat is None or not seat.tools:
        return ()
    try:
        found = load(trajectory.task.env).start(trajectory.task).tools("assistant")
    except (LookupError, ValueError, TypeError):
        return ()  # an environment that is not here, or with other options: the case is then left out, told why
    return found if tuple(tool.name for tool in found) == seat.tools else ()
