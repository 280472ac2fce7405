"""What whoever runs the servers should see on their terminal: one line, and not for every request."""

import sys
import time
from collections import Counter
from collections.abc import Callable

SECONDS = 10.0
"""Between two lines about the same kind of thing."""


class Notices:
    """Prints to stderr, at most one line of each kind in a while; the next one says how many were left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.last: dict[str, float] = {}
        self.left_out: Counter[str] = Counter()

    def tell(self, kind: str, message: str) -> None:
        now = self.clock()
        if now - self.last.get(kind, float("-inf")) < SECONDS:
            self.left_out[kind] += 1
            return
        self.last[kind] = now
        more = f" (and {count:,} more like it before)" if (count := self.left_out.pop(kind, 0)) else ""
        sys.stderr.write(f"error: {' '.join(message.split())}{more}\n")
        sys.stderr.flush()


NOTICES = Notices()
"""Of this process: its terminal is one, however many servers it runs."""
