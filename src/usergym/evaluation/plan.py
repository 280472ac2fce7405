"""What a run will cost, before its first call: some of its conversations are played for nothing and counted."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from usergym.environments.base import Environment
from usergym.models.fake import CHARACTERS_PER_TOKEN
from usergym.models.prices import Prices, find
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast, Seating
from usergym.types import Message, Record, Task, Trajectory, Usage

PLAYED = 25
"""Conversations played to measure; the rest are taken to be like them."""


class Speaking(Record, frozen=True):
    """Who will be asked, how often, and for how much."""

    speaker: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    """US dollars; None where the price is not known."""


class Plan(Record, frozen=True, omit_defaults=False):
    conversations: int
    measured: int
    """How many of them were played to measure."""
    speaking: tuple[Speaking, ...]
    disk_bytes: int
    """Trajectories and journal."""


def plan(
    environment: Environment,
    tasks: Iterable[Task],
    conversations: int,
    stand_in: Seating,
    asked: dict[str, str],
    prices: Prices,
    overhead: dict[str, int] | None = None,
) -> Plan:
    """Plays the first tasks with `stand_in` as the agent and the rule-based user, and scales up.

    `asked`: model name by speaker that will really be asked. `overhead`: characters of a prompt beyond the view, by
    speaker; a speaker with overhead is taken to see only the last four messages of it (the prompted user).
    """
    played = asyncio.run(_play(environment, tasks, stand_in))
    if not played:
        raise ValueError("there are no tasks to plan for; check --tasks, --split and --limit")
    scale = conversations / len(played)
    speaking = []
    for speaker, model in asked.items():
        counted = [_count(trajectory, speaker, (overhead or {}).get(speaker)) for trajectory in played]
        calls, read, written = (round(scale * sum(each)) for each in zip(*counted, strict=True))
        price = find(prices, model)
        cost = price.cost(Usage(read, written)) if price else None
        speaking.append(Speaking(speaker, model, calls, read, written, cost))
    size = sum(len(msgspec.json.encode(trajectory)) for trajectory in played)
    return Plan(conversations, len(played), tuple(speaking), round(2 * scale * size))


def together(plans: Sequence[Plan]) -> Plan:
    """Several plans as one, each speaker's model once."""
    speaking: dict[tuple[str, str], Speaking] = {}
    for each in (each for plan in plans for each in plan.speaking):
        before = speaking.get((each.speaker, each.model))
        if before:
            cost = None if before.cost is None or each.cost is None else before.cost + each.cost
            tokens = (before.input_tokens + each.input_tokens, before.output_tokens + each.output_tokens)
            each = Speaking(each.speaker, each.model, before.calls + each.calls, *tokens, cost)
        speaking[each.speaker, each.model] = each
    conversations, measured, disk = (
        sum(getattr(plan, name) for plan in plans) for name in ("conversations", "measured", "disk_bytes")
    )
    return Plan(conversations, measured, tuple(speaking.values()), disk)


async def _play(environment: Environment, tasks: Iterable[Task], stand_in: Seating) -> list[Trajectory]:
    groups = collect(environment, islice(tasks, PLAYED), Cast(stand_in), concurrency=4)
    return [trajectory async for group in groups for trajectory in group]


def _count(trajectory: Trajectory, speaker: str, overhead: int | None) -> tuple[int, float, float]:
    """Calls, input tokens and output tokens of one speaker in one conversation."""
    calls, read, written = 0, 0.0, 0.0
    for place, turn in enumerate(trajectory.turns):
        if turn.speaker != speaker or turn.message.role != "assistant" or turn.stop == f"{speaker}_stop":
            continue
        if place < len(trajectory.task.opening):
            continue
        view = trajectory.view(turn.speaker, place)
        calls += 1
        read += _characters(view) if overhead is None else overhead + _characters(view[-4:])
        written += _characters([turn.message])
    return calls, read / CHARACTERS_PER_TOKEN, written / CHARACTERS_PER_TOKEN


def _characters(messages: Sequence[Message]) -> int:
    return sum(len(m.content) + sum(len(call.arguments) for call in m.tool_calls) + 16 for m in messages)
