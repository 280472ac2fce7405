"""The agenda-driven user: says what it must, in its own way, and never the same thing too often."""

import asyncio
import re
import time
from random import Random

import pytest

from usergym.types import Message, Seat, Task, Trajectory, stable_hash
from usergym.users.agenda import AgendaParticipant, Step
from usergym.users.diversity import diversity
from usergym.users.message_check import check
from usergym.users.persona import Persona, events, persona
from usergym.users.phrases import CALENDAR_KINDS, clock, read_constraint
from usergym.users.wording import Style, style


def calendar_steps(who: Persona, seed: int) -> list[Step]:
    """Seven events, each added, constrained, and at times followed by small talk."""
    random = Random(seed)
    steps = []
    for number, (name, short) in enumerate(events(who, 7, random)):
        duration = random.choice((30, 45, 60, 75, 90, 105))
        start = random.randrange(600, 900, 15)
        kind = random.choice(("before", "after", "between", "at"))
        constraint = f"{kind} {clock(start)}"
        if kind == "between":
            constraint += f" and {clock(start + random.randrange(30, 180, 15))}"
        steps.append(Step("add_event", {"event_name": name, "duration": duration, "event_id": number}))
        steps.append(
            Step("add_constraint", {"event_name": short, "event_id": number, "constraint": constraint}, "Noted.")
        )
        if random.random() < 0.8:
            steps.append(Step("continue_conversation"))
    return steps


async def conversation(index: int) -> list[tuple[Step, str]]:
    who = persona(7, index)
    steps = calendar_steps(who, index)
    user = AgendaParticipant("user", steps, who, style(who, stable_hash(7, index)), seed=index)
    view: list[Message] = []
    said = []
    while (turn := await user.speak(view)).stop is None:
        assert turn.state == {"intent": steps[len(said)].kind}
        said.append((steps[len(said)], turn.said))
        view += [turn.message, Message("user", "Okay.")]
    assert (turn.stop, turn.said) == ("user_stop", "")
    return said


@pytest.fixture(scope="module")
def ten_thousand() -> list[tuple[Step, str]]:
    said: list[tuple[Step, str]] = []
    index = 0
    while len(said) < 10_000:
        said += asyncio.run(conversation(index))
        index += 1
    return said[:10_000]


def test_every_message_passes_the_check_that_a_model_must_pass(ten_thousand: list[tuple[Step, str]]) -> None:
    faults = [(reason, text) for step, text in ten_thousand if (reason := check(text, step))]
    assert faults == []


def test_no_text_comes_more_than_three_times_in_ten_thousand(ten_thousand: list[tuple[Step, str]]) -> None:
    report = diversity([text for _, text in ten_thousand])
    assert report.max_repeats <= 3
    assert report.distinct_1 > 0.008
    assert report.distinct_2 > 0.06
    assert report.self_bleu < 0.8


def test_messages_carry_what_they_are_for_and_nothing_is_left_open(ten_thousand: list[tuple[Step, str]]) -> None:
    for step, text in ten_thousand:
        assert "{" not in text
        assert "  " not in text
        if step.kind == "continue_conversation":
            assert "?" not in text
            continue
        assert re.search(rf"\(event id:? {step.params['event_id']}\)", text, re.IGNORECASE), text
        assert step.params["event_name"] in text
        if step.kind == "add_event":
            assert re.search(rf"\b{step.params['duration']}[ -]minute", text), text


def test_a_conversation_does_not_repeat_itself() -> None:
    for index in range(50):
        texts = [text for _, text in asyncio.run(conversation(index))]
        assert len(set(texts)) == len(texts)


def test_the_same_seed_says_the_same_and_the_place_comes_from_the_view() -> None:
    assert asyncio.run(conversation(3)) == asyncio.run(conversation(3))
    who = persona(7, 3)
    steps = calendar_steps(who, 3)
    user = AgendaParticipant("user", steps, who, style(who, stable_hash(7, 3)), seed=3)
    fourth = asyncio.run(user.speak([Message("assistant", "before")] * 3))
    assert fourth.said == asyncio.run(conversation(3))[3][1]


