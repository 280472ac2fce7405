"""Thoughts before words: kept where they neither copy nor contradict, asked for once, counted where there is none."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.data.prepare.rows import write
from usergym.data.prepare.users.asking import Refused
from usergym.data.prepare.users.polarity import lean, opposed
from usergym.data.prepare.users.targets import Target, content_id
from usergym.data.prepare.users.thinking import Thinker, checked, thoughts_in
from usergym.models.base import ModelError, Reply
from usergym.models.fake import FakeModel
from usergym.types import Message

THREAD = (("bert", "They want to close the swimming pool for good."),)
TRUTH = "No way, the pool is great and I love it, so let them find the money somewhere else."
TARGET = Target("t", "ann", "p", THREAD, TRUTH, 0, 1)
GOOD = (
    "This makes me cross, since my children learned to swim there. I am against closing it and want them to look "
    "harder at the budget; I will say it bluntly and keep it short."
)


def test_a_thought_that_leads_to_the_words_is_kept():
    assert checked(GOOD, TARGET) == GOOD
    assert checked(f"<think>\n{GOOD}\n</think>", TARGET) == GOOD
    assert checked(f"<think>first I plan</think>\n{GOOD}", TARGET) == GOOD


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "empty"),
        (" ... ", "empty"),
        ("I like the pool.", "not of 15 to 250 words"),
        (GOOD * 9, "not of 15 to 250 words"),
        (f"{GOOD} <response>no</response>", "with tags"),
        (f"{GOOD} So let them find the money somewhere else, I say.", "copies what was written"),
        (f"{GOOD} It is awful, useless, a waste, and I hate that terrible pool.", "contradicts what was written"),
    ],
)
def test_a_thought_that_cannot_be_trained_on_is_refused_by_name(answer: str, why: str):
    with pytest.raises(Refused, match=why):
        checked(answer, TARGET)


def test_a_short_answer_is_copied_when_it_stands_there_whole():
    short = Target("t", "ann", "p", THREAD, "Never in my life.", 0, 1)
    with pytest.raises(Refused, match="copies"):
        checked(f"{GOOD} Never in my life!", short)
    assert checked(GOOD, Target("t", "ann", "p", THREAD, "No.", 0, 1)) == GOOD


@pytest.mark.parametrize(
    ("text", "side"),
    [("I love this great idea", 1), ("not good, not helpful", -1), ("It is not bad at all", 1), ("a table", 0)],
)
def test_sides_are_counted_and_negations_turn_them(text: str, side: int):
    found = lean(text)
    assert (found > 0) - (found < 0) == side


def test_one_word_is_no_contradiction():
    assert not opposed("I am sad", "I love and support this great thing")
    assert opposed("I hate this awful thing", "I love this great thing")


def thought(thinker: Thinker, target: Target = TARGET) -> str | None:
    return asyncio.run(thinker.think(target, {"values": ["swimming"]}))


def speaking(*answers: Any) -> FakeModel:
    given = iter(answers)

    def reply(*_: object) -> Any:
        one = next(given)
        if isinstance(one, ModelError):
            raise one
        return one

    return FakeModel(reply)


def test_the_model_is_told_who_what_and_the_words():
    model = speaking(GOOD)
    assert thought(Thinker(model)) == GOOD
    system, user = model.calls[0].messages
    assert "swimming" in system.content
    assert "close the swimming pool" in user.content
    assert TRUTH in user.content


def test_a_refused_thought_is_drawn_again_and_then_left_out_by_name():
    thinker = Thinker(speaking(TRUTH, GOOD))
    assert thought(thinker) == GOOD
    assert thinker.tally.refused == {"copies what was written": 1}
    thinker = Thinker(speaking(TRUTH, "", TRUTH))
    assert thought(thinker) is None
    assert thinker.tally.failed == {"copies what was written": 1}
    assert thinker.tally.refused == {"copies what was written": 2, "empty": 1}


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([ModelError("unavailable", "down")], "unavailable"),
        ([Reply(Message("assistant", GOOD), finish="length")] * 3, "cut off"),
        ([Reply(Message("assistant", ""), finish="content_filter")] * 3, "filtered"),
    ],
)
def test_a_call_that_fails_is_counted_and_gives_no_thought(answers: list[Any], why: str):
    thinker = Thinker(speaking(*answers))
    assert thought(thinker) is None
    assert thinker.tally.failed == {why: 1}


@pytest.mark.parametrize(
    ("verdicts", "kept", "why"),
    [
        (['{"verdict": "fits"}'], True, {}),
        (['{"verdict": "unclear"}'], True, {}),
        (['{"verdict": "contradicts"}'], False, {"contradicts what was written, says the judge": 1}),
        (["it fits"] * 3, False, {"not judged: no verdict": 1}),
        (["sure", '{"verdict": "fits"}'], True, {}),
        ([ModelError("unavailable", "down")], False, {"not judged: unavailable": 1}),
    ],
)
def test_a_judge_has_the_last_word(verdicts: list[Any], kept: bool, why: dict[str, int]):
    thinker = Thinker(speaking(GOOD), judge=speaking(*verdicts))
    assert (thought(thinker) == GOOD) == kept
    assert thinker.tally.failed == why


def test_thoughts_that_are_there_are_used_if_they_pass(tmp_path: Path):
    rows: list[dict[str, Any]] = [{"id": content_id(THREAD, TRUTH), "thinking": GOOD}]
    known = thoughts_in(write(tmp_path / "thoughts.jsonl", rows))
    thinker = Thinker(None, known=known)
    assert thought(thinker) == GOOD
    assert thinker.reused == 1
    bad = Thinker(None, known={content_id(THREAD, TRUTH): "short"})
    assert thought(bad) is None
    assert bad.tally.failed == {"not of 15 to 250 words": 1}
    other = Target("x", "ann", "p", THREAD, "Something else.", 0, 1)
    assert thought(thinker, other) is None
    assert thinker.tally.failed == {"without a thought in --trajectory-path": 1}


def test_rows_of_thinking_sft_hold_thoughts_too(tmp_path: Path):
    prompt = [{"role": "system", "content": "be", "name": "system"}]
    prompt += [{"role": "assistant", "content": text, "name": name} for name, text in THREAD]
    content = f"<think>\n{GOOD}\n</think>\n<response>{TRUTH}</response>"
    row = {"prompt": prompt, "generation": {"role": "user", "name": "HUMAN", "content": content}}
    write(tmp_path / "some" / "train.parquet", [row, {**row, "generation": {"content": "plain", "name": "HUMAN"}}])
    assert thoughts_in(tmp_path / "some") == {content_id(THREAD, TRUTH): GOOD}
    write(tmp_path / "none.jsonl", [{"x": 1}])
    with pytest.raises(ValueError, match="holds no thoughts"):
        thoughts_in(tmp_path / "none.jsonl")
