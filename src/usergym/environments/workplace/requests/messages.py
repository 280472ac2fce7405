"""What people ask to have written: mails, answers, names of new meetings and tasks."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from usergym.environments.workplace.requests.draft import Draw
from usergym.environments.workplace.requests.speech import day_words


@cache
def phrasings(name: str) -> dict[str, Any]:
    """One file of `phrasings/`."""
    return tomllib.loads((files(__package__) / "phrasings" / f"{name}.toml").read_text(encoding="utf-8"))


def line(draw: Draw, kind: str) -> str:
    """A line with its blanks filled."""
    text: str = draw.one(phrasings("messages")[kind], "nothing to say")
    days = draw.book.workdays(2, 9)
    filled = text.format(
        day=f"{draw.one(days, 'no day'):%A}",
        count=draw.chance.randrange(2, 12),
        time=f"{draw.chance.randrange(9, 17)}:{draw.chance.choice(('00', '15', '30', '45'))}",
        place=draw.one(phrasings("messages")["places"], "nowhere"),
        thing=draw.one(phrasings("messages")["things"], "nothing"),
        date=day_words(draw.one(days, "no day"), draw.book.today, draw.chance, on=False),
    )
    return filled[0].upper() + filled[1:]


def answer_line(draw: Draw) -> str:
    return line(draw, "answers")


def message(draw: Draw, about: str = "mails") -> tuple[str, str]:
    """Subject and body; `about` is a list of `phrasings/messages.toml`."""
    subject, _, body = line(draw, about).partition(" | ")
    return subject, body


def event_name(draw: Draw) -> str:
    return line(draw, "events")


def task_name(draw: Draw, board: str) -> str:
    """Of a task that is not there yet."""
    taken = set(draw.book.task_names)
    for _ in range(20):
        name = line(draw, board)
        if name.lower() not in taken:
            return name
    return f"{name} again"
