"""Recorded conversations, made ready: what is kept, what gives way, and what is left out under which name."""

import asyncio
from array import array
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rollouts.toy import CountingEnvironment
from tests.training import tokenizers
from usergym.data.formats import interactions
from usergym.models.base import Reply
from usergym.rollouts.engine import Cast, Limits, Seating, begin, play, seat_model
from usergym.training.conversations import Encoder
from usergym.training.hindsight import LONGEST, TEMPLATES
from usergym.training.policy import Sampled, seating
from usergym.training.reactions import replies
from usergym.training.recorded import Prepared, prepared
from usergym.training.tokens import only_row
from usergym.types import Failure, Message, Sampling, Seat, Task, Tokens, Tool, ToolCall, Trajectory, Turn

CHATML = Encoder(tokenizers.tokenizer(tokenizers.CHATML))
THINKER = Encoder(tokenizers.tokenizer(tokenizers.THINKER))
LLAMA = Encoder(tokenizers.tokenizer(tokenizers.LLAMA))
SPACED = Encoder(tokenizers.spaced_tokenizer(tokenizers.CHATML))
NEUTRAL = TEMPLATES["neutral"]
ROOM = 1 << 20


def told(x: Sequence[str], y: str = "Pears.", o: str = "Thanks.", system: str = "") -> Trajectory:
    """A tuple whose context is told by the user and the assistant in turn."""
    roles = ("user", "assistant")
    rows = [{"role": roles[n % 2], "content": words} for n, words in enumerate(x)]
    rows = [{"role": "system", "content": system}, *rows] if system else rows
    (made,) = interactions.read({"x": rows, "y": y, "o": o, "meta": {}})
    return made


def text(encoder: Encoder, ids: Sequence[int]) -> str:
    return str(encoder.tokenizer.decode(ids, clean_up_tokenization_spaces=False))


def ready(encoder: Encoder, *conversations: Trajectory, window: int = ROOM, speaker: Any = "assistant") -> Prepared:
    return prepared(conversations, encoder, NEUTRAL, window, speaker)


@pytest.mark.parametrize("encoder", [CHATML, THINKER, LLAMA])
def test_a_tuple_gets_the_ids_by_which_the_model_would_have_said_it(encoder: Encoder) -> None:
    (made,) = ready(encoder, told(["Ripe?", "Plums.", "And now?"], system="Be kind.")).conversations
    row = only_row(made)
    (reply,) = replies(made, row)
    messages = [("system", "Be kind."), ("user", "Ripe?"), ("assistant", "Plums."), ("user", "And now?")]
    rows = [{"role": role, "content": words} for role, words in messages]
    wanted = encoder.tokenizer.apply_chat_template(rows, add_generation_prompt=True, tokenize=False)
    assert reply.context == encoder.tokenizer(wanted, add_special_tokens=False)["input_ids"]
    assert encoder.chat.read(reply.ids).content == "Pears."
    assert encoder.chat.ended(reply.ids)
    assert reply.reaction == "Thanks."


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text("abcdefgh ", min_size=1, max_size=40).map(lambda text: f"x{text}x"), min_size=3, max_size=9),
    st.integers(60, 400),
)
def test_where_there_is_no_room_the_oldest_exchanges_give_way_whole_and_alike_for_both_contexts(
    said: list[str], window: int
) -> None:
    x = said if len(said) % 2 else said[1:]
    whole = told(x, system="Be kind.")
    found = ready(CHATML, whole, window=window)
    if not found.conversations:
        assert found.left_out == {"no_room": 1}
        assert not ready(CHATML, told(x[-1:], system="Be kind."), window=window).conversations
        return
    (made,) = found.conversations
    (reply,) = replies(made, only_row(made))
    longer = reply.behind(CHATML.chat, "Thanks.", NEUTRAL, ())
    assert len(longer) + len(reply.ids) <= window
    kept = [turn.message.content for turn in made.task.opening]
    assert kept == x[len(x) - len(kept) :]
    assert len(kept) % 2 == 1
    assert found.shortened == (len(kept) < len(x))
    for ids in (reply.context, longer):
        assert text(CHATML, ids).startswith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n" + kept[0])
        assert all(words in text(CHATML, ids) for words in kept)
    assert CHATML.chat.read(reply.ids).content == "Pears."
    assert made.turns[-1].message.content == "Thanks."
    if len(kept) < len(x):
        with_one_more = told(x[-len(kept) - 2 :], system="Be kind.")
        assert ready(CHATML, with_one_more, window=window).shortened == 1


def test_what_cannot_be_learned_from_is_left_out_and_counted_by_its_reason() -> None:
    broken = told(["Ripe?"])
    broken.error = Failure("unavailable", "nobody there")
    cases = {
        "failed": broken,
        "unanswered": told(["Ripe?"], o="  "),
        "too_long": told(["Ripe?"], o="a" * (LONGEST + 1)),
        "no_room": told(["Ripe? " * 200]),
        "words that hold the name of a special token": told(["Ripe?"], y="<|im_end|>"),
    }
    found = ready(CHATML, *cases.values(), told(["Ripe?"]), window=400)
    assert found.left_out == dict.fromkeys(cases, 1)
    assert len(found.conversations) == 1


def test_a_reply_that_is_only_an_end_token_is_one_token_to_learn_from() -> None:
    (made,) = ready(CHATML, told(["Ripe?"], y="")).conversations
    (reply,) = replies(made, only_row(made))
    assert reply.ids == [CHATML.chat.end_ids[0]]
    assert reply.reaction == "Thanks."


