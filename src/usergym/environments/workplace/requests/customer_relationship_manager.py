"""Requests about customers."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

from usergym.environments.workplace.requests.book import Person, value_of
from usergym.environments.workplace.requests.draft import Call, Draft, Draw, call, directory, need, redraw
from usergym.environments.workplace.requests.finds import find_customer, search_customers, some_customer
from usergym.environments.workplace.requests.messages import line
from usergym.environments.workplace.requests.speech import day_words
from usergym.environments.workplace.tables import Row

STATUSES = ("Lead", "Qualified", "Proposal", "Won", "Lost")
PRODUCTS = ("Software", "Hardware", "Services", "Consulting", "Training")
STAGES = {
    "Lead": "leads",
    "Qualified": "qualified customers",
    "Proposal": "open proposals",
    "Won": "won customers",
    "Lost": "lost customers",
}


def update(row: Row, field: str, value: str) -> Call:
    need(str(row[field]) != value, "it is so already")
    return call(
        "customer_relationship_manager_update_customer", customer_id=row["customer_id"], field=field, new_value=value
    )


def delete(row: Row) -> Call:
    return call("customer_relationship_manager_delete_customer", customer_id=row["customer_id"])


def owner(draw: Draw, row: Row) -> Person:
    return draw.book.by_email[row["assigned_to_email"]]


def named(draw: Draw, row: Row) -> dict[str, str]:
    return {"customer": row["customer_name"], "product": row["product_interest"].lower(), **owner(draw, row).slots()}


def seller(draw: Draw, *others: Person) -> Person:
    return draw.person([one for one in draw.book.sellers if one not in others])


def coming_day(draw: Draw) -> date:
    day: date = draw.one(draw.book.workdays(2, 25), "no working day")
    return day


def some(rows: Sequence[Row], least: int = 2, most: int = 7) -> Sequence[Row]:
    need(least <= len(rows) <= most, "too few or too many customers")
    return rows


def set_status(draw: Draw) -> Draft:
    row = some_customer(draw)
    status = draw.one([status for status in STATUSES if status != row["status"]], "")
    return Draft({**named(draw, row), "status": status}, [[find_customer(row)]], [update(row, "status", status)])


def reassign(draw: Draw) -> Draft:
    row = some_customer(draw)
    other = seller(draw, owner(draw, row))
    slots = {**named(draw, row), **other.slots("to_")}
    write = update(row, "assigned_to_email", other.email)
    return Draft(slots, [[find_customer(row), *directory(other)]], [write])


def group(draw: Draw) -> tuple[Person, str, str, Sequence[Row], Call]:
    """One person's customers with one status and product."""
    row = some_customer(draw)
    person, status, product = owner(draw, row), row["status"], row["product_interest"]
    rows = some(value_of(draw.book.customers_of[person.email], status=status, product_interest=product))
    look = search_customers(rows, assigned_to_email=person.email, status=status, product_interest=product)
    return person, status, product, rows, look


def hand_over(draw: Draw) -> Draft:
    person, status, product, rows, look = group(draw)
    other = seller(draw, person)
    slots = {**person.slots(), **other.slots("to_"), "stage": STAGES[status], "product": product.lower()}
    writes = [update(row, "assigned_to_email", other.email) for row in rows]
    return Draft(slots, [directory(person, other), [look]], writes)


def delete_group(draw: Draw) -> Draft:
    person, status, product, rows, look = group(draw)
    slots = {**person.slots(), "stage": STAGES[status], "status": status, "product": product.lower()}
    return Draft(slots, [directory(person), [look]], [delete(row) for row in rows])


def advance_group(draw: Draw) -> Draft:
    person, status, product, rows, look = group(draw)
    target = {"Lead": "Qualified", "Qualified": "Proposal", "Proposal": "Won", "Lost": "Lead", "Won": ""}[status]
    need(target, "it is won")
    slots = {**person.slots(), "stage": STAGES[status], "status": target, "product": product.lower()}
    return Draft(slots, [directory(person), [look]], [update(row, "status", target) for row in rows])


def delete_one(draw: Draw) -> Draft:
    row = some_customer(draw)
    return Draft(named(draw, row), [[find_customer(row)]], [delete(row)])


def add(draw: Draw) -> Draft:
    person, model = seller(draw), some_customer(draw)
    first = str(model["customer_name"]).split()[0]
    last = str(draw.one(draw.book.customers, "")["customer_name"]).split()[-1]
    name = f"{first} {last}"
    need(not any(name.lower() in other for other in draw.book.customer_names), "a customer of that name is there")
    firm = str(draw.one(draw.book.customers, "")["customer_email"]).partition("@")[2]
    email = f"{first}.{last}@{firm}".lower()
    product, status = draw.one(PRODUCTS, ""), draw.chance.choice(("Lead", "Lead", "Qualified"))
    details = {"customer_email": email, "product_interest": product}
    case = "email"
    slots = {**person.slots(), "customer": name, "email": email, "product": product, "status": status}
    if draw.chance.random() < 0.5:
        case = "notes"
        slots["notes"] = details["notes"] = line(draw, "notes")
    write = call(
        "customer_relationship_manager_add_customer",
        customer_name=name,
        assigned_to_email=person.email,
        status=status,
        **details,
    )
    return Draft(slots, [directory(person)], [write], case=case)


