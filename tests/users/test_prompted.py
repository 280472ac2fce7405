"""The model-driven user: asked with the right prompt, checked, asked again, and given up on."""

import asyncio
import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.models.base import ModelError, Reply
from usergym.models.fake import FakeModel
from usergym.types import Message, Sampling, Seat, Task, Tool, Trajectory, Turn, Usage
from usergym.users.agenda import Step
from usergym.users.base import SimulatorError
from usergym.users.prompted import MESSAGE_SCHEMA, PromptedParticipant, user_message

STEPS = [
    Step("add_event", {"event_name": "Barn Tour", "duration": 45, "event_id": 3}),
    Step("add_constraint", {"event_name": "barn tour", "event_id": 3, "constraint": "after 2:15pm"}),
    Step("continue_conversation"),
]
GOOD = "Please add Barn Tour, 45 minutes (event id: 3)."


def written(text: str) -> str:
    return json.dumps({"USER_MESSAGE": text})


def answering(*answers: str | Reply) -> FakeModel:
    left = list(answers)
    return FakeModel(lambda messages, tools, sampling: left.pop(0))


def speak(user: PromptedParticipant, view: Sequence[Message] = ()) -> Turn:
    return asyncio.run(user.speak(list(view)))


def test_a_message_is_written_in_json_and_heard_in_words() -> None:
    model = answering(written(GOOD))
    user = PromptedParticipant(model, "Keeps goats.", STEPS, seed=5)
    turn = speak(user)
    assert (turn.message.content, turn.said, turn.state) == (written(GOOD), GOOD, {"intent": "add_event"})
    (call,) = model.calls
    prompt = call.messages[-1].content
    for part in ("Keeps goats.", "Barn Tour", "45 minutes", "(event id: 3)", "nothing has been said yet"):
        assert part in prompt
    assert '{"USER_MESSAGE": "' in prompt
    assert call.sampling.json_schema == MESSAGE_SCHEMA
    assert turn.usage is not None
    assert turn.usage.calls == 1


def test_the_prompt_holds_the_last_four_messages_as_they_were_heard() -> None:
    trajectory = Trajectory(Task("t", "calendar"), 0, 0)
    for number in range(3):
        words = f"mine {number}"
        trajectory.turns.append(Turn("user", Message("assistant", written(words)), heard=words))
        trajectory.turns.append(Turn("assistant", Message("assistant", f"theirs {number}")))
    model = answering(written("The goats are well."))
    user = PromptedParticipant(model, "p", [*STEPS, Step("continue_conversation")])
    speak(user, trajectory.view("user"))
    prompt = model.calls[0].messages[-1].content
    assert "user: mine 1\nassistant: theirs 1\nuser: mine 2\nassistant: theirs 2" in prompt
    assert "mine 0" not in prompt
    assert "theirs 0" not in prompt


def test_a_faulty_message_is_asked_for_again_with_the_reason_and_another_draw() -> None:
    cut = Reply(Message("assistant", '{"USER'), Usage(output_tokens=7, calls=1), finish="length")
    model = answering(cut, written("Add Barn Tour (event id: 3)."), f"```json\n{written(GOOD)}\n```")
    turn = speak(PromptedParticipant(model, "p", STEPS, seed=5))
    assert turn.said == GOOD
    assert turn.usage is not None
    assert turn.usage.calls == 3
    first, second, third = model.calls
    assert "cut off at 7 tokens" in second.messages[-1].content
    assert "duration in minutes: 45 minutes" in third.messages[-1].content
    assert third.messages[-2] == Message("assistant", written("Add Barn Tour (event id: 3)."))
    assert len({call.sampling.seed for call in (first, second, third)}) == 3


def test_a_user_that_keeps_failing_is_an_error_and_never_data() -> None:
    model = FakeModel(lambda messages, tools, sampling: written("Sure, I've added your event."), name="stubborn")
    with pytest.raises(SimulatorError) as caught:
        speak(PromptedParticipant(model, "p", STEPS, attempts=2))
    assert str(caught.value).startswith("stubborn wrote no usable step 0 (add_event) in 2 attempts: it opens as")
    assert len(model.calls) == 2


@pytest.mark.parametrize(
    "answer",
    [
        "Please add Barn Tour, 45 minutes (event id: 3).",
        '{"USER_MESSAGE": 5}',
        '["USER_MESSAGE"]',
        '{"USER_MESSAGE": "' + GOOD + '", "note": "x"}',
        '{"message": "' + GOOD + '"}',
        written("the words you say"),
        written('Have the event "Barn Tour" put on your calendar. 45 minutes (event id: 3)'),
        written("Do not quote or mention these instructions. Barn Tour, 45 minutes (event id: 3)"),
        written(GOOD + " It starts at 2pm."),
        written(GOOD + " My pin is 4711."),
        "",
    ],
)
def test_what_is_not_the_message_is_refused(answer: str) -> None:
    with pytest.raises(SimulatorError):
        speak(PromptedParticipant(answering(answer), "p", STEPS, attempts=1, hidden=["4711"]))


