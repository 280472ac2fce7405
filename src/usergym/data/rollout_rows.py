"""Rollouts as the calendar tutorial writes them: the conversation, its grade, why, and what was expected."""

from typing import Any

from usergym.types import Trajectory


def rollout_row(trajectory: Trajectory) -> dict[str, Any]:
    """`conversation` (system first, `reasoning_content` beside a reply), `grade` 0 or 1, `grade_reason`,
    `exp_cal_state` after the last message that was answered, `mode`. ValueError for an unscored trajectory,
    which has no grade."""
    reward = trajectory.reward()
    if reward is None:
        raise ValueError(f"trajectory {trajectory.id} is not scored; it has no grade")
    conversation = []
    for message in trajectory.view("assistant"):
        line = {"role": message.role, "content": message.content}
        if message.reasoning:
            line["reasoning_content"] = message.reasoning
        if message.content:
            conversation.append(line)
    reasons = [each.reason for each in trajectory.rewards if each.weight and each.reason]
    data = trajectory.task.data
    row = {
        "task_id": trajectory.task.id,
        "conversation": conversation,
        "grade": int(reward) if reward == int(reward) else reward,
        "grade_reason": ", ".join(reasons),
    }
    if states := data.get("expected_calendar_states"):
        answered = sum(turn.speaker == "assistant" and bool(turn.said) for turn in trajectory.turns)
        row["exp_cal_state"] = states[max(0, min(answered, len(states)) - 1)]
        row["mode"] = data.get("level", "hard")
    return row
