"""Whole conversations about a puzzle, through the one loop: both forms of acting, both presets, both judges."""

import asyncio
import itertools
import json
from collections import Counter
from typing import Any

import pytest

from tests.environments.turtle.versions import RIGHT
from usergym.environments.base import load
from usergym.environments.turtle import answering, judging
from usergym.environments.turtle.concepts import SMALL_WORDS
from usergym.environments.turtle.story import own
from usergym.environments.turtle.world import Turtle
from usergym.models.base import ModelError
from usergym.models.fake import FakeModel
from usergym.models.scripted import ScriptedModel
from usergym.rollouts.engine import Cast, begin, play, seat_model
from usergym.types import Message, ToolCall, Trajectory

Act = tuple[str, str]
HALF = "The lamp guides the fishing boats into the harbour, and sailors steer by it."
"""The first part of `lamp-next-door`, worth 0.4."""


TASKS = {task.group.removeprefix("turtle-"): task for task in Turtle().tasks()}
SOME = own()[::4]


def message(env: Turtle, act: Act, place: int) -> Message:
    choice, content = act
    if env.actions == "native" and choice == "action":
        return Message("assistant", content)
    interact = env.actions == "interact"
    arguments: dict[str, Any] = {"choice": choice, "content": content} if interact else {"content": content}
    if not interact and choice == "finish":
        arguments = {}
    call = ToolCall(f"c{place}", "interact_with_env" if interact else choice, json.dumps(arguments))
    return Message("assistant", tool_calls=(call,))


def played(env: Turtle, name: str, acts: list[Act], judge: FakeModel | None = None) -> Trajectory:
    replies = [message(env, act, place) for place, act in enumerate(acts)]
    replies.append(Message("assistant", ""))
    cast = Cast(seat_model(ScriptedModel(replies)), services={"judge": judge} if judge else {})
    return asyncio.run(play(env, begin(TASKS[name], 0, 0), cast))


def earned(trajectory: Trajectory, name: str = "score") -> list[float | None]:
    return [reward.value for reward in trajectory.rewards if reward.name == name]


def told(trajectory: Trajectory) -> list[str]:
    return [each.content for each in trajectory.view("assistant") if each.role in ("tool", "user")][1:]


def extra(trajectory: Trajectory, name: str) -> float | None:
    return next(reward.value for reward in trajectory.rewards if reward.name == name)


def test_the_same_acts_in_both_forms_give_the_same_view_of_the_user_and_the_same_rewards() -> None:
    acts = [("action", "Do sailors use the lamp?"), ("answer", HALF), ("action", "Did she die?"), ("finish", "")]
    one, other = (played(Turtle(actions=form), "lamp-next-door", acts) for form in ("interact", "native"))
    assert one.view("user") == other.view("user")
    assert told(one) == told(other)
    assert [(r.name, r.value, r.weight) for r in one.rewards] == [(r.name, r.value, r.weight) for r in other.rewards]
    assert one.reward() == other.reward() == 0.4
    assert (one.stop, other.stop) == ("finished", "finished")


def test_a_better_version_earns_the_difference_and_a_worse_one_nothing() -> None:
    whole = RIGHT["lamp-next-door"]
    trajectory = played(Turtle(), "lamp-next-door", [("answer", HALF), ("answer", "She fell."), ("answer", whole)])
    assert earned(trajectory) == [0.4, 0.6]
    assert (trajectory.stop, trajectory.reward(), extra(trajectory, "success")) == ("solved", 1.0, 1.0)
    assert all("Reward" not in words and "0.4" not in words for words in told(trajectory))


def test_nine_tenths_solve_a_puzzle_by_default_and_only_the_whole_does_under_userrl() -> None:
    def nearly(messages: Any, tools: Any, sampling: Any) -> str:
        return json.dumps({"reasoning": "", "part_1": 1, "part_2": 1, "part_3": 0.5})

    acts = [("answer", "A version."), ("answer", "Another version.")]
    theirs = played(Turtle(judge="model", preset="userrl"), "half-the-shoes", acts, FakeModel(nearly))
    mine = played(Turtle(judge="model"), "half-the-shoes", acts, FakeModel(nearly))
    assert (mine.stop, mine.reward(), extra(mine, "success")) == ("solved", 0.9, 1.0)
    assert (theirs.stop, theirs.reward(), extra(theirs, "success")) == ("silent", 0.9, 0.0)


def test_unlimited_guesses_are_counted_by_default_and_kept_under_userrl() -> None:
    acts = [("answer", "The sea is cold.")] * 6
    ours = played(Turtle(), "lamp-next-door", acts)
    assert ours.stop == "answers_spent"
    assert [words[-16:] for words in told(ours)] == [f"Answers left: {n}." for n in (3, 2, 1, 0)]
    theirs = played(Turtle(preset="userrl"), "lamp-next-door", acts)
    assert (theirs.stop, len(told(theirs))) == ("silent", 6)


def test_turtle_rubric_text_leak_is_closed() -> None:
    """The peer's feedback quotes the criteria that an answer covers; ours only says how many."""
    for preset in ("usergym", "userrl"):
        env = load(f"turtle:preset={preset}")
        assert isinstance(env, Turtle)
        for name in ("lamp-next-door", "one-vote", "ice-swan"):
            story = TASKS[name].data
            trajectory = played(env, name, [("answer", RIGHT[name]), ("action", "Is it so?")])
            assert trajectory.reward() == 1.0
            view = " ".join(told(trajectory))
            assert not any(part["says"] in view for part in story["parts"])
            assert story["bottom"] not in view
            assert "Of the 3 parts of the story, 3 fit." in view