def follow_up(draw: Draw) -> Draft:
    row, day = some_customer(draw), coming_day(draw)
    need(not str(row["follow_up_by"]).startswith(str(day)), "it is so already")
    slots = {**named(draw, row), "date": day_words(day, draw.book.today, draw.chance, on=False)}
    return Draft(slots, [[find_customer(row)]], [update(row, "follow_up_by", str(day))])


def stale(draw: Draw) -> Draft:
    """A product's proposals that nobody has touched since some day are lost."""
    product = draw.one(PRODUCTS, "")
    day = draw.book.today - timedelta(days=draw.chance.randrange(14, 45))
    rows = value_of(draw.book.customers, status="Proposal", product_interest=product)
    need(not any(str(row["last_contact_date"]).startswith(str(day)) for row in rows), "one on the very day")
    rows = list(some([row for row in rows if str(row["last_contact_date"]) < str(day)], 1, 6))
    filters = {"status": "Proposal", "product_interest": product, "last_contact_date_max": f"{day} 23:59:59"}
    slots = {"product": product.lower(), "date": day_words(day, draw.book.today, draw.chance, on=False)}
    return Draft(slots, [[search_customers(rows, **filters)]], [update(row, "status", "Lost") for row in rows])


def overdue(draw: Draw) -> Draft:
    """One person's customers with one status whose follow-up is over get a new date."""
    person, day = seller(draw), coming_day(draw)
    status = draw.one(STATUSES[:3], "")
    today = str(draw.book.today)
    rows = value_of(draw.book.customers_of[person.email], status=status)
    need(not any(str(row["follow_up_by"]).startswith(today) for row in rows), "one is due today")
    rows = list(some([row for row in rows if str(row["follow_up_by"]) < today]))
    look = search_customers(rows, assigned_to_email=person.email, status=status, follow_up_by_max=today)
    slots = {
        **person.slots(),
        "stage": STAGES[status],
        "date": day_words(day, draw.book.today, draw.chance, on=False),
    }
    return Draft(slots, [directory(person), [look]], [update(row, "follow_up_by", str(day)) for row in rows])


def contact_data(draw: Draw) -> Draft:
    """A new phone number or another interest."""
    row = some_customer(draw)
    if draw.chance.random() < 0.5:
        number = f"{draw.chance.randrange(201, 990)}-555-{draw.chance.randrange(100, 200):04}"
        slots = {**named(draw, row), "phone": number}
        return Draft(slots, [[find_customer(row)]], [update(row, "customer_phone", number)], case="phone")
    product = draw.one(PRODUCTS, "")
    slots = {**named(draw, row), "new": product.lower()}
    return Draft(slots, [[find_customer(row)]], [update(row, "product_interest", product)], case="product")


def phone_of(draw: Draw) -> Draft:
    row = some_customer(draw, [row for row in draw.book.customers if row["customer_phone"]])
    return Draft(named(draw, row), [[find_customer(row)]], answer=[row["customer_phone"]], shows=[row["customer_id"]])


def owner_of(draw: Draw) -> Draft:
    row = some_customer(draw)
    answer = [owner(draw, row).name, str(row["last_contact_date"])[:10]]
    return Draft(named(draw, row), [[find_customer(row)]], answer=answer, shows=[row["customer_id"]])


def how_many(draw: Draw) -> Draft:
    person, status = seller(draw), draw.one(STATUSES, "")
    rows = some(value_of(draw.book.customers_of[person.email], status=status), 4, 20)
    look = search_customers(rows, assigned_to_email=person.email, status=status)
    slots = {**person.slots(), "stage": STAGES[status]}
    shows = [row["customer_id"] for row in rows]
    return Draft(slots, [directory(person), [look]], answer=[str(len(rows))], shows=shows)


def best_seller(draw: Draw) -> Draft:
    product, status = draw.one(PRODUCTS, ""), draw.one(STATUSES, "")
    rows = some(value_of(draw.book.customers, product_interest=product, status=status), 4, 20)
    counts = Counter(row["assigned_to_email"] for row in rows).most_common(2)
    need(len(counts) == 1 or counts[0][1] > counts[1][1], "two have equally many")
    person = draw.book.by_email.get(counts[0][0]) or redraw("nobody's customers")
    look = search_customers(rows, product_interest=product, status=status)
    slots = {"product": product.lower(), "stage": STAGES[status]}
    shows = [row["customer_id"] for row in rows]
    return Draft(slots, [[look]], answer=[person.name, str(counts[0][1])], shows=shows)


def if_won(draw: Draw) -> Draft:
    """What happens depends on how far the deal is."""
    row = some_customer(draw)
    status, target = draw.chance.choice((("Won", "Proposal"), ("Lost", "Qualified"), ("Proposal", "Lead")))
    need(row["status"] in (status, *(one for one in STATUSES if one not in (status, target))), "it is so already")
    need(row["status"] == status or draw.chance.random() < 0.4, "the likelier branch")
    other = seller(draw, owner(draw, row))
    slots = {**named(draw, row), **other.slots("to_"), "status": status, "target": target}
    if row["status"] == status:
        return Draft(slots, [[find_customer(row), *directory(other)]], [update(row, "assigned_to_email", other.email)])
    return Draft(slots, [[find_customer(row)]], [update(row, "status", target)])


TEMPLATES = (
    set_status,
    reassign,
    hand_over,
    delete_group,
    advance_group,
    delete_one,
    add,
    follow_up,
    stale,
    overdue,
    contact_data,
    phone_of,
    owner_of,
    how_many,
    best_seller,
    if_won,
)
