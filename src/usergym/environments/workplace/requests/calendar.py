"""Requests about meetings."""

from collections import Counter
from datetime import date, datetime, time, timedelta

from usergym.environments.workplace.dates import timestamp
from usergym.environments.workplace.requests.book import Person
from usergym.environments.workplace.requests.draft import Call, Draft, Draw, call, directory, need
from usergym.environments.workplace.requests.finds import event_slots, find_event, gaps, search_events, some_event
from usergym.environments.workplace.requests.messages import event_name
from usergym.environments.workplace.requests.speech import day_words, span_words, time_words
from usergym.environments.workplace.tables import Row


def at(day: date, minute: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(minutes=minute)


def create_call(name: str, person: Person, start: datetime, minutes: int) -> Call:
    return call(
        "calendar_create_event",
        event_name=name,
        participant_email=person.email,
        event_start=str(start),
        duration=str(minutes),
    )


def update_call(event: Row, field: str, value: object) -> Call:
    need(str(event[field]) != str(value), "it is so already")
    return call("calendar_update_event", event_id=event["event_id"], field=field, new_value=str(value))


def coming_day(draw: Draw, first: int = 1, last: int = 12) -> date:
    day: date = draw.one(draw.book.workdays(first, last), "no working day")
    return day


def free_start(draw: Draw, day: date, minutes: int, person: Person) -> datetime:
    """When nothing else goes on, or in a crowded office when `person` has nothing else."""
    free = gaps(draw, day, minutes) or gaps(draw, day, minutes, person)
    return at(day, draw.one(free, "the day is full"))


def create(draw: Draw) -> Draft:
    person, day = draw.person(), coming_day(draw)
    minutes = draw.chance.choice((30, 60, 60, 90))
    start, name = free_start(draw, day, minutes, person), event_name(draw)
    slots = {
        **person.slots(),
        "event": name,
        "day": day_words(day, draw.book.today, draw.chance),
        "time": time_words(start, draw.chance),
        "span": span_words(str(minutes), draw.chance),
    }
    return Draft(slots, [directory(person)], [create_call(name, person, start, minutes)])


def rename(draw: Draw) -> Draft:
    person, event, day = some_event(draw)
    name = event_name(draw)
    write = update_call(event, "event_name", name)
    return Draft(
        {**person.slots(), **event_slots(draw, event), "name": name}, [[find_event(draw, person, day)]], [write]
    )


def rename_edge(draw: Draw) -> Draft:
    """The first or the last of a day."""
    day, name = coming_day(draw), event_name(draw)
    rows = draw.book.events_on.get(day.isoformat(), [])
    need(len(rows) > 1, "too few meetings")
    edge = draw.chance.choice(("first", "last"))
    event = rows[0 if edge == "first" else -1]
    need(sum(row["event_start"] == event["event_start"] for row in rows) == 1, "two at once")
    slots = {"edge": edge, "day": day_words(day, draw.book.today, draw.chance), "name": name}
    return Draft(slots, [[search_events(draw, day, day)]], [update_call(event, "event_name", name)])


def cancel(draw: Draw) -> Draft:
    person, event, day = some_event(draw)
    write = call("calendar_delete_event", event_id=event["event_id"])
    return Draft({**person.slots(), **event_slots(draw, event)}, [[find_event(draw, person, day)]], [write])


def move(draw: Draw) -> Draft:
    """To another time, on that day or another."""
    person, event, day = some_event(draw)
    other = day if draw.chance.random() < 0.4 else coming_day(draw)
    start = free_start(draw, other, int(event["duration"]), person)
    need(start > draw.book.now + timedelta(hours=1), "already past")
    slots = {
        **person.slots(),
        **event_slots(draw, event),
        "new_day": day_words(other, draw.book.today, draw.chance),
        "new_time": time_words(start, draw.chance),
    }
    case = "same_day" if other == day else "other_day"
    return Draft(slots, [[find_event(draw, person, day)]], [update_call(event, "event_start", start)], case=case)


def resize(draw: Draw) -> Draft:
    person, event, day = some_event(draw)
    minutes = draw.chance.choice((15, 30, 45, 60, 90))
    start = timestamp(event["event_start"])
    need(start.hour * 60 + start.minute + minutes <= 18 * 60, "past six")
    old = int(event["duration"])
    slots = {**person.slots(), **event_slots(draw, event), "span": span_words(str(minutes), draw.chance)}
    case = "shorter" if minutes < old else "longer"
    return Draft(slots, [[find_event(draw, person, day)]], [update_call(event, "duration", minutes)], case=case)


def replace(draw: Draw) -> Draft:
    """Somebody else comes instead."""
    person, event, day = some_event(draw)
    need(person.first not in event["event_name"], "it carries the name")
    other = draw.person([one for one in draw.book.people if one != person])
    lookups = [find_event(draw, person, day), *directory(other)]
    slots = {**person.slots(), **other.slots("to_"), **event_slots(draw, event)}
    return Draft(slots, [lookups], [update_call(event, "participant_email", other.email)])


def clear_day(draw: Draw) -> Draft:
    day = coming_day(draw)
    rows = draw.book.events_on.get(day.isoformat(), [])
    need(2 <= len(rows) <= 6, "too few or too many meetings")
    writes = [call("calendar_delete_event", event_id=row["event_id"]) for row in rows]
    return Draft({"day": day_words(day, draw.book.today, draw.chance)}, [[search_events(draw, day, day)]], writes)


def next_week(today: date) -> tuple[date, date]:
    monday = today + timedelta(days=7 - today.weekday())
    return monday, monday + timedelta(days=4)


def cancel_week(draw: Draw) -> Draft:
    """All with one person next week."""
    monday, friday = next_week(draw.book.today)
    rows = [
        row for row in draw.book.coming if monday.isoformat() <= row["event_start"] < f"{friday + timedelta(days=3)}"
    ]
    person = draw.book.by_email[draw.one(rows, "a free week")["participant_email"]]
    rows = [row for row in rows if row["participant_email"] == person.email]
    need(1 < len(rows) < 6, "too few or too many meetings")
    writes = [call("calendar_delete_event", event_id=row["event_id"]) for row in rows]
    look = search_events(draw, monday, friday + timedelta(days=2), person.search)
    return Draft(person.slots(), [[look]], writes)


def first_gap(draw: Draw) -> Draft:
    """Into the first free time of a day, which only the calendar tells."""
    person, day = draw.person(), coming_day(draw)
    minutes = draw.chance.choice((30, 60))
    free = gaps(draw, day, minutes)
    need(free and free[0] > 540 and draw.book.events_on.get(day.isoformat()), "free from nine")
    name = event_name(draw)
    slots = {
        **person.slots(),
        "event": name,
        "day": day_words(day, draw.book.today, draw.chance),
        "span": span_words(str(minutes), draw.chance),
    }
    lookups = [search_events(draw, day, day), *directory(person)]
    return Draft(slots, [lookups], [create_call(name, person, at(day, free[0]), minutes)])


def book_or_stretch(draw: Draw) -> Draft:
    """One thing if there is a meeting, another if there is none."""
    person, _, day = some_event(draw)
    if draw.chance.random() < 0.5:
        day = coming_day(draw)
    rows = [row for row in draw.book.events_on.get(day.isoformat(), []) if row["participant_email"] == person.email]
    need(len(rows) < 2, "more than one meeting")
    start, name = free_start(draw, day, 30, person), event_name(draw)
    slots = {
        **person.slots(),
        "day": day_words(day, draw.book.today, draw.chance),
        "event": name,
        "time": time_words(start, draw.chance),
        "name": event_name(draw),
    }
    if rows:
        write = update_call(rows[0], "event_name", slots["name"])
        return Draft(slots, [[find_event(draw, person, day)]], [write])
    need(draw.book.events_on.get(day.isoformat()), "nothing at all that day")
    lookups = [search_events(draw, day, day), *directory(person)]
    return Draft(slots, [lookups], [create_call(name, person, start, 30)])


def when_next(draw: Draw) -> Draft:
    person = draw.book.by_email[draw.one(draw.book.coming, "nothing comes")["participant_email"]]
    event = next(row for row in draw.book.coming if row["participant_email"] == person.email)
    start = timestamp(event["event_start"])
    look = search_events(draw, draw.book.today, start.date() + timedelta(days=2), person.search)
    answer = [start.date().isoformat(), f"{start:%H:%M}"]
    return Draft(person.slots(), [[look]], answer=answer, shows=[str(event["event_id"])])


def busiest_day(draw: Draw) -> Draft:
    monday, friday = next_week(draw.book.today)
    weeks = draw.chance.choice((-2, -1, 0))
    monday, friday = monday + timedelta(weeks=weeks), friday + timedelta(weeks=weeks)
    days = [monday + timedelta(days=number) for number in range(5)]
    counted = Counter({day: len(draw.book.events_on.get(day.isoformat(), ())) for day in days})
    (day, most), (_, second) = counted.most_common(2)
    need(most > second, "two days are equally full")
    slots = {"week": {0: "next week", -1: "this week", -2: "last week"}[weeks]}
    rows = [row for one in days for row in draw.book.events_on.get(one.isoformat(), ())]
    shows = [str(row["event_id"]) for row in rows]
    look = search_events(draw, monday, friday)
    return Draft(
        slots, [[look]], answer=[day.isoformat(), str(most)], shows=shows, case="past" if weeks == -2 else "any"
    )


def hours_with(draw: Draw) -> Draft:
    """Minutes spent with one person in the last weeks."""
    back = draw.chance.choice((2, 3, 4))
    last = draw.book.today - timedelta(days=draw.book.today.weekday() + 1)
    first = last - timedelta(days=7 * back - 1)
    person = draw.person()
    rows = [
        row
        for row in draw.book.events
        if row["participant_email"] == person.email and str(first) <= row["event_start"] < f"{last} 24"
    ]
    need(2 <= len(rows) <= 12, "too few or too many meetings")
    minutes = sum(int(row["duration"]) for row in rows)
    look = search_events(draw, first, last, person.search)
    words = {
        "first": day_words(first, draw.book.today, draw.chance, on=False),
        "last": day_words(last, draw.book.today, draw.chance, on=False),
    }
    return Draft(
        {**person.slots(), **words}, [[look]], answer=[str(minutes)], shows=[str(row["event_id"]) for row in rows]
    )


TEMPLATES = (
    create,
    rename,
    rename_edge,
    cancel,
    move,
    resize,
    replace,
    clear_day,
    cancel_week,
    first_gap,
    book_or_stretch,
    when_next,
    busiest_day,
    hours_with,
)
