import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.environments.workplace.offices import SHARED, TABLES, peer_office, small_office
from usergym.environments.workplace import Office
from usergym.environments.workplace.tools import TOOLS, WRITES
from usergym.environments.workplace.world import tools


def peer_cases() -> list[dict[str, Any]]:
    path = SHARED / "cases" / "workplace_tool_calls.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def without_nan(value: Any) -> Any:
    """NaN is no JSON; the peer's server sends null."""
    return json.loads(json.dumps(value).replace("NaN", "null"))


@pytest.mark.skipif(not peer_cases(), reason="the recorded calls are not here")
def test_every_recorded_call_is_answered_as_it_was() -> None:
    for case in peer_cases():
        office = peer_office().fresh()
        for call in case["calls"]:
            output = office.call(call["name"], call["arguments"])
            if call["error"]:
                assert output.startswith("Error executing tool"), (case["id"], call, output)
            else:
                assert output == without_nan(call["output"]), (case["id"], call)


@pytest.mark.skipif(not TABLES.is_dir(), reason="the peer's rows are not here")
def test_the_schemas_have_the_names_and_parameters_of_the_peers_rows() -> None:
    row = json.loads((SHARED / "data/nemo_gym/workplace_assistant_example.jsonl").read_text().splitlines()[0])

    def shape(name: str, parameters: dict[str, Any]) -> tuple[Any, ...]:
        types = {key: value["type"] for key, value in parameters["properties"].items()}
        return name, types, parameters["required"], parameters["additionalProperties"]

    theirs = [shape(tool["name"], tool["parameters"]) for tool in row["responses_create_params"]["tools"]]
    assert [shape(tool.name, tool.parameters) for tool in tools()] == theirs
    assert list(TOOLS) == [tool.name for tool in tools()]


def test_what_one_conversation_changes_no_other_sees() -> None:
    office = small_office()
    one, other = office.fresh(), office.fresh()
    one.call("email_delete_email", {"email_id": "00000003"})
    one.call("email_send_email", {"recipient": "x@y.z", "subject": "Hi", "body": "there"})
    one.call("project_management_update_task", {"task_id": "00000000", "field": "board", "new_value": "Design"})
    one.call("calendar_update_event", {"event_id": "00000001", "field": "duration", "new_value": "45"})
    assert one.call("email_search_emails", {})["pagination"]["total_emails"] == 4
    assert one.call("email_search_emails", {})["emails"][0]["subject"] == "Hi"
    for untouched in (other, office, office.fresh()):
        found = untouched.call("email_search_emails", {})
        assert [email["email_id"] for email in found["emails"]] == ["00000003", "00000001", "00000002", "00000000"]
        asked = {"task_id": "00000000", "field": "board"}
        assert untouched.call("project_management_get_task_information_by_id", asked) == {"board": "Front end"}
        asked = {"event_id": "00000001", "field": "duration"}
        assert untouched.call("calendar_get_event_information_by_id", asked) == {"duration": "30"}


def test_a_result_that_is_changed_changes_nothing() -> None:
    office = small_office().fresh()
    office.call("email_search_emails", {})["emails"][0]["subject"] = "spoiled"
    office.call("project_management_search_tasks", {"board": "Design"})[0]["board"] = "spoiled"
    office.call("analytics_get_visitor_information_by_id", {"visitor_id": "1001"})[0]["page_views"] = "spoiled"
    assert office.call("email_search_emails", {})["emails"][0]["subject"] == "Lunch"
    assert office.call("project_management_search_tasks", {"board": "Design"})[0]["board"] == "Design"
    assert office.call("analytics_get_visitor_information_by_id", {"visitor_id": "1001"})[0]["page_views"] == "3"


