"""Requests that need several tables: what one shows decides what is done in another."""

from collections import Counter
from datetime import date, timedelta

import usergym.environments.workplace.requests.analytics as analytics
import usergym.environments.workplace.requests.calendar as calendar
import usergym.environments.workplace.requests.customer_relationship_manager as crm
import usergym.environments.workplace.requests.project_management as boards
from usergym.environments.workplace.requests.book import Person, value_of
from usergym.environments.workplace.requests.draft import Call, Draft, Draw, call, directory, need
from usergym.environments.workplace.requests.finds import (
    event_slots,
    find_customer,
    find_event,
    find_task,
    latest_about,
    search_customers,
    search_events,
    search_mail,
    some_customer,
    some_event,
    some_mail,
    some_task,
    topic,
)
from usergym.environments.workplace.requests.messages import answer_line, event_name, message, task_name
from usergym.environments.workplace.requests.speech import day_words, span_words, time_words


def mail(person: Person, subject: str, body: str) -> Call:
    return call("email_send_email", recipient=person.email, subject=subject, body=body)


def new_meeting(draw: Draw, person: Person, minutes: int = 30) -> tuple[dict[str, str], Call]:
    """A new one in a free slot: the words for it, and the call."""
    day, name = calendar.coming_day(draw), event_name(draw)
    start = calendar.free_start(draw, day, minutes, person)
    words = {
        "event": name,
        "day": day_words(day, draw.book.today, draw.chance),
        "time": time_words(start, draw.chance),
        "span": span_words(str(minutes), draw.chance),
    }
    return words, calendar.create_call(name, person, start, minutes)


def invite(draw: Draw) -> Draft:
    person = draw.person()
    words, create = new_meeting(draw, person)
    subject, body = message(draw, "invited")
    slots = {**person.slots(), **words, "subject": subject, "body": body}
    return Draft(slots, [directory(person)], [create, mail(person, subject, body)])


def cancel_and_tell(draw: Draw) -> Draft:
    person, event, day = some_event(draw)
    subject, body = message(draw, "cancelled")
    slots = {**person.slots(), **event_slots(draw, event), "subject": subject, "body": body}
    writes = [call("calendar_delete_event", event_id=event["event_id"]), mail(person, subject, body)]
    return Draft(slots, [[find_event(draw, person, day)]], writes)


def task_from_mail(draw: Draw) -> Draft:
    """Somebody wrote about their task: it moves on, and they get an answer."""
    person, email = some_mail(draw)
    names = [row for row in draw.book.tasks_of.get(person.email, ()) if row["task_name"] in email["body"]]
    row = some_task(draw, names)
    body, target = answer_line(draw), boards.NEXT[row["list_name"]]
    slots = {**person.slots(), "task": row["task_name"], "topic": topic(email), "list": target, "body": body}
    writes = [boards.update(row, "list_name", target), call("email_reply_email", email_id=email["email_id"], body=body)]
    return Draft(slots, [[latest_about(draw, person, email), find_task(row)]], writes)


def customer_to(draw: Draw) -> Draft:
    """A customer changes hands, and the new owner is told."""
    row = some_customer(draw)
    other = crm.seller(draw, crm.owner(draw, row))
    subject, body = message(draw, "customer")
    slots = {**crm.named(draw, row), **other.slots("to_"), "subject": subject, "body": body}
    writes = [crm.update(row, "assigned_to_email", other.email), mail(other, subject, body)]
    return Draft(slots, [[find_customer(row), *directory(other)]], writes)


def remind_overdue(draw: Draw) -> Draft:
    """Everybody with something overdue on a board gets the same mail, once."""
    board = draw.one(boards.BOARDS, "")
    where = draw.chance.choice(boards.LISTS[:3])
    rows = value_of(draw.book.tasks, board=board, list_name=where)
    late = [row for row in rows if row["due_date"] < str(draw.book.today)]
    people = [draw.book.by_email[address] for address in dict.fromkeys(row["assigned_to_email"] for row in late)]
    need(2 <= len(people) <= 5 and len(rows) <= 60, "too few or too many people")
    subject, body = message(draw, "overdue")
    slots = {"board": board, "list": where, "subject": subject, "body": body}
    look = boards.search(board=board, list_name=where)
    shows = [row["task_id"] for row in late]
    return Draft(slots, [[look]], [mail(one, subject, body) for one in people], shows=shows)


