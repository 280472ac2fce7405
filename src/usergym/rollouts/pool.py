"""A fixed number of workers over a stream of work, which hand over what they made as it is made."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from usergym.models.base import BudgetSpent

GRACE_SECONDS = 30.0

Item = TypeVar("Item", covariant=True)
Work = TypeVar("Work")
Made = TypeVar("Made")


class Stream(Protocol[Item]):
    """A generator, or whatever else can be told that nothing more is wanted."""

    def __iter__(self) -> Iterator[Item]: ...

    def close(self) -> None: ...


async def worked(
    stream: Stream[Work], work: Callable[[Work], Awaitable[Made | None]], concurrency: int
) -> AsyncGenerator[Made, None]:
    """What `work` makes of each item, None left out. An exception ends it at once: what is in flight is lost. After a
    spent budget it may still come in (for GRACE_SECONDS between two), since it is paid for."""
    done: asyncio.Queue[tuple[Made] | BaseException | None] = asyncio.Queue(maxsize=concurrency)

    async def run() -> None:
        try:
            for item in stream:
                made = await work(item)
                if made is not None:
                    await done.put((made,))
        except BaseException as error:
            await done.put(error)
            raise
        await done.put(None)

    workers = [asyncio.create_task(run()) for _ in range(concurrency)]
    working = concurrency
    stopped: BudgetSpent | None = None
    try:
        with _fewer_collections():
            while working:
                try:
                    async with asyncio.timeout(GRACE_SECONDS if stopped else None):
                        outcome = await done.get()
                except TimeoutError:
                    break
                if isinstance(outcome, tuple):
                    yield outcome[0]
                elif outcome is None:
                    working -= 1
                elif isinstance(outcome, BudgetSpent):
                    working -= 1
                    stopped = stopped or outcome
                    stream.close()
                else:
                    raise outcome
    finally:
        for worker in workers:
            worker.cancel()
        while not done.empty():
            done.get_nowait()
        await asyncio.gather(*workers, return_exceptions=True)
    if stopped:
        raise stopped


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Thousands of live conversations make each full garbage collection long, and their churn makes it frequent;
    what dies here dies by its reference count."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
