"""One conversation as an evaluation counts it: a row of numbers on both scales of reward, with what it cost.

What was not scored is None, never zero.
"""

import math
from collections.abc import Iterable, Sequence

from usergym.evaluation.metrics import agent_of, replies, success_of
from usergym.types import Record, Reward, Trajectory

OURS = "score"
"""The name of a gym's rewards on our scale, where a perfect conversation sums to 1."""
THEIRS = "userrl"
"""The name of a gym's rewards on UserRL's scale."""
PUBLISHED = "travel_metric"
"""The name of a reward that holds a published metric, where that is not the sum of rewards."""
NOTHING = "earned"
"""The name of the zero that every gym gives, so that a conversation in which nothing was earned is scored."""


class Outcome(Record, frozen=True, omit_defaults=False):
    model: str
    env: str
    """The name it is evaluated under, such as travel22."""
    task: str
    sample: int
    score: float | None
    """On our scale, 0 to 1."""
    userrl: float | None
    """On UserRL's scale; None where the environment is none of theirs."""
    published: float | None
    """By the published metric: of travel the best answer of each aspect, else `userrl`."""
    success: float | None
    """1 or 0."""
    replies: int
    """Of the agent."""
    effective_turns: int | None
    """Replies that earned something."""
    time_weighted: float | None
    """Sum of r / (i + 1) over the replies i = 0, 1, ...: what is earned early counts more."""
    user_turns: int
    """How often the user had to speak after its opening."""
    user_words: int
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float
    seconds: float
    """All model calls."""
    reply_seconds: float | None
    """The agent's model calls, mean."""
    stop: str | None
    error: str | None
    """The kind of a technical failure."""


def outcome(trajectory: Trajectory, env: str | None = None, model: str | None = None) -> Outcome:
    """`env`, `model`: the names it is evaluated under, where they are not the trajectory's own."""
    failed = trajectory.error is not None
    theirs = None if failed else _named(trajectory.rewards, THEIRS)
    published = None if failed else _named(trajectory.rewards, PUBLISHED, empty=theirs)
    earned = None if failed else turn_rewards(trajectory)
    first = len(trajectory.task.opening)
    said = [turn.said for turn in trajectory.turns[first:] if turn.speaker == "user" and turn.said]
    usage, agent = trajectory.usage(), trajectory.usage("assistant")
    return Outcome(
        model=model or agent_of(trajectory),
        env=env or trajectory.task.env,
        task=trajectory.task.id,
        sample=trajectory.sample,
        score=score_of(trajectory),
        userrl=theirs,
        published=published,
        success=success_of(trajectory),
        replies=len(replies(trajectory)),
        effective_turns=None if earned is None else sum(reward > 0 for reward in earned),
        time_weighted=None if earned is None else math.fsum(r / (i + 1) for i, r in enumerate(earned)),
        user_turns=len(said),
        user_words=sum(len(words.split()) for words in said),
        calls=usage.calls,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost=usage.cost,
        seconds=usage.seconds,
        reply_seconds=agent.seconds / agent.calls if agent.calls else None,
        stop=trajectory.stop,
        error=trajectory.error.kind if trajectory.error else None,
    )


def score_of(trajectory: Trajectory) -> float | None:
    """On our scale, also where the gym was played with the preset that counts theirs."""
    ours = [reward for reward in trajectory.rewards if reward.name == OURS]
    recorded_only = bool(ours) and not any(reward.weight for reward in ours)
    return _named(ours, OURS) if recorded_only and not trajectory.error else trajectory.reward()


def _named(rewards: Sequence[Reward], name: str, empty: float | None = None) -> float | None:
    """The sum; `empty` where none has the name, or 0 in a gym, which gives its zero by another name."""
    found = [reward.value for reward in rewards if reward.name == name]
    if not found:
        return 0.0 if empty is None and name == THEIRS and any(r.name == NOTHING for r in rewards) else empty
    return _sum(found)


def _sum(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def turn_rewards(trajectory: Trajectory) -> list[float] | None:
    """What each of the agent's replies earned: on UserRL's scale in a gym, else by what counts. A reward of the whole
    conversation is that of the last reply. None where a part is unscored."""
    places = {place: number for number, place in enumerate(replies(trajectory))}
    theirs = [reward for reward in trajectory.rewards if reward.name == THEIRS]
    rewards = theirs or [r for r in trajectory.rewards if r.speaker == "assistant" and r.weight]
    if not rewards:
        return None
    earned = [0.0] * len(places)
    for reward in rewards:
        if reward.value is None:
            return None
        if earned:
            number = len(earned) - 1 if reward.turn is None else places.get(reward.turn, len(earned) - 1)
            earned[number] += reward.value if theirs else reward.weight * reward.value
    return earned
