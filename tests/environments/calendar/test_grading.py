"""Grading in mode strict: what passes, why others fail, and that nothing an answer holds breaks it."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usergym.environments.calendar import Grade, grade
from usergym.environments.calendar.grading import PARTS, REASONS


def expected(**changes: Any) -> dict[str, Any]:
    review = {"event_id": 0, "event_name": "Budget review", "short_name": "budget", "duration": 60}
    lab = {"event_id": 1, "event_name": "Lab [HR] {tour}", "short_name": "lab", "duration": 45}
    window = {"min_time": "10:00", "max_time": "16:00"}
    return {
        "0": {**review, "constraint": "before 12pm", **window},
        "1": {**lab, "constraint": None, **window, **changes},
    }


def answer(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    review = {"event_id": 0, "event_name": "Budget review", "start_time": "10:00", "duration": 60}
    lab = {"event_id": 1, "event_name": "Lab [HR] {tour}", "start_time": "11:00", "duration": 45}
    events = [review, lab]
    for event, change in zip(events, changes, strict=False):
        event.update(change)
        for field in [field for field, value in event.items() if value is ...]:
            del event[field]
    return events


def reason(*changes: dict[str, Any]) -> str:
    return grade(json.dumps(answer(*changes)), expected()).reason


def test_the_expected_calendar_passes_with_full_parts() -> None:
    assert grade(json.dumps(answer()), expected()) == Grade(1, "pass", dict.fromkeys(PARTS, 1.0))


@pytest.mark.parametrize("time", ["10:00", "10:00:00", "10am", "10 AM", "10:00AM", "10:00 a.m.", " 10:00 am"])
def test_times_are_read_as_people_write_them(time: str) -> None:
    assert reason({"start_time": time}) == "pass"


@pytest.mark.parametrize("time", ["25:00", "13pm", "0am", "10", "10:60", "ten", "", 600, True, [], "10:00:30"])
def test_what_is_no_time_of_day_is_an_unreadable_time(time: Any) -> None:
    assert reason({"start_time": time}) == "unreadable_time"


@pytest.mark.parametrize("duration", ["60", True, 60.5, float("nan"), float("inf"), [60], {}])
def test_a_duration_must_be_a_whole_number(duration: Any) -> None:
    assert reason({"duration": duration}) == "unreadable_duration"


@pytest.mark.parametrize("name", ["budget REVIEW", "Budget  review.", "Budget", "BUDGET-review"])
def test_names_are_compared_without_case_and_punctuation(name: str) -> None:
    assert reason({"event_name": name}) == "pass"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"event_name": "Dentist"}, "wrong_event_name"),
        ({"event_name": ...}, "missing_field"),
        ({"event_id": ...}, "different_number_of_events"),
        ({"start_time": ...}, "missing_field"),
        ({"duration": ...}, "missing_field"),
        ({"event_id": 1}, "duplicate_event_ids"),
        ({"event_id": 7}, "unknown_event_id"),
        ({"event_id": "0"}, "pass"),
        ({"start_time": "10:15"}, "conflicting_events"),
        ({"duration": 45}, "constraint_violated"),
        ({"duration": 60.0}, "pass"),
        ({"start_time": "9:00"}, "constraint_violated"),
        ({"start_time": "12:00"}, "constraint_violated"),
        ({"start_time": "24:00"}, "constraint_violated"),
    ],
)
def test_each_fault_has_its_reason(change: dict[str, Any], why: str) -> None:
    assert reason(change) == why
    assert why in REASONS


def test_an_answer_with_one_wrong_constraint_keeps_its_partial_scores() -> None:
    parts = grade(json.dumps(answer({"start_time": "12:00"})), expected()).parts
    assert parts["constraints"] == 0.5
    assert {part for part in PARTS if parts[part] == 1.0} == set(PARTS) - {"constraints"}


def test_missing_and_extra_events_lower_the_share_of_ids() -> None:
    short = grade(json.dumps(answer()[:1]), expected())
    assert (short.reason, short.parts["ids"]) == ("different_number_of_events", 0.5)
    extra = [*answer(), {"event_id": 9, "event_name": "x", "start_time": "15:00", "duration": 15}]
    assert grade(json.dumps(extra), expected()).parts["ids"] == pytest.approx(2 / 3)


def test_of_several_lists_the_last_complete_list_of_objects_counts() -> None:
    wrong, right = json.dumps(answer({"duration": 30})), json.dumps(answer())
    for text in (f"{wrong} becomes {right}", f"{right} []", f"{right} [1, 2]", f'{right} [{{"event_id": 0, "start'):
        assert grade(text, expected()).reason == "pass", text
    assert grade(f"{right} was wrong: {wrong}", expected()).reason == "constraint_violated"


def test_an_expectation_of_nothing_passes_unless_events_are_shown() -> None:
    assert grade("Good morning!", {}).reward == 1
    assert grade("[]", {}).reward == 1
    assert grade(json.dumps(answer()), {}).reason == "different_number_of_events"
    assert grade("Hello", {"0": None}).reward == 1


def test_only_small_talk_at_level_easy_may_be_answered_without_a_list() -> None:
    for level, required, reward in (("easy", False, 1), ("easy", True, 0), ("hard", False, 0), ("hard", True, 0)):
        assert grade("How nice!", expected(), level=level, list_required=required).reward == reward  # type: ignore[arg-type]
    wrong = json.dumps(answer({"duration": 30}))
    assert grade(wrong, expected(), level="easy", list_required=False).reward == 0


def test_reasoning_tags_fail() -> None:
    assert grade("<think>x</think>" + json.dumps(answer()), expected()).reason == "think_found"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"constraint": "sometime soon"}, "'sometime soon'"),
        ({"constraint": "before 25:00"}, "'before 25:00'"),
        ({"constraint": "between 3pm and 1pm"}, "between"),
        ({"constraint": 5}, "constraint is 5"),
        ({"duration": None}, "duration is None"),
        ({"duration": "45"}, "duration is '45'"),
        ({"duration": 0}, "duration is 0"),
        ({"min_time": "10"}, "min_time is '10'"),
        ({"max_time": None}, "max_time is None"),
        ({"event_name": 3}, "is 3"),
        ({"event_name": ["x"]}, "['x']"),
    ],
)
@pytest.mark.parametrize("text", ["no list", "<think>", "[]", json.dumps(answer())])
def test_an_expected_state_that_cannot_be_read_is_an_error_that_names_it(
    change: dict[str, Any], words: str, text: str
) -> None:
    with pytest.raises(ValueError, match="event 1: ") as caught:
        grade(text, expected(**change))
    assert words in str(caught.value)


@pytest.mark.parametrize("state", [[], "x", None, {"0": 3}, {"0": []}])
def test_an_expected_state_that_is_no_object_is_an_error(state: Any) -> None:
    with pytest.raises(ValueError, match="must be an object"):
        grade("hello", state)


def test_an_unknown_mode_or_level_is_refused() -> None:
    with pytest.raises(ValueError, match="there are modes strict"):
        grade("x", {}, mode="lenient")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="levels easy, hard"):
        grade("x", {}, level="medium")  # type: ignore[arg-type]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["event_id", "event_name", "start_time", "duration", "x"])
anything = st.lists(st.dictionaries(fields, json_values | st.sampled_from([0, 1, "10:00", 60]), max_size=4), max_size=4)
pieces = st.sampled_from(
    ["[", "]", "{", "}", '"', ",", ":", "\\", "1", "[{", '{"event_id":', "NaN", "-", "1e999", "\ud800"]
)


@given(anything, st.lists(pieces | st.text(max_size=4), max_size=25))
def test_whatever_the_answer_holds_it_is_graded(events: Any, noise: list[str]) -> None:
    for text in (json.dumps(events), "".join(noise), "".join(noise) + json.dumps(events) + "".join(noise)):
        strict, nemo = grade(text, expected()), grade(text, expected(), mode="nemo_gym")
        assert strict.reason in REASONS
        assert nemo.reason in {*REASONS, "error_in_grading"}
        assert all(0.0 <= part <= 1.0 for part in strict.parts.values())
        assert strict.reward == (strict.reason == "pass")


@given(st.text(), st.text(st.characters(exclude_characters='[]{}"')), st.booleans(), st.sampled_from([None, 0, 2]))
def test_a_right_calendar_passes_in_any_prose(before: str, after: str, wrapped: bool, indent: int | None) -> None:
    shown: Any = {"calendar": answer()} if wrapped else answer()
    text = json.dumps(shown, indent=indent)
    if "<think>" not in before:
        assert grade(before + text + after, expected()).reason == "pass"


@settings(max_examples=500)
@given(st.lists(pieces, max_size=12).map("".join), st.sampled_from(["", " ", "\n"]))
def test_broken_json_before_a_right_calendar_does_not_hide_it(before: str, between: str) -> None:
    assert grade(before + between + json.dumps(answer()), expected()).reason == "pass"


@given(st.integers(0, 1), st.sampled_from(["event_id", "event_name", "start_time", "duration"]), json_values)
def test_any_other_value_in_any_field_fails(place: int, field: str, value: Any) -> None:
    events = answer()
    if value == events[place][field] or (field == "event_id" and str(value).strip() == str(events[place][field])):
        return
    events[place][field] = value
    assert grade(json.dumps(events), expected()).reward == 0


HOSTILE = [
    '[{"a":1}', "[", '[{"a":1},', '[{"a":[', '{"a":', '[{"a":1}[', "[{", '[{"', '[{"a":"', '[{"a":1}]', "]", "{}",
    '[{"a":{"b":', '[{},', '"', "\\", '[{"a":1},"', '[{"x":[{"y":1}]},', '[{"[{"', '[{"a":"[{\\"', '[{"a": "x\n',
    "[{[}{", '{"event_id":0,"start_time":"10:00","duration":60},',
]  # fmt: skip


@pytest.mark.parametrize("mode", ["strict", "nemo_gym"])
@pytest.mark.parametrize("unit", HOSTILE)
def test_a_megabyte_of_anything_is_graded_in_linear_time(unit: str, mode: Any) -> None:
    """The peer's pattern needs hours for some of these. Ten times the text may take at most 25 times as long."""
    seconds = []
    for size in (100_000, 1_000_000):
        text = unit * (size // len(unit))
        tries = []
        for _ in range(2):  # the quicker one: the machine may be busy with other things
            begin = time.process_time()
            assert grade(text, expected(), mode=mode).reward == 0
            tries.append(time.process_time() - begin)
        seconds.append(min(tries))
    assert seconds[1] < max(0.3, 25 * seconds[0])
    assert seconds[1] < 1.5


@pytest.mark.parametrize("mode", ["strict", "nemo_gym"])
def test_a_megabyte_of_complete_lists_or_twin_events_is_graded_in_linear_time(mode: Any) -> None:
    twin = '{"event_id": 0, "start_time": "10:00", "duration": 60}'
    for text in ("[" + ",".join([twin] * 18_000) + "]", f"[{twin}] " * 18_000, "[" * 500_000 + "]" * 500_000):
        begin = time.process_time()
        grade(text, expected(), mode=mode)
        assert time.process_time() - begin < 1.0


def test_numbers_of_thousands_of_digits_and_deep_nesting_are_graded() -> None:
    for value in ("9" * 6000, "-" + "9" * 6000, "[" * 5000 + "]" * 5000, "NaN", "-Infinity", "1e999"):
        text = f'[{{"event_id": {value}, "start_time": "10:00", "duration": {value}}}]'
        assert grade(text, expected()).reward == 0
        assert grade(text, expected(), mode="nemo_gym").reward == 0


def test_the_order_of_the_events_does_not_matter() -> None:
    assert grade(json.dumps(answer()[::-1]), expected()).reward == 1


def test_a_name_of_a_million_bytes_is_wrong_at_once() -> None:
    text = json.dumps(answer({"event_name": "\ufdfa" * 350_000}), ensure_ascii=False)
    begin = time.process_time()
    assert grade(text, expected()).reason == "wrong_event_name"
    assert time.process_time() - begin < 0.2
