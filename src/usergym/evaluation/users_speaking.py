"""A model that thinks as a person before it speaks, for evaluation: what it cannot write is a reply without words, and
what its server fails to do is an error."""

from collections.abc import Sequence

from usergym.environments.people.gym import People
from usergym.models.base import Model, ModelError, Reply
from usergym.types import Message, Sampling, Tool, Usage
from usergym.users.states.speaking import SpeakingModel, Speech


class SpokenModel:
    """SpeakingModel over `model`, but a person without a readable word after all attempts says nothing, so that a model
    does not gain by failing."""

    def __init__(self, model: Model, speech: Speech) -> None:
        self.model = model
        self.speech = speech

    @property
    def name(self) -> str:
        return self.model.name

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        watched = _Watched(self.model)
        try:
            return await SpeakingModel(watched, self.speech).reply(messages, tools, sampling)
        except ModelError:
            if watched.broke or tools:
                raise
            return Reply(Message("assistant", ""), watched.usage)

    async def close(self) -> None:
        await self.model.close()


class _Watched:
    """Remembers what one reply took, and whether the model itself failed."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.usage = Usage()
        self.broke = False

    @property
    def name(self) -> str:
        return self.model.name

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        try:
            reply = await self.model.reply(messages, tools, sampling)
        except ModelError:
            self.broke = True
            raise
        self.usage += reply.usage
        return reply

    async def close(self) -> None:
        await self.model.close()


def speech_of(model: Model, people: People) -> tuple[Model, Speech]:
    """The model as it is asked for one level, and how it speaks: as it was trained to where it was, else by the levels
    of the evaluation."""
    if isinstance(model, SpeakingModel) and model.speech.states:
        return model.model, model.speech
    mode = people.mode
    thinking = tuple(level.name for level in people.hierarchy.judged if mode.thinks(level.name))
    speech = Speech(people.hierarchy, shared=mode.separate and not mode.own_prompts, thinking=thinking)
    return (model.model if isinstance(model, SpeakingModel) else model), speech
