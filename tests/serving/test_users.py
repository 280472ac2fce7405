"""Simulated users behind a chat endpoint: whoever can talk to a model can talk to them."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from tests.serving.real_http import client, listening, post
from usergym.environments.base import Environment, World, load, tool
from usergym.models.base import Model, ModelError, StopRun
from usergym.models.fake import FakeModel
from usergym.serving.env_user import EnvironmentUser
from usergym.serving.persona_user import PersonaUser
from usergym.serving.users import user_app
from usergym.types import Message, Seat, Task, ToolCall, Turn
from usergym.users.agenda import AgendaParticipant, Step
from usergym.users.base import ModelParticipant, Participant
from usergym.users.persona import persona
from usergym.users.prompted import PromptedParticipant
from usergym.users.scripted import ScriptedParticipant
from usergym.users.wording import style

CHAT = "/v1/chat/completions"


def talk(app: Starlette, *agent: str, opens: bool = False, **more: Any) -> list[dict[str, Any]]:
    """The bodies of the user's replies to each thing the agent says; the user `opens`, or the agent does."""

    async def run() -> list[dict[str, Any]]:
        messages: list[dict[str, str]] = []
        bodies = []
        async with client(app) as session:
            for words in [None, *agent] if opens else list(agent):
                if words is not None:
                    messages.append({"role": "user", "content": words})
                status, body = await post(session, CHAT, {"messages": messages, **more})
                assert status == 200, body
                bodies.append(body)
                messages.append({"role": "assistant", "content": body["choices"][0]["message"]["content"]})
        return bodies

    return asyncio.run(run())


def ask(app: Starlette, body: Any) -> tuple[int, Any]:
    async def run() -> tuple[int, Any]:
        async with client(app) as session:
            return await post(session, CHAT, body)

    return asyncio.run(run())


def words_of(bodies: Sequence[dict[str, Any]]) -> list[str]:
    return [body["choices"][0]["message"]["content"] for body in bodies]


def written(text: str, leaving: bool = False) -> str:
    return json.dumps({"USER_MESSAGE": text, "LEAVING": leaving})


def nurse(model: Model) -> Starlette:
    return user_app(lambda messages, seed: PersonaUser(model, "A retired nurse.", "a flu shot", seed=seed))


def test_a_script_is_said_line_by_line_and_then_the_user_is_done() -> None:
    app = user_app(lambda messages, seed: ScriptedParticipant("user", ["Hello?", "Thanks."]))
    bodies = talk(app, "Hi, what can I do?", "Done.", opens=True)
    assert words_of(bodies) == ["Hello?", "Thanks.", ""]
    assert [body["usergym"] for body in bodies] == [
        {"done": False, "stop": None},
        {"done": False, "stop": None},
        {"done": True, "stop": "user_stop"},
    ]
    assert {body["choices"][0]["finish_reason"] for body in bodies} == {"stop"}


def test_a_rule_based_user_is_the_same_person_throughout_whoever_begins() -> None:
    steps = [Step("goal", {"say": "I need a flu shot"}), *[Step("continue_conversation")] * 2]
    seeds = []

    def make(messages: Sequence[Message], seed: int) -> Participant:
        seeds.append(seed)
        who = persona(7, 0)
        return AgendaParticipant("user", steps, who, style(who, seed), seed)

    first = words_of(talk(user_app(make), "Sure.", "Fine.", opens=True))
    assert len(set(seeds)) == 1
    assert "I need a flu shot" in first[0]
    talk(user_app(make), "Good morning.", "Sure.")
    assert len(set(seeds[-2:])) == 1
    assert words_of(talk(user_app(make), "Sure.", "Fine.", opens=True)) == first
    talk(user_app(make), opens=True, seed=1)
    talk(user_app(make), opens=True, user="somebody")
    assert len(set(seeds)) == 4


def test_a_model_driven_user_sees_the_conversation_from_its_side() -> None:
    model = FakeModel(lambda messages, tools, sampling: written("Is it free of charge?"), name="m")
    status, body = ask(
        nurse(model),
        {
            "messages": [
                {"role": "system", "content": "AGENT RULES"},
                {"role": "assistant", "content": "I want a flu shot."},
                {"role": "user", "content": "When?", "reasoning_content": "AGENT THOUGHTS"},
                {"role": "tool", "tool_call_id": "x", "content": "AGENT TOOLS"},
            ]
        },
    )
    assert status == 200
    assert words_of([body]) == ["Is it free of charge?"]
    (call,) = model.calls
    prompt = call.messages[0].content
    assert "user: I want a flu shot.\nassistant: When?" in prompt
    assert "A retired nurse." in prompt
    assert "AGENT" not in prompt
    assert body["usage"]["completion_tokens"] > 0


