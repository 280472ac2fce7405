"""Interaction tuples of a recorded chat: a context x, the reply y that followed, and what the user said next, o.

The numbers are those of `preprocess_wildfeedback` and `preprocess_wildchat` in the published SDPO code. One thing
differs by default: consecutive messages of one speaker are joined and none is lost (`alternation="join"`); there, the
later ones were dropped from the context (`"drop"`), so that x no longer was what the reply answered.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from usergym.data.prepare.dedupe import key
from usergym.data.prepare.recipe import Item, Tally
from usergym.environments.base import RowError
from usergym.users.unseen import has_words

Alternation = Literal["join", "drop"]
PairKind = Literal["assistant_to_user", "user_to_assistant"]
BETWEEN = "\n\n"
"""What stands between two messages that are joined."""
_ROLES: dict[object, Literal["user", "assistant"]] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
}
_LOGGED = {"user": "human", "assistant": "gpt"}


@dataclass(frozen=True)
class Said:
    """A message with words in it."""

    role: Literal["user", "assistant"]
    text: str
    place: int
    """In the record, from 0; of joined messages, the last one's."""


@dataclass(frozen=True)
class Chat:
    """A recorded conversation."""

    id: str
    said: Sequence[Said]
    about: Mapping[str, Any] = field(default_factory=dict)
    """For the meta of its tuples."""
    logged: Mapping[str, Any] = field(default_factory=dict)
    """Of a documented row: the fields that come from the conversation."""
    logged_id: str = ""
    """What the ids of its documented rows begin with."""


@dataclass(frozen=True, kw_only=True)
class TupleRules:
    """Which conversations are kept, and what of them is a tuple."""

    min_messages: int = 3
    """That have words."""
    max_chat: int = 100_000
    """Characters of all messages."""
    max_reply: int = 4096
    """Characters; a conversation with a longer reply is left out whole."""
    max_user: int | None = None
    """Characters of a user's message, likewise; None: any."""
    history: int = 5
    """Messages of context at most."""
    alternation: Alternation = "join"
    pair_kind: PairKind = "assistant_to_user"
    """The second also takes replies that nobody answered: only a documented row has a place for them."""
    legacy_rows: bool = False
    what: ClassVar[Literal["tuples"]] = "tuples"

    @property
    def ends_on_user(self) -> bool:
        """Whether a context must end on the user; joined ones always do."""
        return True

    def __post_init__(self) -> None:
        least = {"min_messages": 1, "max_chat": 1, "max_reply": 1, "max_user": 1, "history": 1}
        for name, value in least.items():
            given = getattr(self, name)
            if given is not None and given < value:
                raise ValueError(f"--{name.replace('_', '-')} is {given}; give {value} or more")

    def rules(self) -> list[str]:
        user = f", a user's message {self.max_user:,}" if self.max_user else ""
        together = {"join": "consecutive messages of one speaker are joined", "drop": "the later ones are dropped"}
        return [
            f"at least {self.min_messages} messages with words, at most {self.max_chat:,} characters",
            f"a reply has at most {self.max_reply:,} characters{user}; else the conversation is left out",
            f"context: the last {self.history} messages, beginning with the user, alternating: "
            + together[self.alternation],
            f"pairs: {self.pair_kind}",
        ]

    def enough(self, kept: int, made: int) -> str | None:
        return None

    def refused(self, said: Sequence[Said]) -> str | None:
        """Why the conversation is left out."""
        if len(said) < self.min_messages:
            return f"of fewer than {self.min_messages} messages"
        if sum(len(message.text) for message in said) > self.max_chat:
            return f"over {self.max_chat:,} characters"
        for role, most in (("assistant", self.max_reply), ("user", self.max_user)):
            if most is not None and any(message.role == role and len(message.text) > most for message in said):
                return f"with a message of the {role} over {most:,} characters"
        return None

    def tuples(self, chat: Chat, tally: Tally) -> list[Item]:
        """The rows of a conversation that is kept."""
        turns = joined(chat.said, tally.notes) if self.alternation == "join" else chat.said
        total = sum(len(message.text) for message in chat.said)
        items = []
        for context, reply, reaction in self._pairs(turns, tally.left_out):
            if self.legacy_rows:
                row = _documented(chat, context, reply, reaction, total)
            elif reaction is None:
                tally.left_out["without a reaction"] += 1
                continue
            else:
                row = tuple_row(chat, context, reply, reaction)
            items.append(_item(row, chat, context, reply, reaction))
        return items

    def _pairs(
        self, turns: Sequence[Said], left_out: Counter[str]
    ) -> Iterator[tuple[Sequence[Said], Said, Said | None]]:
        for n, reply in enumerate(turns):
            if reply.role != "assistant":
                continue
            reaction = turns[n + 1] if n + 1 < len(turns) and turns[n + 1].role == "user" else None
            answers = n > 0 and turns[n - 1].role == "user"
            if reaction is None if self.pair_kind == "assistant_to_user" else not answers:
                continue
            context = window(turns[:n], self.history)
            if not context:
                left_out["without a message of the user before the reply"] += 1
            elif self.ends_on_user and context[-1].role != "user":
                left_out["whose context does not end on the user"] += 1
            elif len(reply.text) > self.max_reply:
                left_out[f"with a joined reply over {self.max_reply:,} characters"] += 1
            elif reaction and self.max_user is not None and len(reaction.text) > self.max_user:
                left_out[f"with a joined reaction over {self.max_user:,} characters"] += 1
            else:
                yield context, reply, reaction


