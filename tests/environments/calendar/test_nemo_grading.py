"""Mode nemo_gym: the recorded verdicts, and the places where that system is loose or strict."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usergym.environments.calendar import grade
from usergym.environments.calendar.nemo_grading import _conflicting, _interval, first_match

CASES = Path(__file__).parents[3] / ".." / "shared" / "cases" / "calendar_grades.jsonl"


@pytest.mark.skipif(not CASES.exists(), reason="the recorded cases are not here")
def test_every_recorded_verdict_and_reason_agrees() -> None:
    rows = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 200
    for row in rows:
        grade_ = grade(row["assistant_response"], row["exp_cal_state"], mode="nemo_gym")
        assert (grade_.reward, grade_.reason) == (row["reward"], row["reason"]), row["id"]


def one(**changes: Any) -> dict[str, Any]:
    event = {"event_id": 0, "event_name": "Review", "start_time": "14:00", "duration": 60, **changes}
    return {field: value for field, value in event.items() if value is not ...}


STATE: dict[str, Any] = {"0": {"duration": 60, "constraint": None, "min_time": "10:00", "max_time": "16:00"}}


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (json.dumps([one(start_time="2pm")]), "pass"),
        (json.dumps([one(start_time="2:00 pm")]), "pass"),
        (json.dumps([one(start_time="14:0")]), "pass"),
        (json.dumps([one(duration=60.0, event_id="0")]), "pass"),
        (json.dumps({"calendar": [one()]}), "pass"),
        (json.dumps([one(event_name=...)]), "pass"),
        (json.dumps([one(), one()]), "pass"),
        (json.dumps([one(duration=30), one()]), "conflicting_events"),
        ("[see below] " + json.dumps([one()]), "pass"),
        (json.dumps([one()]) + json.dumps([one(duration=30)]), "pass"),
        (json.dumps([one(start_time="2 PM")]), "error_in_grading"),
        (json.dumps([one(start_time="2:00PM")]), "error_in_grading"),
        (json.dumps([one(start_time="14:00:00")]), "error_in_grading"),
        (json.dumps([one(start_time="14")]), "error_in_grading"),
        (json.dumps([one(start_time=840)]), "error_in_grading"),
        (json.dumps([one(duration="60")]), "error_in_grading"),
        (json.dumps([one(event_id=3)]), "error_in_grading"),
        (json.dumps([one(event_name="Call [HR]")]), "no_json_list"),
        (json.dumps([one(attendees=["Ann"])]), "no_json_list"),
        (json.dumps(one()), "no_json_list"),
        ("[" + json.dumps(one()) + ",]", "no_json_list"),
        (str([one()]), "no_json_list"),
        ('["{}"]', "error_in_grading"),
        (f'[{{"event_id": {"9" * 5000}}}]', "error_in_grading"),
    ],
)
def test_it_is_as_loose_and_as_strict_as_the_original(text: str, verdict: str) -> None:
    found = grade(text, STATE, mode="nemo_gym")
    assert (found.reward, found.reason) == (int(verdict == "pass"), verdict)


def test_constraints_it_does_not_know_are_satisfied_and_null_entries_count() -> None:
    text = json.dumps([one()])
    odd = {"0": {**STATE["0"], "constraint": "whenever"}}
    assert grade(text, odd, mode="nemo_gym").reward == 1
    assert grade(text, {**STATE, "1": None}, mode="nemo_gym").reason == "different_number_of_events"
    assert grade("<think>", {}, mode="nemo_gym").reason == "think_found"
    assert grade("anything", {}, mode="nemo_gym").reward == 1
    assert grade("anything", STATE, mode="nemo_gym", level="easy").reward == 1


# The language of the original's pattern, written down again for short texts, where backtracking does no harm.
_UNIT = r"(?:[^\[\]]|\{[^}]*\})*"
_BRACKETED = re.compile(rf"\[{_UNIT}\{{{_UNIT}\}}{_UNIT}\]")


@settings(max_examples=2000)
@given(st.text(alphabet="[]{}x", max_size=14))
def test_the_first_match_is_the_one_that_backtracking_finds(text: str) -> None:
    match = _BRACKETED.search(text)
    assert first_match(text) == (match[0] if match else None)


times = st.sampled_from(["9:00", "9:30", "10:00", "10:30", "11:00"])
lengths = st.sampled_from([0, 30, 60, 90, -30, -60, 30.0, True, float("nan")])
events_ = st.lists(st.fixed_dictionaries({"event_id": st.integers(0, 2), "start_time": times, "duration": lengths}))


@settings(max_examples=500)
@given(events_.filter(bool))
def test_conflicts_are_those_that_comparing_all_pairs_finds(events: list[dict[str, Any]]) -> None:
    def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
        (begin, end), (other_begin, other_end) = _interval(one), _interval(other)
        return not (end <= other_begin or begin >= other_end)

    pairs = any(overlap(one, other) for one in events for other in events if one != other)
    assert _conflicting(events) == pairs
