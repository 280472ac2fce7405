"""When to ask a server again, and how long to wait before it."""

import email.utils
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential backoff with jitter, bounded."""

    retries: int = 5
    """How often a call is asked again after its first try."""
    first: float = 0.5
    """Seconds before the first retry; each further one waits twice as long."""
    longest: float = 30.0
    """Seconds at which the doubling ends."""

    def wait(self, attempt: int, asked: float | None) -> float:
        """Seconds before retry number `attempt` (0 is the first). What the server asked for in Retry-After is
        the least; the jitter keeps thousands of callers from coming back at the same instant."""
        backoff = min(self.longest, self.first * 2.0 ** min(attempt, 30))
        if asked is not None:
            return asked + random.uniform(0.0, min(backoff, self.first))
        return random.uniform(0.5, 1.0) * backoff


def again(status: int) -> bool:
    """Whether an HTTP status says that the same request may succeed later. 529 is Anthropic's `overloaded`."""
    return status >= 500 or status in (408, 409, 425, 429)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait: `Retry-After-Ms`, or `Retry-After` as seconds or as an HTTP date.
    None where it says nothing that can be read."""
    if milliseconds := headers.get("Retry-After-Ms"):
        seconds = _number(milliseconds)
        if seconds is not None:
            return seconds / 1000
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None
