"""Rollouts as the calendar tutorial writes them: the conversation, its grade, why, and what was expected."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.data.formats.conversation import extras, rewarded, trajectory_of
from usergym.data.formats.messages import chat_messages
from usergym.types import Speaker, Tool, Trajectory

NESTED = ("conversation",)


def matches(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("conversation"), list) and "grade" in row


def read(row: Mapping[str, Any]) -> list[Trajectory]:
    """The last reply is what was graded; all before it is the task's opening."""
    messages = chat_messages(row, "conversation")
    opening = sum(message.role != "system" for message in messages) - 1
    data = extras(row, "conversation", "grade", "task_id")
    trajectory = trajectory_of(messages, "graded", "conversation", data, opening=max(0, opening))
    task = trajectory.task
    key = row["task_id"] if isinstance(row.get("task_id"), str) else task.id
    env = "calendar" if "exp_cal_state" in row else task.env
    trajectory.task = msgspec.structs.replace(task, id=key, group=key, env=env)
    return [rewarded(trajectory, row["grade"], "grade")]


def write(trajectory: Trajectory, speaker: Speaker = "assistant", tools: Sequence[Tool] = ()) -> list[dict[str, Any]]:
    """One row with `conversation` (system first, `reasoning_content` beside a reply), `grade`, `grade_reason`,
    `exp_cal_state` after the last message that was answered, `mode`; none without a grade."""
    reward = trajectory.reward()
    if reward is None:
        return []
    conversation = []
    for message in trajectory.view("assistant"):
        line = {"role": message.role, "content": message.content}
        if message.reasoning:
            line["reasoning_content"] = message.reasoning
        if message.content:
            conversation.append(line)
    if conversation and conversation[-1]["role"] == "user":
        conversation.pop()
    row = {
        "task_id": trajectory.task.id,
        "conversation": conversation,
        "grade": int(reward) if reward == int(reward) else reward,
        "grade_reason": ", ".join(each.reason for each in trajectory.rewards if each.weight and each.reason),
    }
    data = trajectory.task.data
    if states := data.get("expected_calendar_states"):
        answered = sum(turn.speaker == "assistant" and bool(turn.said) for turn in trajectory.turns)
        row["exp_cal_state"] = states[max(0, min(answered, len(states)) - 1)]
        row["mode"] = data.get("level", "hard")
    elif "exp_cal_state" in data:
        row["exp_cal_state"] = data["exp_cal_state"]
        row["mode"] = data.get("mode", "hard")
    return [row]
