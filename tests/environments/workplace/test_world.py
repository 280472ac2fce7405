"""Whole conversations, through the one loop and through the command line."""

import asyncio
import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import usergym
from tests.environments.workplace.offices import SHARED, TABLES
from usergym.environments.base import RowError
from usergym.environments.workplace import environment as Workplace
from usergym.models.scripted import ScriptedModel
from usergym.rollouts.engine import Cast, Limits, begin, play, seat_model
from usergym.types import Message, Task, ToolCall, Trajectory

PEER = SHARED / "data" / "nemo_gym"
needs_peer = pytest.mark.skipif(not PEER.is_dir() or not TABLES.is_dir(), reason="the peer's data is not here")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


TRUTHS = {
    "Create a bar chart of total visits since November 30": [
        (
            "analytics_create_plot",
            {"time_min": "2023-11-30", "time_max": "2023-11-30", "value_to_plot": "total_visits", "plot_type": "bar"},
        ),
    ],
    "We need to move all customers that haven't responded to a proposal for the consulting product in 3 weeks": [],
    "Delete Casey Wilson from the crm": [
        ("customer_relationship_manager_delete_customer", {"customer_id": "00000014"})
    ],
    "Add Dakota Thomas as a new lead in the crm and assign them to Nadia": [
        (
            "customer_relationship_manager_add_customer",
            {"customer_name": "Dakota Thomas", "assigned_to_email": "nadia.moreau@atlas.com", "status": "Lead"},
        ),
    ],
    "Delete my last email from kofi": [("email_delete_email", {"email_id": "00000259"})],
}
"""What the requests of the recorded rollouts ask for, worked out from the tables: the recording does not tell it, and
the peer's example rows are five other requests."""


@needs_peer
@pytest.mark.parametrize("mode", ["nemo_gym", "state"])
def test_the_recorded_rollouts_earn_again_what_they_earned(tmp_path: Path, mode: str) -> None:
    recorded = lines(PEER / "workplace_assistant_example_rollouts.jsonl")
    example = lines(PEER / "workplace_assistant_example.jsonl")[0]
    with (tmp_path / "rows.jsonl").open("w") as rows:
        for number, rollout in enumerate(recorded):
            asked = rollout["responses_create_params"]["input"]
            truth = next(calls for said, calls in TRUTHS.items() if asked[-1]["content"].startswith(said))
            calls = [{"name": name, "arguments": json.dumps(arguments)} for name, arguments in truth]
            params = {**example["responses_create_params"], "input": asked}
            rows.write(
                json.dumps({**example, "id": number, "responses_create_params": params, "ground_truth": calls}) + "\n"
            )
    options = f"workplace:mode={mode},tables={TABLES}"
    source = PEER / "workplace_assistant_example_rollouts.jsonl"
    done = usergym(tmp_path, "regrade", source, "--env", options, "--tasks", "rows.jsonl", "--json")
    told = json.loads(done.stdout)
    assert [row["now"] for row in told["outcomes"]] == [row["reward"] for row in recorded] == [0, 1, 1, 1, 1]


@needs_peer
def test_the_peers_rows_are_tasks_and_the_ground_truth_earns(tmp_path: Path) -> None:
    rows = PEER / "workplace_assistant_example.jsonl"
    for mode in ("state", "nemo_gym"):
        options = f"workplace:mode={mode},tables={TABLES}"
        done = usergym(
            tmp_path, "rollout", "--env", options, "--tasks", rows, "--model", "oracle", "--json", "--out", mode
        )
        assert json.loads(done.stdout)["summary"]["mean"] == 1.0


@needs_peer
def test_rows_of_the_peer_without_its_tables_are_told_what_they_need(tmp_path: Path) -> None:
    rows = PEER / "workplace_assistant_example.jsonl"
    done = usergym(tmp_path, "rollout", "--env", "workplace", "--tasks", rows, "--model", "oracle", fails=True)
    assert "workplace_assistant_example.jsonl:1: " in done.stderr
    assert "workplace:tables=FOLDER" in done.stderr
    assert not (tmp_path / "runs").exists()


@needs_peer
def test_a_recording_without_a_row_is_told_and_the_others_are_graded(tmp_path: Path) -> None:
    source = PEER / "workplace_assistant_example_rollouts.jsonl"
    rows = PEER / "workplace_assistant_example.jsonl"
    done = usergym(
        tmp_path, "regrade", source, "--tasks", rows, "--env", f"workplace:tables={TABLES}", "--json", fails=True
    )
    outcomes = json.loads(done.stdout)["outcomes"]
    assert len(outcomes) == 5
    assert "has its id or its messages" in outcomes[0]["reason"]
    assert "bar chart of total visits" in outcomes[0]["reason"]


