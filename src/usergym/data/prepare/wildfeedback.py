"""Tuples of WildFeedback: conversations in which the user said how satisfied they were."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from usergym.data.prepare.recipe import Item, Tally
from usergym.data.prepare.sources import Read
from usergym.data.prepare.tuples import Chat, TupleRules, said_in

SOURCE, CONFIG, OUT = "microsoft/WildFeedback", "wildfeedback", "data/wildfeedback"
_IDS = ("conversation_id", "conversation_hash", "conv_id", "id")


@dataclass(frozen=True, kw_only=True)
class WildFeedback(TupleRules):
    """As documented, contexts may end on the assistant where messages are dropped and not joined."""

    @property
    def ends_on_user(self) -> bool:
        return self.alternation == "join"

    def items(self, read: Read[dict[str, Any]], tally: Tally) -> Sequence[Item] | str:
        row = read.row
        said = said_in(row, "conversation" if "conversation" in row else "conversations", tally.notes)
        if reason := self.refused(said):
            return reason
        given = next((row[name] for name in _IDS if isinstance(row.get(name), (str, int))), None)
        identity = f"row {read.index}" if given is None else str(given)
        about = {"source": "wildfeedback", "conversation_id": identity, "row_idx": read.index}
        chat = Chat(identity, said, about, {"original_conv_id": read.index}, str(read.index))
        return self.tuples(chat, tally)