def joined(said: Iterable[Said], notes: Counter[str]) -> list[Said]:
    """Every speaker's consecutive messages as one."""
    out: list[Said] = []
    for message in said:
        if out and out[-1].role == message.role:
            notes["joined to the one before"] += 1
            out[-1] = replace(message, text=f"{out[-1].text}{BETWEEN}{message.text}")
        else:
            out.append(message)
    return out


def window(turns: Sequence[Said], most: int) -> list[Said]:
    """The last `most` messages from the first of the user on, without a message that follows its own speaker's."""
    last = list(turns[-most:])
    while last and last[0].role != "user":
        del last[0]
    return [message for n, message in enumerate(last) if n == 0 or message.role != last[n - 1].role]


def tuple_row(chat: Chat, context: Sequence[Said], reply: Said, reaction: Said) -> dict[str, Any]:
    """A row of the format `interactions`."""
    x = [{"role": message.role, "content": message.text} for message in context]
    return {"x": x, "y": reply.text, "o": reaction.text, "meta": {**chat.about, "turn_id": reply.place}}


def _documented(chat: Chat, context: Sequence[Said], reply: Said, reaction: Said | None, total: int) -> dict[str, Any]:
    row: dict[str, Any] = {"id": f"{chat.logged_id}_{reply.place}", **chat.logged, "turn_id": reply.place}
    row["prompt"] = [_pair(message) for message in context]
    row["completion"] = _pair(reply)
    row["user_response"] = _pair(reaction) if reaction else None
    row["prompt_len"], row["completion_len"] = len(context), len(reply.text)
    if "conversation_id" in chat.logged:
        row["user_response_len"] = len(reaction.text) if reaction else None
    row["total_conv_len"] = total
    return row


def _pair(message: Said) -> dict[str, str]:
    return {"from": _LOGGED[message.role], "value": message.text}


def _item(row: dict[str, Any], chat: Chat, context: Sequence[Said], reply: Said, reaction: Said | None) -> Item:
    x = [part for message in context for part in (message.role, message.text)]
    return Item(row, key(*x, reply.text, reaction.text if reaction else ""), key(*x), chat.id)


def said_in(row: Mapping[str, Any], field: str, notes: Counter[str], *, strip: bool = False) -> list[Said]:
    """The messages of a field, of from/value or role/content pairs, without those that have no words or another role.

    RowError for what is no list of messages. With `strip`, texts lose their outer white space, and places are counted
    among the messages that are kept.
    """
    messages = row.get(field, ...)
    if messages is None:
        return []
    if not isinstance(messages, list):
        raise RowError(field, "a list of messages", messages)
    said: list[Said] = []
    for place, message in enumerate(messages):
        if message is None:
            notes["null"] += 1
            continue
        if not isinstance(message, Mapping):
            raise RowError(f"{field}[{place}]", "a message with from and value, or role and content", message)
        given = next((message[name] for name in ("from", "role") if message.get(name) is not None), None)
        role = _ROLES.get(given.strip().lower() if isinstance(given, str) else None)
        words = next((name for name in ("value", "content") if message.get(name) is not None), "content")
        text = message.get(words)
        if text is not None and not isinstance(text, str):
            raise RowError(f"{field}[{place}].{words}", "a text", text)
        if role is None:
            notes["of another role"] += 1
        elif not text or not has_words(text):
            notes["without words"] += 1
        else:
            said.append(Said(role, text.strip() if strip else text, len(said) if strip else place))
    return said
