import json
from typing import Any

import pytest

from tests.environments.workplace.offices import SHARED, peer_office, small_office
from usergym.environments.workplace import outcome_reward
from usergym.environments.workplace.verdict import judge, read_call

Call = dict[str, Any]


def call(name: str, /, **arguments: Any) -> Call:
    return {"name": name, "arguments": json.dumps(arguments)}


def send(to: str, subject: str = "Hi") -> Call:
    return call("email_send_email", recipient=to, subject=subject, body="See you")


def delete(email_id: str) -> Call:
    return call("email_delete_email", email_id=email_id)


def event(start: str = "2025-03-07 10:00:00", duration: Any = "30") -> Call:
    return call(
        "calendar_create_event", event_name="Sync", participant_email="a@b.c", event_start=start, duration=duration
    )


def plot(kind: str = "bar", first: str = "2025-03-01") -> Call:
    return call(
        "analytics_create_plot", time_min=first, time_max="2025-03-03", value_to_plot="total_visits", plot_type=kind
    )


def verdicts() -> list[dict[str, Any]]:
    path = SHARED / "cases" / "workplace_verdicts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.skipif(not verdicts(), reason="the recorded verdicts are not here")
def test_the_preset_gives_every_recorded_verdict_and_leaves_the_office_as_it_was() -> None:
    office = peer_office()
    for case in verdicts():
        given = outcome_reward(case["predicted"], case["ground_truth"], office, mode="nemo_gym")
        assert given == case["reward"], case
    assert [len(office.emails.added), len(office.emails.deleted), len(office.customers.changed)] == [0, 0, 0]


@pytest.mark.skipif(not verdicts(), reason="the recorded verdicts are not here")
def test_doing_what_is_right_always_earns_and_doing_nothing_never() -> None:
    for case in verdicts():
        truth = case["ground_truth"]
        assert outcome_reward(truth, truth, peer_office()) == (1.0 if truth else 0.0), case
        assert outcome_reward([], truth, peer_office()) == 0.0, case


SAME = [
    ("two sends in another order", [send("a@b.c"), send("d@e.f")], [send("d@e.f"), send("a@b.c")], 0.0),
    ("a send and a deletion", [send("a@b.c"), delete("00000001")], [delete("00000001"), send("a@b.c")], 0.0),
    ("two plots in another order", [plot("bar"), plot("line")], [plot("line"), plot("bar")], 0.0),
    ("a plot drawn twice", [plot(), plot()], [plot()], 0.0),
    ("a duration as a number", [event(duration=30)], [event()], 0.0),
    ("a time with a T", [event("2025-03-07T10:00:00")], [event()], 0.0),
    ("a time with an offset of nothing", [event("2025-03-07T10:00:00Z")], [event()], 0.0),
    ("an address in capitals", [send("A@B.C")], [send("a@b.c")], 1.0),
    ("a failed attempt before", [delete("99999999"), delete("00000001")], [delete("00000001")], 1.0),
    ("looking around before", [call("email_search_emails"), delete("00000001")], [delete("00000001")], 1.0),
]


@pytest.mark.parametrize(("what", "predicted", "truth", "peer"), SAME, ids=[case[0] for case in SAME])
def test_what_comes_out_the_same_is_right(what: str, predicted: list[Call], truth: list[Call], peer: float) -> None:
    assert outcome_reward(predicted, truth, small_office()) == 1.0
    assert outcome_reward(predicted, truth, small_office(), mode="nemo_gym") == peer