@pytest.mark.parametrize(
    ("name", "arguments", "found"),
    [
        ("email_search_emails", {"query": "c++"}, "00000000"),
        ("email_search_emails", {"query": "(draft)"}, "00000000"),
        ("email_search_emails", {"query": "[again]"}, "00000003"),
        ("calendar_search_events", {"query": "("}, None),
        ("calendar_search_events", {"query": "s.nc"}, None),
        ("project_management_search_tasks", {"task_name": ".*"}, None),
        ("customer_relationship_manager_search_customers", {"customer_name": "ivy|jon"}, None),
        ("company_directory_find_email_address", {"name": ".*"}, None),
    ],
)
def test_a_search_takes_its_words_literally(name: str, arguments: dict[str, str], found: str | None) -> None:
    output = small_office().call(name, arguments)
    assert (found in json.dumps(output)) if found else (not output or output.startswith("No "))


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ({}, ["00000001", "00000002", "00000000"]),
        ({"time_min": "2025-03-06"}, ["00000001", "00000002"]),
        ({"time_max": "2025-03-05T10:00:00"}, ["00000000"]),
        ({"time_max": "March 5, 2025 10:00"}, ["00000000"]),
        ({"query": "BO.LUND"}, ["00000001"]),
    ],
)
def test_events_are_found_by_words_and_times_the_latest_first(arguments: dict[str, str], ids: list[str]) -> None:
    found = small_office().call("calendar_search_events", arguments)
    assert [event["event_id"] for event in found["events"]] == ids


def test_a_search_sees_what_was_changed_in_its_place() -> None:
    office = small_office().fresh()
    office.call(
        "calendar_update_event", {"event_id": "00000000", "field": "event_start", "new_value": "2025-03-06 10:00:00"}
    )
    office.call("calendar_update_event", {"event_id": "00000002", "field": "event_name", "new_value": "Standup"})
    found = office.call("calendar_search_events", {})
    assert [event["event_id"] for event in found["events"]] == ["00000000", "00000001", "00000002"]
    assert office.call("calendar_search_events", {"query": "standup"})["pagination"]["total_events"] == 1
    assert office.call("calendar_search_events", {"query": "sync"})["pagination"]["total_events"] == 1


def test_new_ids_go_on_from_the_highest_even_after_the_last_row_was_deleted() -> None:
    office = small_office().fresh()
    new = {
        "task_name": "Test",
        "assigned_to_email": "Ana.Ruiz@acme.example",
        "list_name": "Backlog",
        "due_date": "2025-03-12",
        "board": "Design",
    }
    assert office.call("project_management_create_task", new) == "00000002"
    assert office.call("project_management_delete_task", {"task_id": "00000002"}) == "Task deleted successfully."
    assert office.call("project_management_create_task", new) == "00000002"
    assert office.call("project_management_delete_task", {"task_id": "00000001"}) == "Task deleted successfully."
    assert office.call("project_management_create_task", new) == "00000003"


def test_a_call_that_is_wrong_is_answered_with_text() -> None:
    office = small_office()
    for name, arguments in (
        ("no_such_tool", "{}"),
        ("email_search_emails", "{"),
        ("email_search_emails", "[]"),
        ("email_search_emails", {"office": 1}),
        ("email_send_email", {"recipient": 5, "subject": "s", "body": "b"}),
        ("calendar_create_event", {"event_name": "x", "participant_email": 3, "event_start": [1], "duration": {1: 2}}),
    ):
        assert office.call(name, arguments).startswith("Error executing tool"), name  # type: ignore[arg-type]
    assert office.call("email_search_emails", {"page": "2"}).startswith("Error searching emails")
    assert office.call("email_search_emails", {"page_size": 0}).startswith("Error searching emails")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["00000000", "2025-03-01"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(st.data())
def test_no_arguments_break_an_office(data: st.DataObject) -> None:
    office = small_office().fresh()
    for _ in range(4):
        tool = data.draw(st.sampled_from(tools()))
        names = st.sampled_from([*tool.parameters["properties"], "bogus"])
        arguments = data.draw(st.dictionaries(names, values, max_size=4))
        json.dumps(office.call(tool.name, arguments))
    assert small_office().call("email_search_emails", {})["pagination"]["total_emails"] == 4


def test_reading_changes_nothing() -> None:
    office = small_office().fresh()
    for tool in tools():
        if tool.name not in WRITES:
            office.call(tool.name, {})
    for table in (office.emails, office.events, office.tasks, office.customers):
        assert [len(table.deleted), len(table.changed), len(table.added)] == [0, 0, 0]


def test_a_folder_without_the_tables_is_told_which_one_is_missing(tmp_path: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"no emails\.csv in"):
        Office.from_csv(tmp_path)
    (tmp_path / "emails.csv").write_text("email_id,subject\n1,x\n")
    with pytest.raises(ValueError, match=r"emails\.csv has no column body"):
        Office.from_csv(tmp_path)
