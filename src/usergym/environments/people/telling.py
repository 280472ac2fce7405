"""A raw row as it is told: the thread, in which the person is HUMAN, and their words; and the rules by which a row
teaches nothing. What is prepared and what is trained on keep the same rules."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from usergym.environments.people.raw import Line
from usergym.types import is_blank
from usergym.users.states.speaking import HUMAN

Thread = tuple[tuple[str, str], ...]
"""Names and words, in order; the person is HUMAN."""
AUTHORS = ("author",)
"""Metadata of a message that names its speaker."""
MIN_TEXTS = 2
"""Usable texts a person must have: from one nobody is known."""
NOBODY, BROKEN, UNREADABLE, ALONE = (
    "without a user",
    "with a broken field",
    "unreadable",
    "of people with too few texts",
)
"""Why rows are left out that break no rule of their words."""


def speaker(line: Line, authors: Sequence[str] = AUTHORS) -> str:
    """Who says it, by the name that `user_id` uses."""
    if line.name:
        return line.name
    for field in authors:
        if isinstance(name := line.about.get(field), str) and name.strip():
            return name.strip()
    return line.role or "somebody"


def thread_of(said: Iterable[tuple[str, str]], user: str, others: str | None = None) -> Thread:
    """What can be seen of what was said. `others`: the one name that is not the person; else whoever has theirs is."""
    return tuple(
        (HUMAN if _is(name, user, others) else name, mentioning(text, user))
        for name, text in said
        if not is_blank(text)
    )


def _is(name: str, user: str, others: str | None) -> bool:
    return name.casefold() == user.casefold() or (others is not None and name != others)


def mentioning(text: str, user: str) -> str:
    """The person is called HUMAN where others address them, too."""
    return re.sub(rf"(?<![\w/])(?:@|/?u/){re.escape(user)}(?!\w)", HUMAN, text) if user in text else text


def unusable(thread: Thread, truth: str) -> str | None:
    """Why nothing is learned from these words."""
    if is_blank(truth):
        return "empty"
    if not thread:
        return "without anything said before"
    if " ".join(truth.split()) == " ".join(thread[-1][1].split()):
        return "that repeat the message before"
    return None


def too_few(users: Iterable[str], least: int = MIN_TEXTS) -> Mapping[str, int]:
    """How many texts people have, of those who have fewer than `least`; `users` has one name for each text."""
    return {user: count for user, count in Counter(users).items() if count < least}


def alone(user: str, count: int, least: int = MIN_TEXTS) -> str:
    """In words, for a row of theirs."""
    return f"field 'user_id': {user!r} has {count} usable text{'s' * (count != 1)}; needed are {least}"
