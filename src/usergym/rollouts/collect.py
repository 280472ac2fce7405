"""Many conversations at once: a fixed number of workers over a stream of tasks, in constant memory."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator

from usergym.environments.base import Environment, JudgedInGroups
from usergym.rollouts.engine import Cast, begin, play
from usergym.rollouts.store import Store
from usergym.types import Task, Trajectory


async def collect(
    environment: Environment,
    tasks: Iterable[Task],
    cast: Cast,
    *,
    repeats: int = 1,
    seed: int = 0,
    concurrency: int = 64,
    store: Store | None = None,
) -> AsyncGenerator[list[Trajectory], None]:
    """Plays every task `repeats` times and yields the samples of one task together, as they finish.

    With a store, what it holds as finished is skipped and not yielded, and what was begun goes on from its
    last turn. StopRun and cancellation end it at once; the calls in flight are lost, and nothing else.
    """
    run = _Run(environment, cast, repeats, seed, store)
    pending = run.samples(tasks)
    done: asyncio.Queue[list[Trajectory]] = asyncio.Queue(maxsize=concurrency)

    async def work() -> None:
        for task, sample in pending:
            if group := await run.one(task, sample):
                await done.put(group)

    workers = [asyncio.create_task(work()) for _ in range(concurrency)]
    everybody = asyncio.gather(*workers)
    try:
        while not (everybody.done() and done.empty()):
            get = asyncio.ensure_future(done.get())
            await asyncio.wait((get, everybody), return_when=asyncio.FIRST_COMPLETED)
            if get.done():
                yield get.result()
            else:
                get.cancel()
                everybody.result()
        everybody.result()
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        if everybody.done() and not everybody.cancelled():
            everybody.exception()  # seen, so that it is not reported again when collected


class _Run:
    def __init__(self, environment: Environment, cast: Cast, repeats: int, seed: int, store: Store | None) -> None:
        self.environment = environment
        self.cast = cast
        self.repeats = repeats
        self.seed = seed
        self.store = store
        self.groups: dict[str, list[Trajectory]] = {}
        self.missing: dict[str, int] = {}

    def samples(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, int]]:
        for task in tasks:
            due = [n for n in range(self.repeats) if self.is_due(f"{task.id}#{n}")]
            if due:
                self.missing[task.id] = len(due)
                self.groups[task.id] = []
            for sample in due:
                yield task, sample

    def is_due(self, trajectory_id: str) -> bool:
        store = self.store
        return store is None or not (store.is_finished(trajectory_id) or store.is_given_up(trajectory_id))

    async def one(self, task: Task, sample: int) -> list[Trajectory]:
        """Plays one sample; the whole group of its task once it is the last of it."""
        trajectory = begin(task, sample, self.seed)
        store = self.store
        if store is None:
            await play(self.environment, trajectory, self.cast)
        else:
            past, ending = store.past(trajectory)
            attempt = store.attempt(trajectory.id)
            await play(
                self.environment, trajectory, self.cast, past=past, ending=ending, attempt=attempt, journal=store
            )
            if trajectory.error:
                store.fail(trajectory, attempt)
            elif isinstance(self.environment, JudgedInGroups):
                store.ended(trajectory)
            else:
                store.finish([trajectory])
        return await self.joined(trajectory)

    async def joined(self, trajectory: Trajectory) -> list[Trajectory]:
        key = trajectory.task.id
        group = self.groups[key]
        group.append(trajectory)
        self.missing[key] -= 1
        if self.missing[key]:
            return []
        del self.groups[key], self.missing[key]
        group.sort(key=lambda member: member.sample)
        if isinstance(self.environment, JudgedInGroups):
            sound = [member for member in group if not member.error]
            await self.environment.score_group(sound, self.cast.services.get("judge"))
            if self.store:
                self.store.finish(sound)
        return group
