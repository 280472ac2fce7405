"""A model that answers from a function."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from usergym.models.base import ModelError, Reply
from usergym.models.fake import FakeModel
from usergym.types import Message, Sampling, Tool, ToolCall, Usage

VIEW = [Message("user", "x" * 80)]


def test_it_answers_from_a_function_and_keeps_every_request() -> None:
    def answer(messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> str:
        return f"{messages[-1].content[:2]} {len(tools)} {sampling.seed}"

    model = FakeModel(answer)
    reply = asyncio.run(model.reply(VIEW, [Tool("t", "", {})], Sampling(seed=7)))
    assert reply.message == Message("assistant", "xx 1 7")
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.calls) == (20, 2, 1)
    (call,) = model.calls
    assert call.messages == tuple(VIEW)
    assert call.sampling.seed == 7


def test_the_function_may_be_async_and_give_a_message_or_a_whole_reply() -> None:
    call = Message("assistant", tool_calls=(ToolCall("a", "look", "{}"),))
    whole = Reply(Message("assistant", "cut"), Usage(calls=3), "length")

    async def play() -> None:
        async def answer(messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Message:
            await asyncio.sleep(0)
            return call

        assert (await FakeModel(answer).reply(VIEW, [], Sampling())).finish == "tool_calls"
        assert await FakeModel(lambda *_: whole).reply(VIEW, [], Sampling()) is whole

    asyncio.run(play())


def test_calls_fail_where_they_are_told_to() -> None:
    async def play() -> None:
        model = FakeModel(lambda *_: "fine", fail={1: ModelError("unavailable", "down")})
        assert (await model.reply(VIEW, [], Sampling())).message.content == "fine"
        with pytest.raises(ModelError, match="down"):
            await model.reply(VIEW, [], Sampling())
        assert (await model.reply(VIEW, [], Sampling())).message.content == "fine"
        assert len(model.calls) == 3

    asyncio.run(play())


def test_latency_is_waited_without_blocking_others() -> None:
    async def play() -> None:
        model = FakeModel(lambda *_: "late", latency=0.05)
        started = time.perf_counter()
        replies = await asyncio.gather(*(model.reply(VIEW, [], Sampling()) for _ in range(20)))
        assert 0.05 <= time.perf_counter() - started < 0.8
        assert all(reply.usage.seconds >= 0.05 for reply in replies)

    asyncio.run(play())
