"""The rows (x, y, o) of conversations that the real engine played."""

import asyncio
from array import array
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rollouts.toy import CountingEnvironment
from tests.training import tokenizers
from usergym.models.base import Reply as Answer
from usergym.rollouts.engine import Cast, Limits, Seating, begin, play, seat_model
from usergym.training.chat import Chat
from usergym.training.hindsight import TEMPLATES
from usergym.training.policy import Sampled, seating
from usergym.training.reactions import Drifted, Reply, reaction_to, replies
from usergym.training.tokens import only_row
from usergym.types import Message, Sampling, Task, Tokens, Tool, ToolCall, Trajectory, Turn

CHATML = Chat(tokenizers.tokenizer(tokenizers.CHATML))
"""Tools by the text protocol."""
THINKER = Chat(tokenizers.tokenizer(tokenizers.THINKER))
"""Tools of its own."""
LLAMA = Chat(tokenizers.tokenizer(tokenizers.LLAMA))
GEMMA = Chat(tokenizers.tokenizer(tokenizers.GEMMA))
NEUTRAL = TEMPLATES["neutral"]

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).map(lambda text: f"a{text}z")


def _look(said: str, word: str) -> Message:
    return Message("assistant", said, None, (ToolCall("c", "look", msgspec.json.encode({"where": word}).decode()),))


messages = st.lists(
    st.builds(Message, st.just("assistant"), words, st.none() | st.just("hm")) | st.builds(_look, words, words),
    min_size=1,
    max_size=5,
)


def saying(chat: Chat, said: Sequence[Message]) -> Seating:
    left = iter(said)

    async def sample(prompt: list[int]) -> Sampled:
        return Sampled(chat.write(next(left)))

    return seating(chat, sample)


def played(agent: Seating, replies: int) -> Trajectory:
    task = Task("t", "counting", data={"n": 9})
    trajectory = asyncio.run(play(CountingEnvironment(), begin(task, 0, 7), Cast(agent, limits=Limits(replies))))
    assert trajectory.error is None, trajectory.error
    return trajectory


def tools(trajectory: Trajectory) -> Sequence[Tool]:
    return CountingEnvironment().start(trajectory.task).tools("assistant")


def found(trajectory: Trajectory) -> list[Reply]:
    return replies(trajectory, only_row(trajectory))


def text(chat: Chat, ids: Sequence[int]) -> str:
    return str(chat.tokenizer.decode(ids, clean_up_tokenization_spaces=False))


@settings(max_examples=60, deadline=None)
@given(messages, st.sampled_from([CHATML, THINKER, LLAMA]), words, st.sampled_from(sorted(TEMPLATES)))
def test_with_a_reaction_the_context_is_the_same_id_by_id_but_for_the_end_of_its_last_message(
    said: list[Message], chat: Chat, reaction: str, name: str
) -> None:
    trajectory = played(saying(chat, said), len(said))
    made = found(trajectory)
    assert [each.turn for each in made] == [place for place, turn in enumerate(trajectory.turns) if turn.tokens]
    given = tools(trajectory)
    row = only_row(trajectory).ids.tolist()
    for each in made:
        tokens = trajectory.turns[each.turn].tokens
        assert tokens
        assert each.ids == array("i", tokens.output_ids).tolist()
        assert each.context + each.ids == row[: each.end]
        longer = each.behind(chat, reaction, TEMPLATES[name], given)
        written, plain = TEMPLATES[name].written(reaction), text(chat, each.context)
        assert text(chat, longer).count(written) == 1
        assert text(chat, longer).replace(written, "") == plain
        alike = next(n for n, (a, b) in enumerate(zip(each.context, longer, strict=False)) if a != b)
        assert alike >= len(each.head)
        last = trajectory.view("assistant", until=each.turn)[-1].content
        assert len(text(chat, each.context[alike:])) <= len(plain) - plain.rindex(last)


