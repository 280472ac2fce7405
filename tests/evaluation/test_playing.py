"""Several jobs in one pool, with real stores."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import pytest

from tests.rollouts.toy import CountingEnvironment
from usergym.evaluation.playing import Job, play_all
from usergym.models.base import BudgetSpent, ModelError, StopRun
from usergym.models.fake import FakeModel
from usergym.rollouts.engine import Cast, seat_model, seat_oracle
from usergym.rollouts.store import Store, read_failures, read_trajectories
from usergym.types import Message, Sampling, Task, Tool, Trajectory

Answer = Callable[[Sequence[Message], Sequence[Tool], Sampling], Message]


def job(folder: Path, name: str, answer: Answer | None = None, tasks: int = 5) -> Job:
    environment = CountingEnvironment()
    cast = Cast(seat_model(FakeModel(answer)) if answer else seat_oracle)
    store = Store.open(folder / name, {"name": name})
    return Job("m", name, environment, islice(environment.tasks(), tasks), cast, store)


def play(jobs: list[Job], repeats: int = 1, concurrency: int = 4) -> list[tuple[str, Trajectory]]:
    async def run() -> list[tuple[str, Trajectory]]:
        played = play_all(jobs, repeats=repeats, concurrency=concurrency)
        return [(job.env, each) async for job, group in played for each in group]

    try:
        return asyncio.run(run())
    finally:
        for each in jobs:
            each.store.close()


def echo(messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Message:
    return Message("assistant", messages[-1].content)


def test_jobs_take_turns_and_each_has_its_own_run(tmp_path: Path) -> None:
    found = play([job(tmp_path, "a", tasks=6), job(tmp_path, "b", tasks=2)], repeats=2, concurrency=1)
    assert [env for env, _ in found] == ["a", "b"] * 4 + ["a"] * 8
    assert len(list(read_trajectories(tmp_path / "a"))) == 12
    assert {each.id for each in read_trajectories(tmp_path / "b")} == {
        f"counting-0-{task}#{sample}" for task in range(2) for sample in range(2)
    }
    assert all(each.reward() == 1.0 for _, each in found)


def test_what_is_finished_is_not_played_again(tmp_path: Path) -> None:
    asked = []

    def counting(messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Message:
        asked.append(1)
        return echo(messages, tools, sampling)

    play([job(tmp_path, "a", counting, tasks=3)])
    before = len(asked)
    found = play([job(tmp_path, "a", counting, tasks=5)])
    assert [each.task.id for _, each in found] == ["counting-0-3", "counting-0-4"]
    assert len(asked) == before * 5 / 3
    assert len(list(read_trajectories(tmp_path / "a"))) == 5


def failing(times: int) -> Answer:
    """Every conversation's second question fails so often."""
    failed: dict[str, int] = {}

    def answer(messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Message:
        words = messages[-1].content
        if words == "number 1" and failed.get(str(asyncio.current_task()), 0) < times:
            failed[str(asyncio.current_task())] = failed.get(str(asyncio.current_task()), 0) + 1
            raise ModelError("unavailable", "no answer")
        return Message("assistant", words)

    return answer


def test_what_failed_is_tried_again_from_its_last_turn(tmp_path: Path) -> None:
    (found,) = play([job(tmp_path, "a", failing(2), tasks=1)], concurrency=1)
    assert found[1].error is None
    assert found[1].reward() == 1.0
    assert [each.attempt for each in read_failures(tmp_path / "a")] == [0, 1]
    assert len(list(read_trajectories(tmp_path / "a"))) == 1


def test_what_failed_three_times_is_given_up_and_is_no_zero(tmp_path: Path) -> None:
    (found,) = play([job(tmp_path, "a", failing(9), tasks=1)], concurrency=1)
    assert found[1].error is not None
    assert found[1].reward() is None
    assert [each.attempt for each in read_failures(tmp_path / "a")] == [0, 1, 2]
    assert list(read_trajectories(tmp_path / "a")) == []
    assert play([job(tmp_path, "a", failing(9), tasks=1)]) == []


def test_concurrency_bounds_all_jobs_together(tmp_path: Path) -> None:
    live, most = 0, 0

    class Slow(FakeModel):
        async def reply(self, messages, tools, sampling):
            nonlocal live, most
            live += 1
            most = max(most, live)
            await asyncio.sleep(0.002)
            live -= 1
            return await super().reply(messages, tools, sampling)

    jobs = []
    for name in "abc":
        each = job(tmp_path, name, echo, tasks=6)
        each.cast = Cast(seat_model(Slow(echo)))
        jobs.append(each)
    assert len(play(jobs, concurrency=5)) == 18
    assert most == 5


def test_a_refused_key_ends_everything_at_once(tmp_path: Path) -> None:
    def refuse(messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Message:
        raise StopRun("the key was refused")

    with pytest.raises(StopRun, match="refused"):
        play([job(tmp_path, "a", refuse), job(tmp_path, "b")])
    assert list(read_failures(tmp_path / "a")) == []


def test_after_a_spent_budget_what_was_paid_for_is_kept(tmp_path: Path) -> None:
    calls = 0

    def until_spent(messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Message:
        nonlocal calls
        calls += 1
        if calls > 7:
            raise BudgetSpent("no more")
        return echo(messages, tools, sampling)

    with pytest.raises(BudgetSpent):
        play([job(tmp_path, "a", until_spent)], concurrency=2)
    assert len(list(read_trajectories(tmp_path / "a"))) == 2
    assert play([job(tmp_path, "a", echo)], concurrency=2)
    assert len(list(read_trajectories(tmp_path / "a"))) == 5


def test_two_tasks_with_one_id_are_refused(tmp_path: Path) -> None:
    each = job(tmp_path, "a")
    each.tasks = [Task("same", "counting"), Task("same", "counting", data={"n": 2})]
    with pytest.raises(ValueError, match="two tasks have the id 'same'"):
        play([each])
