"""Can a calendar satisfy an expected state, and how: exact, by dynamic programming over sets of events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from usergym.environments.calendar.grading import Wanted


@dataclass(frozen=True, slots=True)
class Job:
    """An event to be placed: its start in [release, deadline - duration]. Minutes."""

    duration: int
    release: int
    deadline: int


def job(event: Wanted) -> Job:
    limits = event.constraint
    if limits is None:
        return Job(event.duration, event.earliest, event.latest)
    if limits.at is not None:
        release = max(event.earliest, limits.at)
        return Job(event.duration, release, min(event.latest, limits.at + event.duration))
    return Job(event.duration, max(event.earliest, limits.earliest), min(event.latest, limits.latest_end))


def solve(jobs: Sequence[Job]) -> list[int] | None:
    """A start for each job so that no two overlap, or None where there is none.

    Of all orders of a set of jobs only the one that ends earliest matters for those that follow, so the search
    is over sets and not over orders: exact, at most 2^n sets, and far fewer as every job that can no longer be
    placed in time cuts its set off.
    """
    if any(one.release + one.duration > one.deadline for one in jobs):
        return None
    everything = (1 << len(jobs)) - 1
    hopeless: dict[int, int] = {}
    """Set of jobs left -> the earliest time from which they were found not to fit."""

    def place(left: int, now: int) -> list[tuple[int, int]] | None:
        if not left:
            return []
        if hopeless.get(left, now + 1) <= now:
            return None
        waiting = [index for index in range(len(jobs)) if left >> index & 1]
        latest = min(max(now, jobs[index].release) + jobs[index].duration for index in waiting)
        fits = all(max(now, jobs[index].release) + jobs[index].duration <= jobs[index].deadline for index in waiting)
        if fits and _enough_time(jobs, waiting, now):
            waiting.sort(key=lambda index: (jobs[index].deadline, jobs[index].release))
            for index in waiting:
                start = max(now, jobs[index].release)
                if start >= latest:  # another could be over before this begins
                    continue
                after = place(left & ~(1 << index), start + jobs[index].duration)
                if after is not None:
                    return [(index, start), *after]
        hopeless[left] = now
        return None

    placed = place(everything, min((one.release for one in jobs), default=0))
    return None if placed is None else [start for _, start in sorted(placed)]


def _enough_time(jobs: Sequence[Job], waiting: Sequence[int], now: int) -> bool:
    """Whether the work due by each deadline fits before it, releases aside."""
    time = now
    for index in sorted(waiting, key=lambda index: jobs[index].deadline):
        time += jobs[index].duration
        if time > jobs[index].deadline:
            return False
    return True


def plan(wanted: Mapping[str, Wanted], before: Mapping[str, int] | None = None) -> dict[str, int] | None:
    """Event id -> start in minutes, or None where no calendar satisfies all. Events stay where they are in
    `before` if the others find room around them."""
    if before:
        jobs = []
        for key, event in wanted.items():
            start = before.get(key)
            if start is not None and fits(event, start):
                jobs.append(Job(event.duration, start, start + event.duration))
            else:
                jobs.append(job(event))
        if starts := _solved(tuple(jobs)):
            return dict(zip(wanted, starts, strict=True))
    starts = _solved(tuple(map(job, wanted.values())))
    return None if starts is None else dict(zip(wanted, starts, strict=True))


def fits(event: Wanted, start: int) -> bool:
    """Whether the event may start then, other events aside."""
    its = job(event)
    return its.release <= start and start + its.duration <= its.deadline


@lru_cache(maxsize=1024)
def _solved(jobs: tuple[Job, ...]) -> tuple[int, ...] | None:
    starts = solve(jobs)
    return None if starts is None else tuple(starts)
