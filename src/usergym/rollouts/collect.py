"""Many conversations at once: a fixed number of workers over a stream of tasks, in constant memory."""

from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import aclosing

from usergym.environments.base import Environment, JudgedInGroups
from usergym.rollouts.engine import Cast, begin, play
from usergym.rollouts.pool import worked
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
    last turn. StopRun and cancellation end it at once: the calls in flight are lost, and nothing else. After a spent
    budget they may still come in for a while, since they are paid for.
    """
    run = _Run(environment, cast, repeats, seed, store)

    async def work(item: tuple[Task, int]) -> list[Trajectory] | None:
        return await run.one(*item) or None

    async with aclosing(worked(run.samples(tasks), work, concurrency)) as groups:
        async for group in groups:
            yield group


class _Run:
    def __init__(self, environment: Environment, cast: Cast, repeats: int, seed: int, store: Store | None) -> None:
        self.environment = environment
        self.judged = environment if isinstance(environment, JudgedInGroups) else None
        self.cast = cast
        self.repeats = repeats
        self.seed = seed
        self.store = store
        self.groups: dict[str, list[Trajectory]] = {}
        self.missing: dict[str, int] = {}

    def samples(self, tasks: Iterable[Task]) -> Generator[tuple[Task, int], None, None]:
        for task in tasks:
            if not isinstance(task, Task):
                raise TypeError(f"{type(self.environment).__name__} gave {task!r:.80} as a task; it must be a Task")
            due = [n for n in range(self.repeats) if self.is_due(task, n)]
            if due and task.id in self.missing:
                raise ValueError(f"two tasks have the id {task.id!r}; every task needs an id of its own")
            if due:
                self.missing[task.id] = len(due)
                self.groups[task.id] = []
            for sample in due:
                yield task, sample

    def is_due(self, task: Task, sample: int) -> bool:
        store = self.store
        return store is None or not (store.is_finished(task, sample) or store.is_given_up(f"{task.id}#{sample}"))

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
            elif self.judged:
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
        if self.judged:
            sound = [member for member in group if not member.error]
            await self.judged.score_group(sound, self.cast.services.get("judge"))
            if self.store:
                for lost in (member for member in sound if member.error):
                    self.store.fail(lost, self.store.attempt(lost.id))
                self.store.finish(member for member in sound if not member.error)
        return group
