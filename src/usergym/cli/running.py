"""Runs a collection with progress on the terminal; Ctrl-C and a stop leave it resumable."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from usergym.environments.base import Environment
from usergym.models.base import Model, StopRun
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast
from usergym.rollouts.store import Store
from usergym.rows import kind_of
from usergym.types import Task, Trajectory

console = Console(stderr=True)
TOLD_EVERY = 15.0
"""Seconds between two lines of progress where there is no terminal for a bar."""


@dataclass
class Collection:
    """One run of conversations: what is played, by whom, and where it is kept."""

    environment: Environment
    tasks: Iterable[Task]
    cast: Cast
    store: Store
    models: tuple[Model, ...] = ()
    """Closed at the end."""
    repeats: int = 1
    seed: int = 0
    concurrency: int = 64
    total: int | None = None
    """Conversations, for the progress bar."""
    label: str = "conversations"

    def run(self, on_group: Callable[[list[Trajectory]], None] = lambda group: None) -> float:
        """Plays to the end, calling `on_group` with the samples of each task as they finish; seconds it took. On
        Ctrl-C says how to go on and exits 130; StopRun passes with the same advice."""
        started = time.monotonic()
        for note in self.store.notes:
            console.print(f"note: {note}")
        try:
            asyncio.run(self._collect(on_group))
        except KeyboardInterrupt:
            console.print(f"\ninterrupted: what was finished is in {self.store.folder}. {how_to_resume()}")
            sys.exit(130)
        except StopRun as error:
            advice = "" if "again" in str(error) else f"\n{how_to_resume()}"
            raise StopRun(f"{error}{advice}") from None
        finally:
            self.store.close()
        return time.monotonic() - started

    async def _collect(self, on_group: Callable[[list[Trajectory]], None]) -> None:
        with progress(self.label, self.total) as advance:
            groups = collect(
                self.environment,
                self.tasks,
                self.cast,
                repeats=self.repeats,
                seed=self.seed,
                concurrency=self.concurrency,
                store=self.store,
            )
            if self.total and self.store.finished:
                advance([], self.store.finished)
            try:
                async with aclosing(groups):
                    async for group in groups:
                        on_group(group)
                        advance(group, len(group))
            finally:
                for model in (*self.models, *self.environment.services.values()):
                    await model.close()


def how_to_resume() -> str:
    return "Run the same command again to go on from there."


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[list[Trajectory], int], None]]:
    """A bar with rate, running mean reward, failures and time left, on stderr; a line now and then on a pipe."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[mean]}"),
        TimeRemainingColumn(),
    )
    rewards: list[float] = [0.0, 0.0]
    failed = done = 0
    told = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal, refresh_per_second=4) as bar:
        task: TaskID = bar.add_task(label, total=total, rate="", mean="")

        def advance(group: list[Trajectory], count: int) -> None:
            nonlocal failed, done, told
            done += count
            for trajectory in group:
                failed += trajectory.error is not None
                if (reward := trajectory.reward()) is not None:
                    rewards[0] += reward
                    rewards[1] += 1
            mean = f"mean {rewards[0] / rewards[1]:.3f}" if rewards[1] else ""
            if failed:
                mean += f" · {failed} failed"
            speed = bar.tasks[0].speed
            bar.update(task, advance=count, mean=mean, rate=f"{speed:.1f}/s" if speed else "")
            if not console.is_terminal and time.monotonic() - told >= TOLD_EVERY:
                told = time.monotonic()
                of = "" if total is None else f" of {total:,}"
                line = ", ".join(filter(None, (f"{label}: {done:,}{of}", mean)))
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield advance


def check_writable(path: Path) -> None:
    """`path`'s folder is made, and what cannot be written is refused, before any work begins."""
    kind_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror}; give another --output") from error
