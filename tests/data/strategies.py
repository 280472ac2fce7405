"""Trajectories of every kind, for property tests."""

from hypothesis import strategies as st

from usergym.types import (
    Failure,
    Message,
    Reward,
    Sampling,
    Seat,
    Task,
    Tokens,
    Tool,
    ToolCall,
    Trajectory,
    Turn,
    Usage,
)

texts = st.text(st.characters(codec="utf-8"), max_size=24) | st.sampled_from(
    ["<think>\nhm\n</think>\n\nyes, certainly", '{"$": 3}', "a longer text that is said twice", "</script>"]
)
scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.just("$"), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=3)
calls = st.builds(ToolCall, texts, texts, texts | st.sampled_from(['{"a": 1}', "{}", "[1", '{"b": "\u00e9"}']))
written = st.builds(
    Message,
    st.just("assistant"),
    texts,
    st.none() | texts,
    st.lists(calls, max_size=2).map(tuple),
    st.none(),
    st.none() | texts,
)
results = st.builds(Message, st.just("tool"), texts, tool_call_id=st.none() | texts)
tokens = st.none() | st.builds(
    Tokens.of, st.lists(st.integers(0, 9), max_size=3), st.just([1, 2]), st.just([-0.5, -1.0])
)
usages = st.none() | st.builds(Usage, st.integers(0, 9), st.integers(0, 9), seconds=st.floats(0, 9), calls=st.just(1))
turns = st.builds(
    Turn,
    st.sampled_from(["assistant", "user", "judge"]),
    written | results,
    st.none() | texts,
    st.none() | objects,
    tokens,
    usages,
    st.none() | st.sampled_from(["length", "user_stop"]),
)
tools = st.builds(Tool, texts, texts, objects)
tasks = st.builds(
    Task,
    texts,
    st.sampled_from(["calendar", "tau", "elsewhere"]),
    texts,
    st.lists(turns, max_size=2).map(tuple),
    objects,
    st.none() | st.lists(tools, max_size=2).map(tuple),
    st.none() | st.sampled_from(["train", "validation"]),
)
seats = st.dictionaries(
    st.sampled_from(["assistant", "user"]),
    st.builds(
        Seat, texts, st.lists(texts, max_size=2).map(tuple), texts, st.builds(Sampling, st.none() | st.just(0.5))
    ),
)
rewards = st.builds(
    Reward, texts, st.none() | st.floats(-2, 2), st.sampled_from([0.0, 1.0]), turn=st.none() | st.just(0), reason=texts
)
trajectories = st.builds(
    Trajectory,
    tasks,
    st.integers(0, 9),
    st.integers(0, 2**62),
    seats,
    st.lists(turns, max_size=6),
    st.lists(rewards, max_size=3),
    st.none() | st.sampled_from(["world_over", "length"]),
    st.none() | st.builds(Failure, st.just("judge"), texts, st.none() | st.just(1)),
)


def said(speaker: str, words: str) -> Turn:
    return Turn(speaker, Message("assistant", words))  # type: ignore[arg-type]


def played(key: str, sample: int = 0, reward: float | None = 1.0, reply: str = "done", group: str = "") -> Trajectory:
    """A short conversation: the user asks, the agent answers, the user thanks."""
    spoken = [said("user", f"please do {key}"), said("assistant", reply), said("user", "thank you")]
    task = Task(key, "elsewhere", group, (spoken[0],))
    seats = {"assistant": Seat("Be helpful.", model="m"), "user": Seat(f"You want {key}.")}
    return Trajectory(task, sample, 7, seats, spoken, [Reward("grade", reward)], "user_stop")
