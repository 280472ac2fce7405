"""The office's state: opening a conversation, a tool call, a verification, at the sizes of the peer's tables.

python benchmarks/workplace_state.py                       # a company of our own, of the same sizes
python benchmarks/workplace_state.py --tables FOLDER       # the peer's own tables
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from usergym.environments.workplace import Office, outcome_reward
from usergym.environments.workplace.company import Spec, build, now

REPEATS = 300
LIMITS = {"open a conversation": 0.1, "tool call": 0.2, "verification": 1.0}
"""Milliseconds that were promised."""
PEER = {"open a conversation": "20-28", "tool call": "up to 80", "verification": "60-73"}
"""Milliseconds of NeMo Gym 0.5 on two busy cores, as recorded in its specification report."""


def calls(office: Office) -> dict[str, dict[str, object]]:
    """One call of every tool, on rows that are there."""
    email, event = office.base.emails.rows[7], office.base.events.rows[7]
    task, customer = office.base.tasks.rows[7], office.base.customers.rows[7]
    visit = office.base.visits.rows[7]
    somebody = office.directory[0]
    return {
        "company_directory_find_email_address": {"name": somebody.split(".")[0]},
        "email_get_email_information_by_id": {"email_id": email["email_id"], "field": "subject"},
        "email_search_emails": {"query": "update meeting"},
        "email_send_email": {"recipient": somebody, "subject": "Hello", "body": "See you tomorrow."},
        "email_delete_email": {"email_id": email["email_id"]},
        "email_forward_email": {"email_id": email["email_id"], "recipient": somebody},
        "email_reply_email": {"email_id": email["email_id"], "body": "Thank you."},
        "calendar_get_event_information_by_id": {"event_id": event["event_id"], "field": "event_start"},
        "calendar_search_events": {"query": "review"},
        "calendar_create_event": {
            "event_name": "Sync",
            "participant_email": somebody,
            "event_start": "2030-01-07 10:00:00",
            "duration": "30",
        },
        "calendar_delete_event": {"event_id": event["event_id"]},
        "calendar_update_event": {"event_id": event["event_id"], "field": "duration", "new_value": "60"},
        "analytics_get_visitor_information_by_id": {"visitor_id": visit["visitor_id"]},
        "analytics_create_plot": {
            "time_min": "2023-11-01",
            "time_max": "2023-11-07",
            "value_to_plot": "total_visits",
            "plot_type": "bar",
        },
        "analytics_total_visits_count": {},
        "analytics_engaged_users_count": {},
        "analytics_traffic_source_count": {"traffic_source": "direct"},
        "analytics_get_average_session_duration": {},
        "project_management_get_task_information_by_id": {"task_id": task["task_id"], "field": "board"},
        "project_management_search_tasks": {"board": "Design"},
        "project_management_create_task": {
            "task_name": "Write the notes",
            "assigned_to_email": task["assigned_to_email"],
            "list_name": "Backlog",
            "due_date": "2030-01-07",
            "board": "Design",
        },
        "project_management_delete_task": {"task_id": task["task_id"]},
        "project_management_update_task": {"task_id": task["task_id"], "field": "board", "new_value": "Design"},
        "customer_relationship_manager_search_customers": {"status": "Lead"},
        "customer_relationship_manager_update_customer": {
            "customer_id": customer["customer_id"],
            "field": "status",
            "new_value": "Won",
        },
        "customer_relationship_manager_add_customer": {
            "customer_name": "Ada Example",
            "assigned_to_email": somebody,
            "status": "Lead",
        },
        "customer_relationship_manager_delete_customer": {"customer_id": customer["customer_id"]},
    }


def timed(act: Callable[[], object]) -> list[float]:
    """Milliseconds of each repetition."""
    act()
    out = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        act()
        out.append((time.perf_counter() - started) * 1000)
    return out


def measure(office: Office) -> dict[str, list[float]]:
    """Milliseconds by what was done."""
    every = calls(office)
    times = {"open a conversation": timed(office.fresh)}
    for name, arguments in every.items():
        overlay = office.fresh()
        overlay.call("email_send_email", every["email_send_email"])  # an overlay in use
        times[f"tool call {name}"] = _on_new_overlays(office, name, arguments)
    truth = [
        {"name": name, "arguments": json.dumps(arguments)}
        for name, arguments in every.items()
        if "delete" in name or "create" in name or "add" in name
    ]
    reads = [{"name": "email_search_emails", "arguments": '{"query": "update"}'}]
    for mode in ("state", "nemo_gym"):
        times[f"verification {mode}, {len(truth)} writes"] = timed(
            lambda m=mode: outcome_reward(truth, truth, office, m)
        )
        times[f"verification {mode}, writes in reverse"] = timed(
            lambda m=mode: outcome_reward(truth[::-1], truth, office, m)
        )
        times[f"verification {mode}, a look-up"] = timed(lambda m=mode: outcome_reward(reads, reads, office, m))
    return times


def _on_new_overlays(office: Office, name: str, arguments: dict[str, object]) -> list[float]:
    out = []
    for _ in range(REPEATS):
        overlay = office.fresh()
        overlay.call("email_send_email", {"recipient": "a@b.c", "subject": "s", "body": "b"})
        started = time.perf_counter()
        overlay.call(name, arguments)
        out.append((time.perf_counter() - started) * 1000)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path)
    options = parser.parse_args()
    started = time.perf_counter()
    office = Office.from_csv(options.tables) if options.tables else Office.from_rows(build(Spec()), now(Spec()))
    built = time.perf_counter() - started
    times = measure(office)
    table = Table(title=f"milliseconds, {REPEATS} times each; the tables were made in {built * 1000:.0f} ms, once")
    for column in ("what", "median", "p99", "promised", "peer"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, values in times.items():
        kind = next(kind for kind in LIMITS if name.startswith(kind))
        p99 = statistics.quantiles(values, n=100)[98]
        table.add_row(name, f"{statistics.median(values):.4f}", f"{p99:.4f}", f"{LIMITS[kind]}", PEER[kind])
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
