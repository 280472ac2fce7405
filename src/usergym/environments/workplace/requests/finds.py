"""The look-ups with which a row is found by what people call it, and the proof that only one is meant."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from usergym.environments.workplace.company.moments import CLOSES, OPENS
from usergym.environments.workplace.dates import timestamp
from usergym.environments.workplace.requests.book import Person
from usergym.environments.workplace.requests.draft import PAGE, Call, Draw, call, need
from usergym.environments.workplace.requests.speech import day_words, time_words
from usergym.environments.workplace.tables import Row

MOST_SHOWN = 20
"""Rows a look-up asks for at most, in one page."""


def topic(email: Row) -> str:
    """The subject without its RE: and FW:."""
    subject = str(email["subject"])
    while subject[:4] in ("RE: ", "FW: "):
        subject = subject[4:]
    return subject


def search_mail(draw: Draw, query: str, first: date, last: date | None = None) -> Call:
    """All mail of these days that holds the words, in one page; `last` is today where it is not given."""
    earliest, latest = datetime.combine(first, time.min), datetime.combine(last or draw.book.today, time.max)
    found = draw.book.office.base.mail.find(draw.book.office.emails, query.lower().split(), earliest, latest)
    arguments = {"query": query, "date_min": first.isoformat()}
    if last:
        arguments["date_max"] = last.isoformat()
    return _sized("email_search_emails", arguments, len(found))


def latest_about(draw: Draw, person: Person, email: Row) -> Call:
    """Finds the last email from `person` about the topic of `email`; only this one can be meant."""
    words = topic(email).lower().split()
    rivals = [
        row
        for row in draw.book.inbox_from[person.email]
        if all(word in f"{row['subject']} {row['body']}".lower() for word in words)
    ]
    need(rivals[-1:] == [email], "a later email is about it too")
    return call("email_search_emails", query=f"{person.search} {topic(email)}")


def some_mail(draw: Draw) -> tuple[Person, Row]:
    person = draw.person([one for one in draw.book.people if one.email in draw.book.inbox_from])
    return person, draw.one(draw.book.inbox_from[person.email], "no mail")


def search_events(draw: Draw, first: date, last: date, query: str = "") -> Call:
    """All meetings of these days that hold `query`, in one page."""
    found = [
        row
        for row in draw.book.events
        if first <= timestamp(row["event_start"]).date() <= last
        and query in f"{row['event_name']} {row['participant_email']}".lower()
    ]
    arguments: dict[str, Any] = {"query": query} if query else {}
    arguments |= {"time_min": f"{first} 00:00:00", "time_max": f"{last} 23:59:59"}
    return _sized("calendar_search_events", arguments, len(found))


def some_event(draw: Draw, workdays: int = 10) -> tuple[Person, Row, date]:
    """A coming meeting with exactly its name, person and day."""
    book = draw.book
    event = draw.one(book.coming, "nothing comes")
    start = timestamp(event["event_start"])
    same = [
        row
        for row in book.events_on[start.date().isoformat()]
        if row["participant_email"] == event["participant_email"] and row["event_name"] == event["event_name"]
    ]
    need(len(same) == 1, "the meeting is there twice that day")
    need((start.date() - book.today).days <= workdays * 2, "too far ahead")
    need(start.date() != book.today or start.hour - book.now.hour > 1, "about to begin")
    return book.by_email[event["participant_email"]], event, start.date()


def find_event(draw: Draw, person: Person, day: date) -> Call:
    return search_events(draw, day, day, person.search)


def event_slots(draw: Draw, event: Row) -> dict[str, str]:
    start = timestamp(event["event_start"])
    return {
        "event": str(event["event_name"]),
        "day": day_words(start.date(), draw.book.today, draw.chance),
        "time": time_words(start, draw.chance),
    }


def gaps(draw: Draw, day: date, minutes: int, person: Person | None = None) -> list[int]:
    """Minutes of the day, on the half hour, from which nothing goes on for that long; for `person`, if one is given."""
    taken = []
    for row in draw.book.events_on.get(day.isoformat(), ()):
        if person is None or row["participant_email"] == person.email:
            start = timestamp(row["event_start"])
            minute = start.hour * 60 + start.minute
            taken.append((minute, minute + int(row["duration"])))
    return [
        start
        for start in range(OPENS * 60, CLOSES * 60 - minutes + 1, 30)
        if all(end <= start or begin >= start + minutes for begin, end in taken)
    ]


def any_task(draw: Draw, rows: Sequence[Row] | None = None) -> Row:
    """A task of somebody in the directory."""
    row: Row = draw.one(draw.book.tasks if rows is None else rows, "no task")
    need(row["assigned_to_email"] in draw.book.by_email, "nobody's task")
    return row


def some_task(draw: Draw, rows: Sequence[Row] | None = None) -> Row:
    """One with a name that no other task holds."""
    row = any_task(draw, rows)
    name = str(row["task_name"]).lower()
    need(sum(name in other for other in draw.book.task_names) == 1, "more tasks of that name")
    return row


def find_task(row: Row) -> Call:
    return call("project_management_search_tasks", task_name=row["task_name"])


def some_customer(draw: Draw, rows: Sequence[Row] | None = None) -> Row:
    row: Row = draw.one(draw.book.customers if rows is None else rows, "no customer")
    need(row["assigned_to_email"] in draw.book.by_email, "nobody's customer")
    name = str(row["customer_name"]).lower()
    need(sum(name in other for other in draw.book.customer_names) == 1, "more customers of that name")
    return row


def find_customer(row: Row) -> Call:
    return call("customer_relationship_manager_search_customers", customer_name=row["customer_name"])


def search_customers(rows: Sequence[Row], **filters: str) -> Call:
    """`rows` is what it will find, at most one page of it."""
    return _sized("customer_relationship_manager_search_customers", dict(filters), len(rows))


def _sized(name: str, arguments: dict[str, Any], count: int) -> Call:
    need(0 < count <= MOST_SHOWN, "nothing is found, or too much")
    return call(name, **arguments, **({"page_size": MOST_SHOWN} if count > PAGE else {}))