def test_a_model_driven_user_is_corrected_and_leaves_by_itself() -> None:
    answers = ["no json", written("As an AI, I cannot."), written("Tomorrow?")]
    answers += [written("at nine. "), written("Bye then.", leaving=True)]
    model = FakeModel(lambda messages, tools, sampling: answers.pop(0))
    bodies = talk(nurse(model), "When?", "At nine.")
    assert words_of(bodies) == ["Tomorrow?", "Bye then."]
    assert [body["usergym"]["done"] for body in bodies] == [False, True]
    assert "not the JSON object" in model.calls[1].messages[-1].content
    assert "as an assistant would" in model.calls[2].messages[-1].content
    assert len({call.sampling.seed for call in model.calls}) == 5
    assert "repeats what was said" in model.calls[4].messages[-1].content


def test_a_user_that_fails_is_a_failure_and_not_words() -> None:
    silent = FakeModel(lambda messages, tools, sampling: "never json")
    status, body = ask(nurse(silent), {"messages": [{"role": "user", "content": "Hi."}]})
    assert (status, body["error"]["type"]) == (502, "simulator_error")
    for error, expected in ((ModelError("unavailable", "gone"), 502), (StopRun("spent"), 503)):
        failing = FakeModel(lambda messages, tools, sampling: "", fail={0: error})
        assert ask(nurse(failing), {"messages": []})[0] == expected


def test_what_the_user_thinks_and_notes_stays_with_it() -> None:
    class Moody:
        seat = Seat(system="SECRET SYSTEM")

        async def speak(self, view: list[Message]) -> Turn:
            assert view[0] == Message("system", "SECRET SYSTEM")
            message = Message("assistant", '{"SECRET": "json"}', "SECRET THOUGHT")
            return Turn("user", message, heard="All well.", state={"mood": "SECRET STATE"})

    async def run() -> None:
        async with client(user_app(lambda messages, seed: Moody())) as session:
            for stream in (False, True):
                async with session.post(CHAT, json={"messages": [], "stream": stream}) as answer:
                    text = await answer.text()
                    assert answer.headers["X-Usergym-Done"] == "false"
                assert "All well." in text
                assert "SECRET" not in text

    asyncio.run(run())


def test_a_stream_ends_with_what_became_of_the_user() -> None:
    openai = pytest.importorskip("openai")

    async def run() -> None:
        app = user_app(lambda messages, seed: ScriptedParticipant("user", ["Hello?"]))
        async with listening(app) as url, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any") as official:
            stream = await official.chat.completions.create(model="user", messages=[], stream=True)
            chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello?"
        assert chunks[-1].usergym == {"done": False, "stop": None}

    asyncio.run(run())


def test_the_user_is_not_asked_to_answer_itself() -> None:
    app = user_app(lambda messages, seed: ScriptedParticipant("user", ["a", "b"]))
    for rows in (
        [{"role": "assistant", "content": "a"}],
        [{"role": "assistant", "content": "a"}, {"role": "user", "content": ""}],
    ):
        status, body = ask(app, {"messages": rows})
        assert (status, body["error"]["param"]) == (400, "messages")


def test_an_agenda_and_a_model_make_a_prompted_user() -> None:
    model = FakeModel(lambda messages, tools, sampling: json.dumps({"USER_MESSAGE": "A flu shot, if I may."}))
    steps = [Step("ask", {"agenda": "Ask for a flu shot."})]
    app = user_app(lambda messages, seed: PromptedParticipant(model, "A nurse.", steps, seed=seed))
    bodies = talk(app, "Good morning.", "Sure.")
    assert words_of(bodies) == ["A flu shot, if I may.", ""]
    assert bodies[-1]["usergym"]["done"] is True


# The users of environments.


def calendar_app(model: Model | None = None, until: str = "end") -> tuple[Starlette, Task]:
    environment = load(f"calendar:until={until}")
    task = next(environment.tasks())
    return user_app(lambda messages, seed: EnvironmentUser(environment, task, model, seed=seed)), task


def test_the_user_of_an_environments_task_follows_its_agenda_to_the_end() -> None:
    app, task = calendar_app()
    steps = task.data["steps"]
    bodies = talk(app, *["Okay."] * len(steps), opens=True)
    words = words_of(bodies)
    for step, said in zip(steps, words, strict=False):
        assert str(step["params"].get("event_id", "")) in said
    assert all(words[:-1])
    assert (words[-1], bodies[-1]["usergym"]) == ("", {"done": True, "stop": "user_stop"})
    assert words_of(talk(app, *["Okay."] * len(steps), opens=True)) == words


