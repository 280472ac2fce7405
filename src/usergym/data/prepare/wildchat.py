"""Tuples of WildChat: a random sample of its English conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from usergym.data.prepare.recipe import Item, Tally
from usergym.data.prepare.sources import Read
from usergym.data.prepare.tuples import Chat, TupleRules, said_in
from usergym.environments.base import RowError

SOURCE, OUT, SEED = "allenai/WildChat", "data/wildchat", 42
_SHORT = {"english": "en"}


@dataclass(frozen=True, kw_only=True)
class WildChat(TupleRules):
    max_user: int | None = 4096
    language: str = "English"
    """Of the conversation, as the row names it; `any` takes all."""
    max_chats: int = 15_000
    """Stop after so many conversations."""
    enough_chats: int = 14_000
    """Or after so many, once there are `enough_tuples`."""
    enough_tuples: int = 50_000

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_chats", "enough_chats", "enough_tuples"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')} is {getattr(self, name)}; give 1 or more")

    def rules(self) -> list[str]:
        language = f"the language is {self.language}"
        stop = (
            f"stop after {self.max_chats:,} conversations, or {self.enough_chats:,} with {self.enough_tuples:,} tuples"
        )
        return [*([] if self.language.lower() == "any" else [language]), *super().rules(), stop]

    def enough(self, kept: int, made: int) -> str | None:
        if kept >= self.max_chats:
            return f"{self.max_chats:,} conversations"
        if kept >= self.enough_chats and made >= self.enough_tuples:
            return f"{self.enough_chats:,} conversations and {self.enough_tuples:,} tuples"
        return None

    def items(self, read: Read[dict[str, Any]], tally: Tally) -> Sequence[Item] | str:
        row = read.row
        if not self._speaks(row):
            return f"in another language than {self.language}"
        said = said_in(row, "conversation", tally.notes, strip=True)
        if reason := self.refused(said):
            return reason
        given = row.get("conversation_id") or row.get("conversation_hash")
        model, when = row.get("model"), row.get("timestamp")
        timestamp = None if when is None else str(when)
        identity = f"row {read.index}" if given is None else str(given)
        about = {"source": "wildchat", "conversation_id": identity, "row_idx": read.index}
        about |= {name: value for name, value in (("model", model), ("timestamp", timestamp)) if value is not None}
        logged = {"original_conv_id": read.index, "conversation_id": given, "row_idx": read.order}
        logged |= {"model": model, "timestamp": timestamp}
        return self.tuples(Chat(identity, said, about, logged, str(given or read.order)), tally)

    def _speaks(self, row: dict[str, Any]) -> bool:
        wanted = self.language.lower()
        language = row.get("language", ...)
        if wanted == "any":
            return True
        if language is not None and not isinstance(language, str):
            raise RowError("language", "the name of a language", language)
        return (language or "").strip().lower() in (wanted, _SHORT.get(wanted, wanted))
