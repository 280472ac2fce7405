"""What a model is, and how it fails."""

from collections.abc import Sequence
from typing import Literal, Protocol

from usergym.types import Message, Record, Sampling, Tokens, Tool, Usage

Finish = Literal["stop", "length", "tool_calls", "content_filter"]


class Reply(Record, frozen=True):
    message: Message
    """Role `assistant`; reasoning apart from content."""
    usage: Usage = Usage()
    finish: Finish = "stop"
    tokens: Tokens | None = None
    """As sampled, with the whole prompt (`kept == 0`), where the server returns ids."""


class Model(Protocol):
    @property
    def name(self) -> str: ...

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        """One reply. Raises ModelError for this conversation, StopRun for the whole run."""
        ...

    async def close(self) -> None: ...


class ModelError(Exception):
    """This call failed for good: the conversation is a failure, the run goes on.

    `unavailable`: retries are used up. `refused`: the server will not take this request (400, 422).
    `malformed`: it answered something that is not a reply.
    """

    def __init__(self, kind: Literal["unavailable", "refused", "malformed"], message: str) -> None:
        super().__init__(message)
        self.kind: Literal["unavailable", "refused", "malformed"] = kind


class StopRun(BaseException):
    """Ends the run, resumable: a refused key, an endpoint that is not there, a spent budget.

    A BaseException, so that what turns a broken conversation into data does not catch it.
    """


class BudgetSpent(StopRun):
    """No further call may be made; those in flight are paid for and may still come in."""
