"""Requests over several tables in which each step has to be found out by the one before."""

from collections import Counter
from datetime import date, timedelta

import usergym.environments.workplace.requests.analytics as analytics
import usergym.environments.workplace.requests.calendar as calendar
import usergym.environments.workplace.requests.customer_relationship_manager as crm
import usergym.environments.workplace.requests.project_management as boards
from usergym.environments.workplace.dates import timestamp
from usergym.environments.workplace.requests.book import Person, value_of
from usergym.environments.workplace.requests.draft import Call, Draft, Draw, call, directory, need
from usergym.environments.workplace.requests.finds import (
    find_customer,
    find_task,
    search_events,
    search_mail,
    some_customer,
    some_task,
    topic,
)
from usergym.environments.workplace.requests.messages import answer_line, event_name, message
from usergym.environments.workplace.requests.multi_domain import mail, new_meeting
from usergym.environments.workplace.requests.speech import day_words
from usergym.environments.workplace.tables import Row


def next_meeting(draw: Draw, person: Person) -> tuple[Row, Call]:
    """The next one with somebody, and the look-up of the two weeks in which it is."""
    book = draw.book
    rows = [row for row in book.coming if row["participant_email"] == person.email]
    need(rows, "no meeting comes")
    need(len(rows) < 2 or rows[0]["event_start"] < rows[1]["event_start"], "two at once")
    start = timestamp(rows[0]["event_start"]).date()
    need(book.today < start < book.today + timedelta(days=14), "today, or far ahead")
    return rows[0], search_events(draw, book.today, book.today + timedelta(days=14), person.email)


def most_loaded(draw: Draw, rows: list[Row]) -> Person:
    need(3 < len(rows) <= 60, "too few or too many tasks")
    counts = Counter(row["assigned_to_email"] for row in rows).most_common(2)
    need(len(counts) > 1 and counts[0][1] > counts[1][1], "two have equally many")
    need(counts[0][0] in draw.book.by_email, "nobody's task")
    return draw.book.by_email[counts[0][0]]


def reply_to_assignee(draw: Draw) -> Draft:
    row = some_task(draw)
    mails = draw.book.inbox_from.get(row["assigned_to_email"], [])
    need(mails, "never wrote")
    body = answer_line(draw)
    lookups = [[find_task(row)], [call("email_search_emails", query=row["assigned_to_email"])]]
    write = call("email_reply_email", email_id=mails[-1]["email_id"], body=body)
    return Draft({"task": row["task_name"], "body": body}, lookups, [write])


def rename_with_owner(draw: Draw) -> Draft:
    row, name = some_customer(draw), event_name(draw)
    event, look = next_meeting(draw, crm.owner(draw, row))
    write = calendar.update_call(event, "event_name", name)
    return Draft({**crm.named(draw, row), "name": name}, [[find_customer(row)], [look]], [write])


def drop_with_busiest(draw: Draw) -> Draft:
    """Whoever has most to do is spared the next meeting, and told."""
    board, where = draw.one(boards.BOARDS, ""), draw.chance.choice(("In Progress", "In Review"))
    rows = value_of(draw.book.tasks, board=board, list_name=where)
    person = most_loaded(draw, rows)
    event, look = next_meeting(draw, person)
    subject, body = message(draw, "relief")
    slots = {"board": board, "list": where, "subject": subject, "body": body}
    writes = [call("calendar_delete_event", event_id=event["event_id"]), mail(person, subject, body)]
    lookups = [[boards.search(board=board, list_name=where)], [look]]
    return Draft(slots, lookups, writes, shows=[task["task_id"] for task in rows])


def mails_of_peak_day(draw: Draw) -> Draft:
    """What somebody wrote on the day with the most visits goes to another."""
    span = analytics.some_span(draw)
    day = date.fromisoformat(analytics.peak(analytics.days_of(draw, span), lambda day: day.visits).date)
    rows = [row for row in draw.book.inbox if str(row["sent_datetime"]).startswith(str(day))]
    person = draw.book.by_email[draw.one(rows, "no mail that day")["sender/recipient"]]
    rows = [row for row in rows if row["sender/recipient"] == person.email]
    need(len(rows) <= 3, "too many emails")
    other = draw.person([one for one in draw.book.people if one != person])
    lookups = [
        [call("analytics_total_visits_count", **span.bounds()), *directory(other)],
        [search_mail(draw, person.search, day, day)],
    ]
    writes = [call("email_forward_email", email_id=row["email_id"], recipient=other.email) for row in rows]
    return Draft({**person.slots(), **other.slots("to_"), "span": span.words}, lookups, writes)