def report_peak(draw: Draw) -> Draft:
    """The busiest day of the website, in a mail."""
    person, span = draw.person(), analytics.some_span(draw)
    day = analytics.peak(analytics.days_of(draw, span), lambda day: day.visits)
    label = draw.chance.choice(("Peak day", "Busiest day", "Most visits on"))
    slots = {**person.slots(), "span": span.words, "label": label}
    lookups = [call("analytics_total_visits_count", **span.bounds()), *directory(person)]
    return Draft(slots, [lookups], [mail(person, "Website visits", f"{label}: {day.date}")])


def if_traffic_fell(draw: Draw) -> Draft:
    """A task if there were fewer visits, a mail if not."""
    days = draw.some(draw.book.visits.days()[-30:-1], 2)
    first, second = sorted(days, key=lambda day: day.date)
    need(first.visits != second.visits, "two days are equal")
    board = draw.chance.choice(("Front end", "Design"))
    person = boards.colleague(draw, draw.person(), board)
    other = draw.person([one for one in draw.book.people if one != person])
    name, due = task_name(draw, board), boards.coming_day(draw)
    subject, body = message(draw, "fine")
    slots = {
        **person.slots(),
        **other.slots("to_"),
        "early": day_words(date.fromisoformat(first.date), draw.book.today, draw.chance),
        "late": day_words(date.fromisoformat(second.date), draw.book.today, draw.chance),
        "task": name,
        "board": board,
        "date": boards.due(draw, due),
        "subject": subject,
        "body": body,
    }
    look = call("analytics_total_visits_count", time_min=first.date, time_max=second.date)
    if second.visits < first.visits:
        write = boards.create_call(name, person, "Backlog", due, board)
        return Draft(slots, [[look, *directory(person)]], [write])
    return Draft(slots, [[look, *directory(other)]], [mail(other, subject, body)])


def plot_and_tell(draw: Draw) -> Draft:
    person, span = draw.person(), analytics.some_span(draw, 90)
    value, kind = draw.one(list(analytics.VALUES), ""), draw.one(analytics.KINDS, "")
    subject, body = message(draw, "chart")
    slots = {**person.slots(), "kind": kind, "value": analytics.value_words(draw, value), "span": span.words}
    writes = [analytics.plot_call(span, value, kind), mail(person, subject, body)]
    return Draft({**slots, "subject": subject, "body": body}, [directory(person)], writes)


def meet_owner(draw: Draw) -> Draft:
    """A meeting with whoever looks after a customer."""
    row = some_customer(draw)
    words, create = new_meeting(draw, crm.owner(draw, row))
    return Draft({**crm.named(draw, row), **words}, [[find_customer(row)]], [create])


def meet_assignee(draw: Draw) -> Draft:
    """A meeting with whoever works on a task."""
    row = some_task(draw)
    words, create = new_meeting(draw, boards.owner(draw, row), 60)
    return Draft({"task": row["task_name"], **words}, [[find_task(row)]], [create])


def forward_to_assignee(draw: Draw) -> Draft:
    person, email = some_mail(draw)
    row = some_task(draw)
    need(row["assigned_to_email"] != person.email, "their own task")
    write = call("email_forward_email", email_id=email["email_id"], recipient=row["assigned_to_email"])
    slots = {**person.slots(), "topic": topic(email), "task": row["task_name"]}
    return Draft(slots, [[latest_about(draw, person, email), find_task(row)]], [write])


def on_leave(draw: Draw) -> Draft:
    """Somebody is away next week: work goes to another, meetings are cancelled."""
    monday, friday = calendar.next_week(draw.book.today)
    end = friday + timedelta(days=2)
    rows = [row for row in draw.book.coming if str(monday) <= row["event_start"] < f"{end} 24"]
    person = draw.person(
        [one for one in draw.book.developers if any(one.email == row["participant_email"] for row in rows)]
    )
    rows = [row for row in rows if row["participant_email"] == person.email]
    tasks = value_of(draw.book.tasks_of[person.email], list_name="In Progress")
    need(tasks and 2 <= len(rows) + len(tasks) <= 5, "too little or too much to do")
    other = boards.colleague(draw, person)
    lookups = [search_events(draw, monday, end, person.search), *directory(person, other)]
    writes = [call("calendar_delete_event", event_id=row["event_id"]) for row in rows]
    writes += [boards.update(row, "assigned_to_email", other.email) for row in tasks]
    look = boards.search(assigned_to_email=person.email, list_name="In Progress")
    return Draft({**person.slots(), **other.slots("to_")}, [lookups, [look]], writes)


