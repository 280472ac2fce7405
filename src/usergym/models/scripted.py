"""A model that plays fixed or computed replies."""

from collections.abc import Callable, Sequence

from usergym.models.base import ModelError, Reply
from usergym.types import Message, Sampling, Tool, Usage


class ScriptedModel:
    """Gives the replies in order, the next one by how often its side has spoken in the view, so it keeps
    nothing and can take over at any turn. ModelError("refused") past the end.

    `replies` may instead be a function of the view. `spoken_before` is how many replies of the view are an
    opening that the script does not count.
    """

    def __init__(
        self,
        replies: Sequence[str | Message] | Callable[[Sequence[Message]], str | Message],
        name: str = "scripted",
        spoken_before: int = 0,
    ) -> None:
        self.replies = replies
        self.name = name
        self.spoken_before = spoken_before

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        if callable(self.replies):
            written = self.replies(messages)
        else:
            place = sum(message.role == "assistant" for message in messages) - self.spoken_before
            if not 0 <= place < len(self.replies):
                raise ModelError(
                    "refused",
                    f"model {self.name!r} has {len(self.replies)} scripted replies and was asked for number "
                    f"{place + 1}; give it more, or a function of the view",
                )
            written = self.replies[place]
        return as_reply(written, Usage(calls=1))

    async def close(self) -> None:
        """Holds nothing."""


def as_reply(written: str | Message, usage: Usage) -> Reply:
    message = Message("assistant", written) if isinstance(written, str) else written
    return Reply(message, usage, "tool_calls" if message.tool_calls else "stop")
