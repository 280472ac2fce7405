"""What a source's rules are to the rest: a row in, items out, or the reason why there are none."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from usergym.data.prepare.sources import Read
from usergym.rows import Skipped

T_contra = TypeVar("T_contra", contravariant=True)


@dataclass(frozen=True)
class Item:
    """A row to write, and what decides about it."""

    row: dict[str, Any]
    identity: bytes
    """A later item of the same split with the same one is a duplicate."""
    context: bytes
    """A held-out item whose context training has too is left out."""
    group: str
    """What must not straddle splits; its hash decides where the source is not split."""
    split: str | None = None
    """Pinned."""


class Recipe(Protocol[T_contra]):
    """One source's rules; a dataclass whose fields are the numbers in them."""

    @property
    def what(self) -> Literal["prompts", "tuples"]: ...

    def rules(self) -> list[str]:
        """In words, in the order in which they are tried."""
        ...

    def items(self, read: Read[T_contra], tally: "Tally") -> Sequence[Item] | str:
        """What a row gives, or why it gives nothing. ValueError names a field that is not as expected."""
        ...

    def enough(self, kept: int, made: int) -> str | None:
        """Why to stop, after so many rows kept and items made."""
        ...


@dataclass
class Tally:
    """What became of the parts of rows."""

    left_out: Counter[str] = field(default_factory=Counter)
    """Tuples by the rule that they broke."""
    notes: Counter[str] = field(default_factory=Counter)
    """Messages by what was done to them."""


@dataclass
class Report:
    """What `prepare` did; nothing is left out that is not counted."""

    what: str
    read: Counter[str] = field(default_factory=Counter)
    """Rows by split of the source."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Rows by the rule that they broke."""
    made: int = 0
    """Prompts or tuples of the rows that were kept."""
    tally: Tally = field(default_factory=Tally)
    duplicates: Counter[str] = field(default_factory=Counter)
    """Left out: `train` and `validation` within, `across` of the held-out."""
    written: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None
    """The rule that ended it before the last row."""
    skipped: Skipped = field(default_factory=Skipped)

    def figures(self) -> dict[str, Any]:
        """As they stand in prepare.json."""
        return {
            "read": dict(self.read),
            "bad_rows": self.skipped.count,
            "left_out": dict(self.left_out),
            "made": self.made,
            "made_left_out": dict(self.tally.left_out),
            "messages": dict(self.tally.notes),
            "duplicates": {name: self.duplicates[name] for name in ("train", "validation", "across")},
            "written": {name: self.written[name] for name in ("train", "validation")},
            "stopped": self.stopped,
        }
