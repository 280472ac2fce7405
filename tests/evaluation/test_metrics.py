"""What a run comes to: counted right, in one pass, with nothing unscored taken for a zero."""

import json
import math
import tracemalloc
from collections.abc import Iterator

import msgspec
import pytest

from tests.evaluation.made import calendar, conversation, seat_tired
from usergym.evaluation.metrics import Summary, failed_reply, summarise
from usergym.evaluation.statistics import mean_interval
from usergym.rollouts.engine import seat_idle, seat_oracle
from usergym.types import Failure, Message, Reward, Task, Trajectory, Turn, Usage

DOWN = Failure("unavailable", "assistant: no answer", 1)


def test_what_was_not_scored_is_counted_apart_and_moves_no_mean() -> None:
    scored = [conversation("a", reward=1.0), conversation("b", reward=0.0), conversation("c", reward=1.0)]
    rest = [conversation("d", reward=None), conversation("e", error=DOWN), conversation("f", error=DOWN)]
    alone, together = summarise(scored), summarise([*scored, *rest])
    assert (together.mean, together.low, together.high) == (alone.mean, alone.low, alone.high)
    assert together.mean == pytest.approx(2 / 3)
    assert (together.conversations, together.scored, together.unscored) == (6, 3, 1)
    assert together.errors == {"unavailable": 2}
    assert together.stops == {"user_done": 4}


def test_why_conversations_were_not_scored_is_counted_once_for_each() -> None:
    def lacking(task: str, *reasons: str) -> Trajectory:
        found = conversation(task, reward=None)
        found.rewards = [Reward(f"r{n}", None, reason=why) for n, why in enumerate(reasons)]
        return found

    told = summarise(
        [
            lacking("a", "unreadable: prose", "unreadable: more prose"),
            lacking("b", "unreadable: prose", "count: 3 marks for 4 texts"),
            lacking("c", ""),
            lacking("d"),
            conversation("e", reward=1.0),
        ]
    )
    assert told.unscored == 4
    assert told.unscored_by == {"unreadable": 2, "count": 1, "no reward was given": 1, "r0 was not given": 1}


def test_a_run_in_which_nothing_was_scored_has_no_mean() -> None:
    found = summarise([conversation("a", reward=None), conversation("b", error=DOWN)])
    assert (found.mean, found.low, found.high, found.std, found.success) == (None,) * 5
    assert (found.pass_at, found.scored, found.conversations) == ({}, 0, 2)


def test_an_empty_run_is_a_summary_of_nothing() -> None:
    found = summarise([])
    assert (found.conversations, found.mean, found.turns, found.replies, found.usage) == (0, None, None, None, Usage())


def test_the_interval_counts_tasks_and_not_samples() -> None:
    rewards = {"a": [1.0, 1.0, 0.0], "b": [0.0, 0.0, 0.0], "c": [1.0, 1.0, 1.0], "d": [0.0, 1.0, 0.0]}
    found = summarise(conversation(task, n, value) for task, row in rewards.items() for n, value in enumerate(row))
    wanted = mean_interval(rewards)
    assert wanted is not None
    assert (found.mean, found.low, found.high) == pytest.approx((wanted.mean, wanted.low, wanted.high))
    assert (found.tasks, found.scored) == (4, 12)
    assert found.std == pytest.approx(math.sqrt(12 * 0.5 * 0.5 / 11))


def test_pass_at_k_goes_up_to_the_samples_there_are_and_pass_hat_k_down() -> None:
    rewards = {"a": [1.0, 1.0, 0.0, 0.0], "b": [0.0] * 4, "c": [1.0] * 4}
    found = summarise(conversation(task, n, value) for task, row in rewards.items() for n, value in enumerate(row))
    assert found.pass_at == pytest.approx({1: 0.5, 2: (5 / 6 + 0 + 1) / 3, 4: 2 / 3})
    assert found.pass_hat == pytest.approx({1: 0.5, 2: (1 / 6 + 0 + 1) / 3, 4: 1 / 3})


def test_a_sample_that_failed_technically_is_no_sample_for_pass_at_k() -> None:
    found = summarise([conversation("a", 0, 1.0), conversation("a", 1, error=DOWN), conversation("a", 2, None)])
    assert found.pass_at == {1: 1.0}


def test_rewards_between_0_and_1_have_no_pass_at_k() -> None:
    found = summarise(conversation("a", n, value) for n, value in enumerate((0.25, 1.0)))
    assert (found.mean, found.pass_at, found.pass_hat, found.success) == (0.625, {}, {}, 0.5)


