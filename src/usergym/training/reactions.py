"""What was said in answer to each reply of a conversation: the rows (x, y, o) that SDPO learns from."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from usergym.training.chat import Chat
from usergym.training.hindsight import Template, hindsight_ids
from usergym.training.tokens import Row
from usergym.types import Message, Speaker, Tool, Trajectory


@dataclass(frozen=True, slots=True)
class Reply:
    """One sampled reply y, with what stood before it and what was said to it."""

    turn: int
    """An index into the trajectory's turns."""
    start: int
    end: int
    """Of its ids in the conversation's row."""
    context: list[int]
    """x, the ids that it was sampled behind."""
    ids: list[int]
    """y, as sampled."""
    head: list[int]
    """The part of x that stays as it is in every other context: up to the end of the speaker's reply before."""
    since: list[Message]
    """The messages of x behind `head`; all of them where it is empty."""
    reaction: str
    """o, the other side's next words; "" where it said nothing before the speaker spoke again."""

    def behind(self, chat: Chat, reaction: str, template: Template, tools: Sequence[Tool]) -> list[int]:
        """The ids of (x, reaction): x, id by id, but for the last message, which the reaction follows. ValueError as
        `hindsight_ids`; Drifted where x was not written by this chat template."""
        extended = hindsight_ids(chat, self.since, reaction, template, tools, self.head)
        plain = self._written(chat, self.since, tools)
        if plain == self.context:
            return extended
        # Written with what is not known here, such as tools: the last message and what follows it must be the same.
        silent = [msgspec.structs.replace(each, content="") for each in self.since[-1:]]
        said = _alike(plain, self._written(chat, [*self.since[:-1], *silent], tools))
        parts = _alike(plain, extended)
        last = plain[min(said, parts) :]
        if not last or self.context[-len(last) :] != last:
            raise Drifted(f"the context of turn {self.turn} is not what the chat template makes of its messages")
        return [*self.context[: len(self.context) - len(plain) + parts], *extended[parts:]]

    def _written(self, chat: Chat, messages: Sequence[Message], tools: Sequence[Tool]) -> list[int]:
        return [*self.head, *chat.more(messages)] if self.head else chat.first(messages, tools)


class Drifted(ValueError):
    """A context that was recorded with another chat template."""


def _alike(some: Sequence[int], others: Sequence[int]) -> int:
    """How many ids both begin with."""
    pairs = enumerate(zip(some, others, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(some), len(others)))


def replies(trajectory: Trajectory, row: Row, speaker: Speaker = "assistant") -> list[Reply]:
    """The sampled replies of the one row of a conversation, in order."""
    made = []
    ids = row.ids.tolist()
    behind = 0
    for span in row.spans:
        view = trajectory.view(speaker, until=span.turn)
        own = max((place for place, each in enumerate(view) if each.role == "assistant"), default=-1)
        since = view[own + 1 :] if behind else view
        head = ids[:behind]
        made.append(
            Reply(
                span.turn,
                span.start,
                span.end,
                ids[: span.start],
                ids[span.start : span.end],
                head,
                since,
                reaction_to(trajectory, span.turn, speaker),
            )
        )
        behind = span.end
    return made


def reaction_to(trajectory: Trajectory, turn: int, speaker: Speaker = "assistant") -> str:
    """What the other side said before the speaker spoke again; results of tools are no reaction."""
    heard = []
    for later in trajectory.turns[turn + 1 :]:
        if later.speaker == speaker and later.message.role == "assistant":
            break
        if later.speaker not in (speaker, "judge") and later.message.role == "assistant" and later.said.strip():
            heard.append(later.said.strip())
    return "\n".join(heard)
