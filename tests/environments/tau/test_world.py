"""Conversations: both forms of the actions, what is hidden, outcomes, judges, failures."""

import asyncio
import json
from typing import Any

import pytest

from tests.environments.tau.conversations import own, played, score, script, tasks
from usergym.environments import load
from usergym.environments._gym import INTERACT
from usergym.environments.base import RowError
from usergym.environments.tau.customer import STOP
from usergym.models.base import ModelError
from usergym.models.fake import FakeModel
from usergym.rollouts.engine import seat_idle, seat_oracle
from usergym.types import Task, ToolCall, Trajectory


def heard_by_customer(trajectory: Trajectory) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in trajectory.view("user")]


@pytest.mark.parametrize("domain", ["retail", "airline"])
def test_both_forms_give_the_same_customer_view_the_same_results_and_the_same_rewards(domain: str) -> None:
    native, interact = load(f"tau:domain={domain}"), load(f"tau:domain={domain},actions=interact")
    for task in tasks(native, 40):
        one, other = played(native, task, seat_oracle), played(interact, task, seat_oracle)
        assert heard_by_customer(one) == heard_by_customer(other)
        results = [
            [turn.message.content for turn in each.turns if turn.message.role == "tool"] for each in (one, other)
        ]
        assert results[0] == results[1]
        assert [r.value for r in one.rewards] == [r.value for r in other.rewards]
        assert one.stop == other.stop


@pytest.mark.parametrize("spec", ["tau", "tau:actions=interact"])
def test_nothing_hidden_is_in_the_agents_view(spec: str) -> None:
    environment = load(spec)
    for task in tasks(environment, 60):
        secrets = environment.start(task).secrets()  # type: ignore[attr-defined]
        assert task.data["instruction"] in secrets
        for agent in (seat_oracle, seat_idle):
            trajectory = played(environment, task, agent)
            seen = "\n".join(message.content for message in trajectory.view("assistant"))
            assert not any(secret in seen for secret in secrets)
            assert "reward" not in seen.lower()


def test_a_model_in_the_customers_seat_has_the_instruction_and_hangs_up_unheard() -> None:
    environment, task = own("tau", "change")
    lines = ["I need something.", f"Forget it. {STOP}"]
    model = FakeModel(lambda messages, tools, sampling: lines[sum(message.role == "assistant" for message in messages)])
    trajectory = played(environment, task, script("How can I help?"), user_model=model)
    assert trajectory.stop == "user_stop"
    assert trajectory.reward() == 0.0
    assert trajectory.turns[-1].message.content.endswith(STOP)
    assert trajectory.turns[-1].heard == "Forget it."
    assert trajectory.view("assistant")[-1].content == "Forget it."
    first = model.calls[0].messages
    assert task.data["instruction"] in first[0].content
    assert first[1].role == "user"
    assert environment.domain(task).policy not in first[0].content  # type: ignore[attr-defined]


def test_a_customer_that_fails_is_a_failure_and_not_a_zero() -> None:
    environment, task = own("tau", "change")
    down = FakeModel(lambda *_: "", fail={0: ModelError("unavailable", "no answer")})
    trajectory = played(environment, task, seat_idle, user_model=down)
    assert trajectory.error is not None
    assert trajectory.reward() is None
    assert not trajectory.rewards
    empty = played(environment, task, seat_idle, user_model=FakeModel(lambda *_: " "))
    assert empty.error is not None
    assert empty.error.kind == "user"


def acts_of(task: Task) -> list[str | tuple[str, str]]:
    """Words and calls that look the customer up."""
    found = task.data["actions"]
    return [(each["name"], json.dumps(each["arguments"])) for each in found]


def test_what_the_rules_forbid_is_earned_by_refusing_it_after_looking() -> None:
    environment, task = own("tau", "refuse")
    looks = acts_of(task)
    refusals = ["I am sorry, I cannot do that. Is there anything else I can help with?"] * 3
    assert score(played(environment, task, script(*looks, *refusals))) == 1.0
    assert score(played(environment, task, script(*looks, "I will see to it."))) == 0.0
    assert score(played(environment, task, script(*refusals))) == 0.0
    handed = ("transfer_to_human_agents", '{"summary": "x"}')
    assert score(played(environment, task, script(*looks, handed))) == 0.0


def test_what_only_a_person_may_do_is_earned_by_handing_over_after_looking() -> None:
    environment, task = own("tau", "transfer")
    looks = [act for act in acts_of(task) if act[0] != "transfer_to_human_agents"]
    handed = ("transfer_to_human_agents", '{"summary": "x"}')
    trajectory = played(environment, task, script(*looks, handed))
    assert (score(trajectory), trajectory.stop) == (1.0, "transferred")
    assert score(played(environment, task, script(*looks, "I cannot do that."))) == 0.0
    assert played(environment, task, script(*looks, ("transfer_to_human_agents", "{}"))).stop != "transferred"


