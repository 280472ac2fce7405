"""Requests about the mailbox."""

from datetime import timedelta

from usergym.environments.workplace.dates import timestamp
from usergym.environments.workplace.requests.book import Person
from usergym.environments.workplace.requests.draft import Draft, Draw, call, directory, need
from usergym.environments.workplace.requests.finds import latest_about, search_mail, some_mail, topic
from usergym.environments.workplace.requests.messages import answer_line, message
from usergym.environments.workplace.requests.speech import day_words, listed, past_span
from usergym.environments.workplace.tables import Row


def reply_about(draw: Draw) -> Draft:
    person, email = some_mail(draw)
    body = answer_line(draw)
    return Draft(
        {**person.slots(), "topic": topic(email), "body": body},
        [[latest_about(draw, person, email)]],
        [call("email_reply_email", email_id=email["email_id"], body=body)],
    )


def reply_latest(draw: Draw) -> Draft:
    person, _ = some_mail(draw)
    email = draw.book.inbox_from[person.email][-1]
    body = answer_line(draw)
    lookup = call("email_search_emails", query=person.search)
    return Draft(
        {**person.slots(), "body": body},
        [[lookup]],
        [call("email_reply_email", email_id=email["email_id"], body=body)],
    )


def forward_about(draw: Draw) -> Draft:
    person, email = some_mail(draw)
    other = draw.person([one for one in draw.book.people if one != person])
    lookups = [latest_about(draw, person, email), *directory(other)]
    write = call("email_forward_email", email_id=email["email_id"], recipient=other.email)
    return Draft({**person.slots(), **other.slots("to_"), "topic": topic(email)}, [lookups], [write])


def delete_about(draw: Draw) -> Draft:
    person, email = some_mail(draw)
    day = timestamp(email["sent_datetime"]).date()
    same = [
        row
        for row in draw.book.inbox_from[person.email]
        if str(row["sent_datetime"])[:10] == day.isoformat() and topic(email).lower() in str(row["subject"]).lower()
    ]
    need(len(same) == 1, "two emails about it that day")
    lookup = search_mail(draw, f"{person.search} {topic(email)}", day, day)
    slots = {**person.slots(), "topic": topic(email), "day": day_words(day, draw.book.today, draw.chance, on=False)}
    return Draft(slots, [[lookup]], [call("email_delete_email", email_id=email["email_id"])])


def _mails_in_span(draw: Draw, least: int, most: int) -> tuple[Person, list[Row], str, list[object]]:
    """Of one person, from some days: who, which, the words for the days, and the look-up."""
    book = draw.book
    person, _ = some_mail(draw)
    oldest = timestamp(book.emails[0]["sent_datetime"]).date()
    need((book.today - oldest).days > 10, "the mailbox is young")
    span = past_span(book.today, oldest, draw.chance)
    rows = [
        row
        for row in book.inbox_from[person.email]
        if span.first.isoformat() <= str(row["sent_datetime"])[:10] <= span.last.isoformat()
    ]
    need(least <= len(rows) <= most, "too few or too many emails")
    return person, rows, span.words, [search_mail(draw, person.search, span.first, span.last)]


def delete_span(draw: Draw) -> Draft:
    person, rows, words, lookups = _mails_in_span(draw, 2, 6)
    writes = [call("email_delete_email", email_id=row["email_id"]) for row in rows]
    return Draft({**person.slots(), "span": words}, [lookups], writes)  # type: ignore[list-item]


def forward_span(draw: Draw) -> Draft:
    person, rows, words, lookups = _mails_in_span(draw, 2, 4)
    other = draw.person([one for one in draw.book.people if one != person])
    writes = [call("email_forward_email", email_id=row["email_id"], recipient=other.email) for row in rows]
    slots = {**person.slots(), **other.slots("to_"), "span": words}
    return Draft(slots, [[*lookups, *directory(other)]], writes)  # type: ignore[list-item]


def send_one(draw: Draw) -> Draft:
    person = draw.person()
    subject, body = message(draw)
    write = call("email_send_email", recipient=person.email, subject=subject, body=body)
    return Draft({**person.slots(), "subject": subject, "body": body}, [directory(person)], [write])


def send_some(draw: Draw) -> Draft:
    people = draw.some(draw.book.people, draw.chance.choice((2, 2, 3)))
    subject, body = message(draw)
    writes = [call("email_send_email", recipient=one.email, subject=subject, body=body) for one in people]
    names = listed([one.name for one in people])
    return Draft({"people": names, "subject": subject, "body": body}, [directory(*people)], writes)


def when_about(draw: Draw) -> Draft:
    person, email = some_mail(draw)
    lookup = latest_about(draw, person, email)
    sent = timestamp(email["sent_datetime"])
    slots = {**person.slots(), "topic": topic(email)}
    answer = [sent.date().isoformat()]
    return Draft(slots, [[lookup]], answer=answer, shows=[str(email["email_id"])])


def count_span(draw: Draw) -> Draft:
    person, rows, words, lookups = _mails_in_span(draw, 3, 14)
    shows = [str(row["email_id"]) for row in rows]
    slots = {**person.slots(), "span": words}
    return Draft(slots, [lookups], answer=[str(len(rows))], shows=shows)  # type: ignore[list-item]


def answer_or_ask(draw: Draw) -> Draft:
    """Reply where something came, else write anew; neither is more likely than the other by much."""
    book = draw.book
    person = draw.person()
    back = draw.chance.randrange(1, 8)
    day = book.today - timedelta(days=back)
    need(day.weekday() < 5, "a weekend")
    rows = [row for row in book.inbox_from.get(person.email, ()) if str(row["sent_datetime"])[:10] >= str(day)]
    need(not rows or str(rows[0]["sent_datetime"])[:10] != str(day), "since may leave the day out")
    need(rows or draw.chance.random() < 0.6, "nothing came")
    subject, body = message(draw)
    reply = answer_line(draw)
    slots = {
        **person.slots(),
        "since": day_words(day, book.today, draw.chance, on=False),
        "reply": reply,
        "subject": subject,
        "body": body,
    }
    look = call("email_search_emails", query=person.search, date_min=day.isoformat(), page_size=20)
    if rows:
        write = call("email_reply_email", email_id=rows[-1]["email_id"], body=reply)
        return Draft(slots, [[look]], [write])
    write = call("email_send_email", recipient=person.email, subject=subject, body=body)
    need(book.inbox_from.get(person.email), "never wrote")
    return Draft(slots, [[call("email_search_emails", query=person.search)], directory(person)], [write])


def last_writer(draw: Draw) -> Draft:
    """Who wrote last about something that several people wrote about."""
    _, email = some_mail(draw)
    words = topic(email).lower().split()
    rows = [
        row
        for row in draw.book.inbox
        if all(word in f"{row['subject']} {row['body']} {row['sender/recipient']}".lower() for word in words)
    ]
    need(len({row["sender/recipient"] for row in rows}) > 1, "only one wrote about it")
    need(topic(rows[-1]) == topic(email), "not quite about it")
    person = draw.book.by_email[rows[-1]["sender/recipient"]]
    lookup = call("email_search_emails", query=topic(email))
    return Draft({"topic": topic(email)}, [[lookup]], answer=[person.name], shows=[str(rows[-1]["email_id"])])


TEMPLATES = (
    reply_about,
    reply_latest,
    forward_about,
    delete_about,
    delete_span,
    forward_span,
    send_one,
    send_some,
    when_about,
    count_span,
    answer_or_ask,
    last_writer,
)
