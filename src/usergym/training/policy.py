"""A policy in training takes a seat: ids in, ids out. What was said is never rendered again, so that a conversation
stays one row of tokens whatever its chat template does with the past."""

import time
from array import array
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from usergym.environments.base import World
from usergym.rollouts.engine import Seating
from usergym.training.chat import Chat
from usergym.types import Message, Seat, Speaker, Tokens, Tool, Trajectory, Turn, Usage


@dataclass(frozen=True, slots=True)
class Sampled:
    """One generation: the ids after the prompt, its end token among them, and their log-probabilities where the
    engine gives them."""

    ids: Sequence[int]
    logprobs: Sequence[float] = ()


Sample = Callable[[list[int]], Awaitable[Sampled]]
"""Continues prompt ids; whoever has one (TRL, vLLM, verl) can play conversations."""


class TokenParticipant:
    """Speaks by continuing the ids of its own turns so far, which it reads from the world's trajectory."""

    def __init__(
        self,
        speaker: Speaker,
        chat: Chat,
        sample: Sample,
        seat: Seat,
        tools: Sequence[Tool],
        world: World,
        context: int,
    ) -> None:
        self.speaker = speaker
        self.chat = chat
        self.sample = sample
        self.seat = seat
        self.tools = tools
        self.world = world
        self.context = context

    async def speak(self, view: Sequence[Message]) -> Turn:
        prompt = self._prompt(view)
        if len(prompt) >= self.context:
            return Turn(self.speaker, Message("assistant"), heard="", stop="length")
        started = time.perf_counter()
        sampled = await self.sample(prompt)
        if self.speaker == "assistant" and (most := self.world.reply_tokens):
            # What was sampled behind the limit changes nothing before it.
            sampled = Sampled(sampled.ids[:most], sampled.logprobs[:most])
        message = self.chat.read(sampled.ids, len(view))
        stop = None
        if not self.chat.ended(sampled.ids):
            stop = "length"
        elif not message.content.strip() and not message.tool_calls:
            stop = "silent"
        usage = Usage(len(prompt), len(sampled.ids), seconds=time.perf_counter() - started, calls=1)
        return Turn(
            self.speaker, message, tokens=Tokens.of(prompt, sampled.ids, sampled.logprobs), usage=usage, stop=stop
        )

    def _prompt(self, view: Sequence[Message]) -> list[int]:
        assert self.world.trajectory is not None
        head = own_ids(self.world.trajectory, self.speaker)
        if not head:
            return self.chat.first(view, self.tools)
        last = max(place for place, message in enumerate(view) if message.role == "assistant")
        return [*array("i", head), *self.chat.more(view[last + 1 :])]


def own_ids(trajectory: Trajectory, speaker: Speaker) -> bytes:
    """Packed ids of prompt + output of the speaker's last reply; nothing where that reply has none. Ids that the task's
    opening brings are of whoever recorded it, so they do not count."""
    head = given = b""
    left = sum(turn.speaker == speaker and turn.message.role == "assistant" for turn in trajectory.task.opening)
    for turn in trajectory.turns:
        if turn.speaker != speaker or turn.message.role != "assistant":
            continue
        left -= 1
        if left >= 0:
            given = turn.tokens.whole(given) if turn.tokens else given
        else:
            # The engine stores a prompt as what follows the speaker's last one, the opening's too.
            head = turn.tokens.whole(head or given) if turn.tokens else b""
    return head


def seating(
    chat: Chat, sample: Sample, speaker: Speaker = "assistant", name: str = "policy", context: int = 1 << 30
) -> Seating:
    """Seats the policy in every world it is given. `context`: ids one conversation may have; at that length the
    conversation ends (`length`), which is the policy's own doing."""

    def seated(world: World, seed: int) -> TokenParticipant:
        tools = world.tools(speaker)
        seat = Seat(world.system if speaker == "assistant" else "", tuple(tool.name for tool in tools), name)
        return TokenParticipant(speaker, chat, sample, seat, tools, world, context)

    return seated