def thank_winner(draw: Draw) -> Draft:
    """A mail to whoever sold most of a product."""
    product = draw.one(crm.PRODUCTS, "")
    rows = crm.some(value_of(draw.book.customers, product_interest=product, status="Won"), 4, 20)
    counts = Counter(row["assigned_to_email"] for row in rows).most_common(2)
    need(len(counts) > 1 and counts[0][1] > counts[1][1], "two have equally many")
    person = draw.book.by_email[counts[0][0]]
    subject, body = message(draw, "thanks")
    slots = {"product": product.lower(), "subject": subject, "body": body}
    look = search_customers(rows, product_interest=product, status="Won")
    shows = [row["customer_id"] for row in rows]
    return Draft(slots, [[look]], [mail(person, subject, body)], shows=shows)


def clean_up(draw: Draw) -> Draft:
    """Lost customers go, and their owner is told."""
    person, status, product, rows, look = crm.group(draw)
    need(status == "Lost", "not lost")
    subject, body = message(draw, "cleaned")
    slots = {**person.slots(), "product": product.lower(), "subject": subject, "body": body}
    writes = [*(crm.delete(row) for row in rows), mail(person, subject, body)]
    need(len(writes) <= 8, "too many calls")
    return Draft(slots, [directory(person), [look]], writes)


def kickoff(draw: Draw) -> Draft:
    """A deal is won: status, a meeting with its owner, a task for the designers."""
    row = some_customer(draw, [row for row in draw.book.customers if row["status"] in ("Qualified", "Proposal")])
    words, create = new_meeting(draw, crm.owner(draw, row), 60)
    person = boards.colleague(draw, draw.person(), "Design")
    name, day = task_name(draw, "Design"), boards.coming_day(draw)
    slots = {**crm.named(draw, row), **words, **person.slots("to_"), "task": name, "date": boards.due(draw, day)}
    writes = [
        crm.update(row, "status", "Won"),
        create,
        boards.create_call(name, person, "Backlog", day, "Design"),
    ]
    return Draft(slots, [[find_customer(row), *directory(person)]], writes)


def free_or_mail(draw: Draw) -> Draft:
    """A meeting if somebody has none that day, a mail if they have."""
    person, _, day = some_event(draw)
    if draw.chance.random() < 0.5:
        day = calendar.coming_day(draw)
    on_day = draw.book.events_on.get(str(day), [])
    need(on_day, "nothing at all that day")
    theirs = [row for row in on_day if row["participant_email"] == person.email]
    start, name = calendar.free_start(draw, day, 30, person), event_name(draw)
    subject, body = message(draw, "busy")
    slots = {
        **person.slots(),
        "day": day_words(day, draw.book.today, draw.chance),
        "event": name,
        "time": time_words(start, draw.chance),
        "subject": subject,
        "body": body,
    }
    lookups = [[search_events(draw, day, day), *directory(person)]]
    if theirs:
        return Draft(slots, lookups, [mail(person, subject, body)])
    return Draft(slots, lookups, [calendar.create_call(name, person, start, 30)])


def mails_and_tasks(draw: Draw) -> Draft:
    """Two numbers about one person."""
    book = draw.book
    person = draw.person([one for one in book.developers if one.email in book.inbox_from])
    back = book.today - timedelta(days=draw.chance.randrange(8, 25))
    mails = [row for row in book.inbox_from[person.email] if str(row["sent_datetime"]) >= str(back)]
    tasks = value_of(book.tasks_of[person.email], list_name="In Progress")
    need(len(mails) > 1 and len(tasks) > 1, "too few")
    slots = {**person.slots(), "since": day_words(back, book.today, draw.chance, on=False)}
    look = boards.search(assigned_to_email=person.email, list_name="In Progress")
    shows = [str(row["email_id"]) for row in mails] + [row["task_id"] for row in tasks]
    lookups = [[search_mail(draw, person.search, back), *directory(person)], [look]]
    return Draft(slots, lookups, answer=[str(len(mails)), str(len(tasks))], shows=shows)


TEMPLATES = (
    invite,
    cancel_and_tell,
    task_from_mail,
    customer_to,
    remind_overdue,
    report_peak,
    if_traffic_fell,
    plot_and_tell,
    meet_owner,
    meet_assignee,
    forward_to_assignee,
    on_leave,
    thank_winner,
    clean_up,
    kickoff,
    free_or_mail,
    mails_and_tasks,
)
