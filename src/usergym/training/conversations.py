"""Conversations to learn from, as rows of ids in which only the speaker's own words count.

A row is made the way a policy plays: the first view is rendered once, every own reply stands as it would have been
sampled, and what the others said since is appended. So what supervised training teaches is, to the token, what a
rollout shows the model, also for templates that rewrite the past.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np

from usergym.models import tool_text
from usergym.training.chat import THINK, THOUGHT, Chat, TemplateError, to_rows
from usergym.training.marks import marked
from usergym.training.tokens import Row, rows
from usergym.types import Message, Speaker, Tool, Trajectory

Overlong = Literal["drop", "cut", "fail"]

_ASKED = Message("user", "?")

VERIFIED = 32
"""Rows whose masks are read back before anything is trained."""


@dataclass(frozen=True)
class Conversation:
    """One side's view of a conversation."""

    place: str
    """Where it came from, for errors."""
    messages: Sequence[Message]
    """The learner is the assistant."""
    tools: Sequence[Tool] = ()
    sampled: Sequence[Row] = ()
    """The ids as they were sampled, if they were; then the messages only tell what they mean."""


@dataclass(frozen=True)
class Example:
    """A row to train on: ids, int32, and which of them are the speaker's own."""

    ids: np.ndarray[Any, np.dtype[np.int32]]
    own: np.ndarray[Any, np.dtype[np.bool_]]

    @property
    def labels(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        """-100 where nothing is to be learned."""
        return np.where(self.own, self.ids, np.int32(-100))

    def runs(self) -> list[tuple[int, int]]:
        """Where the stretches of own ids begin and end. Two replies never touch: a frame stands between them."""
        edges = np.flatnonzero(np.diff(np.concatenate(([False], self.own, [False])).astype(np.int8)))
        return [(int(edges[at]), int(edges[at + 1])) for at in range(0, len(edges), 2)]


@dataclass
class Examples:
    """Rows, and what gave none."""

    rows: list[Example] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """Conversations by the reason why they are left out."""
    cut: int = 0
    """Rows that end before their conversation does, behind a whole reply."""

    @property
    def longest(self) -> int:
        return max((len(row.ids) for row in self.rows), default=0)

    @property
    def tokens(self) -> tuple[int, int]:
        """All ids, and those to learn."""
        return sum(len(row.ids) for row in self.rows), sum(int(row.own.sum()) for row in self.rows)


def told(trajectory: Trajectory, speaker: Speaker) -> Conversation:
    """A recorded conversation as `speaker` lived it, with its ids where they were recorded. ValueError where it has
    none and uses tools whose schemas it does not hold."""
    own = [turn for turn in trajectory.turns if turn.speaker == speaker and turn.message.role == "assistant"]
    view = trajectory.view(speaker)
    if any(turn.tokens for turn in own):
        return Conversation(trajectory.id, view, sampled=tuple(rows(trajectory, speaker)))
    tools = trajectory.task.tools if speaker == "assistant" else None
    seat = trajectory.seats.get(speaker)
    if seat and seat.tools and tools is None:
        raise ValueError(
            f"{trajectory.id} was not recorded with tokens, and the schemas of its tools are not in it; write it out "
            f"first: usergym export RUN --format sft --speaker {speaker}"
        )
    return Conversation(trajectory.id, view, tools or ())


class Encoder:
    """Makes rows with one tokenizer. TemplateError (a ValueError) where its chat template cannot be used."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.chat = Chat(tokenizer)
        self._marked = _marked(tokenizer)
        self._special = frozenset(tokenizer.all_special_ids)
        self._known: dict[bytes, list[int]] = {}

    def rows(self, conversation: Conversation) -> list[Example]:
        """Rows of a conversation, one unless its ids were sampled over a history that was rewritten. Unlearnable (a
        ValueError) says why there is none."""
        if conversation.sampled:
            return [Example(row.ids, row.mask) for row in conversation.sampled if row.mask.any()]
        return [self._row(conversation)]

    def _row(self, conversation: Conversation) -> Example:
        messages = conversation.messages
        own = [place for place, message in enumerate(messages) if _says(message)]
        if not own:
            raise Unlearnable("no assistant turn")
        ids: list[int] = []
        mine: list[bool] = []
        for place, before in zip(own, [None, *own], strict=False):
            if before is None:
                asked = self.chat.first(messages[:place], conversation.tools)
            else:
                asked = self.chat.more([each for each in messages[before + 1 : place] if each.role != "assistant"])
            reply = self.reply(messages[place])
            ids += asked + reply
            mine += [False] * len(asked) + [True] * len(reply)
        return Example(np.array(ids, np.int32), np.array(mine, np.bool_))

    def reply(self, message: Message) -> list[int]:
        """The ids of an own message with its end token, as the model would have to sample them."""
        key = msgspec.json.encode(message)
        if key not in self._known:
            self._known[key] = self._reply(message)
        return self._known[key]

    def _reply(self, message: Message) -> list[int]:
        ids = self._by_marks(message) if self._marked else self.chat.write(message)
        if any(each in self._special for each in ids[:-1]):
            raise Unlearnable("words that hold the name of a special token")
        if not same(self.chat.read(ids), message):
            raise Unlearnable("conversations whose words do not come back from their tokens")
        return ids

    def _by_marks(self, message: Message) -> list[int]:
        rendered = self.tokenizer.apply_chat_template(
            to_rows([_ASKED, *(tool_text.render([message]) if not self.chat.native_tools else [message])]),
            chat_template=self._marked,
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        whole, marks = rendered["input_ids"], np.flatnonzero(rendered["assistant_masks"])
        asked = self.chat.first([_ASKED])
        # A generation prompt may open the reasoning, and then the reply begins behind that.
        start = len(asked) if whole[: len(asked)] == asked else marks[0] if len(marks) else len(whole)
        ids: list[int] = whole[start : marks[-1] + 1 if len(marks) else None]
        # Some marks reach over the line break behind the end token, which is the frame's.
        ends = [place for place, each in enumerate(ids) if each in self.chat.end_ids]
        return ids[: ends[-1] + 1] if ends else self.chat.write(message)


def _marked(tokenizer: Any) -> str:
    """A template with `{% generation %}` marks; "" for one that nobody has marked, whose replies are then spelled out
    by `Chat.write`."""
    try:
        return marked(tokenizer)
    except TemplateError:
        return ""


class Unlearnable(ValueError):
    """A conversation that gives no row; the others go on."""


def encode(encoder: Encoder, found: Iterable[Conversation], longest: int, overlong: Overlong) -> Examples:
    """Rows of at most `longest` ids. What gives none is counted by its reason; ValueError names the first that is too
    long where `overlong` is `fail`, or a mask that does not read back as the words."""
    done = Examples()
    for conversation in found:
        try:
            made = encoder.rows(conversation)
        except Unlearnable as error:
            done.left_out[str(error)] += 1
            continue
        for row in made:
            if len(done.rows) < VERIFIED and not conversation.sampled:
                verify(encoder.chat, row, conversation)
            if len(row.ids) > longest:
                if overlong == "fail":
                    raise ValueError(
                        f"{conversation.place} has {len(row.ids):,} tokens, more than --max-length {longest:,}; "
                        "raise it, or give --overlong drop or cut"
                    )
                shorter = cut(row, longest) if overlong == "cut" else None
                if shorter is None:
                    done.left_out[f"longer than {longest:,} tokens"] += 1
                    continue
                row, done.cut = shorter, done.cut + 1
            done.rows.append(row)
        if not made:
            done.left_out["no assistant turn"] += 1
    return done


def cut(row: Example, longest: int) -> Example | None:
    """The row up to its last reply that fits whole; None where none does."""
    ends = [end for _, end in row.runs() if end <= longest]
    return Example(row.ids[: ends[-1]], row.own[: ends[-1]]) if ends else None


def verify(chat: Chat, row: Example, conversation: Conversation) -> None:
    """ValueError unless the masked ids read back as exactly what the assistant said, reply by reply."""
    wanted = [message for message in conversation.messages if _says(message)]
    read = [chat.read(row.ids[start:end].tolist()) for start, end in row.runs()]
    if len(read) != len(wanted) or not all(map(same, read, wanted)):
        place = next((n for n, (a, b) in enumerate(zip(read, wanted, strict=False)) if not same(a, b)), 0)
        raise ValueError(
            f"{conversation.place}: the mask covers {read[place].content[:80]!r} where reply {place} says "
            f"{wanted[place].content[:80]!r}; the chat template cannot be trained with, give another --chat-template"
        )


def same(read: Message, wrote: Message) -> bool:
    """Whether two messages say and call the same. Reasoning may be missing from what was read, since most templates
    have no place for it; a thought that was written in the words themselves may not."""

    def of(message: Message) -> tuple[object, ...]:
        return message.content.strip(), [(call.name, _value(call.arguments)) for call in message.tool_calls]

    thought, closed, words = wrote.content.lstrip().partition(THOUGHT)
    if wrote.reasoning is None and closed and thought.startswith(THINK):
        meant = msgspec.structs.replace(wrote, content=words)
        return of(read) == of(meant) and (read.reasoning or "").strip() == thought.removeprefix(THINK).strip()
    return of(read) == of(wrote) and read.reasoning in (None, (wrote.reasoning or "").strip("\n"))


def _value(arguments: str) -> Any:
    try:
        return msgspec.json.decode(arguments)
    except (msgspec.MsgspecError, RecursionError):
        return arguments.strip()


def _says(message: Message) -> bool:
    return message.role == "assistant" and bool(message.content or message.tool_calls)
