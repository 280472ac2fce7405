"""Whole conversations about a question, through the one loop."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

from tests.environments.search.acts import extra, played, told
from usergym.environments.base import RowError, load
from usergym.environments.search.world import Search
from usergym.models.base import ModelError
from usergym.models.fake import FakeModel
from usergym.rollouts.engine import Cast, begin, play, seat_idle
from usergym.types import Task


def task() -> Task:
    return next(each for each in Search().tasks() if each.data["hops"] == 2)


TASK = task()
RIGHT = TASK.data["answers"][0]
SEARCHES = [("search", query) for query in TASK.data["searches"]]


def test_the_same_acts_in_both_forms_give_the_same_view_and_the_same_rewards() -> None:
    acts = [*SEARCHES, ("answer", "nonsense"), ("answer", RIGHT)]
    one, other = (played(Search(actions=form), TASK, acts) for form in ("interact", "native"))
    assert told(one) == told(other)
    assert [(r.name, r.value, r.weight) for r in one.rewards] == [(r.name, r.value, r.weight) for r in other.rewards]
    assert (one.reward(), one.stop) == (other.reward(), other.stop) == (0.5, "solved")


def test_a_first_answer_earns_one_a_second_half_and_a_third_is_not_asked_for() -> None:
    for wrong, earned, stop in ((0, 1.0, "solved"), (1, 0.5, "solved"), (2, 0.0, "answers_spent")):
        trajectory = played(Search(), TASK, [("answer", "nonsense")] * wrong + [("answer", RIGHT)])
        assert (trajectory.reward(), trajectory.stop) == (earned, stop)
        assert extra(trajectory, "success") == float(earned > 0)


def test_unlimited_guesses_are_ended_by_default_and_kept_under_userrl() -> None:
    acts = [("answer", f"guess {n}") for n in range(9)] + [("answer", RIGHT)]
    assert played(Search(), TASK, acts).reward() == 0.0
    theirs = played(Search(preset="userrl"), TASK, acts)
    assert (theirs.reward(), theirs.stop) == (1.0, "solved")
    assert told(theirs)[0] == "That is not correct."


def test_a_list_of_candidates_earns_nothing_and_is_no_attempt() -> None:
    acts = [("answer", f"{RIGHT} or nonsense"), ("answer", f"nonsense; {RIGHT}"), ("answer", RIGHT)]
    trajectory = played(Search(), TASK, acts)
    assert ["not judged" in words for words in told(trajectory)] == [True, True, False]
    assert trajectory.reward() == 1.0
    assert played(Search(preset="userrl"), TASK, acts[:2]).reward() == 0.0


def test_finish_does_not_tell_the_answer() -> None:
    for preset in ("usergym", "userrl"):
        env = load(f"search:preset={preset}")
        assert isinstance(env, Search)
        trajectory = played(env, TASK, [("finish", "")])
        assert (trajectory.stop, trajectory.reward(), told(trajectory)) == (
            "finished",
            0.0,
            ["The conversation is over."],
        )


def test_spent_answers_do_not_tell_the_answer() -> None:
    trajectory = played(Search(), TASK, [("answer", "nonsense"), ("answer", "more nonsense")])
    assert told(trajectory) == ["That is not correct. Answers left: 1.", "That is not correct. Answers left: 0."]


def test_searches_are_counted_and_the_agent_is_told_to_answer() -> None:
    trajectory = played(Search(), TASK, [("search", "a town")] * 6 + [("answer", RIGHT)])
    last = [words.splitlines()[-1] for words in told(trajectory)]
    assert last[:5] == [f"Searches left: {n}." for n in (4, 3, 2, 1, 0)]
    assert last[5] == "You have made all 5 searches. Give your answer now."
    assert trajectory.reward() == 1.0
    assert "search 5 times and answer 2 times" in trajectory.seats["assistant"].system
    assert "search 3 times and answer once" in Search(searches=3, answers=1).start(TASK).system
    assert "answer as often as you like" in Search(preset="userrl").start(TASK).system


@pytest.mark.parametrize("query", ["", "the of and", "zzzzzz qqqqq", "?!", "a" * 5000, "\x00"])
def test_any_query_is_answered(query: str) -> None:
    (words,) = told(played(Search(actions="native"), TASK, [("search", query)]))
    assert "Nothing was found." in words


def test_there_is_nobody_to_talk_to() -> None:
    trajectory = asyncio.run(play(Search(), begin(TASK, 0, 0), Cast(seat_idle)))
    assert (trajectory.stop, trajectory.reward()) == ("assistant_done", 0.0)


def test_a_model_judges_what_the_rules_do_not_know_again() -> None:
    judge = FakeModel(lambda messages, tools, sampling: '{"reasoning": "same", "verdict": "correct"}')
    env = Search(judge="model")
    trajectory = played(env, TASK, [("answer", "the same in other words")], {"judge": judge})
    assert (trajectory.reward(), len(judge.calls)) == (1.0, 1)
    (asked,) = judge.calls[0].messages
    assert TASK.data["question"] in asked.content
    assert played(env, TASK, [("answer", RIGHT)], {"judge": judge}).reward() == 1.0
    assert played(env, TASK, [("answer", f"{RIGHT} or nonsense")], {"judge": judge}).reward() == 0.0
    assert len(judge.calls) == 1
    lived = asyncio.run(play(env, begin(TASK, 0, 0), Cast(None), past=trajectory.turns, ending="solved"))
    assert (lived.error, lived.rewards) == (None, trajectory.rewards)


@pytest.mark.parametrize("verdict", ["", "correct", "[]", "[" * 99_999, '{"verdict": "maybe"}', '{"verdict": true}'])
def test_a_judge_that_cannot_judge_gives_no_zero(verdict: str) -> None:
    judge = FakeModel(lambda messages, tools, sampling: verdict)
    trajectory = played(Search(judge="model"), TASK, [("answer", "x")], {"judge": judge})
    assert (trajectory.error, trajectory.reward(), extra(trajectory, "success")) == (None, None, None)
    down = FakeModel(lambda *asked: "", fail={0: ModelError("unavailable", "503")})
    assert played(Search(judge="model"), TASK, [("answer", "x")], {"judge": down}).reward() is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"searches": -1}, "searches=-1"),
        ({"answers": -1}, "answers=-1"),
        ({"results": 0}, "results=0"),
        ({"corpus": "/nowhere"}, "corpus=/nowhere: no such file"),
        ({"questions": "/nowhere"}, "questions=/nowhere: no such file"),
        ({"engine": "serper", "corpus": "/tmp"}, "give one of them"),
        ({"cache": "x.db"}, "engine=serper"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Search(**options)


def test_a_generated_world_is_not_sought_on_the_web_nor_the_web_in_a_generated_world() -> None:
    with pytest.raises(RowError, match="engine=searxng knows no generated world"):
        Search(engine="searxng").start(TASK)
    with pytest.raises(LookupError, match="questions=FILE"):
        next(Search(engine="searxng").tasks())
    with pytest.raises(RowError, match="search:corpus=FOLDER or engine=serper"):
        Search().start(Task("q", "search", data={"question": "x?", "answers": ["y"]}))


def test_without_bm25s_one_line_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['bm25s'] = None\n"
        "import asyncio\n"
        "from usergym.environments import load\n"
        "from usergym.models.base import StopRun\n"
        "from usergym.rollouts.engine import Cast, begin, play, seat_oracle\n"
        "env = load('search')\n"
        "try: asyncio.run(play(env, begin(next(env.tasks()), 0, 0), Cast(seat_oracle)))\n"
        "except StopRun as stop: print(stop)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "the search gym needs the package bm25s: pip install 'usergym[search]'\n"


def test_nothing_heavy_is_imported_before_the_first_search() -> None:
    program = "import sys, usergym.environments.search, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"bm25s", "numpy", "aiohttp"} & set(json.loads(done.stdout))


def test_many_wrong_answers_in_one_reply_never_cost_more_than_nothing() -> None:
    env = Search()
    task = next(env.tasks())
    world = env.start(task)

    async def answered() -> list[str]:
        return [await world.submit(text) for text in ("Xq", "Xr", "Xs", "Xt", task.data["answers"][0])]  # type: ignore[attr-defined]

    assert asyncio.run(answered())[2:] == ["The conversation is over."] * 3
    assert not world.rewards


def test_the_agent_is_told_to_answer_with_the_tool() -> None:
    for actions in ("interact", "native"):
        env = Search(actions=actions)  # type: ignore[arg-type]
        assert "words without a tool call end the conversation" in env.start(next(env.tasks())).system
