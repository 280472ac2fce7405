"""A policy in its seat: ids in, ids out, one row for a whole conversation."""

import asyncio
from collections.abc import Sequence

import msgspec

from tests.rollouts.toy import CountingEnvironment
from tests.training import tokenizers
from tests.training.orchard import Orchard, OrchardWorld
from usergym.environments.base import Environment
from usergym.rollouts.engine import Cast, Limits, Seating, begin, play
from usergym.training.chat import Chat
from usergym.training.policy import Sampled, own_ids, seating
from usergym.training.tokens import only_row
from usergym.types import Message, Task, Tokens, Trajectory, Turn

THINKER = Chat(tokenizers.tokenizer(tokenizers.THINKER))


class Says:
    """Samples these messages, one after the other, and keeps the prompts."""

    def __init__(self, chat: Chat, messages: Sequence[Message], cut: bool = False) -> None:
        self.chat = chat
        self.messages = iter(messages)
        self.cut = cut
        self.prompts: list[list[int]] = []
        self.outputs: list[list[int]] = []

    async def __call__(self, prompt: list[int]) -> Sampled:
        self.prompts.append(prompt)
        ids = self.chat.write(next(self.messages))
        self.outputs.append(ids[:-1] if self.cut else ids)
        return Sampled(self.outputs[-1])


def played(environment: Environment, seat: Seating, task: Task | None = None, replies: int = 9) -> Trajectory:
    task = task or next(environment.tasks("train"))
    made = asyncio.run(play(environment, begin(task, 0, 0), Cast(seat, limits=Limits(replies))))
    assert made.error is None, made.error
    return made


def test_a_template_that_drops_old_thoughts_gets_one_row_in_which_they_stay() -> None:
    thoughts = [Message("assistant", word, f"I think of {word}.") for word in ("fig", "plum", "pear")]
    says = Says(THINKER, thoughts)
    trajectory = played(Orchard(asks=3), seating(THINKER, says))
    row = only_row(trajectory)
    assert row.ids.tolist() == [*says.prompts[-1], *says.outputs[-1]]
    for earlier, output, later in zip(says.prompts, says.outputs, says.prompts[1:], strict=False):
        assert later[: len(earlier) + len(output)] == [*earlier, *output], "the past is never rendered again"
    text = THINKER.tokenizer.decode(row.ids)
    assert all(f"I think of {word}." in text for word in ("fig", "plum", "pear"))
    rendered = THINKER.first(trajectory.view("assistant"))
    assert "I think of fig." not in THINKER.tokenizer.decode(rendered), "this template would have dropped it"
    said = [turn for turn in trajectory.turns if turn.speaker == "assistant"]
    assert [(turn.message.content, turn.message.reasoning) for turn in said] == [
        (each.content, each.reasoning) for each in thoughts
    ]


def test_a_conversation_ends_where_it_is_as_long_as_it_may_be() -> None:
    says = Says(THINKER, [Message("assistant", "fig")] * 9)
    whole = played(Orchard(asks=4), seating(THINKER, says))
    length = len(only_row(whole).ids)
    says = Says(THINKER, [Message("assistant", "fig")] * 9)
    cut = played(Orchard(asks=4), seating(THINKER, says, context=length // 2))
    assert cut.stop == "length"
    assert 0 < len(says.prompts) < 4
    assert max(map(len, says.prompts)) < length // 2
    assert cut.reward() is not None, "that is the policy's own doing, so it is scored"
    assert len(only_row(cut).spans) == len(says.prompts)


def test_a_cut_or_an_empty_reply_ends_the_conversation_and_is_not_answered() -> None:
    for says, stop in (
        (Says(THINKER, [Message("assistant", "fig")], cut=True), "length"),
        (Says(THINKER, [Message("assistant", "")]), "silent"),
    ):
        trajectory = played(Orchard(asks=4), seating(THINKER, says))
        assert (trajectory.stop, len(says.prompts)) == (stop, 1)
        assert trajectory.turns[-1].tokens


def test_ids_that_an_opening_brings_are_of_another_model_and_do_not_count() -> None:
    foreign = Tokens.of([5] * 7, [6] * 3)
    opening = (
        Turn("user", Message("assistant", "Hello.")),
        Turn("assistant", Message("assistant", "fig"), tokens=foreign),
    )
    task = Task("tree-0", "orchard", opening=opening)
    says = Says(THINKER, [Message("assistant", "plum"), Message("assistant", "pear")])
    trajectory = played(Orchard(asks=3), seating(THINKER, says), task)
    first = [Message("system", OrchardWorld.system), Message("user", "Hello."), Message("assistant", "fig")]
    said = Message("user", trajectory.turns[2].said)
    assert says.prompts[0] == THINKER.first([*first, said])
    assert only_row(trajectory).ids.tolist() == [*says.prompts[1], *says.outputs[1]]
    assert own_ids(trajectory, "assistant") == only_row(trajectory).ids.astype("<i4").tobytes()


def test_recorded_tool_calls_of_a_policy_are_answered_in_the_same_row() -> None:
    looked = [
        Message("assistant", f'<tool_call>\n{{"name": "look", "arguments": {{"where": "{n}"}}}}\n</tool_call>')
        for n in "ab"
    ]
    says = Says(THINKER, [*looked, Message("assistant", "done")])
    trajectory = played(CountingEnvironment(), seating(THINKER, says), replies=3)
    results = [turn.message.content for turn in trajectory.turns if turn.message.role == "tool"]
    assert len(results) == 2
    text = THINKER.tokenizer.decode(only_row(trajectory).ids)
    assert all(result in text for result in results)
    assert msgspec.json.decode(msgspec.json.encode(trajectory), type=Trajectory).turns == trajectory.turns
