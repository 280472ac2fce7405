"""The check of a user's message: what must be in it, what must not, and in linear time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.users.agenda import Step
from usergym.users.message_check import check
from usergym.users.phrases import clock

ADD = Step("add_event", {"event_name": "Sprint Review: Sunday Team", "duration": 90, "event_id": 2})
TALK = Step("continue_conversation")


def constraint(text: str) -> Step:
    return Step("add_constraint", {"event_name": "sprint review", "event_id": 2, "constraint": text})


@pytest.mark.parametrize(
    "message",
    [
        "Please add Sprint Review: Sunday Team for 90 minutes (event id: 2).",
        "Hey, slot in the 90‑minute “Sprint Review: Sunday Team” (event id 2)!",
        "Good morning! sprint review: sunday team, 90 min. Event ID: #2",
        "I've added the slides already. Could you put Sprint Review: Sunday Team (Event ID 2) down for 90 mins?",
    ],
)
def test_good_requests_pass(message: str) -> None:
    assert check(message, ADD) is None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("Add Sprint Review: Sunday Team for 90 minutes.", "event id"),
        ("Add Sprint Review: Sunday Team for 90 minutes (event id: 12).", "event id"),
        ("Add Sprint Review: Sunday Team for 90 minutes (event id: 2), not (event id: 3).", "another event id"),
        ("Add Sprint Review: Sunday Team (event id: 2) for 1.5 hours.", "90 minutes"),
        ("Add Sprint Review: Sunday Team (event id: 2) for 190 minutes.", "90 minutes"),
        ("Add Sprint Review: Sunday Team (event id: 2), 90 minutes, or 60 minutes.", "another duration"),
        ("Add the review (event id: 2) for 90 minutes.", "name the event"),
        ("Add Sprint Review: Sunday Team on Tuesday for 90 minutes (event id: 2).", "weekday"),
        ("Add Sprint Review: Sunday Team, Tue if possible, 90 minutes (event id: 2).", "weekday"),
        ("Add Sprint Review: Sunday Team at 2pm for 90 minutes (event id: 2).", "2pm"),
        ("Add Sprint Review: Sunday Team at 14:00 for 90 minutes (event id: 2).", "14:00"),
        ("Add Sprint Review: Sunday Team at noon for 90 minutes (event id: 2).", "noon"),
        ("Add Sprint Review: Sunday Team at three o'clock for 90 minutes (event id: 2).", "o'clock"),
        ("Add Sprint Review: Sunday Team in the afternoon for 90 minutes (event id: 2).", "afternoon"),
        ("Sure, I've added Sprint Review: Sunday Team for 90 minutes (event id: 2).", "assistant"),
        ("Sure! Here is your calendar: Sprint Review: Sunday Team, 90 minutes (event id: 2)", "assistant"),
        ("I have scheduled the event Sprint Review: Sunday Team for 90 minutes (event id: 2).", "assistant"),
        ('{"USER_MESSAGE": "Add Sprint Review: Sunday Team for 90 minutes (event id: 2)."}', "JSON"),
        ("```\nAdd Sprint Review: Sunday Team for 90 minutes (event id: 2).\n```", "code fence"),
    ],
)
def test_faulty_requests_are_refused_with_the_reason(message: str, reason: str) -> None:
    assert reason in (check(message, ADD) or "passed")


@pytest.mark.parametrize("opening", ["As an AI, I", "How can I help you", "Here is your schedule", "I'm an assistant"])
def test_nobody_opens_like_an_assistant(opening: str) -> None:
    assert "as an assistant would" in (check(f"{opening} and more.", TALK) or "passed")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("before 2pm", "The sprint review (event id: 2) has to end by 2pm."),
        ("before 2pm", "Keep the sprint review (event id: 2) before 14:00, please."),
        ("before 2pm", "The sprint review (event id: 2) must not go past 2:00 p.m."),
        ("before 12pm", "Could the sprint review (event id: 2) be over by noon?"),
        ("after 2:15pm", "The sprint review (event id: 2) can't start before 2:15 PM."),
        ("after 2:15pm", "Start the sprint review (event id: 2) no earlier than 2:15 p.m., please"),
        ("after 2:15pm", "The sprint review (event id: 2) works at 2.15pm or later."),
        ("after 10am", "Could you please set the sprint review (event id: 2) to start at or after 10 am? Thanks."),
        ("between 10am and 12:45pm", "Fit the sprint review (event id: 2) between 10 and 12:45pm."),
        ("between 10am and 12:45pm", "The sprint review (event id: 2) from 10:00 am to 12:45 pm, please."),
        ("at 1:15pm", "Could you set the sprint review (event id: 2) for 1:15 PM?"),
        ("at 1pm", "The sprint review (event id: 2) has to start at 1 o'clock sharp."),
    ],
)
def test_a_constraint_may_be_said_in_many_ways(asked: str, message: str) -> None:
    assert check(message, constraint(asked)) is None


@pytest.mark.parametrize(
    ("asked", "message", "reason"),
    [
        ("before 2pm", "The sprint review (event id: 2) has to be early.", "it must say that it ends at or before 2pm"),
        ("before 2pm", "The sprint review (event id: 2) has to start after 2pm.", "something else"),
        ("before 2pm", "The sprint review (event id: 2) goes to 2pm or later.", "something else"),
        ("before 2pm", "Set the sprint review (event id: 2) to 2pm.", "something else"),
        ("after 2pm", "The sprint review (event id: 2) has to end by 2pm.", "something else"),
        ("after 2pm", "Set the sprint review (event id: 2) to 2pm.", "something else"),
        ("at 2pm", "The sprint review (event id: 2) is fine after 2pm.", "something else"),
        ("at 2pm", "The sprint review (event id: 2) starts at 2pm or later.", "something else"),
        ("before 2pm", "The sprint review (event id: 2) must end by 2am.", "it must say"),
        ("at 1:15pm", "The sprint review (event id: 2) starts at 1:15pm, not at 3pm.", "another clock time"),
        ("between 10am and 1pm", "The sprint review (event id: 2) must start after 10am.", "it must say"),
        ("at 1:15pm", "The sprint review starts at 1:15pm.", "event id"),
        ("at 1:15pm", "The sprint review (event id: 2) starts at 1:15pm on Friday.", "weekday"),
    ],
)
def test_a_lost_or_turned_constraint_is_refused(asked: str, message: str, reason: str) -> None:
    assert reason in (check(message, constraint(asked)) or "passed")


@given(st.integers(0, 1439), st.sampled_from(["2:15pm", "2:15 PM", "2:15 p.m.", "2:15 pm", "14:15", "noon"]))
def test_every_minute_is_understood_in_every_form(minutes: int, form: str) -> None:
    message = f"The sprint review (event id: 2) must start at exactly {clock(minutes, form)}, please."
    assert check(message, constraint(f"at {clock(minutes)}")) is None
    other = clock((minutes + 45) % 1440)
    assert check(message, constraint(f"at {other}")) is not None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("How is your work going?", "question"),
        ("Please add a meeting.", "scheduled"),
        ("It was fun. Move the review to the end.", "scheduled"),
        ("I need to reschedule the review.", "scheduled"),
        ("I would like it on my calendar.", "scheduled"),
        ("I was up at 5:30 am with the ovens.", "5:30 am"),
        ("Last Friday was wild.", "weekday"),
    ],
)
def test_small_talk_asks_nothing_and_tells_no_time(message: str, reason: str) -> None:
    assert reason in (check(message, TALK) or "passed")


@pytest.mark.parametrize(
    "message",
    [
        "I put together new slides for the audit and the plan is sound.",
        "We plan to move the herd and I sat in the sun, which I may do again.",
        "The ratio is 3:1 and I've set up the fume hood.",
        "I'm glad that the session is on the calendar now.",
    ],
)
def test_ordinary_small_talk_passes(message: str) -> None:
    assert check(message, TALK) is None


def test_other_kinds_bring_their_own_lists() -> None:
    step = Step("refund", {"must_include": ["order 12", "Refund"], "must_not_include": ["card number"]})
    assert check("I want a refund for Order 12 on Monday at 2pm.", step) is None
    assert check("I want a refund.", step) == "it must mention 'order 12'"
    assert check("Refund order 12 to my CARD number.", step) == "it must not mention 'card number'"
    assert check("Sure, I'll refund order 12.", step) is not None


def test_hidden_facts_and_instructions_are_not_repeated() -> None:
    step = Step("anything", {})
    assert "keep to itself" in (check("The word is Rosebud.", step, hidden=["rosebud"]) or "passed")
    told = "Speak as this person would, in everyday language."
    assert "instructions" in (check(f"OK: {told.upper()} Fine.", step, instructions=[told]) or "passed")
    assert check("Fine.", step, hidden=["", "rosebud"], instructions=["Fine."]) is None


@given(st.text(max_size=300))
def test_any_text_gets_an_answer(text: str) -> None:
    for step in (ADD, TALK, constraint("between 10am and 1pm")):
        assert isinstance(check(text, step), str | None)


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        " ",
        "1",
        "1:",
        "12:30 ",
        "event id ",
        "between 1 ",
        "from 2 to 3pm ",
        "i've added ",
        "n't ",
        "2pm ",
        "{",
        "`",
        "can't ",
    ],
)
def test_a_megabyte_of_anything_is_checked_in_linear_time(piece: str) -> None:
    for step in (ADD, TALK, constraint("before 12:30pm")):
        took = []
        for size in (50_000, 400_000):
            tries = []
            for _ in range(2):  # the quicker one: the machine may be busy with other things
                started = time.process_time()
                check(f"event id 2 {piece * (size // len(piece))}", step)
                tries.append(time.process_time() - started)
            took.append(min(tries))
        assert took[1] < 8 * 4 * took[0] + 0.1
