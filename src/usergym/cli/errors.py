"""What a person sees when something is wrong with what they gave: one line, and no traceback."""

import errno
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from usergym.models.base import StopRun
from usergym.rollouts.store import RunRefused

P = ParamSpec("P")


def told_in_one_line(verb: Callable[P, int | None]) -> Callable[P, None]:
    """Turns errors of the user's making into one line on stderr and exit status 1 (3: stopped, resumable)."""

    @wraps(verb)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            status = verb(*args, **kwargs)
        except StopRun as error:
            _say("stopped", error)
            sys.exit(3)
        except (RunRefused, LookupError, ValueError, OSError) as error:
            if isinstance(error, (KeyError, IndexError, BrokenPipeError, UnicodeError)):
                raise
            _say("error", _told(error))
            sys.exit(1)
        if status:
            sys.exit(status)

    return wrapped


def _told(error: Exception) -> object:
    """An error of the operating system with its path and what to do, where nobody has said it better."""
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        remedy = (
            "make room and run again" if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT) else "check the path"
        )
        return f"{where}{error.strerror}; {remedy}"
    return error


def _say(kind: str, error: object) -> None:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True).print(f"[bold red]{kind}:[/] ", end="")
    print(error, file=sys.stderr)
