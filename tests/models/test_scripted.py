"""A scripted model keeps no state: its place is in the view."""

import asyncio

import pytest

from usergym.models.base import ModelError
from usergym.models.scripted import ScriptedModel
from usergym.types import Message, Sampling, ToolCall


def test_the_next_reply_is_decided_by_the_view_alone() -> None:
    async def play() -> None:
        call = Message("assistant", tool_calls=(ToolCall("a", "look", "{}"),))
        view = [Message("system", "s"), Message("user", "hi"), Message("assistant", "one"), Message("user", "go on")]
        for _ in range(2):
            model = ScriptedModel(["one", call])
            reply = await model.reply(view, [], Sampling())
            assert (reply.message, reply.finish) == (call, "tool_calls")
            assert (await model.reply(view[:2], [], Sampling())).message.content == "one"
        assert (await ScriptedModel(["first"], spoken_before=1).reply(view, [], Sampling())).message.content == "first"

    asyncio.run(play())


def test_past_its_end_it_refuses_and_says_how_many_replies_it_had() -> None:
    view = [Message("assistant", "one"), Message("user", "and?")]
    for model in (ScriptedModel(["one"]), ScriptedModel(["one"], spoken_before=2)):
        with pytest.raises(ModelError, match="has 1 scripted replies and was asked for number") as caught:
            asyncio.run(model.reply(view, [], Sampling()))
        assert caught.value.kind == "refused"


def test_a_reply_can_be_computed_from_the_view() -> None:
    model = ScriptedModel(lambda view: f"you said {view[-1].content}")
    assert asyncio.run(model.reply([Message("user", "boo")], [], Sampling())).message.content == "you said boo"
