"""Preference pairs: `{"prompt": [...], "chosen": [...], "rejected": [...]}`, all three lists of chat messages."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

from usergym.data.formats.conversation import extras, trajectory_of
from usergym.data.formats.messages import chat_messages, chat_tools
from usergym.models.chat_format import to_chat, tools_to_chat
from usergym.rollouts.gym_rows import turns_of
from usergym.types import Message, Reward, Speaker, Tool, Trajectory

NESTED = ("prompt", "chosen", "rejected")


def matches(row: Mapping[str, Any]) -> bool:
    return "chosen" in row and "rejected" in row


def read(row: Mapping[str, Any]) -> list[Trajectory]:
    """Two samples of one task; the chosen one has the reward 1, or its own `score_chosen`."""
    prompt = chat_messages(row, "prompt") if isinstance(row.get("prompt"), list) else _said(row.get("prompt"), "user")
    known = ("prompt", "chosen", "rejected", "tools", "score_chosen", "score_rejected")
    data, tools = extras(row, *known), chat_tools(row)
    _, opening = turns_of(prompt, "prompt")
    pair = []
    for sample, (side, default) in enumerate((("chosen", 1.0), ("rejected", 0.0))):
        value = row.get(side)
        reply = chat_messages(row, side) if isinstance(value, list) else _said(value, "assistant")
        if prompt and reply[: len(prompt)] == prompt:
            reply = reply[len(prompt) :]
        trajectory = trajectory_of([*prompt, *reply], "dpo", side, data, tools, len(opening))
        trajectory.sample = sample
        score = row.get(f"score_{side}")
        trajectory.rewards = [Reward("preference", default if score is None else float(score))]
        pair.append(trajectory)
    return pair


def _said(value: Any, role: str) -> list[Message]:
    return chat_messages({"prompt": [{"role": role, "content": value}]}, "prompt") if value else []


def write(trajectory: Trajectory, speaker: Speaker = "assistant", tools: Sequence[Tool] = ()) -> list[dict[str, Any]]:
    """Nothing: one conversation is no preference. `pairs` takes all samples of a task."""
    return []


def pairs(
    samples: Sequence[Trajectory], speaker: Speaker = "assistant", tools: Sequence[Tool] = (), gap: float = 0.0
) -> Iterator[tuple[dict[str, Any], Trajectory, Trajectory]]:
    """Every (row, chosen, rejected) of one task's samples whose rewards lie more than 0 and at least `gap` apart.
    Unscored samples are in no pair; the prompt is what both lived through alike."""
    scored = [(one, reward) for one in samples if (reward := one.reward()) is not None]
    for (better, high), (worse, low) in permutations(scored, 2):
        if not (high > low and high - low >= gap):
            continue
        chosen, rejected = better.view(speaker), worse.view(speaker)
        start = _common(chosen, rejected)
        if start is None:
            continue
        row: dict[str, Any] = {
            "prompt": to_chat(chosen[:start]),
            "chosen": to_chat(chosen[start:]),
            "rejected": to_chat(rejected[start:]),
            "score_chosen": high,
            "score_rejected": low,
        }
        if known := tuple(tools) or (better.task.tools if speaker == "assistant" else None):
            row["tools"] = tools_to_chat(known)
        yield row, better, worse


def _common(chosen: Sequence[Message], rejected: Sequence[Message]) -> int | None:
    """Where the two part, at a reply of the speaker; None where one of them has no such reply."""
    start = 0
    while start < min(len(chosen), len(rejected)) and chosen[start] == rejected[start]:
        start += 1
    while start >= 0:
        heads = [view[start] for view in (chosen, rejected) if start < len(view)]
        if len(heads) == 2 and all(head.role == "assistant" for head in heads):
            return start
        start -= 1
    return None
