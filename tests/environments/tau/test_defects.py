"""Known defects of other systems' versions of this environment, each closed by default."""

import asyncio
import json
import time

import pytest

from tests.environments.tau.conversations import own, played, score, script, tasks
from tests.environments.tau.published import DATA, needs_data
from usergym.environments import load
from usergym.environments._gym import INTERACT
from usergym.models.fake import FakeModel
from usergym.rollouts.engine import Cast, begin, play, seat_idle, seat_oracle
from usergym.types import Task, ToolCall


@pytest.mark.parametrize("actions", ["native", "interact"])
@pytest.mark.parametrize("domain", ["retail", "airline"])
def test_policy_never_given(domain: str, actions: str) -> None:
    """The agent's prompt holds the whole policy of the domain it works in."""
    environment = load(f"tau:domain={domain},actions={actions}")
    (task,) = tasks(environment, 1)
    trajectory = played(environment, task, seat_oracle)
    first = trajectory.view("assistant")[0]
    assert first.role == "system"
    assert environment.domain(task).policy in first.content  # type: ignore[attr-defined]
    assert "wait for a clear yes" in first.content


@needs_data
def test_policy_never_given_with_the_published_data() -> None:
    environment = load(f"tau:data={DATA},domain=airline")
    (task,) = tasks(environment, 1)
    assert (DATA / "airline" / "policy.md").read_text().strip() in environment.start(task).system


def test_schema_less_tools() -> None:
    """Types, enums and required fields reach the agent, natively and by `search`."""
    native, interact = load("tau:domain=retail"), load("tau:domain=retail,actions=interact")
    (task,) = tasks(native, 1)
    tools = {tool.name: tool for tool in native.start(task).tools("assistant")}
    reason = tools["cancel_pending_order"].parameters["properties"]["reason"]
    assert reason["type"] == "string"
    assert reason["enum"] == ["no longer needed", "ordered by mistake"]
    world = interact.start(task)
    assert [tool.name for tool in world.tools("assistant")] == [INTERACT]
    told = asyncio.run(world.call("assistant", ToolCall("1", INTERACT, '{"choice": "search", "content": "tools"}')))
    assert {each["name"]: each["parameters"] for each in json.loads(told)} == {
        tool.name: tool.parameters for tool in tools.values()
    }
    again = asyncio.run(world.call("assistant", ToolCall("2", INTERACT, '{"choice": "search", "content": "tools"}')))
    assert again == told


@needs_data
def test_stale_opening_line() -> None:
    """The customer's first words are its own: both sides have the same history, and no cached line is in it."""
    environment = load(f"tau:data={DATA},domain=retail")
    row = {
        "data_source": "interact_taugym",
        "prompt": [{"role": "user", "content": "A line of another conversation."}],
        "reward_model": {"env_name": "TauGym", "id": "retail-000", "style": "rule", "ground_truth": ""},
        "extra_info": {"index": 0, "split": "test"},
    }
    task = environment.read(row)
    assert task.opening == ()
    model = FakeModel(lambda messages, tools, sampling: "Hi, this is what I want now.")
    trajectory = played(environment, task, script("Go on.", "And?"), user_model=model)
    assert trajectory.view("assistant")[1].content == "Hi, this is what I want now."
    assert next(m.content for m in trajectory.view("user") if m.role == "assistant") == "Hi, this is what I want now."
    assert "another conversation" not in str(trajectory)


@pytest.mark.parametrize(("preset", "earned"), [("usergym", 1.0), ("tau", 1.0), ("userrl", 0.0)])
def test_finish_never_evaluates(preset: str, earned: float) -> None:
    """Finishing after the work is done is judged by the database; UserRL's numbers stay in its preset."""
    environment, task = own(f"tau:actions=interact,preset={preset}", "change")
    calls = [
        (INTERACT, json.dumps({"choice": "answer", "content": json.dumps(action)}))
        for action in task.data["actions"]
        if action["name"] != "transfer_to_human_agents"
    ]
    told = [(INTERACT, json.dumps({"choice": "action", "content": text})) for text in task.data["outputs"]]
    finish = (INTERACT, '{"choice": "finish", "content": ""}')
    trajectory = played(environment, task, script(*calls, *told, finish))
    assert trajectory.stop == "finished"
    assert trajectory.reward() == earned
    assert played(environment, task, script(finish)).reward() == 0.0


