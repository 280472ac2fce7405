"""Judges of what was said as a person: none of them is believed blindly, and none is asked twice."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.users_made import MODEL, OTHER, said, wanted
from tests.judges.judged import failing, material, verdict
from usergym.evaluation.users import Said
from usergym.evaluation.users_judging import TOGETHER, Targets, Verdicts, calls, family, judged, overlapped, warning
from usergym.evaluation.users_scores import Score
from usergym.judges.alignment import KeyPointReader
from usergym.models.base import ModelError
from usergym.models.fake import FakeModel


def judge(mark: Any = None) -> FakeModel:
    """Gives 1 for what is `for the ferry`, else what `mark` says."""

    def answer(messages: Any, tools: Any, sampling: Any) -> str:
        shown = material(messages[-1].content)
        if "texts" not in shown:
            return json.dumps({"points": ["for the ferry"]})
        given = {label: 1.0 if "for the ferry" in text else 0.2 for label, text in shown["texts"].items()}
        return mark or json.dumps({label: verdict(value, points=1) for label, value in given.items()})

    return FakeModel(answer)


def judge_with(model: FakeModel, texts: list[Said], folder: Path, targets: Targets | None = None) -> list[Score]:
    async def run() -> list[Score]:
        made: list[Score] = []
        found = targets or {(each.context, each.level): wanted() for each in texts}
        reader = KeyPointReader(model)
        async for _ in judged(reader, texts, found, Verdicts(folder / "v.jsonl"), made, concurrency=1):
            pass
        return made

    return asyncio.run(run())


TEXTS = [
    said("a", "I am all for the ferry"),
    said("a", "against the ferry", source=OTHER),
    said("b", "I am all for the ferry"),
    said("b", "", source=OTHER, wrong="format"),
    said("c", "", source=OTHER, lost="unavailable"),
]


def test_all_that_was_said_in_one_context_is_judged_in_one_call_which_is_made_once(tmp_path: Path) -> None:
    model = judge()
    found = judge_with(model, TEXTS, tmp_path)
    assert [each.value for each in found] == [1.0, pytest.approx(0.2), 1.0, 0.0, None]
    assert len(model.calls) == 3  # the points of one truth, a verdict for each of two contexts
    again = judge()
    assert judge_with(again, TEXTS, tmp_path) == found
    assert not again.calls
    other = judge()
    judge_with(other, [*TEXTS, said("a", "neither", source=OTHER, sample=0)], tmp_path)
    assert len(other.calls) == 2  # that context has another text now


def test_the_models_do_not_stand_in_one_order_in_all_calls(tmp_path: Path) -> None:
    model = judge()
    texts = [said(f"c{n}", words, source=who) for n in range(12) for words, who in (("one", MODEL), ("two", OTHER))]
    targets = {(each.context, "stance"): wanted(f"truth {each.context}") for each in texts}
    judge_with(model, texts, tmp_path, targets)
    shown = [material(call.messages[-1].content) for call in model.calls]
    assert {tuple(each["texts"].values()) for each in shown if "texts" in each} == {("one", "two"), ("two", "one")}


def test_many_texts_are_shared_out_over_calls_and_equal_ones_shown_once() -> None:
    texts = [said("a", f"text {n % 30}", sample=0) for n in range(60)]
    found = calls(texts)
    assert [len(part) for _, part, _ in found] == [TOGETHER, TOGETHER, 30 - 2 * TOGETHER]
    assert sorted(place for _, _, places in found for place in places) == list(range(60))
    assert len(calls([said("a", sample=0), said("a", sample=1), said("b")])) == 3


def test_a_judge_that_writes_prose_judged_nothing_and_that_is_said(tmp_path: Path) -> None:
    found = judge_with(judge("The first one is rather nice, I would say."), TEXTS, tmp_path)
    assert [each.value for each in found] == [None, None, None, 0.0, None]
    assert [each.failure for each in found[:3]] == ["unreadable"] * 3
    assert "judged 0 of 3 texts, fewer than half" in (warning("J", found, TEXTS) or "")
    assert warning("J", [Score(1.0)] * 5, TEXTS) is None


def test_a_judge_whose_verdict_could_not_be_read_is_asked_again_the_next_time(tmp_path: Path) -> None:
    found = judge_with(judge("The first one is rather nice, I would say."), TEXTS, tmp_path)
    assert {each.failure for each in found[:3]} == {"unreadable"}
    assert judge_with(judge(), TEXTS, tmp_path)[0].value == 1.0


def test_a_judge_that_did_not_answer_is_asked_again_the_next_time(tmp_path: Path) -> None:
    found = judge_with(failing(ModelError("unavailable", "down")), TEXTS, tmp_path)
    assert {each.failure for each in found[:3]} == {"unavailable"}
    assert judge_with(judge(), TEXTS, tmp_path)[0].value == 1.0


def test_a_judge_that_likes_what_somebody_else_said_best_is_not_believed(tmp_path: Path) -> None:
    texts = [said("a", "against the ferry")]
    found = judge_with(judge(), texts, tmp_path, {("a", "stance"): wanted("opposes it", "for the ferry, in May")})
    assert (found[0].value, found[0].failure) == (None, "decoy")


def test_a_model_that_is_worse_than_a_stranger_is_judged(tmp_path: Path) -> None:
    model = judge(json.dumps({"t1": verdict(0.0, points=1), "t2": verdict(0.1, points=1)}))
    texts = [said("a", "no idea")]
    found = judge_with(model, texts, tmp_path, {("a", "stance"): wanted("opposes it", "rather cold today")})
    assert found[0].value in (0.0, 0.1)


def test_the_overlap_of_words_gives_each_text_its_own_score() -> None:
    found = overlapped(TEXTS, {(each.context, each.level): wanted() for each in TEXTS})
    assert found[0].value is not None
    assert found[1].value is not None
    assert found[0].value > 0.5 > found[1].value
    assert [each.value for each in found[3:]] == [0.0, None]


@pytest.mark.parametrize(
    "change",
    [
        {"scores": [7.5, 1.0]},
        {"scores": [-0.1, 1.0]},
        {"scores": [0.5]},
        {"failures": [""]},
        {"scores": [None, 1.0]},
        {"failures": ["decoy", ""]},
        {"decoy": 3},
        {"key": 1},
        {"scores": [0.5], "failures": [""]},
        {"scores": [0.5, 0.5, 0.5], "failures": ["", "", ""]},
    ],
)
def test_a_stored_line_that_is_no_verdict_is_named_and_judged_again(tmp_path: Path, change: dict[str, Any]) -> None:
    found = judge_with(judge(), TEXTS, tmp_path)
    path = tmp_path / "v.jsonl"
    lines = path.read_text().splitlines()
    damaged = json.dumps({**json.loads(lines[0]), **change})
    path.write_text("\n".join([damaged, *lines[1:]]) + "\n")
    again = judge()
    kept = Verdicts(path)
    assert judge_with(again, TEXTS, tmp_path) == found
    assert len(again.calls) == 2  # the points, and that one verdict
    if kept.damaged:
        assert "v.jsonl:1: " in kept.damaged[0]
        assert (tmp_path / "v.jsonl.damaged").read_text() == damaged + "\n"
    else:
        assert kept.find(json.loads(lines[0])["key"], 2) is None
        assert "for 2 texts" in kept.damaged[0]
    assert not Verdicts(path).damaged
    assert judge_with(model := judge(), TEXTS, tmp_path) == found
    assert not model.calls


def test_from_one_in_twenty_on_it_is_said_what_a_judge_left_out() -> None:
    texts = [said(f"c{n}") for n in range(40)]
    rows = [Score(1.0)] * 38 + [Score(None, "decoy"), Score(None, "unreadable")]
    told = warning("J", rows, texts) or ""
    assert "judged 38 of 40 texts (1 decoy, 1 unreadable)" in told
    assert "half" not in told
    assert warning("J", [Score(1.0)] * 39 + [Score(None, "decoy")], texts) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("openai/gpt-5-mini", "openai/o3", True),
        ("openai/gpt-5-mini", "anthropic/claude-haiku-4-5", False),
        ("vllm/Qwen/Qwen3-8B", "http://127.0.0.1:8000/v1/Qwen/QwQ-32B", True),
        ("vllm/meta-llama/Llama-3.1-8B", "vllm/Qwen/Qwen3-8B", False),
    ],
)
def test_models_are_told_to_be_of_one_family_by_their_names(one: str, other: str, same: bool) -> None:
    assert (family(one) == family(other)) == same
