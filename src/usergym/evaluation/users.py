"""What models said as held-out people: who they were asked to be, and every reply as one text at one level."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from typing import Literal

from usergym.environments.people.contexts import Context
from usergym.environments.people.gym import People
from usergym.environments.people.rows import asked_of
from usergym.types import Record, Trajectory, stable_hash
from usergym.users.states.spec import LAST

Persona = Literal["own", "shuffled", "none"]
"""Whose persona was told: the person's, another's, nobody's."""
Play = Literal["asked", "spoken"]
"""`asked`: each level by the prompts of the mode. `spoken`: states first, then the words, in sight of them."""
CONSTANT = "constant"
"""Stands where a model would: one text for every context."""
MISSING = "missing"
"""Why a state is worth nothing that was to come before spoken words, and did not."""


class Source(Record, frozen=True, omit_defaults=False):
    """One model, told one kind of persona, asked in one way."""

    model: str
    persona: Persona = "own"
    play: Play = "asked"

    @property
    def name(self) -> str:
        return f"{self.model}, {self.persona}, {self.play}"


class Said(Record, frozen=True):
    """One text at one level, or why there is none."""

    source: Source
    level: str
    context: str
    user: str
    sample: int
    text: str = ""
    wrong: str = ""
    """The model's own doing, worth 0: format, truncated, empty, long, missing."""
    lost: str = ""
    """No reply was got, which is worth nothing known: unavailable, refused, ..."""

    @property
    def sound(self) -> bool:
        """There is a text to judge."""
        return not (self.wrong or self.lost)


def stratified(contexts: Sequence[Context], limit: int, seed: int = 0) -> list[Context]:
    """At most `limit` contexts, each person alike often as long as they have any left. A larger limit adds to a smaller
    one."""
    by_user: dict[str, list[Context]] = {}
    for context in sorted(contexts, key=lambda each: stable_hash("eval users", seed, each.id)):
        by_user.setdefault(context.user, []).append(context)
    users = sorted(by_user, key=lambda user: stable_hash("eval users", seed, user))
    rounds = zip_longest(*(by_user[user] for user in users))
    return list(islice((context for each in rounds for context in each if context is not None), limit))


def read_said(
    trajectories: Iterable[Trajectory],
    people: People,
    source: Source,
    contexts: Collection[str],
    repeats: int,
    thought: Sequence[str] = (),
) -> Iterator[Said]:
    """All texts of the replies to `contexts`, the first `repeats` of each. `thought`: the states that were to be
    written before spoken words."""
    for trajectory in trajectories:
        asked = asked_of(trajectory.task)
        if asked.context not in contexts or trajectory.sample >= repeats:
            continue
        levels = people.levels_of(asked.level)
        if trajectory.error is not None:
            for level in (*thought, *levels):
                yield Said(source, level, asked.context, asked.user, trajectory.sample, lost=str(trajectory.error.kind))
            continue
        reads = {read.level: (read.text, read.wrong) for read in people.reply_of(trajectory, levels)}
        if thought:
            held = {read.level: (read.text, read.wrong) for read in people.states_of(trajectory)}
            reads = {**{level: held.get(level, ("", MISSING)) for level in thought}, **reads}
        for level, (text, wrong) in reads.items():
            kind = "" if not wrong else wrong.partition(":")[0]
            yield Said(source, level, asked.context, asked.user, trajectory.sample, text, kind)


def thought_of(people: People) -> tuple[str, ...]:
    """The states of a hierarchy that come before its words."""
    return tuple(level.name for level in people.hierarchy.judged if level.name != LAST)


def short(names: Sequence[str]) -> dict[str, str]:
    """Each name by its last parts, as many as tell it from the others."""
    parts = {name: name.rstrip("/").split("/") for name in names}
    made = {}
    for name, own in parts.items():
        others = [each for other, each in parts.items() if other != name]
        count = next((n for n in range(1, len(own)) if all(each[-n:] != own[-n:] for each in others)), len(own))
        made[name] = "/".join(own[-count:])
    return made