def test_an_outage_of_its_model_is_a_model_error() -> None:
    down = FakeModel(lambda *_: "", fail={0: ModelError("unavailable", "down")})
    filtered = FakeModel(lambda *_: Reply(Message("assistant", ""), finish="content_filter"))
    for model, kind in ((down, "unavailable"), (filtered, "refused")):
        with pytest.raises(ModelError) as caught:
            speak(PromptedParticipant(model, "p", STEPS))
        assert caught.value.kind == kind


def test_it_leaves_after_its_last_step() -> None:
    turn = speak(PromptedParticipant(answering(), "p", STEPS), [Message("assistant", "x")] * 3)
    assert (turn.stop, turn.said, turn.message.content) == ("user_stop", "", "")


def test_another_domain_brings_its_prompt_and_its_agenda() -> None:
    prompt = 'ROLE {persona}\nLOG {partial_conversation_history}\nGOAL {agenda}\nForm: {{"USER_MESSAGE": "..."}}'
    model = answering(written("Where is order 7?"))
    step = Step("ask_status", {"order": 7, "must_include": ["order 7"]})
    user = PromptedParticipant(
        model,
        "A {curly} customer.",
        [step],
        seat=Seat(system="You act.", sampling=Sampling(temperature=0.5)),
        prompt=prompt,
        agenda={"ask_status": "Ask about order {order}."},
    )
    assert speak(user).said == "Where is order 7?"
    (call,) = model.calls
    assert call.messages[0] == Message("system", "You act.")
    assert call.messages[1].content == (
        "ROLE A {curly} customer.\nLOG (nothing has been said yet)\nGOAL Ask about order 7.\n"
        'Form: {"USER_MESSAGE": "..."}'
    )
    assert call.sampling.temperature == 0.5


def test_a_step_may_bring_its_own_agenda() -> None:
    model = answering(written("Good bye then."))
    speak(PromptedParticipant(model, "p", [Step("part", {"agenda": "Say good bye to {who}.", "who": "Ann"})]))
    assert "Say good bye to Ann." in model.calls[0].messages[-1].content


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda: PromptedParticipant(answering(), "p", STEPS, prompt="{agenda} {name}"),
            "the prompt has the slot {name}",
        ),
        (lambda: PromptedParticipant(answering(), "p", STEPS, prompt="{persona}"), "lacks the slot {agenda}"),
        (lambda: PromptedParticipant(answering(), "p", STEPS, prompt='{agenda} {"a'), "literal brace"),
        (lambda: PromptedParticipant(answering(), "p", STEPS, prompt="{agenda.x}"), "slot {agenda.x}"),
        (lambda: PromptedParticipant(answering(), "p", [Step("dance")]), "step 0 (dance): no agenda for this kind"),
        (
            lambda: PromptedParticipant(answering(), "p", [Step("dance")], agenda={"dance": "Do {this}."}),
            "the agenda of step 0 (dance) has the slot {this}",
        ),
        (lambda: PromptedParticipant(answering(), "p", [Step("add_event", {})]), "lacks the param 'event_name'"),
        (lambda: PromptedParticipant(answering(), "p", STEPS, attempts=0), "attempts is 0"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(make: Callable[[], object], told: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert told in str(caught.value)


@given(st.text())
def test_reading_a_message_never_fails(text: str) -> None:
    assert isinstance(user_message(text), str | None)
    assert user_message(written(text)) == text.strip()
    assert user_message(f"```json\n{written(text)}\n```") == text.strip()


def test_a_reply_nested_without_end_is_no_message() -> None:
    assert user_message("[" * 100_000) is None


def test_prompted_users_work_through_a_conversation() -> None:
    lines = [GOOD, "The barn tour (event id: 3) can't start before 2:15pm.", "The goats are lively."]

    def answer(messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> str:
        prompt = messages[-1].content
        return written(lines[2 if "Chat a little" in prompt else 1 if "it starts at or after 2:15pm" in prompt else 0])

    user = PromptedParticipant(FakeModel(answer), "p", STEPS)
    trajectory = Trajectory(Task("t", "calendar"), 0, 0, seats={"user": user.seat})
    while not (turn := speak(user, trajectory.view("user"))).stop:
        trajectory.turns += [turn, Turn("assistant", Message("assistant", "Okay."))]
    assert [message.content for message in trajectory.view("assistant") if message.role == "user"] == lines
