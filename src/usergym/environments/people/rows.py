"""Tasks: what is asked for in each context, in the order in which it is trained."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from random import Random
from typing import Any

import msgspec

from usergym.environments.base import RowError, read_task
from usergym.environments.people.contexts import RESPONSE, Context, context_of, of_split
from usergym.environments.people.words import words
from usergym.types import Message, Task, Turn, is_blank, stable_hash
from usergym.users.states.prompting import transcript

NAME = "people"
ALL = "all"
"""In place of a level: every level in one reply."""


STRANGERS = 8
"""Texts of others that a decoy is chosen from."""


class Asked(msgspec.Struct, frozen=True):
    """What a task's data holds."""

    level: str
    persona: str
    truth: dict[str, str]
    user: str
    post: str
    context: str
    decoy: str = ""
    """What somebody else wrote about something else, in other words."""


def tasks(
    contexts: Sequence[Context], levels: Sequence[str], *, in_order: int, persona: str, split: str | None, seed: int
) -> Iterator[Task]:
    """Each context with each level, once. With `in_order`, so many contexts have all their levels one after the other,
    each level of all of them before the next, so that what was found at one can be built on; else all are mixed."""
    order = list(of_split(contexts, split))
    Random(stable_hash(NAME, split, seed)).shuffle(order)
    told = personas(order if len({context.user for context in order}) > 1 else contexts, persona)
    if in_order:
        stream = iter(order)
        while block := list(islice(stream, in_order)):
            for level in levels:
                yield from (_task(context, level, told[context.user], order, seed) for context in block)
        return
    pairs = [(context, level) for context in order for level in levels]
    Random(stable_hash(NAME, split, seed, "levels")).shuffle(pairs)
    yield from (_task(context, level, told[context.user], order, seed) for context, level in pairs)


def personas(contexts: Sequence[Context], which: str) -> Mapping[str, str]:
    """Of each person: their own, that of another person (a control: it should not help), or none."""
    own = {context.user: context.persona for context in contexts}
    if which == "own":
        return own
    if which == "none":
        return dict.fromkeys(own, "")
    if len(own) < 2:
        raise ValueError(
            "persona=shuffled needs another person's persona, and there is one person; give more people, or another "
            "persona"
        )
    people = sorted(own, key=lambda user: stable_hash("shuffled", user))
    return {user: own[people[(place + 1) % len(people)]] for place, user in enumerate(people)}


def _task(context: Context, level: str, persona: str, others: Sequence[Context], seed: int) -> Task:
    asked = Asked(
        level,
        persona,
        context.truth,
        context.user,
        context.post,
        context.id,
        _decoy(context, level, others),
    )
    opening = (Turn("user", Message("assistant", transcript(context.thread))),)
    key = f"{NAME}-{seed}-{context.id}-{level}"
    return Task(key, NAME, context.group, opening, msgspec.to_builtins(asked), split=context.split)


def _decoy(context: Context, level: str, others: Sequence[Context]) -> str:
    """Of some by other people about other things, that which has the fewest words of the truth; none that says the
    same."""
    draw = Random(stable_hash(context.id, level, "decoy"))
    truth = set(words(truth_of(context.truth, level)))
    found: dict[str, float] = {}
    for each in draw.sample(others, min(STRANGERS, len(others))):
        text = truth_of(each.truth, level)
        own = set(words(text))
        if each.user != context.user and each.post != context.post and own != truth:
            found[text] = len(own & truth) / max(1, len(own | truth))
    return min(found, key=found.__getitem__, default="")


def truth_of(truth: Mapping[str, str], level: str) -> str:
    """Of a level whose state is not known the truth is in what was written."""
    known = truth.get(level, "")
    return truth[RESPONSE] if is_blank(known) else known


def read(row: Any, levels: Sequence[str]) -> Task:
    """A task of ours, or a row of people's words, which then is asked for the last level."""
    if not isinstance(row, Mapping):
        raise RowError("row", "an object", row)
    if "env" not in row:
        context = context_of(row, "row")
        return _task(context, levels[-1], context.persona, [context], 0)
    task = read_task(row)
    if task.env != NAME:
        raise RowError("env", NAME, task.env)
    asked_of(task)
    if not task.opening:
        raise RowError("opening", "the thread, as what the user said", [])
    return task


def asked_of(task: Task) -> Asked:
    try:
        asked = msgspec.convert(task.data, Asked)
    except msgspec.ValidationError as error:
        raise RowError("data", f"what a person is asked for ({error})", task.data) from None
    if is_blank(asked.truth.get(RESPONSE, "")):
        raise RowError("data.truth.response", "what the person wrote", asked.truth)
    return asked