SUBJECT = call("email_get_email_information_by_id", email_id="00000001", field="subject")
OTHER = [
    ("a mail too many", [send("a@b.c"), send("a@b.c")], [send("a@b.c")], "not asked for: new email"),
    ("a mail too few", [send("a@b.c")], [send("a@b.c"), send("a@b.c")], "missing: new email"),
    ("another time", [event("2025-03-07 11:00:00")], [event()], "missing: new meeting"),
    ("the wrong row", [delete("00000002")], [delete("00000001")], "not deleted: email 00000001 (Offsite)"),
    ("a deletion beside", [delete("00000001"), delete("00000003")], [delete("00000001")], "should not be deleted"),
    ("another plot", [plot("line")], [plot("bar")], "missing: a bar plot"),
    (
        "another value",
        [call("project_management_update_task", task_id="00000000", field="list_name", new_value="Completed")],
        [call("project_management_update_task", task_id="00000000", field="list_name", new_value="In Review")],
        "task 00000000 (Fix the header): list_name is 'Completed', expected 'In Review'",
    ),
    ("nothing", [], [delete("00000001")], "not deleted"),
    ("a change where only a look was asked", [SUBJECT, delete("00000003")], [SUBJECT], "should not be deleted"),
    ("nothing where a look was asked", [], [SUBJECT], "not looked up"),
    (
        "a look elsewhere",
        [call("email_get_email_information_by_id", email_id="00000003", field="subject")],
        [SUBJECT],
        "not looked up: 1 of 1 values",
    ),
    (
        "a failed look",
        [call("email_get_email_information_by_id", email_id="1", field="subject")],
        [SUBJECT],
        "not looked",
    ),
    ("nothing where nothing was to be done", [], [], "nothing was looked up"),
    ("nothing where all calls fail", [], [delete("99999999")], "not looked up"),
]


@pytest.mark.parametrize(("what", "predicted", "truth", "told"), OTHER, ids=[case[0] for case in OTHER])
def test_what_comes_out_otherwise_is_wrong_and_the_difference_is_told(
    what: str, predicted: list[Call], truth: list[Call], told: str
) -> None:
    assert outcome_reward(predicted, truth, small_office()) == 0.0
    after = small_office().fresh()
    made = [(name, arguments, after.call(name, arguments)) for name, arguments in map(read_call, predicted)]
    assert told in judge(after, made, truth)


LOOKED_UP = [
    ("by a search", [call("email_search_emails", query="offsite shall")], [SUBJECT]),
    ("on a larger page", [call("email_search_emails", page_size=50)], [SUBJECT]),
    (
        "by all sources together",
        [call("analytics_traffic_source_count")],
        [call("analytics_total_visits_count", time_min="2025-03-01")],
    ),
    (
        "without the directory",
        [call("calendar_search_events", query="bo.lund@acme.example")],
        [call("company_directory_find_email_address", name="bo"), call("calendar_search_events", query="Bo.Lund")],
    ),
    (
        "a search that finds nothing, in other words",
        [call("email_search_emails", query="B A")],
        [call("email_search_emails", query="a b", page=1)],
    ),
]


@pytest.mark.parametrize(("how", "predicted", "truth"), LOOKED_UP, ids=[case[0] for case in LOOKED_UP])
def test_it_does_not_matter_how_something_was_looked_up(how: str, predicted: list[Call], truth: list[Call]) -> None:
    assert outcome_reward(predicted, truth, small_office()) == 1.0


COUNT = [call("analytics_total_visits_count", time_min="2025-03-01", time_max="2025-03-01")]


@pytest.mark.parametrize(
    ("words", "looked", "problem"),
    [
        ("There were 2 visits on Saturday.", True, ""),
        ("There were **2**.", True, ""),
        ("There were 2", False, "not looked up: what the answer is about"),
        ("On that day: two.", True, ""),
        ("On March 1, 2025 the site had 2 visits, 10:30 being busiest.", True, ""),
        ("There were 12 visits.", True, "not answered: it does not tell 2"),
        ("There were 2.5 visits.", True, "not answered: it does not tell 2"),
        ("One of " + ", ".join(map(str, range(40))), True, "not answered: it does not tell 2"),
        ("", True, "not answered: it does not tell 2"),
    ],
)
def test_an_answer_must_be_told_and_found_and_not_guessed(words: str, looked: bool, problem: str) -> None:
    after = small_office().fresh()
    made = [("analytics_total_visits_count", {}, after.call("analytics_total_visits_count", {}))] if looked else []
    assert judge(after, made, COUNT, ["2"], words) == problem
