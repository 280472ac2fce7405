"""What a model, or whoever sends rows, may try."""

import asyncio
import json
import time
from itertools import islice
from typing import Any

import pytest

from tests.environments.workplace.offices import small_office
from usergym.environments.base import RowError
from usergym.environments.workplace import Office, companies, outcome_reward
from usergym.environments.workplace import environment as Workplace
from usergym.environments.workplace.company import Spec
from usergym.environments.workplace.verdict import judge
from usergym.models.scripted import ScriptedModel
from usergym.rollouts.engine import Cast, Limits, begin, play, seat_model
from usergym.types import Message, Task, ToolCall, Trajectory


def played(task: Task, calls: list[tuple[str, str]], words: str = "Done.", env: Workplace | None = None) -> Trajectory:
    made = tuple(ToolCall(str(n), name, arguments) for n, (name, arguments) in enumerate(calls))
    model = ScriptedModel([Message("assistant", "", tool_calls=made), Message("assistant", words)])
    return asyncio.run(play(env or Workplace(), begin(task, 0, 0), Cast(seat_model(model), limits=Limits())))


@pytest.mark.parametrize(
    "arguments",
    [
        "[" * 5_000,
        '{"event_name": "x", "participant_email": "a@b.c", "event_start": "2030-01-01", "duration": "1'
        + "0" * 400
        + '"}',
        json.dumps({"event_name": "x", "participant_email": "a@b.c", "event_start": [[["deep"]]], "duration": "1"}),
        '{"event_name": ' + "[" * 900 + "]" * 900 + "}",
        '{"event_name": NaN}',
        "\ud800",
    ],
)
def test_nothing_that_a_model_writes_voids_its_zero(arguments: str) -> None:
    task = next(Workplace().tasks())
    trajectory = played(task, [("calendar_create_event", arguments)])
    assert (trajectory.error, trajectory.reward()) == (None, 0.0)


@pytest.mark.parametrize("value", ["[" * 100_000, {"date_min": [[[[1]]]]}, {"query": {"a": 1}}, {"page": [1]}])
def test_hostile_arguments_of_a_direct_call_are_answered_with_text(value: Any) -> None:
    deep: Any = []
    for _ in range(3_000):
        deep = [deep]
    for arguments in (value, {"date_min": deep}, {"query": deep}):
        assert isinstance(small_office().call("email_search_emails", arguments), str)
    made = [{"name": "email_search_emails", "arguments": {"query": deep}}]
    assert (
        outcome_reward(made, [{"name": "email_delete_email", "arguments": {"email_id": "00000001"}}], small_office())
        == 0
    )


def test_a_long_query_takes_no_longer() -> None:
    office = companies.company(Spec())
    for query in ("a " * 100_000, "e a t " * 50_000, " ".join(map(str, range(20_000)))):
        started = time.process_time()
        office.call("email_search_emails", {"query": query})
        assert time.process_time() - started < 0.25


def test_a_conversation_that_looks_up_everything_again_and_again_is_told_to_stop() -> None:
    task = next(Workplace().tasks())
    trajectory = played(task, [("email_search_emails", '{"page_size": 999}')] * 300)
    outputs = [turn.message.content for turn in trajectory.turns if turn.message.role == "tool"]
    assert "looked up too much" in outputs[-1]
    assert sum(map(len, outputs)) < 3_000_000


@pytest.mark.parametrize(
    "sizes", [{"people": 10**9}, {"emails": 10**8}, {"visits": 300_000}, {"seed": 1, "tasks": 10_001}]
)
def test_a_row_cannot_ask_for_a_company_of_any_size(sizes: dict[str, int]) -> None:
    env = Workplace()
    row = {**env.to_row(next(env.tasks()), 0), "company": sizes}
    with pytest.raises(RowError, match="at most"):
        env.read(row)


def test_a_company_as_large_as_the_environments_own_is_built() -> None:
    env = Workplace(visits=20_001)
    row = env.to_row(next(env.tasks()), 0)
    assert env.read(row).data["company"]["visits"] == 20_001


def test_companies_that_were_built_take_bounded_room() -> None:
    for seed in range(6):
        companies.company(Spec(seed, visits=40_000))
    assert sum(spec.visits for spec in companies._kept) <= companies.ROOM


@pytest.mark.parametrize("answer", [5, "14", [5], [""], {"a": 1}])
def test_an_answer_that_is_no_list_of_texts_is_a_faulty_row(answer: Any) -> None:
    env = Workplace()
    row = {**env.to_row(next(env.tasks()), 0), "answer": answer}
    with pytest.raises(RowError, match="field 'answer'"):
        env.read(row)


def test_dumping_all_tables_and_listing_what_could_be_meant_hardly_ever_earns() -> None:
    """The same calls and words for every request, which is never read."""
    env = Workplace()
    tasks = [task for task in islice(env.tasks(), 300) if "answer" in task.data]
    won = 0
    for task in tasks:
        office, made = shotgun(env.office(task))
        problem = judge(
            office, made, task.data["ground_truth"], task.data["answer"], guesses(office), task.opening[0].said or ""
        )
        won += not problem
    assert len(tasks) > 60
    assert won <= len(tasks) * 0.1


def shotgun(office: Office) -> tuple[Office, list[tuple[str, dict[str, Any], Any]]]:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("email_search_emails", {"page_size": 999}),
        ("calendar_search_events", {"page_size": 999}),
        ("analytics_total_visits_count", {}),
        ("analytics_engaged_users_count", {}),
        *(("project_management_search_tasks", {"board": board}) for board in ("Front end", "Back end", "Design")),
        ("customer_relationship_manager_search_customers", {"last_contact_date_min": "0", "page_size": 999}),
    ]
    return office, [(name, arguments, office.call(name, arguments)) for name, arguments in calls]


def guesses(office: Office) -> str:
    names = ", ".join(address.split(".")[0] for address in office.directory)
    days = ", ".join(f"2027-10-{day:02}" for day in range(4, 19))
    return f"{names}; direct, referral, search engine, social media; {', '.join(map(str, range(2, 15)))}; {days}"