def one_task() -> Task:
    return next(task for task in Workplace().tasks() if task.data.get("category", "").endswith("_email"))


def played(env: Workplace, task: Task, replies: list[Message], limits: Limits = Limits()) -> Trajectory:
    return asyncio.run(play(env, begin(task, 0, 0), Cast(seat_model(ScriptedModel(replies)), limits=limits)))


def test_a_row_that_was_generated_is_the_task_it_came_from(tmp_path: Path) -> None:
    usergym(tmp_path, "generate", "workplace", "--n-samples", "30", "--output", "rows.jsonl", "--split", "train")
    env = Workplace()
    for row, task in zip(lines(tmp_path / "rows.jsonl"), islice(env.tasks("train"), 30), strict=True):
        again = env.read(row)
        assert len(row["responses_create_params"]["tools"]) == 27
        assert (again.opening, again.group, again.tools) == (task.opening, task.group, None)
        assert {key: again.data[key] for key in task.data} == task.data
        assert again.data["system"] == env.start(task).system
    refused = usergym(tmp_path, "generate", "workplace", "--output", "rows.jsonl", fails=True)
    assert "rows.jsonl exists" in refused.stderr
    strange = usergym(tmp_path, "generate", "workplace", "--n-events", "3", "--output", "x.jsonl", fails=True)
    assert "--n-events" in strange.stderr


def test_an_agent_gets_six_model_calls_unless_told_otherwise(tmp_path: Path) -> None:
    assert (Workplace().max_replies, Workplace(max_steps=9).max_replies) == (6, 9)
    look = {"role": "assistant", "tool_calls": [{"function": {"name": "email_search_emails", "arguments": "{}"}}]}
    (tmp_path / "environment_of_loops.py").write_text(
        "from usergym.environments.workplace.world import Workplace as environment\n"
    )
    from usergym.serving.mock_llm import MockOptions, MockServer

    async def replies(*options: str) -> int:
        async with MockServer(MockOptions(port=0), respond=lambda request: look) as server:
            arguments = ("rollout", "--model", f"{server.url}/m", "--limit", "1", "--json", "--fresh", *options)
            done = await asyncio.to_thread(usergym, tmp_path, *arguments)
            return int(json.loads(done.stdout)["summary"]["usage"]["calls"])

    assert asyncio.run(replies("--env", "workplace")) == 6
    assert asyncio.run(replies("--env", "workplace:max_steps=2")) == 2
    assert asyncio.run(replies("--env", "workplace", "--max-replies", "3")) == 3


def test_the_reward_says_what_is_different() -> None:
    task = one_task()
    wrong = ToolCall("1", "email_delete_email", '{"email_id": "00000003"}')
    words = Message("assistant", "Done.")
    trajectory = played(Workplace(), task, [Message("assistant", "", tool_calls=(wrong,)), words])
    (reward,) = trajectory.rewards
    assert (trajectory.stop, reward.value) == ("answered", 0.0)
    assert "should not be deleted: email 00000003" in reward.reason


def test_a_task_without_ground_truth_is_not_scored() -> None:
    env = Workplace()
    trajectory = played(env, env.blank(), [Message("assistant", "Hello.")])
    assert trajectory.reward() is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ground_truth": ...}, "field 'ground_truth'"),
        ({"ground_truth": "["}, "field 'ground_truth'"),
        ({"ground_truth": [{"name": "no_tool", "arguments": "{}"}]}, r"ground_truth\[0\].name"),
        ({"ground_truth": [{"name": "email_delete_email", "arguments": "{"}]}, r"ground_truth\[0\].arguments"),
        ({"responses_create_params": {"input": []}}, "responses_create_params.input"),
        ({"responses_create_params": {"input": "x", "tools": [{"type": "web"}]}}, "responses_create_params.tools"),
        ({"company": {"people": 2}}, "field 'company'"),
        ({"company": {"peeple": 20}}, "field 'company.peeple'"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_by_field(change: dict[str, Any], told: str) -> None:
    env = Workplace()
    row = {**env.to_row(one_task(), 0), **change}
    with pytest.raises(RowError, match=told):
        env.start(env.read({key: value for key, value in row.items() if value is not ...}))


def test_plots_are_drawn_into_the_run_where_they_can_be(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    usergym(tmp_path, "rollout", "--env", "workplace", "--model", "oracle", "--limit", "60", "--out", "drawn")
    drawn = sorted((tmp_path / "runs/drawn").rglob("*.png"))
    assert drawn
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