def test_what_ends_the_environments_conversation_ends_this_one() -> None:
    app, _ = calendar_app(until="first_failure")
    bodies = talk(app, "No idea.", opens=True)
    assert [body["usergym"] for body in bodies] == [
        {"done": False, "stop": None},
        {"done": True, "stop": "failed_turn"},
    ]


def test_a_model_can_play_the_user_of_an_environments_task() -> None:
    def answer(messages: Sequence[Message], tools: Any, sampling: Any) -> str:
        prompt = messages[-1].content
        name, minutes = prompt.split('the event "')[1].split('"')[0], prompt.split("lasts ")[1].split()[0]
        number = prompt.split("(event id: ")[1].split(")")[0]
        return json.dumps({"USER_MESSAGE": f"Please add {name}, {minutes} minutes (event id: {number})."})

    model = FakeModel(answer)
    app, task = calendar_app(model)
    (body,) = talk(app, opens=True)
    assert task.data["steps"][0]["params"]["event_name"] in words_of([body])[0]
    broken = FakeModel(lambda messages, tools, sampling: "x", fail=dict.fromkeys(range(9), ModelError("refused", "no")))
    assert ask(calendar_app(broken)[0], {"messages": []})[0] == 400


class Safe(Environment):
    """Its user opens a safe with a tool of its own before it speaks, and judges what it heard."""

    name = "safe"

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        opening = (Turn("user", Message("assistant", "Guess what is in my safe.")),)
        yield Task("safe-1", self.name, opening=opening, data={})

    def start(self, task: Task) -> World:
        return SafeWorld(task)


class SafeWorld(World):
    opened = False
    heard = 0

    @tool(by="user")
    def open_safe(self) -> str:
        """Opens the safe."""
        self.opened = True
        return "a pearl"

    async def hears(self, speaker: str, words: str) -> None:
        if speaker == "assistant":
            self.heard += 1
            self.reward("guess", float("pearl" in words))
            self.stop = "guessed" if "pearl" in words else None

    def user(self, model: Model | None) -> Participant | None:
        def answer(messages: Sequence[Message], tools: Any, sampling: Any) -> Message | str:
            if not self.opened:
                return Message("assistant", "", tool_calls=(ToolCall("1", "open_safe", "{}"),))
            return f"Wrong, {self.heard} so far; it is not empty."

        return ModelParticipant("user", FakeModel(answer), Seat(), self.tools("user"))


def test_a_users_tools_and_the_worlds_judgement_work_as_in_a_rollout() -> None:
    environment = Safe()
    task = next(environment.tasks())
    app = user_app(lambda messages, seed: EnvironmentUser(environment, task, seed=seed))
    bodies = talk(app, "A ring?", "A coin?", "A pearl?", opens=True)
    assert words_of(bodies) == [
        "Guess what is in my safe.",
        "Wrong, 1 so far; it is not empty.",
        "Wrong, 2 so far; it is not empty.",
        "",
    ]
    assert bodies[-1]["usergym"] == {"done": True, "stop": "guessed"}


# Any body.

rows = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool", "chair"])},
        optional={
            "content": st.none() | st.text(max_size=9) | st.integers() | st.lists(st.text(max_size=3), max_size=2)
        },
    ),
    max_size=5,
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "messages": rows | st.none() | st.text(max_size=4),
        "seed": st.none() | st.integers(-(2**66), 2**66) | st.text(max_size=3),
        "user": st.none() | st.text(max_size=3) | st.booleans(),
        "stream": st.none() | st.booleans() | st.integers(),
        "n": st.none() | st.integers(-1, 3),
        "metadata": st.none() | st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    },
)


@pytest.fixture(scope="module")
def server() -> Iterator[Callable[[Any], tuple[int, Any]]]:
    stack = AsyncExitStack()
    with asyncio.Runner() as runner:
        session = runner.run(stack.enter_async_context(client(calendar_app()[0])))

        async def send(body: Any) -> tuple[int, bytes]:
            async with session.post(CHAT, data=msgspec.json.encode(body)) as answer:
                return answer.status, await answer.read()

        yield lambda body: runner.run(send(body))
        runner.run(stack.aclose())


@settings(max_examples=80, deadline=None)
@given(body=bodies)
def test_an_odd_body_is_answered_or_refused(server: Callable[[Any], tuple[int, Any]], body: Any) -> None:
    status, _ = server(body)
    assert status in (200, 400)