def test_a_change_that_nobody_asked_for_earns_nothing() -> None:
    environment, task = own("tau:domain=retail", "refuse")
    address = {"address1": "1 A", "address2": "", "city": "B", "state": "C", "country": "USA", "zip": "11111"}
    change = ("modify_user_address", json.dumps({"user_id": task.data["user_id"], **address}))
    trajectory = played(environment, task, script(*acts_of(task), change, "I cannot do that.", "I cannot do that."))
    assert trajectory.reward() == 0.0
    assert next(each for each in trajectory.rewards if each.name == "score").reason.startswith("the database")


@pytest.mark.parametrize(
    ("verdict", "value"),
    [
        ('{"reason": "it said no", "refused": true}', 1.0),
        ('{"reason": "it dodged", "refused": false}', 0.0),
        ("Yes, it did.", None),
    ],
)
def test_a_judge_decides_what_words_mean_and_a_broken_one_decides_nothing(verdict: str, value: float | None) -> None:
    environment, task = own("tau:judge=model", "refuse")
    judge = FakeModel(lambda *_: verdict)
    trajectory = played(environment, task, script(*acts_of(task), "That is not on the cards."), judge=judge)
    assert score(trajectory) == value
    assert trajectory.reward() == value
    assert len(judge.calls) == 1
    asked = judge.calls[0].messages[-1].content
    assert "That is not on the cards." in asked
    assert asked not in str(trajectory.view("assistant"))
    assert asked not in str(trajectory.view("user"))


def test_without_a_judge_it_is_not_scored() -> None:
    environment, task = own("tau:judge=model", "refuse")
    trajectory = played(environment, task, script(*acts_of(task), "No."))
    assert trajectory.error is None
    assert trajectory.reward() is None


@pytest.mark.parametrize("content", ['{"name": "think", "arguments": {"thought": "a"}}', 'think: {"thought": "a"}'])
def test_an_answer_is_a_call_in_either_spelling(content: str) -> None:
    environment = load("tau:actions=interact")
    world = environment.start(tasks(environment, 1)[0])
    answer = json.dumps({"choice": "answer", "content": content})
    assert asyncio.run(world.call("assistant", ToolCall("1", INTERACT, answer))) == ""


@pytest.mark.parametrize(
    "content",
    ["cancel it", "{", "[]", '{"name": 3}', '{"arguments": {}}', '{"name": "no_such", "arguments": {}}', "x:"],
)
def test_an_answer_that_is_no_call_is_told_what_one_is(content: str) -> None:
    environment = load("tau:actions=interact")
    world = environment.start(tasks(environment, 1)[0])
    result = asyncio.run(
        world.call("assistant", ToolCall("1", INTERACT, json.dumps({"choice": "answer", "content": content})))
    )
    assert result.startswith("Error: ")


def test_a_published_tool_is_not_callable_past_the_one_tool() -> None:
    environment = load("tau:actions=interact")
    world = environment.start(tasks(environment, 1)[0])
    assert asyncio.run(world.call("assistant", ToolCall("1", "think", '{"thought": "a"}'))).startswith("Error: no tool")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"domain": "hotel"}, "data.domain"),
        ({"user_id": "nobody_1"}, "data.user_id"),
        ({"instruction": None}, "data.instruction"),
        ({"actions": "none"}, "data.actions"),
        ({"actions": [{"name": "fly", "arguments": {}}]}, "data.actions[0].name"),
        ({"actions": [{"name": "think", "arguments": {}}]}, "data.actions[0].arguments.thought"),
        ({"outputs": [1]}, "data.outputs"),
        ({"wishes": [{}]}, "data.wishes"),
        ({"database": {"seed": 1}}, "data.database"),
        ({"published": True}, "data.domain"),
    ],
)
def test_a_task_that_cannot_be_played_names_its_field(change: dict[str, Any], problem: str) -> None:
    environment = load("tau")
    (task,) = tasks(environment, 1)
    broken = Task(task.id, "tau", data=task.data | change)
    with pytest.raises(RowError) as caught:
        environment.start(broken)
    assert caught.value.field == problem


def test_a_data_folder_without_a_domain_is_refused(tmp_path: Any) -> None:
    with pytest.raises(LookupError, match=r"expected a folder with orders\.json"):
        load(f"tau:domain=retail,data={tmp_path}")