def test_a_reaction_is_all_that_the_other_side_says_until_the_speaker_speaks_again() -> None:
    def turn(speaker: str, words: str = "", **more: object) -> Turn:
        return Turn(speaker, Message("assistant", words), **more)  # type: ignore[arg-type]

    call = Message("assistant", "", None, (ToolCall("c", "look", "{}"),))
    trajectory = Trajectory(
        Task("t", "counting"),
        0,
        0,
        turns=[
            turn("user", "Hello?"),
            turn("assistant", "Yes."),
            turn("judge", "bad", heard=""),
            turn("user", " No. "),
            turn("user", "Never."),
            Turn("assistant", call),
            Turn("assistant", Message("tool", "here: 1", tool_call_id="c")),
            turn("assistant", "Then this."),
            turn("user", "", stop="user_stop"),
        ],
    )
    assert reaction_to(trajectory, 1) == "No.\nNever."
    assert reaction_to(trajectory, 5) == "", "a tool's result is no reaction"
    assert reaction_to(trajectory, 7) == ""
    assert reaction_to(trajectory, 0, "user") == "Yes."
    assert reaction_to(trajectory, 4, "user") == "Then this."


@pytest.mark.parametrize("chat", [CHATML, THINKER], ids=["text protocol", "native"])
def test_tools_that_are_not_known_any_more_stay_in_both_contexts_as_they_were_recorded(chat: Chat) -> None:
    said = [
        _look("", "there"),
        Message("assistant", "number 1"),
        Message("assistant", "number 2"),
        _look("", "here"),
        Message("assistant", "number 3"),
    ]
    trajectory = played(saying(chat, said), len(said))
    for each in found(trajectory):
        if not each.reaction:
            continue
        for known in (tools(trajectory), ()):
            longer = each.behind(chat, "No!", NEUTRAL, known)
            for ids in (each.context, longer):
                assert "Looks somewhere." in text(chat, ids)
                assert "there: 1" in text(chat, ids)
            assert longer == each.behind(chat, "No!", NEUTRAL, tools(trajectory))
            shared = len(each.context) - 60
            assert longer[:shared] == each.context[:shared]


class Server:
    """A model behind an endpoint, which writes its prompts with a template of its own."""

    name = "server"

    def __init__(self, chat: Chat, said: Sequence[Message]) -> None:
        self.chat = chat
        self.said = iter(said)

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Answer:
        prompt, output = self.chat.first(messages, tools), self.chat.write(next(self.said))
        return Answer(self.chat.read(output, len(messages)), tokens=Tokens.of(prompt, output))

    async def close(self) -> None: ...


def test_a_context_of_another_template_has_drifted() -> None:
    said = [Message("assistant", each) for each in ("One.", "Two.")]
    for other in (LLAMA, GEMMA):
        trajectory = played(seat_model(Server(other, said)), 2)
        for each in found(trajectory):
            assert each.behind(other, "No!", NEUTRAL, tools(trajectory))
            with pytest.raises(Drifted, match=r"the context of turn \d is not what the chat template makes"):
                each.behind(CHATML, "No!", NEUTRAL, tools(trajectory))


def test_a_context_with_other_words_in_its_last_message_has_drifted_though_it_ends_alike() -> None:
    """As one that a server cut, or wrote with another tokenizer that has the same special tokens."""
    trajectory = played(saying(CHATML, [Message("assistant", "One.")]), 1)
    (each,) = found(trajectory)
    changed = list(each.context)
    place = text(CHATML, changed).index("number 0")
    begun = len(CHATML.tokenizer(text(CHATML, changed)[:place], add_special_tokens=False)["input_ids"])
    changed[begun + 1] += 1
    other = Reply(**{**{name: getattr(each, name) for name in Reply.__slots__}, "context": changed})
    with pytest.raises(Drifted):
        other.behind(CHATML, "No!", NEUTRAL, ())