def test_blocking() -> None:
    """A slow customer holds up nobody but its own agent."""
    environment = load("tau")
    model = FakeModel(lambda messages, tools, sampling: "[[HANGS UP]]" if len(messages) > 4 else "Hm.", latency=0.2)

    async def many() -> None:
        cast = Cast(seat_idle, user_model=model)
        await asyncio.gather(*(play(environment, begin(task, 0, 0), cast) for task in tasks(environment, 20)))

    started = time.perf_counter()
    asyncio.run(many())
    assert len(model.calls) >= 40
    assert time.perf_counter() - started < 20 * 0.4


@needs_data
@pytest.mark.parametrize(("preset", "paid"), [("usergym", 0), ("tau", 24)])
def test_idle_pay(preset: str, paid: int) -> None:
    """An idle agent earns on the published tasks that ask for nothing in preset tau only."""
    environment = load(f"tau:data={DATA},preset={preset}")
    asks_nothing = []
    for task in environment.tasks("test"):
        trajectory = played(environment, task, seat_idle)
        names = {action["name"].split("_")[0] for action in task.data["actions"]}
        nothing = not task.data["outputs"] and names <= {"get", "find", "list", "search", "transfer", "calculate"}
        if preset == "usergym":
            assert trajectory.reward() == 0.0
        elif nothing:
            assert trajectory.reward() == 1.0
            asks_nothing.append(task.id)
    assert len(asks_nothing) == paid


@needs_data
def test_the_oracle_earns_every_published_test_task() -> None:
    environment = load(f"tau:data={DATA}")
    for task in environment.tasks("test"):
        trajectory = played(environment, task, seat_oracle)
        assert trajectory.reward() == 1.0, (task.id, trajectory.error, trajectory.rewards)
        assert score(trajectory, "tau") == 1.0


@pytest.mark.parametrize("spec", ["tau", "tau:actions=interact"])
def test_an_agent_that_hands_everybody_over_at_once_earns_nothing(spec: str) -> None:
    environment = load(spec)
    content = {"name": "transfer_to_human_agents", "arguments": {"summary": "Please help."}}
    if environment.actions == "native":  # type: ignore[attr-defined]
        act = (content["name"], json.dumps(content["arguments"]))
    else:
        act = (INTERACT, json.dumps({"choice": "answer", "content": json.dumps(content)}))
    for task in tasks(environment, 60):
        trajectory = played(environment, task, script(act))  # type: ignore[arg-type]
        assert (trajectory.stop, trajectory.reward()) == ("transferred", 0.0)


def test_an_agent_that_refuses_everything_unseen_earns_nothing() -> None:
    environment = load("tau")
    for task in tasks(environment, 60):
        assert played(environment, task, script("I cannot do that.", "I cannot do that.")).reward() == 0.0


def test_keyword_stuffing_tells_nothing() -> None:
    environment, task = own("tau:domain=airline", "tell")
    every = " ".join(str(number) for number in range(20_000))
    trajectory = played(environment, task, script(every))
    assert (score(trajectory), score(trajectory, "tau")) == (0.0, 1.0)
    look = looks_up(task)
    assert score(played(environment, task, script(look, f"You paid {task.data['outputs'][0]} dollars."))) == 1.0
    assert score(played(environment, task, script(look, f"You paid 1{task.data['outputs'][0]}7 dollars."))) == 0.0


def looks_up(task: Task) -> tuple[str, str]:
    return "get_user_details", json.dumps({"user_id": task.data["user_id"]})


def test_an_answer_without_looking_the_customer_up_earns_nothing() -> None:
    environment, task = own("tau:domain=airline", "tell")
    blind = played(environment, task, script(f"You paid {task.data['outputs'][0]} dollars."))
    assert (score(blind), score(blind, "tau")) == (0.0, 1.0)


def test_number_dumps_tell_nothing() -> None:
    """Neither many numbers in a message nor few in each of many; the published rule, in its preset, still pays."""
    environment, task = own("tau:domain=airline", "tell")
    answer = int(task.data["outputs"][0])
    for many, messages in ((250, 3), (12, 28)):
        first = answer - many * messages + 1
        dumps = [
            "Is it " + " ".join(str(first + many * place + n) for n in range(many)) + "?" for place in range(messages)
        ]
        trajectory = played(environment, task, script(looks_up(task), *dumps))
        assert (score(trajectory), score(trajectory, "tau")) == (0.0, 1.0)
    few = f"Flights on 2024-05-{answer % 20 + 10} at 06:30, 2 bags, item 1234567890, 181.50 each: {answer} in all."
    assert score(played(environment, task, script(looks_up(task), few))) == 1.0
