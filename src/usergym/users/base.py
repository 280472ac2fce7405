"""Whoever speaks: a model in a seat, a script, an agenda, a person."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from usergym.models.base import Model, ModelError
from usergym.types import Message, Sampling, Seat, Speaker, Tool, Turn, stable_hash


class Participant(Protocol):
    """Keeps nothing between turns: what it needs is in its view or its world, so it can take over at
    any turn of a conversation."""

    @property
    def seat(self) -> Seat: ...

    async def speak(self, view: Sequence[Message]) -> Turn: ...


class SimulatorError(Exception):
    """The simulated user failed: its conversation is a failure, never data and never a reward of 0."""


def draw(seed: int, view: Sequence[Message]) -> int:
    """The seed of one reply: of this conversation and of this place in it."""
    return stable_hash(seed, len(view)) & 0x7FFFFFFF


class ModelParticipant:
    """A model in a seat."""

    def __init__(self, speaker: Speaker, model: Model, seat: Seat, tools: Sequence[Tool] = (), seed: int = 0) -> None:
        self.speaker = speaker
        self.model = model
        self.seat = seat
        self.tools = tools
        self.seed = seed

    async def speak(self, view: Sequence[Message]) -> Turn:
        sampling = seeded(self.seat.sampling, draw(self.seed, view))
        reply = await self.model.reply(view, self.tools, sampling)
        stop = None
        if reply.finish == "length":
            if self.speaker == "user":
                raise SimulatorError(f"the user was cut at {reply.usage.output_tokens} tokens; raise max_tokens")
            stop = "length"
        elif reply.finish == "content_filter":
            raise ModelError("refused", f"{self.model.name} filtered the reply")
        elif not reply.message.content.strip() and not reply.message.tool_calls:
            if self.speaker == "user":
                raise SimulatorError("the user's reply was empty")
            stop = "silent"
        return Turn(self.speaker, reply.message, tokens=reply.tokens, usage=reply.usage, stop=stop)


def seeded(sampling: Sampling, seed: int) -> Sampling:
    return sampling if sampling.seed is not None else msgspec.structs.replace(sampling, seed=seed)