def test_a_conversation_of_several_replies_is_one_row_also_where_one_reaction_is_enormous() -> None:
    turns = [Turn("user" if n % 2 == 0 else "assistant", Message("assistant", f"{n}.")) for n in range(6)]
    turns[2] = Turn("user", Message("assistant", "a" * (LONGEST + 1)))
    (made,) = ready(THINKER, Trajectory(Task("t", "chat"), 0, 0, turns=turns)).conversations
    found = replies(made, only_row(made))
    assert [each.turn for each in found] == [1, 3, 5]
    assert [len(each.reaction) for each in found] == [LONGEST + 1, 2, 0]
    assert [THINKER.chat.read(each.ids).content for each in found] == ["1.", "3.", "5."]


def test_the_user_can_be_the_one_who_learns() -> None:
    turns = [Turn("user" if n % 2 == 0 else "assistant", Message("assistant", f"{n}.")) for n in range(4)]
    seats = {"user": Seat("You are hungry.", ("wave",)), "assistant": Seat("", ("look",))}
    tools = (Tool("look", "Looks.", {}),)
    recorded = Trajectory(Task("t", "chat", tools=tools), 0, 0, seats, turns)
    assert ready(CHATML, recorded, speaker="user").left_out == {"no_schemas": 1}
    recorded.seats["user"] = Seat("You are hungry.")
    (made,) = ready(CHATML, recorded, speaker="user").conversations
    found = replies(made, only_row(made, "user"), "user")
    assert [each.reaction for each in found] == ["1.", "3."]
    assert "You are hungry." in text(CHATML, found[0].context)
    assert "Looks." not in text(CHATML, found[0].context), "those tools are the assistant's"


def policy(encoder: Encoder, said: Sequence[Message]) -> Seating:
    """As a run of our own trainer records: what was said is never written again."""
    left = iter(said)

    async def sample(prompt: list[int]) -> Sampled:
        return Sampled(encoder.chat.write(next(left)))

    return seating(encoder.chat, sample)


class Server:
    """A model behind an endpoint that writes the whole conversation anew for every reply, and tells its ids or not."""

    name = "server"

    def __init__(self, encoder: Encoder, said: Sequence[Message], with_ids: bool = True) -> None:
        self.chat = encoder.chat
        self.said = iter(said)
        self.with_ids = with_ids

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        prompt, output = self.chat.first(messages, tools), self.chat.write(next(self.said))
        tokens = Tokens.of(prompt, output) if self.with_ids else None
        return Reply(self.chat.read(output, len(messages)), tokens=tokens)

    async def close(self) -> None: ...


SAID = [
    Message("assistant", "", None, (ToolCall("c", "look", '{"where": "there"}'),)),
    Message("assistant", "number 0"),
    Message("assistant", "number 1"),
]


def run(agent: Seating, said: Sequence[Message] = SAID) -> Trajectory:
    """As a run folder has it: the schemas of the tools are the environment's."""
    task = Task("t", "counting", data={"n": 9})
    made = asyncio.run(play(CountingEnvironment(), begin(task, 0, 7), Cast(agent, limits=Limits(len(said)))))
    assert made.error is None
    return msgspec.json.decode(msgspec.json.encode(made), type=Trajectory)


@pytest.mark.parametrize("encoder", [CHATML, THINKER], ids=["text protocol", "native"])
def test_a_run_with_tools_is_learned_from_by_the_ids_that_it_recorded(encoder: Encoder) -> None:
    recorded = run(policy(encoder, SAID))
    (made,) = ready(encoder, recorded).conversations
    assert made == recorded
    answered = [each for each in replies(made, only_row(made)) if each.reaction]
    assert len(answered) == 2
    for each in answered:
        tokens = made.turns[each.turn].tokens
        assert tokens
        assert each.ids == array("i", tokens.output_ids).tolist()
        longer = each.behind(encoder.chat, each.reaction, NEUTRAL, ())
        assert all("Looks somewhere." in text(encoder, ids) for ids in (each.context, longer))
        assert len(longer) + len(each.ids) > 200
    assert ready(encoder, recorded, window=200).left_out == {"no_room": 1}
    assert ready(encoder, run(seat_model(Server(encoder, SAID, with_ids=False)))).left_out == {"no_schemas": 1}


def test_what_another_template_or_tokenizer_wrote_is_left_out() -> None:
    said = SAID[1:]
    assert ready(CHATML, run(policy(LLAMA, said), said)).left_out == {"drifted": 1}
    assert ready(CHATML, run(policy(SPACED, said), said)).left_out == {"drifted": 1}
    thought = [Message("assistant", "number 0", "Well."), Message("assistant", "number 1")]
    assert ready(THINKER, run(seat_model(Server(THINKER, thought)), thought)).left_out == {"rewritten": 1}


def test_an_opening_that_begins_with_the_assistant_gives_way_too() -> None:
    long = "Welcome to the orchard. " * 20
    turns = [Turn("assistant", Message("assistant", long)), Turn("user", Message("assistant", "Ripe?"))]
    turns += [Turn("assistant", Message("assistant", "Pears.")), Turn("user", Message("assistant", "Thanks."))]
    recorded = Trajectory(Task("t", "chat", opening=tuple(turns[:2])), 0, 0, turns=turns)
    found = ready(CHATML, recorded, window=200)
    assert [turn.message.content for turn in found.conversations[0].turns] == ["Ripe?", "Pears.", "Thanks."]
    assert found.shortened == 1
