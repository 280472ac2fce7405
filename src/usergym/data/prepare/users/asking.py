"""Questions to a model whose answer must pass a check: asked again with another draw, and named where it never does."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from usergym.models.base import Model, ModelError
from usergym.types import Message, Sampling, Usage

T = TypeVar("T")
K = TypeVar("K")
ATTEMPTS = 3


class Refused(ValueError):
    """An answer that does not pass, in a few words that are counted."""


@dataclass
class Tally:
    """What became of the questions."""

    answered: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Answers that did not pass, by why; one question may have several."""
    failed: Counter[str] = field(default_factory=Counter)
    """Questions that have no answer, by the last reason."""
    usage: Usage = field(default_factory=Usage)


async def ask(
    model: Model, messages: Sequence[Message], sampling: Sampling, check: Callable[[str], T], tally: Tally
) -> T | None:
    """What `check` makes of the answer; None where three attempts had none that passes, or the call failed.

    Every attempt is another draw, so that a cache of replies does not give the refused one again.
    """
    why = ""
    for attempt in range(ATTEMPTS):
        drawn = msgspec.structs.replace(sampling, seed=attempt)
        try:
            reply = await model.reply(messages, (), drawn)
        except ModelError as error:
            tally.failed[f"{error.kind}"] += 1
            return None
        tally.usage += reply.usage
        try:
            if reply.finish != "stop":
                raise Refused("cut off" if reply.finish == "length" else "filtered")
            answer = check(reply.message.content)
        except Refused as error:
            why = str(error)
            tally.refused[why] += 1
            continue
        tally.answered += 1
        return answer
    tally.failed[why] += 1
    return None


async def each(
    things: Iterable[K], work: Callable[[K], Awaitable[T]], at_once: int, done: Callable[[], None]
) -> dict[K, T]:
    """`work` of all things, so many at once; `done` is called as they finish. The first error ends it."""
    results: dict[K, T] = {}
    waiting = iter(things)

    async def worker() -> None:
        for thing in waiting:
            results[thing] = await work(thing)
            done()

    workers = [asyncio.create_task(worker()) for _ in range(at_once)]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return results
