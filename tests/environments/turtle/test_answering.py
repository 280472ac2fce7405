"""The user who tells the puzzle: by rules, and as a model that picks one of the answers."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.environments.turtle import answering, environment, judging
from usergym.environments.turtle.story import Story, own
from usergym.models.base import Reply
from usergym.models.fake import FakeModel
from usergym.rollouts.engine import Cast, begin, play, seat_oracle
from usergym.types import Message, Task, Trajectory

STORY = next(puzzle.story for puzzle in own() if puzzle.id == "thirteenth-step")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Is he blind?", answering.YES),
        ("Was the old man unable to see?", answering.YES),
        ("did he count the stairs?", answering.YES),
        ("Was he pushed by his grandson to hurt him?", answering.NO),
        ("Is a ghost involved?", answering.NO),
        ("Does it matter what he wanted down in the cellar?", answering.IRRELEVANT),
        ("Is he not blind?", answering.NEGATED),
        ("Is he blind or drunk?", answering.ONE_THING),
        ("Why did he fall?", answering.NOT_A_QUESTION),
        ("Tell me the story.", answering.NOT_A_QUESTION),
        ("I see.", answering.NOT_A_QUESTION),
        ("Does he own a parrot?", answering.UNCLEAR),
        ("", answering.NOT_A_QUESTION),
        ("?", answering.NOT_A_QUESTION),
        ("Is he " + "very " * 60 + "blind?", answering.ONE_THING),
    ],
)
def test_the_rules_answer(question: str, answer: str) -> None:
    assert answering.reply(question, STORY) == answer


@given(st.text(max_size=300))
def test_whatever_is_asked_the_user_says_one_of_a_few_sentences(question: str) -> None:
    assert answering.reply(question, STORY) in {*answering.SAID.values(), answering.ONE_THING, answering.NEGATED}


@given(st.text(max_size=600))
def test_whatever_is_handed_in_is_judged_or_turned_away(answer: str) -> None:
    assert judging.objection(answer) is None or judging.objection(answer)
    assert judging.off_story(answer, STORY) is None or judging.off_story(answer, STORY)
    assert set(judging.by_rules(answer, STORY)) <= {0.0, 0.5, 1.0}


def test_without_facts_yes_needs_all_words_in_one_sentence_and_no_is_never_said() -> None:
    story = Story("T", "A man is sad.", "The baker burned the letter. He never met his brother.")
    assert answering.reply("Did the baker burn the letter?", story) == answering.YES
    assert answering.reply("Did the baker meet his brother?", story) == answering.UNCLEAR
    assert answering.reply("Is the baker a thief?", story) == answering.UNCLEAR


def task() -> Task:
    return next(environment().tasks())


def with_user(model: FakeModel) -> Trajectory:
    return asyncio.run(play(environment(), begin(task(), 0, 0), Cast(seat_oracle, user_model=model)))


def test_a_model_that_knows_the_story_picks_an_answer_and_sees_its_earlier_ones() -> None:
    model = FakeModel(lambda messages, tools, sampling: '{"answer": "yes"}')
    trajectory = with_user(model)
    assert trajectory.error is None
    assert [turn.said for turn in trajectory.turns if turn.speaker == "user"][1:] == [answering.YES] * 3
    assert task().data["bottom"] in model.calls[0].messages[0].content
    assert [message.content for message in model.calls[2].messages].count('{"answer": "yes"}') == 2
    agent = trajectory.view("assistant")
    assert [message.content for message in agent if message.role == "tool"][:3] == [answering.YES] * 3


def test_a_model_that_tells_the_story_is_not_heard() -> None:
    """Only the chosen answer is said, whatever else the model wrote."""
    bottom = task().data["bottom"]
    model = FakeModel(lambda messages, tools, sampling: f'{{"answer": "no", "why": "{bottom}"}}')
    trajectory = with_user(model)
    heard = [message.content for message in trajectory.view("assistant") if message.role == "tool"]
    assert heard[0] == answering.NO
    assert not any(bottom in message for message in heard)


@pytest.mark.parametrize("written", ["Yes.", "[" * 99_999, '{"answer": "perhaps"}', '{"answer": 1}', "[]", "{", ""])
def test_a_model_that_picks_no_answer_is_a_failure_and_not_a_zero(written: str) -> None:
    model = FakeModel(lambda messages, tools, sampling: Reply(Message("assistant", written)))
    trajectory = with_user(model)
    assert trajectory.error is not None
    assert trajectory.error.kind == "user"
    assert trajectory.reward() is None
    assert len(model.calls) == 3
