"""The best states so far, for each context: what a level is conditioned on while a person is learned."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import msgspec

from usergym.types import Record, is_blank

VERSION = 1
NEAR = 0.1
"""What is worse than the best by more is not built on."""


class Prefix(Record, frozen=True):
    """States in the order of their levels, each generated behind those before it."""

    states: dict[str, str]
    score: float
    """The mean over its states, from 0 to 1."""
    step: int
    """Of the training run, when its last state was generated; before 0: in a run before it."""


class Offer(Record, frozen=True):
    """What was generated at a level of a context behind a prefix, and what it earned."""

    context: str
    level: str
    before: Prefix | None
    said: str
    score: float


class Saved(Record, frozen=True):
    """The file."""

    version: int
    step: int
    prefixes: dict[str, dict[str, list[Prefix]]]


class Reservoir:
    """At most `size` prefixes for each context and depth, the best and what comes near it. One that is older than
    `max_age` steps (0: at any age) is of a policy that is no more, and is dropped. At most `contexts` contexts, the
    latest."""

    def __init__(self, size: int = 2, max_age: int = 0, contexts: int = 100_000) -> None:
        if size < 1 or contexts < 1 or max_age < 0:
            raise ValueError(
                f"reservoir: size={size}, contexts={contexts}, max_age={max_age}: expected 1 or more, "
                "for an age 0 or more"
            )
        self.size = size
        self.max_age = max_age
        self.contexts = contexts
        self.step = 0
        self._found: dict[str, dict[str, list[Prefix]]] = {}
        self._waiting: list[Offer] | None = None

    def __len__(self) -> int:
        return sum(len(prefixes) for levels in self._found.values() for prefixes in levels.values())

    def offer(self, offer: Offer) -> None:
        """What is worth nothing is not kept."""
        if is_blank(offer.said) or offer.score <= 0:
            return
        if self._waiting is None:
            self._keep(offer)
        else:
            self._waiting.append(offer)

    @contextmanager
    def waiting(self) -> Iterator[list[Offer]]:
        """Within, offers only gather in the list, so that nothing hangs on which came first; nothing is kept of them
        unless they are offered again."""
        self._waiting = []
        try:
            yield self._waiting
        finally:
            self._waiting = None

    def _keep(self, offer: Offer) -> None:
        before, context, level = offer.before, offer.context, offer.level
        held = before.states if before else {}
        states = {**held, level: offer.said}
        earned = before.score * len(held) if before else 0.0
        prefix = Prefix(states, (earned + offer.score) / len(states), self.step)
        levels = self._found.pop(context, {})
        self._found[context] = levels  # the latest is the last
        kept = [each for each in levels.get(level, []) if each.states != states and self._fresh(each)]
        kept.append(prefix)
        kept.sort(key=lambda each: (-each.score, -each.step, tuple(each.states.values())))
        levels[level] = [each for each in kept[: self.size] if each.score >= kept[0].score - NEAR]
        while len(self._found) > self.contexts:
            del self._found[next(iter(self._found))]

    def draw(self, context: str, before: Sequence[str], seed: int) -> Prefix | None:
        """One of the prefixes that end with the last of the levels `before` that has any; None without one. The same
        for the same seed."""
        levels = self._found.get(context, {})
        for level in reversed(before):
            if fresh := [each for each in levels.get(level, []) if self._fresh(each)]:
                return Random(seed).choice(fresh)
        return None

    def _fresh(self, prefix: Prefix) -> bool:
        return not self.max_age or self.step - prefix.step <= self.max_age

    def ages(self) -> Iterator[int]:
        """Of all prefixes, in steps."""
        return (self.step - each.step for levels in self._found.values() for kept in levels.values() for each in kept)

    def save(self, path: Path) -> None:
        """JSON, whole or not at all."""
        draft = path.with_suffix(".tmp")
        draft.write_bytes(msgspec.json.encode(Saved(VERSION, self.step, self._found)))
        draft.replace(path)

    def restore(self, path: Path, check: Callable[[str, str, Prefix], None] | None = None) -> None:
        """What `save` wrote. `check` is given context, level and prefix of each, and raises ValueError for one that
        cannot be built on. ValueError names a file that is not one of ours."""
        try:
            saved = msgspec.json.decode(path.read_bytes(), type=Saved)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{path} holds no prefixes ({error}); remove it, and the run goes on without them"
            ) from None
        if saved.version != VERSION:
            raise ValueError(f"{path} is of version {saved.version}, and this is {VERSION}; remove it to go on")
        try:
            for context, level, each in _each(saved):
                _check(each, level, saved.step)
                if check:
                    check(context, level, each)
        except ValueError as error:
            raise ValueError(f"{path} cannot be built on: {error}; give the one of this run, or remove it") from None
        self.step = saved.step
        self._found = {
            context: {level: kept[: self.size] for level, kept in levels.items()}
            for context, levels in saved.prefixes.items()
        }

    def begin_with(self, path: Path, check: Callable[[str, str, Prefix], None] | None = None) -> None:
        """What `save` wrote in another run, at step 0 of this one: as old as it was there. ValueError as `restore`."""
        self.restore(path, check)
        ended, self.step = self.step, 0
        for levels in self._found.values():
            for level, kept in levels.items():
                levels[level] = [msgspec.structs.replace(each, step=each.step - ended) for each in kept]


def _each(saved: Saved) -> Iterator[tuple[str, str, Prefix]]:
    for context, levels in saved.prefixes.items():
        for level, prefixes in levels.items():
            yield from ((context, level, each) for each in prefixes)


def _check(prefix: Prefix, level: str, step: int) -> None:
    """ValueError for what `Reservoir` never holds."""
    if not prefix.states or level != list(prefix.states)[-1]:
        raise ValueError(f"states for {level!r} are {prefix.states!r:.80}, and must end with it")
    if empty := [name for name, text in prefix.states.items() if is_blank(text)]:
        raise ValueError(f"the state {empty[0]!r} is empty")
    if not 0 < prefix.score <= 1:
        raise ValueError(f"the score {prefix.score:g} of {prefix.states!r:.80} is not above 0 and at most 1")
    if prefix.step > step:
        raise ValueError(f"the step {prefix.step:,} is after the last one, {step:,}")