def oldest_overdue(draw: Draw) -> Draft:
    """Somebody's most overdue task gets a new date, and they a mail."""
    person, day = draw.person(draw.book.developers), boards.coming_day(draw)
    rows = [row for row in draw.book.tasks_of[person.email] if row["list_name"] != "Completed"]
    rows = sorted((row for row in rows if row["due_date"] < str(draw.book.today)), key=lambda row: row["due_date"])
    need(len(rows) > 1 and rows[0]["due_date"] < rows[1]["due_date"], "not one oldest task")
    subject, body = message(draw, "late")
    slots = {**person.slots(), "date": boards.due(draw, day), "subject": subject, "body": body}
    writes = [boards.update(rows[0], "due_date", str(day)), mail(person, subject, body)]
    shows = [row["task_id"] for row in rows]
    look = boards.search(assigned_to_email=person.email)
    return Draft(slots, [directory(person), [look]], writes, shows=shows)


def meet_last_writer(draw: Draw) -> Draft:
    """A meeting with whoever wrote last about something."""
    email = draw.one(draw.book.inbox, "no mail")
    words = topic(email).lower().split()
    rows = [row for row in draw.book.inbox if all(word in f"{row['subject']} {row['body']}".lower() for word in words)]
    need(topic(rows[-1]) == topic(email), "a later email is about it too")
    person = draw.book.by_email[rows[-1]["sender/recipient"]]
    meeting, create = new_meeting(draw, person)
    lookups = [[call("email_search_emails", query=topic(email))]]
    return Draft({"topic": topic(email), **meeting}, lookups, [create], shows=[rows[-1]["email_id"]])


def soon_or_mail(draw: Draw) -> Draft:
    """A longer meeting if there is one soon with the owner of a customer, a mail if there is none."""
    row = some_customer(draw)
    person = crm.owner(draw, row)
    event, look = next_meeting(draw, person)
    start = timestamp(event["event_start"]).date()
    day = draw.one(draw.book.workdays(2, 9), "no working day")
    subject, body = message(draw, "soon")
    name = event_name(draw)
    slots = {
        **crm.named(draw, row),
        "date": day_words(day, draw.book.today, draw.chance, on=False),
        "name": name,
        "subject": subject,
        "body": body,
    }
    write = calendar.update_call(event, "event_name", name) if start <= day else mail(person, subject, body)
    return Draft(slots, [[find_customer(row)], [look]], [write])


def relieve(draw: Draw) -> Draft:
    """A task of whoever has most to do goes to another, who meets me about it."""
    board = draw.one(boards.BOARDS, "")
    rows = value_of(draw.book.tasks, board=board, list_name="In Progress")
    person = most_loaded(draw, rows)
    mine = sorted((row for row in rows if row["assigned_to_email"] == person.email), key=lambda row: row["due_date"])
    need(mine[-1]["due_date"] > mine[-2]["due_date"], "not one latest task")
    other = boards.colleague(draw, person, board)
    meeting, create = new_meeting(draw, other)
    slots = {**other.slots("to_"), **meeting, "board": board}
    lookups = [[boards.search(board=board, list_name="In Progress"), *directory(other)]]
    writes = [boards.update(mine[-1], "assigned_to_email", other.email), create]
    return Draft(slots, lookups, writes, shows=[row["task_id"] for row in rows])


def who_and_next(draw: Draw) -> Draft:
    """Who has a customer, and when the next meeting with them is."""
    row = some_customer(draw)
    person = crm.owner(draw, row)
    event = next((one for one in draw.book.coming if one["participant_email"] == person.email), None)
    need(event, "nothing comes")
    assert event is not None
    start = timestamp(event["event_start"])
    look = search_events(draw, draw.book.today, start.date() + timedelta(days=2), person.email)
    answer = [person.name, start.date().isoformat(), f"{start:%H:%M}"]
    return Draft(crm.named(draw, row), [[find_customer(row)], [look]], answer=answer, shows=[event["event_id"]])


TEMPLATES = (
    reply_to_assignee,
    rename_with_owner,
    drop_with_busiest,
    mails_of_peak_day,
    oldest_overdue,
    meet_last_writer,
    soon_or_mail,
    relieve,
    who_and_next,
)
