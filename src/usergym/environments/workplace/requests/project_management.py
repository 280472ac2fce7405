"""Requests about tasks on the boards."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from usergym.environments.workplace.requests.book import Person, value_of
from usergym.environments.workplace.requests.draft import Call, Draft, Draw, call, directory, need, redraw
from usergym.environments.workplace.requests.finds import any_task, find_task, some_task
from usergym.environments.workplace.requests.messages import task_name
from usergym.environments.workplace.requests.speech import NUMBERS, day_words
from usergym.environments.workplace.tables import Row

BOARDS = ("Back end", "Front end", "Design")
LISTS = ("Backlog", "In Progress", "In Review", "Completed")
NEXT = {"Backlog": "In Progress", "In Progress": "In Review", "In Review": "Completed", "Completed": "In Progress"}


def update(row: Row, field: str, value: str) -> Call:
    need(row[field] != value, "it is so already")
    return call("project_management_update_task", task_id=row["task_id"], field=field, new_value=value)


def search(**filters: str) -> Call:
    return call("project_management_search_tasks", **filters)


def due(draw: Draw, day: date, on: bool = False) -> str:
    return day_words(day, draw.book.today, draw.chance, on=on)


def coming_day(draw: Draw) -> date:
    day: date = draw.one(draw.book.workdays(2, 20), "no working day")
    return day


def owner(draw: Draw, row: Row) -> Person:
    return draw.book.by_email[row["assigned_to_email"]]


def colleague(draw: Draw, person: Person, board: str | None = None) -> Person:
    """Somebody else on the boards, of the same board where one is given."""
    there = {row["assigned_to_email"] for row in draw.book.tasks if board is None or row["board"] == board}
    return draw.person([one for one in draw.book.developers if one != person and one.email in there])


def move_list(draw: Draw) -> Draft:
    row = some_task(draw)
    target = NEXT[row["list_name"]] if draw.chance.random() < 0.7 else draw.one(LISTS, "")
    slots = {"task": row["task_name"], "list": target, **owner(draw, row).slots()}
    return Draft(slots, [[find_task(row)]], [update(row, "list_name", target)])


def reassign(draw: Draw) -> Draft:
    row = some_task(draw)
    other = colleague(draw, owner(draw, row), row["board"])
    slots = {"task": row["task_name"], **owner(draw, row).slots(), **other.slots("to_")}
    return Draft(slots, [[find_task(row), *directory(other)]], [update(row, "assigned_to_email", other.email)])


def postpone(draw: Draw) -> Draft:
    row = some_task(draw, [row for row in draw.book.tasks if row["list_name"] != "Completed"])
    day = coming_day(draw)
    need(str(day) > row["due_date"], "it is due later")
    slots = {"task": row["task_name"], "date": due(draw, day), **owner(draw, row).slots()}
    return Draft(slots, [[find_task(row)]], [update(row, "due_date", str(day))])


def create(draw: Draw) -> Draft:
    board = draw.one(BOARDS, "")
    person = colleague(draw, draw.person(), board)
    name, day = task_name(draw, board), coming_day(draw)
    where = draw.chance.choice(("Backlog", "Backlog", "In Progress"))
    slots = {"task": name, "board": board, "list": where, "date": due(draw, day), **person.slots()}
    write = create_call(name, person, where, day, board)
    return Draft(slots, [directory(person)], [write])


def create_call(name: str, person: Person, where: str, day: date, board: str) -> Call:
    return call(
        "project_management_create_task",
        task_name=name,
        assigned_to_email=person.email,
        list_name=where,
        due_date=str(day),
        board=board,
    )


def delete(draw: Draw) -> Draft:
    row = some_task(draw, [row for row in draw.book.tasks if row["list_name"] in ("Backlog", "In Progress")])
    write = call("project_management_delete_task", task_id=row["task_id"])
    return Draft({"task": row["task_name"], **owner(draw, row).slots()}, [[find_task(row)]], [write])


def _some_of(draw: Draw, rows: Sequence[Row], most: int = 6) -> None:
    need(2 <= len(rows) <= most, "too few or too many tasks")


def overdue(draw: Draw) -> Draft:
    """All that one person should have finished by now get a new date."""
    person, day = draw.person(draw.book.developers), coming_day(draw)
    today = str(draw.book.today)
    rows = [
        row for row in draw.book.tasks_of[person.email] if row["due_date"] < today and row["list_name"] != "Completed"
    ]
    _some_of(draw, rows)
    slots = {**person.slots(), "date": due(draw, day)}
    look = search(assigned_to_email=person.email)
    return Draft(slots, [directory(person), [look]], [update(row, "due_date", str(day)) for row in rows])


def finish_review(draw: Draw) -> Draft:
    """All of one person in one list go to the next."""
    person = draw.person(draw.book.developers)
    source = draw.chance.choice(("In Review", "In Progress"))
    rows = value_of(draw.book.tasks_of[person.email], list_name=source)
    _some_of(draw, rows)
    slots = {**person.slots(), "list": source, "to_list": NEXT[source]}
    look = search(assigned_to_email=person.email, list_name=source)
    return Draft(slots, [directory(person), [look]], [update(row, "list_name", NEXT[source]) for row in rows])


def hand_over(draw: Draw) -> Draft:
    """All of one person in one list on one board go to another."""
    row = any_task(draw)
    person, board, where = owner(draw, row), row["board"], row["list_name"]
    rows = value_of(draw.book.tasks_of[person.email], list_name=where, board=board)
    need(where != "Completed", "they are done")
    _some_of(draw, rows, most=7)
    other = colleague(draw, person, board)
    slots = {**person.slots(), **other.slots("to_"), "list": where, "board": board}
    look = search(assigned_to_email=person.email, list_name=where, board=board)
    writes = [update(one, "assigned_to_email", other.email) for one in rows]
    return Draft(slots, [directory(person, other), [look]], writes)


def due_on(draw: Draw) -> Draft:
    """Whatever is due on one day on one board goes to review."""
    row = any_task(draw)
    board = row["board"]
    rows = [
        one
        for one in value_of(draw.book.tasks, due_date=row["due_date"], board=board)
        if one["list_name"] == "In Progress"
    ]
    need(1 <= len(rows) <= 5, "too few or too many tasks")
    slots = {"board": board, "date": due(draw, date.fromisoformat(row["due_date"]), on=True)}
    look = search(board=board, due_date=row["due_date"], list_name="In Progress")
    case = "past" if row["due_date"] < str(draw.book.today) else "any"
    return Draft(slots, [[look]], [update(one, "list_name", "In Review") for one in rows], case=case)


def who_and_when(draw: Draw) -> Draft:
    row = some_task(draw)
    answer = [owner(draw, row).name, row["due_date"]]
    return Draft({"task": row["task_name"]}, [[find_task(row)]], answer=answer, shows=[row["task_id"]])


def how_many(draw: Draw) -> Draft:
    person = draw.person(draw.book.developers)
    where = draw.one(LISTS, "")
    rows = value_of(draw.book.tasks_of[person.email], list_name=where)
    need(3 <= len(rows) <= 40, "too few or too many tasks")
    look = search(assigned_to_email=person.email, list_name=where)
    slots = {**person.slots(), "list": where}
    return Draft(slots, [directory(person), [look]], answer=[str(len(rows))], shows=[row["task_id"] for row in rows])


def most_loaded(draw: Draw) -> Draft:
    board, where = draw.one(BOARDS, ""), draw.one(LISTS[:3], "")
    rows = value_of(draw.book.tasks, board=board, list_name=where)
    need(3 < len(rows) <= 60, "too few or too many tasks")
    counts = Counter(row["assigned_to_email"] for row in rows).most_common(2)
    need(len(counts) > 1 and counts[0][1] > counts[1][1], "two have equally many")
    person = draw.book.by_email.get(counts[0][0]) or redraw("nobody's task")
    slots = {"board": board, "list": where}
    shows = [row["task_id"] for row in rows]
    return Draft(slots, [[search(board=board, list_name=where)]], answer=[person.name, str(counts[0][1])], shows=shows)


def to_the_freer(draw: Draw) -> Draft:
    """A new task for whoever has less to do."""
    board, where = draw.one(BOARDS, ""), draw.chance.choice(("In Progress", "Backlog", "In Review"))
    first = colleague(draw, draw.person(), board)
    second = colleague(draw, first, board)
    counts = [len(value_of(draw.book.tasks_of[one.email], list_name=where)) for one in (first, second)]
    need(counts[0] != counts[1] and max(counts) < 40, "both have equally many")
    person = first if counts[0] < counts[1] else second
    name, day = task_name(draw, board), coming_day(draw)
    slots = {
        **first.slots(),
        **second.slots("to_"),
        "task": name,
        "board": board,
        "list": where,
        "date": due(draw, day),
    }
    looks = [search(assigned_to_email=one.email, list_name=where) for one in (first, second)]
    return Draft(slots, [directory(first, second), looks], [create_call(name, person, "Backlog", day, board)])


def if_loaded(draw: Draw) -> Draft:
    """Reassigned only if its owner has too much, else it goes on."""
    row = some_task(draw, value_of(draw.book.tasks, list_name="Backlog"))
    person = owner(draw, row)
    other = colleague(draw, person, row["board"])
    rows = value_of(draw.book.tasks_of[person.email], list_name="In Progress")
    limit = len(rows) + draw.chance.choice((-2, -1, 0, 1))
    need(1 <= limit <= 10, "an odd limit")
    slots = {"task": row["task_name"], **person.slots(), **other.slots("to_"), "limit": NUMBERS[limit]}
    looks = [search(assigned_to_email=person.email, list_name="In Progress")]
    more = len(rows) > limit
    write = update(row, "assigned_to_email", other.email) if more else update(row, "list_name", "In Progress")
    return Draft(slots, [[find_task(row), *directory(other)], looks], [write])


TEMPLATES = (
    move_list,
    reassign,
    postpone,
    create,
    delete,
    overdue,
    finish_review,
    hand_over,
    due_on,
    who_and_when,
    how_many,
    most_loaded,
    to_the_freer,
    if_loaded,
)
