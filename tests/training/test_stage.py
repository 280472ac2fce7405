"""Conversations that are played while one thread generates for all of them."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from usergym.models.base import Reply, StopRun
from usergym.training.policy import Sample, Sampled
from usergym.training.stage import Conversation, Stage
from usergym.types import Message, Task, Trajectory


def talk(name: str, turns: int, waits: float = 0.0, fails: BaseException | None = None) -> Conversation:
    """Asks for `turns` replies; its user needs `waits` seconds before each, and fails before the last."""

    async def conversation(sample: Sample) -> Trajectory:
        trajectory = Trajectory(Task(name, "stage"), 0, 0)
        prompt = [len(name)]
        for turn in range(turns):
            await asyncio.sleep(waits)
            if fails and turn == turns - 1:
                raise fails
            prompt += (await sample(prompt)).ids
        trajectory.stop = ",".join(map(str, prompt))
        return trajectory

    return conversation


class Echo:
    """Continues every prompt by its length; keeps what it was asked, and by which thread."""

    def __init__(self) -> None:
        self.batches: list[list[list[int]]] = []
        self.threads: set[int] = set()

    def __call__(self, prompts: list[list[int]]) -> Sequence[Sampled]:
        self.batches.append([list(prompt) for prompt in prompts])
        self.threads.add(threading.get_ident())
        return [Sampled([len(prompt)]) for prompt in prompts]


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage(patience=60)
    yield made
    made.close()


def test_replies_that_wait_at_the_same_time_are_generated_together_and_go_back_to_their_owners(stage: Stage) -> None:
    echo = Echo()
    made = stage.play([talk("a", 3), talk("bb", 1), talk("ccc", 2)], echo)
    assert [(each.task.id, each.stop) for each in made] == [("a", "1,1,2,3"), ("bb", "2,1"), ("ccc", "3,1,2")]
    assert [len(batch) for batch in echo.batches] == [3, 2, 1]
    assert (stage.times.rounds, stage.times.prompts) == (3, 6)
    assert echo.threads == {threading.get_ident()}, "a model is not asked from two threads"
    assert stage.play([], echo) == []
    assert stage.play([talk("a", 1)], echo)[0].stop == "1,1", "a stage is used again and again"


def test_a_slow_user_holds_up_only_their_own_conversation() -> None:
    stage, echo = Stage(patience=0.05), Echo()
    finished: dict[str, float] = {}

    def noted(name: str, turns: int, waits: float = 0.0) -> Conversation:
        inner = talk(name, turns, waits)

        async def conversation(sample: Sample) -> Trajectory:
            made = await inner(sample)
            finished[name] = time.monotonic() - started
            return made

        return conversation

    started = time.monotonic()
    stage.play([noted("slow", 1, waits=1.5), *(noted(f"quick {each}", 4) for each in range(3))], echo)
    stage.close()
    assert max(finished[f"quick {each}"] for each in range(3)) < 1.2 < finished["slow"]
    assert [len(batch) for batch in echo.batches] == [3, 3, 3, 3, 1]


def test_a_user_who_stops_the_run_ends_all_conversations_and_leaves_an_empty_stage(stage: Stage) -> None:
    stage.patience, echo = 0.05, Echo()
    with pytest.raises(StopRun, match="no key"):
        stage.play([talk("a", 2, fails=StopRun("no key")), talk("bb", 10**6), talk("ccc", 1, waits=30)], echo)
    echo.batches.clear()
    stage.patience = 60
    assert stage.play([talk("dd", 2)], echo)[0].stop == "2,1,2"
    assert echo.batches == [[[2]], [[2, 1]]]


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyboardInterrupt()])
def test_what_goes_wrong_in_generation_passes_and_nothing_is_left_running(stage: Stage, error: BaseException) -> None:
    def fails(prompts: list[list[int]]) -> Sequence[Sampled]:
        raise error

    stage.patience, started = 0.05, time.monotonic()
    with pytest.raises(type(error)):
        stage.play([talk("a", 1), talk("bb", 1, waits=30)], fails)
    assert stage.play([talk("c", 1)], Echo())[0].stop == "1,1"
    assert time.monotonic() - started < 5


def test_a_process_that_is_done_generates_along_with_the_others_until_they_are(stage: Stage) -> None:
    echo, rounds = Echo(), iter([2, 2, 1, 3, 0])
    made = stage.play([talk("a", 2)], echo, lambda waiting: next(rounds), filler=[7])
    assert made[0].stop == "1,1,2"
    assert echo.batches == [[[1], [7]], [[1, 1], [7]], [[7]], [[7], [7], [7]]]


def test_models_are_closed_where_they_were_used() -> None:
    class Closing:
        name = "closing"
        loop: object = None

        async def reply(self, messages: object, tools: object, sampling: object) -> Reply:
            self.loop = asyncio.get_running_loop()
            return Reply(Message("assistant", "yes"))

        async def close(self) -> None:
            assert asyncio.get_running_loop() is self.loop
            self.loop = "closed"

    model = Closing()

    async def asks(sample: Sample) -> Trajectory:
        await model.reply((), (), None)
        return Trajectory(Task("a", "stage"), 0, 0)

    stage = Stage([model])
    stage.play([asks], Echo())
    stage.close()
    stage.close()
    assert model.loop == "closed"
