"""What became of everything that was read: nothing is left out that is not counted."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from usergym.data.prepare.users.asking import Tally
from usergym.data.prepare.users.leakage import Leak
from usergym.rows import Skipped

SHOWN = 100
"""Leaks that the manifest names."""


@dataclass
class Report:
    read: Counter[str] = field(default_factory=Counter)
    """Rows by split of the source."""
    broken: Counter[str] = field(default_factory=Counter)
    """Rows that name nobody, have a broken field, or are somebody's only one."""
    skipped: Skipped = field(default_factory=Skipped)
    """Those rows, with their places."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Texts by the rule that they broke."""
    people: Counter[str] = field(default_factory=Counter)
    """People who were left out, and why."""
    split_by: str = ""
    personas: Counter[str] = field(default_factory=Counter)
    """Personas by where they come from."""
    asked: Tally = field(default_factory=Tally)
    """Of personas."""
    thoughts: Tally = field(default_factory=Tally)
    reused: int = 0
    """Thoughts that were there already."""
    leaks: list[Leak] = field(default_factory=list)
    cured: int = 0
    """Leaks that were taken out."""
    shown: int = 0
    """Held-out texts that threads of training show."""
    users: dict[str, int] = field(default_factory=dict)
    """People by split."""
    written: dict[str, int] = field(default_factory=dict)
    """Rows by split."""

    @property
    def leak_counts(self) -> dict[str, int]:
        counts = Counter(leak.kind for leak in self.leaks)
        return {kind: counts[kind] for kind in ("persona", "prompt", "split")}

    def figures(self) -> dict[str, Any]:
        """As they stand in manifest.json."""
        return {
            "read": dict(self.read),
            "broken": dict(self.broken),
            "left_out": dict(+self.left_out),
            "people_left_out": dict(+self.people),
            "split_by": self.split_by,
            "personas": dict(self.personas),
            "persona_answers": _told(self.asked),
            "thoughts": {**_told(self.thoughts), "reused": self.reused},
            "leaks": {**self.leak_counts, "taken_out": self.cured},
            "shown_in_training_threads": self.shown,
            "users": self.users,
            "written": self.written,
        }


def _told(tally: Tally) -> dict[str, Any]:
    kinds = {"answered": tally.answered, "refused": dict(+tally.refused), "failed": dict(tally.failed)}
    return {**kinds, "usage": tally.usage}
