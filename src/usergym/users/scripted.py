"""A participant that plays fixed lines, or lines computed from its view."""

from collections.abc import Callable, Sequence

from usergym.types import Message, Seat, Speaker, Turn


class ScriptedParticipant:
    """Says the lines in order, the next one by how often it has spoken, then leaves.

    `line` may instead be a function of the view; None from it means that it leaves.
    """

    def __init__(
        self,
        speaker: Speaker,
        line: Sequence[str] | Callable[[Sequence[Message]], str | None],
        seat: Seat = Seat(model="scripted"),
        spoken_before: int = 0,
    ) -> None:
        self.speaker = speaker
        self.seat = seat
        self.line = line
        self.spoken_before = spoken_before

    async def speak(self, view: Sequence[Message]) -> Turn:
        if callable(self.line):
            words = self.line(view)
        else:
            place = replies_in(view) - self.spoken_before
            words = self.line[place] if place < len(self.line) else None
        if words is None:
            return Turn(self.speaker, Message("assistant", ""), heard="", stop=f"{self.speaker}_stop")
        return Turn(self.speaker, Message("assistant", words))


def replies_in(view: Sequence[Message]) -> int:
    """How often the owner of this view has spoken."""
    return sum(message.role == "assistant" for message in view)
