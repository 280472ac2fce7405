"""All that decides what is written; the manifest keeps it."""

from typing import Any, Literal

from usergym.data.prepare.users.splits import By
from usergym.environments.people.telling import MIN_TEXTS
from usergym.types import Record

Leaks = Literal["fail", "drop", "allow"]
Personas = Literal["auto", "given", "own"]


class Plan(Record, frozen=True, omit_defaults=False):
    """ValueError for a number that makes no sense."""

    dataset: str
    source: str
    what: str
    hierarchy: str
    digest: str
    """Of the hierarchy's texts."""
    mode: str | None = None
    tags: bool = True
    expand: bool = False
    by: By | None = None
    """None: as the source is split, else by user."""
    unseen: float = 0.08
    seen: float = 0.08
    val: float = 0.02
    seed: int = 42
    train_percent: float = 100.0
    test_percent: float = 100.0
    personas: Personas = "auto"
    """given: those that rows bring; own: from texts, whatever rows bring; auto: the first where there is one."""
    persona_model: dict[str, Any] | None = None
    texts: int = 20
    """The earliest of a person's training texts, from which a persona is drawn."""
    min_items: int = 10
    redact: tuple[str, ...] = ()
    field_dropout: float = 0.0
    item_dropout: float = 0.0
    test_field_dropout: float = 0.6
    test_item_dropout: float = 0.6
    min_comments: int = MIN_TEXTS
    comment_words: int = 1024
    example_words: int = 3000
    min_chars: int = 1
    thinking_model: dict[str, Any] | None = None
    thinking_judge: dict[str, Any] | None = None
    thoughts: str | None = None
    leaks: Leaks = "fail"
    strict: bool = False
    limit: int | None = None

    def __post_init__(self) -> None:
        for flag, share in (("unseen", self.unseen), ("seen", self.seen), ("val", self.val)):
            if not 0 <= share < 1:
                raise ValueError(f"--{flag} is {share}; give a share from 0, less than 1")
        if self.seen + self.val >= 1:
            raise ValueError(f"--seen {self.seen} and --val {self.val} leave nothing to train on; give less")
        for flag, percent in (("train", self.train_percent), ("test", self.test_percent)):
            if not 0 < percent <= 100:
                raise ValueError(f"--{flag}-subset-percentage is {percent}; give more than 0, at most 100")
        for field in ("field_dropout", "item_dropout", "test_field_dropout", "test_item_dropout"):
            if not 0 <= getattr(self, field) <= 1:
                flag = f"--{field.replace('_', '-')}-prob"
                raise ValueError(f"{flag} is {getattr(self, field)}; give a number from 0 to 1")
        for field in ("texts", "min_comments", "comment_words", "example_words", "min_chars"):
            if getattr(self, field) < 1:
                flag = "persona-texts" if field == "texts" else field.replace("_", "-")
                raise ValueError(f"--{flag} is {getattr(self, field)}; give 1 or more")
        if self.min_items < 0 or self.seed < 0:
            raise ValueError(f"--min-items is {self.min_items}, --seed {self.seed}; give 0 or more")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"--limit is {self.limit}; give 1 or more")
