"""Who is asked to be whom, and what is read from their replies."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from usergym.environments.people.contexts import Context
from usergym.environments.people.gym import People
from usergym.evaluation.users import Said, Source, read_said, short, stratified, thought_of
from usergym.evaluation.users_speaking import SpokenModel, speech_of
from usergym.models.base import Model, ModelError, Reply
from usergym.models.fake import FakeModel
from usergym.rollouts.engine import Cast, Limits, begin, play, seat_model
from usergym.types import Message, Trajectory
from usergym.users.states.speaking import SpeakingModel, Speech


def contexts(counts: Sequence[int]) -> list[Context]:
    return [
        Context(f"{user}-{place}", f"user{user}", "post", "", (), {"response": "yes"}, "test", f"user{user}")
        for user, count in enumerate(counts)
        for place in range(count)
    ]


@given(st.lists(st.integers(0, 6), max_size=8), st.integers(0, 30), st.integers(0, 5))
def test_each_person_is_asked_alike_often_and_more_contexts_only_add(counts: list[int], limit: int, seed: int) -> None:
    found = contexts(counts)
    drawn = stratified(found, limit, seed)
    assert len(drawn) == min(limit, len(found)) == len({each.id for each in drawn})
    per_user = Counter(each.user for each in drawn)
    most = max(per_user.values(), default=0)
    for user, count in enumerate(counts):
        assert per_user[f"user{user}"] >= min(count, most - 1)
    assert stratified(found, limit + 3, seed)[:limit] == drawn


PEOPLE = People(people=20, posts=6)


def played(people: People, model: Model, level: str) -> Trajectory:
    task = next(task for task in people.tasks() if task.data["level"] == level)
    return asyncio.run(play(people, begin(task, 0, 0), Cast(seat_model(model), limits=Limits(1))))


def read(people: People, trajectory: Trajectory, thought: Sequence[str] = ()) -> dict[str, Said]:
    contexts = [trajectory.task.data["context"]]
    found = read_said([trajectory], people, Source("model"), contexts, 1, thought)
    return {each.level: each for each in found}


def writing(words: str, finish: Any = "stop") -> FakeModel:
    return FakeModel(lambda messages, tools, sampling: Reply(Message("assistant", words), finish=finish))


def test_what_a_model_does_wrong_is_told_apart_from_what_was_never_got() -> None:
    long = "<stance>" + "very " * 20 + "much for it</stance>"
    for model, text, wrong, lost in (
        (writing("<stance>for it</stance>"), "for it", "", ""),
        (writing("I am for it."), "", "format", ""),
        (writing("<stance>for", "length"), "", "truncated", ""),
        (writing("<stance> </stance>"), "", "empty", ""),
        (writing(long), long[8:-9], "long", ""),
        (FakeModel(lambda *_: "x", fail={0: ModelError("unavailable", "down")}), "", "", "unavailable"),
    ):
        (found,) = read(PEOPLE, played(PEOPLE, model, "stance")).values()
        assert (found.text.strip(), found.wrong, found.lost) == (text.strip(), wrong, lost)
        assert found.sound == (not wrong and not lost)


def test_replies_to_other_contexts_and_further_samples_are_left_out() -> None:
    trajectory = played(PEOPLE, writing("<stance>for it</stance>"), "stance")
    context = trajectory.task.data["context"]
    assert not list(read_said([trajectory], PEOPLE, Source("model"), ["another"], 1))
    trajectory.sample = 1
    assert not list(read_said([trajectory], PEOPLE, Source("model"), [context], 1))
    assert list(read_said([trajectory], PEOPLE, Source("model"), [context], 2))


SPOKEN = People(people=20, posts=6, speaks=True)


def by_level(answer: Callable[[str], str]) -> FakeModel:
    """`answer` gives the text of a level."""

    def reply(messages: Sequence[Message], tools: Any, sampling: Any) -> str:
        level = messages[0].content.rsplit("</", 1)[1].rstrip(">\n")
        return f"<{level}>{answer(level)}</{level}>"

    return FakeModel(reply)


def spoken(model: FakeModel) -> dict[str, Said]:
    asked = SpokenModel(*speech_of(model, SPOKEN))
    return read(SPOKEN, played(SPOKEN, asked, "response"), thought_of(SPOKEN))


def test_states_are_read_from_before_the_words_and_one_that_is_missing_is_told() -> None:
    found = spoken(by_level(lambda level: "" if level == "emotion" else f"my {level}"))
    assert list(found) == ["stance", "emotion", "belief", "value", "goal", "communication", "response"]
    assert found["response"].text == "my response"
    assert found["belief"].text == "my belief"
    assert (found["emotion"].text, found["emotion"].wrong) == ("", "missing")


def test_a_model_that_cannot_be_read_says_nothing_but_an_outage_is_an_outage() -> None:
    mute = spoken(writing("no tags here"))
    assert (mute["response"].wrong, mute["stance"].wrong, mute["response"].lost) == ("empty", "missing", "")
    down = FakeModel(lambda *_: "x", fail={0: ModelError("malformed", "a page of HTML")})
    found = spoken(down)
    assert {each.lost for each in found.values()} == {"malformed"}
    assert len(found) == 7


def test_a_trained_user_speaks_as_it_was_trained_and_is_asked_for_levels_bare() -> None:
    own = Speech(SPOKEN.hierarchy, shared=True)
    bare = writing("x")
    assert speech_of(SpeakingModel(bare, own), SPOKEN) == (bare, own)
    words_only = SpeakingModel(bare, Speech(SPOKEN.hierarchy, states=False))
    assert speech_of(words_only, SPOKEN) == (bare, Speech(SPOKEN.hierarchy))
    thinking = People(config="separate_system_prompt_hetero", people=20, posts=6, speaks=True)
    assert speech_of(bare, thinking)[1].thinking == ("response",)


def test_names_are_as_short_as_they_can_be_told_apart() -> None:
    assert short(["http://h/v1/a", "vllm/org/b", "runs/b", "oracle"]) == {
        "http://h/v1/a": "a",
        "vllm/org/b": "org/b",
        "runs/b": "runs/b",
        "oracle": "oracle",
    }
