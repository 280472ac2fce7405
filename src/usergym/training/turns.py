"""Which turns of a conversation are a speaker's to be credited for, and what each of them earned."""

from bisect import bisect_right

from usergym.types import Speaker, Trajectory, Turn


def turn_rewards(trajectory: Trajectory, speaker: Speaker = "assistant") -> tuple[list[int], list[float] | None]:
    """The indices of the speaker's replies after the opening, and the reward of each, weight x value.

    A reward for a turn belongs to the latest reply at or before it, one for the whole conversation to the last reply;
    one for a turn before all replies, that is for the opening, to none. The rewards are None where the conversation
    failed, nobody replied, or a part that counts is missing or was not scored.
    """
    skip = sum(is_reply(turn, speaker) for turn in trajectory.task.opening)
    replies = [place for place, turn in enumerate(trajectory.turns) if is_reply(turn, speaker)][skip:]
    parts = [reward for reward in trajectory.rewards if reward.speaker == speaker and reward.weight]
    if trajectory.error or not replies or not parts:
        return replies, None
    earned = [0.0] * len(replies)
    for part in parts:
        if part.value is None:
            return replies, None
        place = len(replies) if part.turn is None else bisect_right(replies, part.turn)
        if place:
            earned[place - 1] += part.weight * part.value
    return replies, earned


def is_reply(turn: Turn, speaker: Speaker) -> bool:
    """Whether the speaker said, called or at least sampled something; not an empty turn that only ends the
    conversation."""
    message = turn.message
    if turn.speaker != speaker or message.role != "assistant":
        return False
    empty = not (message.content or message.reasoning or message.tool_calls or turn.tokens)
    return not (empty and turn.stop)
