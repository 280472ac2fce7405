"""The agenda-driven user: a stack of things to say, worded by rules; it needs no model."""

from collections.abc import Sequence
from typing import Any

from usergym.types import Message, Record, Seat, Speaker, Turn
from usergym.users.persona import Persona
from usergym.users.phrases import CALENDAR_KINDS, Wording, read_constraint
from usergym.users.scripted import replies_in
from usergym.users.wording import Style


class Step(Record, frozen=True):
    """One thing that a user has to say."""

    kind: str
    params: dict[str, Any] = {}
    fixed_response: str | None = None
    """What the other side answers, where a conversation is made without an agent."""


def check_steps(steps: Sequence[Step], needs: dict[str, tuple[str, ...]] = CALENDAR_KINDS) -> None:
    """ValueError when a step lacks a param of its kind, or has a constraint that cannot be read."""
    for place, step in enumerate(steps):
        for field in needs.get(step.kind, ()):
            if field not in step.params:
                there = ", ".join(step.params) or "none"
                raise ValueError(f"step {place} ({step.kind}) lacks the param {field!r}; it has: {there}")
        if step.kind == "add_constraint":
            try:
                read_constraint(str(step.params["constraint"]))
            except ValueError as error:
                raise ValueError(f"step {place} ({step.kind}): {error}") from error


class AgendaParticipant:
    """Says its steps in order, the next one by how often it has spoken, then leaves.

    The kinds of the calendar have a grammar; a step of another kind brings its words in the param
    `say`, a text or a list to draw from, in which `{name}` stands for another param.
    """

    def __init__(
        self,
        speaker: Speaker,
        steps: Sequence[Step],
        persona: Persona,
        style: Style = Style(),
        seed: int = 0,
        seat: Seat = Seat(model="agenda"),
    ) -> None:
        check_steps(steps)
        for place, step in enumerate(steps):
            say = step.params.get("say")
            if step.kind not in CALENDAR_KINDS and not (say and isinstance(say, str | list | tuple)):
                kinds = ", ".join(CALENDAR_KINDS)
                raise ValueError(
                    f"step {place}: kind {step.kind!r} is none of {kinds}; give its words in params['say']"
                )
        self.speaker = speaker
        self.steps = steps
        self.seat = seat
        self.wording = Wording(persona, style, seed)

    async def speak(self, view: Sequence[Message]) -> Turn:
        place = replies_in(view)
        if place >= len(self.steps):
            return Turn(self.speaker, Message("assistant", ""), heard="", stop=f"{self.speaker}_stop")
        step = self.steps[place]
        return Turn(self.speaker, Message("assistant", self.words(place)), state={"intent": step.kind})

    def words(self, place: int) -> str:
        """The message of one step; the same whenever it is asked for."""
        step = self.steps[place]
        before = sum(other.kind == step.kind for other in self.steps[:place])
        return self.wording.say(step.kind, step.params, place, before)
