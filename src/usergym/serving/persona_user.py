"""A model-driven user without an agenda: a persona that is after something, and leaves by itself."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import msgspec

from usergym.models.base import Model, ModelError, Reply
from usergym.models.speaks import person
from usergym.types import Message, Sampling, Seat, Turn, Usage
from usergym.users.agenda import Step
from usergym.users.base import SimulatorError, draw
from usergym.users.message_check import check
from usergym.users.scripted import replies_in

NO_GOAL = "Nothing in particular: you want to talk, and see what the assistant is good for."
SCHEMA = {
    "type": "object",
    "properties": {"USER_MESSAGE": {"type": "string"}, "LEAVING": {"type": "boolean"}},
    "required": ["USER_MESSAGE", "LEAVING"],
    "additionalProperties": False,
}


class _Written(msgspec.Struct):
    USER_MESSAGE: str
    LEAVING: bool = False


class PersonaUser:
    """Leaves when the model says so, after `replies` of its own at the latest. A message that cannot be said is
    asked for again with the reason, `attempts` times in all; then it is a SimulatorError.

    A model that speaks as a person is told the persona and what was said, not how to play one; it never says that it
    leaves, and what it cannot say is drawn again."""

    def __init__(
        self,
        model: Model,
        persona: str,
        goal: str = "",
        *,
        sampling: Sampling = Sampling(),
        seed: int = 0,
        replies: int = 20,
        attempts: int = 3,
    ) -> None:
        self.seat = Seat(model=model.name, sampling=sampling)
        self.model = model
        self.persona = persona
        self.goal = goal or NO_GOAL
        self.seed = seed
        self.replies = replies
        self.attempts = attempts

    async def speak(self, view: Sequence[Message]) -> Turn:
        if replies_in(view) >= self.replies:
            return Turn("user", Message("assistant", ""), heard="", stop="user_stop")
        told = self._told(view)
        asked, usage, reason = told, Usage(), ""
        for attempt in range(self.attempts):
            seed = draw(self.seed + attempt, view)
            sampling = msgspec.structs.replace(self.seat.sampling, json_schema=SCHEMA, seed=seed)
            reply = await self.model.reply(asked, (), sampling)
            usage += reply.usage
            written, reason = self._read(reply, view)
            if written is not None:
                words = written.USER_MESSAGE.strip()
                stop = "user_stop" if written.LEAVING else None
                return Turn("user", reply.message, heard=words, tokens=reply.tokens, usage=usage, stop=stop)
            if person(self.model) is None:
                again = prompt_file("persona_user_again.md").format(reason=reason)
                asked = [*told, Message("assistant", reply.message.content or "{}"), Message("user", again)]
        raise SimulatorError(f"{self.model.name} wrote no usable message in {self.attempts} attempts: {reason}")

    def _told(self, view: Sequence[Message]) -> list[Message]:
        if person(self.model) is None:
            return [Message("user", self._prompt(view))]
        said = [Message(row.role, row.content) for row in view if row.role in ("user", "assistant")]
        wanted = "" if self.goal == NO_GOAL else f"\n\nWhat they want now: {self.goal}"
        return [Message("system", self.persona + wanted), *said]

    def _prompt(self, view: Sequence[Message]) -> str:
        who = {"assistant": "user", "user": "assistant"}
        lines = [f"{who[row.role]}: {row.content}" for row in view if row.role in who]
        said = "\n".join(lines) or "(nothing has been said yet: you begin)"
        return prompt_file("persona_user.md").format(persona=self.persona, goal=self.goal, conversation=said)

    def _read(self, reply: Reply, view: Sequence[Message]) -> tuple[_Written | None, str]:
        """What was written, or None and why it cannot be said. A last message may be empty."""
        if reply.finish == "content_filter":
            raise ModelError("refused", f"{self.model.name} filtered the user's message")
        if reply.finish == "length":
            return None, f"it was cut off at {reply.usage.output_tokens} tokens; be brief"
        try:
            written = msgspec.json.decode(_unfenced(reply.message.content), type=_Written)
        except msgspec.DecodeError as error:
            return None, f"it is not the JSON object that was asked for ({error})"
        if written.LEAVING and not written.USER_MESSAGE.strip():
            return written, ""
        words = written.USER_MESSAGE.strip().casefold()
        if any(words == message.content.strip().casefold() for message in view):
            return None, "it repeats what was said before"
        reason = check(written.USER_MESSAGE, Step("talk"), instructions=_instructions())
        return (written, "") if reason is None else (None, reason)


def _unfenced(text: str) -> str:
    inner = text.strip()
    if inner.startswith("```") and inner.endswith("```") and len(inner) >= 6:
        inner = inner[3:-3].removeprefix("json")
    return inner


@cache
def _instructions() -> tuple[str, ...]:
    return tuple(line.strip("- ") for line in prompt_file("persona_user.md").splitlines() if "{" not in line)


@cache
def prompt_file(name: str) -> str:
    return (files("usergym.serving") / "prompts" / name).read_text(encoding="utf-8")