def test_it_speaks_in_a_trajectory_and_leaves_at_the_end() -> None:
    who = persona(1, 1)
    user = AgendaParticipant("user", [Step("continue_conversation")], who, seed=1, seat=Seat(system="private"))
    trajectory = Trajectory(Task("t", "calendar"), 0, 0, seats={"user": user.seat})
    trajectory.turns.append(asyncio.run(user.speak(trajectory.view("user"))))
    assert trajectory.view("assistant") == [Message("user", trajectory.turns[0].said)]
    assert asyncio.run(user.speak(trajectory.view("user"))).stop == "user_stop"


def test_style_shapes_the_wording() -> None:
    who = persona(1, 1)
    params = {"event_name": "Audit", "duration": 45, "event_id": 1}

    def texts(drawn: Style) -> list[str]:
        steps = [Step("add_event", params), Step("continue_conversation")] * 5
        return [AgendaParticipant("user", steps, who, drawn, seed).words(n) for seed in range(20) for n in range(10)]

    terse = texts(Style(verbosity="terse", politeness="blunt"))
    chatty = texts(Style(verbosity="chatty", politeness="warm"))
    assert sum(map(len, terse)) * 1.5 < sum(map(len, chatty))
    formal = texts(Style(formality="formal", contractions=False))
    assert not any(re.search(r"\b(?:I'm|I'd|It's|can't|won't|we'd|n't)\b", text) for text in formal)
    assert not any(re.search(r"please|thank", text, re.IGNORECASE) for text in terse)
    assert any(text.endswith("!") for text in texts(Style(punctuation="lively")))


def test_a_kind_of_another_domain_brings_its_own_words() -> None:
    step = Step("refund", {"say": "I want my money back for order {order}; {unknown} stays.", "order": 12})
    user = AgendaParticipant("user", [step], persona(1, 1), Style(contractions=False), seed=4)
    turn = asyncio.run(user.speak([]))
    assert "I want my money back for order 12; {unknown} stays." in turn.said
    assert turn.state == {"intent": "refund"}
    several = Step("refund", {"say": ["Refund.", "Money back."]})
    said = {
        AgendaParticipant("user", [several], persona(1, 1), Style(politeness="blunt"), n).words(0) for n in range(20)
    }
    assert said == {"Refund.", "Money back."}


def test_it_talks_for_a_persona_that_is_only_a_text() -> None:
    who = Persona("Bakes bread before dawn and worries about the oven.")
    user = AgendaParticipant("user", [Step("continue_conversation")] * 30, who, Style(verbosity="chatty"))
    for place in range(30):
        text = user.words(place)
        assert check(text, user.steps[place]) is None
        assert " at ." not in text


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (Step("add_event", {"event_name": "x", "duration": 30}), "step 0 (add_event) lacks the param 'event_id'"),
        (
            Step("add_constraint", {"event_name": "x", "event_id": 0, "constraint": "sometime"}),
            "step 0 (add_constraint): constraint 'sometime': expected one like 'before 11am'",
        ),
        (Step("dance"), "step 0: kind 'dance' is none of add_event, add_constraint, continue_conversation"),
        (Step("dance", {"say": 5}), "give its words in params['say']"),
    ],
)
def test_a_step_that_cannot_be_said_is_refused_at_once(step: Step, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        AgendaParticipant("user", [step], persona(1, 1))
    assert told in str(caught.value)


def test_constraints_are_read_as_they_are_written() -> None:
    assert read_constraint("before 11am").times == (660,)
    assert read_constraint("after 2:15pm").meaning() == "it starts at or after 2:15pm"
    assert read_constraint("between 10am and 12:45pm").times == (600, 765)
    assert read_constraint("at 12am").times == (0,)
    for bad in ("", "before", "before 13pm", "between 10am", "at 1:75pm", "before 1pm and 2pm", "near 2pm"):
        with pytest.raises(ValueError, match="expected one like"):
            read_constraint(bad)
    assert [clock(735, form) for form in ("2:15pm", "2:15 PM", "2:15 p.m.", "14:15")] == [
        "12:15pm",
        "12:15 PM",
        "12:15 p.m.",
        "12:15",
    ]
    assert (clock(720, "noon"), clock(0), clock(780)) == ("noon", "12am", "1pm")
    assert set(CALENDAR_KINDS) == {"add_event", "add_constraint", "continue_conversation"}


def test_three_hundred_conversations_a_second() -> None:
    asyncio.run(conversation(0))

    async def many() -> None:
        for index in range(60):
            await conversation(index)

    started = time.process_time()
    asyncio.run(many())
    assert time.process_time() - started < 60 / 300