def soups() -> dict[str, str]:
    """Answers that cover everything: the words that decide our puzzles, the most frequent first."""
    found: Counter[str] = Counter()
    for each in own():
        for part in each.story.parts:
            phrases = part.needs.replace("&", "|").split("|")
            found.update(word.rstrip("*") for phrase in phrases for word in phrase.split() if word != "~")
    words = [word for word, _ in found.most_common(220) if word not in SMALL_WORDS]
    small = itertools.cycle(("the", "a", "of", "and", "he", "she", "in", "it", "was", "that"))
    pairs = zip(words[0:74:2], words[1:74:2], strict=True)
    return {
        "words": " ".join(words[:145]),
        "salted": " ".join(f"{word} {next(small)}" for word in words[:74]),
        "sentences": ". ".join(f"he {one} the {other}" for one, other in pairs),
    }


@pytest.mark.parametrize("kind", ["words", "salted", "sentences"])
def test_long_answer_judge_hack_earns_nothing(kind: str) -> None:
    """A long answer that names everything confuses the peer's judge. Here no puzzle pays for it."""
    soup = soups()[kind]
    for each in SOME:
        trajectory = played(Turtle(), each.id, [("answer", soup)])
        assert trajectory.reward() == 0.0, each.id


def test_long_answer_judge_hack_with_the_right_story_inside_earns_nothing() -> None:
    stories = [each.story.bottom for each in own()]
    for each in SOME:
        others = [bottom for bottom in stories if bottom != each.story.bottom]
        pasted = " ".join([*others[:3], each.story.bottom])
        theories = f"Either {others[0]} Or {others[1]} Or perhaps {each.story.bottom} Or it was a dream."
        for answer in (pasted, theories):
            assert played(Turtle(), each.id, [("answer", answer)]).reward() == 0.0, each.id


def test_long_answer_judge_hack_never_reaches_a_model_that_judges() -> None:
    judge = FakeModel(lambda messages, tools, sampling: json.dumps({f"part_{n}": 1 for n in range(1, 6)}))
    hedged = "Maybe he fell, or maybe he was pushed, or perhaps he was ill."
    for answer in ("The lamp is a light for the boats. " * 30, hedged):
        trajectory = played(Turtle(judge="model"), "lamp-next-door", [("answer", answer)], judge)
        assert (trajectory.reward(), judge.calls) == (0.0, [])


def test_several_stories_in_one_answer_earn_nothing() -> None:
    whole = RIGHT["lamp-next-door"] + " She is a ghost. She was poisoned in a coma."
    trajectory = played(Turtle(), "lamp-next-door", [("answer", whole)])
    assert (trajectory.reward(), told(trajectory)[0][:27]) == (0.0, "That mixes several stories.")


def test_finish_does_not_tell_the_story() -> None:
    trajectory = played(Turtle(), "lamp-next-door", [("finish", "")])
    assert (trajectory.stop, trajectory.reward(), told(trajectory)) == ("finished", 0.0, ["The conversation is over."])


def test_a_model_judges_each_part_and_sees_no_conversation() -> None:
    scores = {"reasoning": "half of it", "part_1": 1, "part_2": 0.5, "part_3": 0}
    judge = FakeModel(lambda messages, tools, sampling: json.dumps(scores))
    env = Turtle(judge="model")
    trajectory = played(env, "lamp-next-door", [("action", "Did she die?"), ("answer", "It guides boats.")], judge)
    assert earned(trajectory) == [0.55]
    assert told(trajectory)[1].startswith("Of the 3 parts of the story, 1 fit, 1 partly.")
    (asked,) = judge.calls
    assert len(asked.messages) == 1
    assert answering.NO not in asked.messages[0].content
    assert asked.sampling.json_schema == judging.schema(own()[0].story)
    again = asyncio.run(play(env, begin(trajectory.task, 0, 0), Cast(None), past=trajectory.turns, ending="silent"))
    assert (again.error, again.reward(), len(judge.calls)) == (None, 0.55, 1)


@pytest.mark.parametrize(
    "verdict", ["", "yes", "[]", '{"part_1": 1}', "[" * 99_999, '{"part_1": 2, "part_2": 1, "part_3": 1}']
)
def test_a_verdict_that_cannot_be_read_is_no_zero(verdict: str) -> None:
    judge = FakeModel(lambda messages, tools, sampling: verdict)
    trajectory = played(Turtle(judge="model"), "lamp-next-door", [("answer", HALF)], judge)
    assert trajectory.error is None
    assert (trajectory.reward(), extra(trajectory, "success")) == (None, None)
    assert told(trajectory)[0].startswith("It could not be judged this time.")


def test_a_judge_that_is_down_is_no_zero() -> None:
    judge = FakeModel(lambda *asked: "", fail={0: ModelError("unavailable", "503")})
    trajectory = played(Turtle(judge="model"), "lamp-next-door", [("answer", HALF)], judge)
    assert (trajectory.error, trajectory.reward()) == (None, None)
    assert any("503" in reward.reason for reward in trajectory.rewards)


def test_a_seed_decides_the_order_and_how_a_puzzle_is_told() -> None:
    one, other = list(Turtle().tasks(seed=1)), list(Turtle().tasks(seed=2))
    assert {task.group for task in one} == {task.group for task in other}
    assert [task.group for task in one] != [task.group for task in other]
    said = {task.group: task.opening[0].said for task in one}
    assert any(said[task.group] != task.opening[0].said for task in other)
    assert all(task.data["surface"] in task.opening[0].said for task in one)


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="answers=-1"):
        Turtle(answers=-1)
    with pytest.raises(LookupError, match="judge='coin'"):
        load("turtle:judge=coin")
