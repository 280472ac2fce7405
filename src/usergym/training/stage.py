"""Where conversations are played while a model is trained: users, tools and judges run on an event loop in a thread of
its own, and the replies that wait at the same time are generated together by the caller's thread."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from usergym.models.base import Model
from usergym.training.policy import Sample, Sampled
from usergym.types import Trajectory

PATIENCE_SECONDS = 1.0

Generate = Callable[[list[list[int]]], Sequence[Sampled]]
"""Continues a batch of prompts."""

Conversation = Callable[[Sample], Awaitable[Trajectory]]


class Agree(Protocol):
    def __call__(self, waiting: int) -> int:
        """How many prompts every process generates in this round, given how many wait in this one; 0 when no process
        has anything left."""
        ...


def alone(waiting: int) -> int:
    return waiting


@dataclass
class Times:
    """Seconds of the caller's thread."""

    generation: float = 0.0
    waiting: float = 0.0
    """For users, tools and judges."""
    rounds: int = 0
    prompts: int = 0


@dataclass
class _Round:
    waiting: list[tuple[list[int], "asyncio.Future[Sampled]"]] = field(default_factory=list)
    since: float = 0.0


class Stage:
    """`patience`: seconds that replies wait for more to come before they are generated without the rest; a simulated
    user that is slow then holds up its own conversation only."""

    def __init__(self, models: Sequence[Model] = (), patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        self.models = models
        self.times = Times()
        self._changed = threading.Condition()
        self._round = _Round()
        self._live = 0
        self._tasks: list[asyncio.Task[Trajectory]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="usergym stage", daemon=True)
        self._thread.start()

    def play(
        self,
        conversations: Sequence[Conversation],
        generate: Generate,
        agree: Agree = alone,
        filler: Sequence[int] = (),
    ) -> list[Trajectory]:
        """Plays all of them to their ends. `generate` is called in this thread, with `filler` as a prompt where
        another process has more to generate. StopRun and the exceptions of `generate` pass, with nothing left
        running."""
        self._live = len(conversations)
        playing = asyncio.run_coroutine_threadsafe(self._play(conversations), self._loop)
        try:
            while size := agree(len(batch := self._next(playing))):
                prompts = [prompt for prompt, _ in batch]
                started = time.perf_counter()
                made = generate(prompts + [list(filler)] * (size - len(batch)))
                self.times.generation += time.perf_counter() - started
                self.times.rounds += 1
                self.times.prompts += len(batch)
                self._loop.call_soon_threadsafe(_deliver, batch, made[: len(batch)])
            return playing.result()
        except BaseException:
            playing.cancel()
            self._settle()
            raise

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` where the conversations were played: models belong to that loop."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Closes the models and ends the thread."""
        if self._loop.is_closed():
            return

        async def close() -> None:
            for model in self.models:
                await model.close()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(timeout=60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _play(self, conversations: Sequence[Conversation]) -> list[Trajectory]:
        async def one(conversation: Conversation) -> Trajectory:
            try:
                return await conversation(self._sample)
            finally:
                with self._changed:
                    self._live -= 1
                    self._changed.notify()

        self._tasks = [asyncio.create_task(one(conversation)) for conversation in conversations]
        try:
            return await asyncio.gather(*self._tasks)
        finally:
            await self._cancelled()

    async def _cancelled(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _sample(self, prompt: list[int]) -> Sampled:
        future: asyncio.Future[Sampled] = self._loop.create_future()
        with self._changed:
            if not self._round.waiting:
                self._round.since = time.monotonic()
            self._round.waiting.append((prompt, future))
            self._changed.notify()
        return await future

    def _next(self, playing: "Future[list[Trajectory]]") -> list[tuple[list[int], "asyncio.Future[Sampled]"]]:
        """The replies of the next round, oldest first; none once every conversation has ended."""
        started = time.perf_counter()
        with self._changed:
            while not self._ready(playing):
                left = self._round.since + self.patience - time.monotonic() if self._round.waiting else None
                self._changed.wait(0.5 if left is None else max(0.001, left))
            batch, self._round = self._round.waiting, _Round()
        self.times.waiting += time.perf_counter() - started
        return batch

    def _ready(self, playing: "Future[list[Trajectory]]") -> bool:
        if playing.done() or not self._live:
            return True
        waiting = self._round.waiting
        return bool(waiting) and (len(waiting) >= self._live or time.monotonic() >= self._round.since + self.patience)

    def _settle(self) -> None:
        """Lets what was cancelled end, so that the next play finds an empty stage."""
        asyncio.run_coroutine_threadsafe(self._cancelled(), self._loop).result(timeout=60)
        self._round = _Round()


def _deliver(batch: Sequence[tuple[list[int], "asyncio.Future[Sampled]"]], made: Sequence[Sampled]) -> None:
    for (_, future), sampled in zip(batch, made, strict=True):
        if not future.done():
            future.set_result(sampled)
