"""Rows of data files, good and bad, and what `check` finds in them."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from usergym.environments import load
from usergym.environments.base import RowError
from usergym.environments.calendar.check import validate
from usergym.environments.calendar.rows import to_row
from usergym.rollouts.engine import Cast, begin, play, seat_oracle

ENVIRONMENT = load("calendar")


def conversation(seed: int = 0) -> dict[str, Any]:
    task = next(iter(ENVIRONMENT.tasks(seed=seed)))
    trajectory = asyncio.run(play(ENVIRONMENT, begin(task, 0, 0), Cast(seat_oracle)))
    row: dict[str, Any] = json.loads(json.dumps(to_row(trajectory)))
    return row


def nemo_row(**changes: Any) -> dict[str, Any]:
    event = {"event_id": 0, "duration": 60, "constraint": None, "min_time": "10:00", "max_time": "16:00"}
    messages = [
        {"role": "system", "content": "Keep my calendar."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "[]"},
        {"role": "user", "content": "Add a talk of 60 minutes (event id: 0)."},
    ]
    row = {"responses_create_params": {"input": messages, "tools": []}, "exp_cal_state": {"0": event, "1": None}}
    return {**row, **changes}


def test_a_generated_conversation_written_as_a_row_is_played_again_word_for_word() -> None:
    row = conversation()
    documented = {
        "sample_id", "persona", "events", "expected_calendar_states", "user_prompts", "user_intents",
        "smalltalk_factor", "constraint_eagerness",
    }  # fmt: skip
    assert documented <= row.keys()
    assert len(row["user_prompts"]) == len(row["user_intents"]) == len(row["expected_calendar_states"])
    again = asyncio.run(play(ENVIRONMENT, begin(ENVIRONMENT.read(row), 0, 0), Cast(seat_oracle)))
    assert again.reward() == 1.0
    assert to_row(again) == row


def test_a_row_that_repeats_its_last_state_is_read_without_the_repetition() -> None:
    row = conversation()
    states = row["expected_calendar_states"]
    repeated = ENVIRONMENT.read({**row, "sample_id": 3, "expected_calendar_states": [*states, states[-1]]})
    assert len(repeated.data["expected_calendar_states"]) == len(row["user_prompts"])
    assert repeated.id.startswith("calendar-3-")


def test_a_nemo_row_is_a_finished_conversation_with_one_answer_to_give() -> None:
    task = ENVIRONMENT.read(nemo_row())
    assert [turn.speaker for turn in task.opening] == ["user", "assistant", "user"]
    assert list(task.data["expected_calendar_states"][-1]) == ["0"]
    assert task.data["expected_calendar_states"][0] is None
    assert ENVIRONMENT.start(task).system == "Keep my calendar."
    assert ENVIRONMENT.start(task).user(None) is None
    assert ENVIRONMENT.read(nemo_row()) == task


def test_a_nemo_row_may_have_a_text_as_input_and_parts_as_content() -> None:
    text = ENVIRONMENT.read(nemo_row(responses_create_params={"input": "Add a talk."}))
    parts = [
        {"role": "user", "content": [{"type": "input_text", "text": "Add "}, {"type": "input_text", "text": "it."}]}
    ]
    split = ENVIRONMENT.read(nemo_row(responses_create_params={"input": parts}))
    assert text.opening[0].said == "Add a talk."
    assert split.opening[0].said == "Add it."
    assert "JSON list" in ENVIRONMENT.start(text).system


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"responses_create_params": 3}, "responses_create_params"),
        ({"responses_create_params": {}}, "responses_create_params.input"),
        ({"responses_create_params": {"input": []}}, "responses_create_params.input"),
        ({"responses_create_params": {"input": [{"role": "tool"}]}}, "responses_create_params.input[0]"),
        ({"responses_create_params": {"input": [{"role": "user"}]}}, "responses_create_params.input[0].content"),
        (
            {"responses_create_params": {"input": [{"role": "assistant", "content": "x"}]}},
            "responses_create_params.input",
        ),
        ({"responses_create_params": {"input": "x", "tools": [{}]}}, "responses_create_params.tools"),
        ({"exp_cal_state": []}, "exp_cal_state"),
        ({"exp_cal_state": {"0": 5}}, "exp_cal_state.0"),
    ],
)
def test_a_faulty_nemo_row_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(RowError) as caught:
        ENVIRONMENT.read(nemo_row(**change))
    assert caught.value.field == field
    assert [finding.field for finding in validate(nemo_row(**change))] == [field]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_prompts": []}, "user_prompts"),
        ({"user_prompts": "hello"}, "user_prompts"),
        ({"user_prompts": [1]}, "user_prompts"),
        ({"expected_calendar_states": [{}]}, "expected_calendar_states"),
        ({"expected_calendar_states": None}, "expected_calendar_states"),
        ({"user_intents": ["add_event"]}, "user_intents"),
        ({"level": "medium"}, "level"),
        ({"min_time": "10am"}, "min_time"),
    ],
)
def test_a_faulty_conversation_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(RowError) as caught:
        ENVIRONMENT.read({**conversation(), **change})
    assert caught.value.field == field
    lacking = conversation()
    if field != "level" and field in lacking and field in ("user_prompts", "expected_calendar_states"):
        del lacking[field]
        with pytest.raises(RowError) as caught:
            ENVIRONMENT.read(lacking)
        assert caught.value.field == field
        assert "found nothing" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"level": "medium"}, "data.level"),
        ({"steps": [{"params": {}}]}, "data.steps"),
        ({"steps": [{"kind": "add_event", "params": {"event_name": "x"}}]}, "data.steps"),
        ({"steps": None}, "data.steps"),
        ({"user_prompts": "x"}, "data.user_prompts"),
        ({"user_intents": 3}, "data.user_intents"),
        ({"expected_calendar_states": {}}, "data.expected_calendar_states"),
        ({"max_time": "4pm"}, "data.max_time"),
    ],
)
def test_a_faulty_task_names_its_field(change: dict[str, Any], field: str) -> None:
    task = next(iter(ENVIRONMENT.tasks()))
    row = {"id": task.id, "env": "calendar", "data": {**task.data, **change}}
    with pytest.raises(RowError) as caught:
        ENVIRONMENT.read(row)
    assert caught.value.field == field


@pytest.mark.parametrize("row", [{}, [], 3, {"id": "x", "env": "calendar", "data": {}}])
def test_a_row_of_no_known_form_is_refused(row: Any) -> None:
    with pytest.raises(RowError):
        ENVIRONMENT.read(row)


def test_check_finds_nothing_in_what_is_generated() -> None:
    assert [validate(conversation(seed)) for seed in range(6)] == [[]] * 6
    assert validate(nemo_row()) == []


def spoilt(path: list[Any], value: Any) -> list[str]:
    row = conversation()
    place = row
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return [str(finding) for finding in validate(row)]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["events", 0, "duration"], -5, "events[0].duration: whole minutes above 0"),
        (["events", 0, "start"], "late", "events[0].start_time: a time of day"),
        (["events", 0, "constraint"], "at 10:05am", "is not satisfied by its own start"),
        (["events", 0, "constraint"], "soonish", "is no constraint"),
        (["events", 0, "event_id"], 1, "1 is there twice"),
        (["events", 0, "start"], 1430, "outside its window"),
        (["expected_calendar_states", -1, "0", "duration"], 120, "duration: it was"),
        (["expected_calendar_states", -1, "0", "constraint"], "after 5pm", "no calendar satisfies it"),
        (["expected_calendar_states", -1, "0", "constraint"], "soonish", "is no constraint"),
        (["expected_calendar_states", -1, "0", "min_time"], "9:00", "different windows"),
        (["expected_calendar_states", -1, "0", "event_id"], 4, "under the key '0'"),
        (["expected_calendar_states", -1], {}, "is gone"),
        (["events", 0, "event_id"], 9, "in the last state but not in events"),
    ],
)
def test_check_finds_what_is_wrong(path: list[Any], value: Any, words: str) -> None:
    findings = spoilt(path, value)
    assert any(words in finding for finding in findings), findings


def test_check_finds_two_events_at_the_same_time() -> None:
    row = conversation()
    row["events"][1].update(start=row["events"][0]["start"], constraint=None)
    assert any("overlaps events[" in str(finding) for finding in validate(row))


def test_ids_of_rows_do_not_depend_on_their_place() -> None:
    rows = [conversation(seed) for seed in range(3)]
    ids = [ENVIRONMENT.read({**row, "sample_id": 0}).id for row in rows]
    assert len(set(ids)) == 3
    assert ids == [ENVIRONMENT.read({**row, "sample_id": 0}).id for row in itertools.chain(rows)]
