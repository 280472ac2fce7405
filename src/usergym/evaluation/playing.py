"""Several environments and models at once: one pool of workers, a folder for each pair, failures tried again."""

from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from usergym.environments.base import Environment, JudgedInGroups
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast, begin, play
from usergym.rollouts.pool import worked
from usergym.rollouts.store import ATTEMPTS, Store
from usergym.types import Task, Trajectory


@dataclass
class Job:
    """One model in one environment."""

    model: str
    env: str
    """The name it is evaluated under."""
    environment: Environment
    tasks: Iterable[Task]
    cast: Cast
    store: Store


Played = tuple[Job, list[Trajectory]]


async def play_all(
    jobs: Sequence[Job], *, repeats: int = 1, seed: int = 0, concurrency: int = 64
) -> AsyncGenerator[Played, None]:
    """Plays all tasks of all jobs, in turns, so that no environment waits for another, and yields what is new as it
    finishes.

    What failed is tried again at once, three times in all; what the stores hold as finished is skipped. StopRun ends
    it at once; after a spent budget the calls in flight are waited for, since they are paid for.
    """

    async def work(item: tuple[Job, Task, int | None]) -> Played:
        job, task, sample = item
        return job, await _played(job, task, sample, repeats, seed)

    async with aclosing(worked(_Pending(jobs, repeats), work, concurrency)) as made:
        async for played in made:
            yield played


class _Pending(Iterator[tuple[Job, Task, int | None]]):
    """What is to be played next: a sample of each job in turn. A task without a sample number is one whose samples are
    judged against each other, and played together."""

    def __init__(self, jobs: Sequence[Job], repeats: int) -> None:
        self.waiting = deque((job, self.samples(job, repeats)) for job in jobs)

    def close(self) -> None:
        self.waiting.clear()

    def __next__(self) -> tuple[Job, Task, int | None]:
        while self.waiting:
            job, samples = self.waiting.popleft()
            for task, sample in samples:
                self.waiting.append((job, samples))
                return job, task, sample
        raise StopIteration

    @staticmethod
    def samples(job: Job, repeats: int) -> Iterator[tuple[Task, int | None]]:
        together = isinstance(job.environment, JudgedInGroups)
        seen: set[str] = set()
        for task in job.tasks:
            if task.id in seen:
                raise ValueError(f"{job.env}: two tasks have the id {task.id!r}; every task needs an id of its own")
            seen.add(task.id)
            due = [n for n in range(repeats) if not _is_done(job.store, task, n)]
            yield from ((task, sample) for sample in ((None,) if together and due else due))


def _is_done(store: Store, task: Task, sample: int) -> bool:
    return store.is_finished(task, sample) or store.is_given_up(f"{task.id}#{sample}")


async def _played(job: Job, task: Task, sample: int | None, repeats: int, seed: int) -> list[Trajectory]:
    if sample is not None:
        return [await _sample(job, task, sample, seed)]
    groups = collect(job.environment, [task], job.cast, repeats=repeats, seed=seed, concurrency=1, store=job.store)
    return [trajectory async for group in groups for trajectory in group]


async def _sample(job: Job, task: Task, sample: int, seed: int) -> Trajectory:
    """A conversation that failed goes on from its last turn."""
    store = job.store
    trajectory = begin(task, sample, seed)
    past, ending = store.past(trajectory)
    for attempt in range(store.attempt(trajectory.id), ATTEMPTS):
        if attempt and past and trajectory.error:
            store.began(trajectory, past)
        await play(job.environment, trajectory, job.cast, past=past, ending=ending, attempt=attempt, journal=store)
        if trajectory.error is None:
            store.finish([trajectory])
            break
        store.fail(trajectory, attempt)
        past, ending = list(trajectory.turns) or None, None
    return trajectory
