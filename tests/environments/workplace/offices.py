"""A small office whose every row a test can name, and the peer's one where its tables lie beside the repository."""

from datetime import datetime
from functools import cache
from pathlib import Path

import pytest

from usergym.environments.workplace import Office

SHARED = Path(__file__).parents[4] / "shared"
TABLES = SHARED / "data" / "workplace"
NOW = datetime(2025, 3, 5, 9, 30)


@cache
def peer_office() -> Office:
    if not TABLES.is_dir():
        pytest.skip("the peer's tables are not here")
    return Office.from_csv(TABLES)


@cache
def small_office() -> Office:
    people = ("ana.ruiz@acme.example", "bo.lund@acme.example", "chidi.obi@acme.example")
    emails = [
        ("00000000", people[0], "Budget (draft)", "2025-03-01 10:00:00", "Here are the C++ numbers."),
        ("00000001", people[1], "Offsite", "2025-03-02 10:00:00", "Shall we meet?"),
        ("00000002", people[0], "Offsite", "2025-03-02 10:00:00", "Yes, on Friday."),
        ("00000003", people[2], "Lunch", "2025-03-04 12:00:00", "Soup [again]."),
    ]
    events = [
        ("00000000", "Budget review", people[0], "2025-03-05 10:00:00", "60"),
        ("00000001", "Sync", people[1], "2025-03-06 10:00:00", "30"),
        ("00000002", "Sync", people[2], "2025-03-06 10:00:00", "30"),
    ]
    visits = [
        ("2025-03-01", "1001", "3", "10", "direct", True),
        ("2025-03-01", "1002", "1", "21", "referral", False),
        ("2025-03-03", "1001", "2", "5", "search engine", True),
    ]
    tasks = [
        ("00000000", "Fix the header", people[0], "Backlog", "2025-03-10", "Front end"),
        ("00000001", "Draw the logo", people[1], "In Review", "2025-03-11", "Design"),
    ]
    customers = [
        ("00000000", people[0], "Ivy Chan", "ivy@x.example", None, "2025-03-01 10:00:00", "Software", "Lead"),
        ("00000001", people[1], "Jon Beck", "jon@x.example", "1", "2025-02-01 10:00:00", "Training", "Won"),
    ]
    email_columns = ("email_id", "sender/recipient", "subject", "sent_datetime", "body")
    customer_columns = (
        "customer_id",
        "assigned_to_email",
        "customer_name",
        "customer_email",
        "customer_phone",
        "last_contact_date",
        "product_interest",
        "status",
    )
    tables = {
        "emails": [{**dict(zip(email_columns, row, strict=True)), "inbox/outbox": "inbox"} for row in emails],
        "calendar": [
            dict(zip(("event_id", "event_name", "participant_email", "event_start", "duration"), row, strict=True))
            for row in events
        ],
        "analytics": [
            dict(
                zip(
                    (
                        "date_of_visit",
                        "visitor_id",
                        "page_views",
                        "session_duration_seconds",
                        "traffic_source",
                        "user_engaged",
                    ),
                    row,
                    strict=True,
                )
            )
            for row in visits
        ],
        "projects": [
            dict(zip(("task_id", "task_name", "assigned_to_email", "list_name", "due_date", "board"), row, strict=True))
            for row in tasks
        ],
        "customers": [
            {**dict(zip(customer_columns, row, strict=True)), "follow_up_by": "2025-03-20", "notes": ""}
            for row in customers
        ],
        "directory": [{"email_address": person} for person in people],
    }
    return Office.from_rows(tables, NOW)