def test_what_was_spent_is_told_by_speaker_failed_conversations_too() -> None:
    found = summarise([conversation("a"), conversation("b", error=DOWN)])
    assert found.by_speaker["assistant"] == Usage(20, 40, 10, 4.0, 2, 0.2)
    assert found.by_speaker["user"] == Usage(14, 6, 2, 1.0, 2, 0.02)
    assert found.usage == found.by_speaker["assistant"] + found.by_speaker["user"]


def test_turns_count_from_the_end_of_the_opening() -> None:
    opening = (Turn("user", Message("assistant", "hi")), Turn("assistant", Message("assistant", "hello")))
    said = [Turn("user", Message("assistant", "ten?")), Turn("assistant", Message("assistant", "yes"))]
    found = summarise([Trajectory(Task("a", "toy", opening=opening), 0, 1, {}, [*opening, *said])])
    assert (found.turns, found.replies, found.agent) == (2, 1, "unknown")


def test_reasons_are_those_of_rewards_that_were_lost() -> None:
    runs = [
        conversation("a", reward=0.0, reason="overlap"),
        conversation("b", reward=0.0, reason="overlap"),
        conversation("c", reward=0.0, reason="x" * 500),
        conversation("d", reward=1.0, reason="pass"),
    ]
    runs[0].rewards.append(Reward("turn_grade", 0.0, weight=0.0, turn=1, reason="recorded only"))
    assert summarise(runs).reasons == {"overlap": 2, "x" * 80: 1}


def test_reasons_that_never_repeat_do_not_fill_the_memory() -> None:
    found = summarise(conversation(str(n), reward=0.0, reason=f"wrong answer {n}") for n in range(1000))
    assert found.reasons["other"] == 800
    assert sum(found.reasons.values()) == 1000


def test_several_agents_are_also_summarised_one_by_one() -> None:
    runs = [conversation("a", agent="good"), conversation("a", agent="bad", reward=0.0), conversation("b", agent="bad")]
    found = summarise(runs)
    assert (found.agent, found.conversations, found.mean) == ("bad, good", 3, pytest.approx(2 / 3))
    assert [(part.agent, part.mean) for part in found.parts] == [("bad", 0.5), ("good", 1.0)]


def test_a_summary_comes_back_from_its_json() -> None:
    found = summarise([conversation("a"), conversation("b", reward=0.0, reason="no"), conversation("c", error=DOWN)])
    text = found.to_json()
    assert msgspec.json.decode(text, type=Summary) == found
    assert text.count(b"\n") > 20
    assert json.loads(text)["pass_at"] == {"1": 0.5}


def test_real_conversations_earn_everything_nothing_and_something() -> None:
    oracle, idle, tired = (summarise(calendar(seat, 8)) for seat in (seat_oracle, seat_idle, seat_tired()))
    assert (oracle.mean, oracle.env, oracle.agent, oracle.reasons) == (1.0, "calendar", "oracle", {})
    assert oracle.low == pytest.approx(0.025 ** (1 / 8))
    assert oracle.components["grade"] == 1.0
    assert idle.mean == 0.0
    assert sum(idle.reasons.values()) == 8
    assert tired.agent == "tired"
    assert tired.by_speaker["assistant"].calls > 0


def test_the_first_failed_reply_is_found_by_the_turn_it_is_credited_to() -> None:
    def turn(speaker: str, role: str = "assistant") -> Turn:
        return msgspec.convert({"speaker": speaker, "message": {"role": role, "content": "x"}}, Turn)

    turns = [turn("user"), turn("assistant"), turn("user"), turn("assistant", "tool"), turn("assistant")]
    grades = [Reward("turn_grade", 1.0, 0.0, turn=1), Reward("turn_grade", 0.0, 0.0, turn=4)]
    trajectory = Trajectory(Task("a", "toy"), 0, 1, {}, turns, grades)
    assert failed_reply(trajectory) == 2
    trajectory.rewards = grades[:1]
    assert failed_reply(trajectory) is None
    trajectory.stop = "length"
    assert failed_reply(trajectory) == 2


def test_memory_grows_by_a_few_numbers_a_task() -> None:
    def stream(count: int) -> Iterator[Trajectory]:
        for number in range(count):
            yield conversation(f"task {number}", said="word " * 4000)

    tracemalloc.start()
    summarise(stream(3000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000 * 1500
