"""Who buys: people at other firms, how far the deal is, and what happened so far."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from usergym.environments.workplace.company.moments import Clock, stamp
from usergym.environments.workplace.company.people import Staff, names
from usergym.environments.workplace.company.words import shuffled_ids, table

STATUSES = ("Lead", "Qualified", "Proposal", "Won", "Lost")
PRODUCTS = ("Software", "Hardware", "Services", "Consulting", "Training")


@dataclass(frozen=True)
class Client:
    firm: str
    row: dict[str, str | None]


def meet(count: int, staff: Staff, clock: Clock, chance: random.Random) -> list[Client]:
    words = table("firms")
    first, trade = words["first"].split(), words["trade"].split()
    firms = [f"{name} {kind}" for name in first for kind in trade]
    chance.shuffle(firms)
    found, sales = names(chance), staff.team("Sales")
    taken = {(person.first, person.last) for person in staff.people}
    clients = []
    for number, customer_id in enumerate(shuffled_ids(count, chance)):
        name = next(pair for pair in found if pair not in taken)
        firm = firms[number % len(firms)]
        domain = f"{firm.replace(' ', '').lower()}.{words['customer_domain'][number % 4]}"
        status = chance.choice(STATUSES)
        last, notes = _history(status, clock, chance)
        row: dict[str, str | None] = {
            "customer_id": customer_id,
            "assigned_to_email": chance.choice(sales).email,
            "customer_name": " ".join(name),
            "customer_email": f"{name[0]}.{name[1]}@{domain}".lower(),
            "customer_phone": _phone(chance) if chance.random() < 0.6 else None,
            "last_contact_date": stamp(last),
            "product_interest": chance.choice(PRODUCTS),
            "status": status,
            "follow_up_by": stamp(_follow_up(last, clock, chance)),
            "notes": notes,
        }
        clients.append(Client(firm, row))
    clients.sort(key=lambda client: client.row["last_contact_date"] or "", reverse=True)
    return clients


def _history(status: str, clock: Clock, chance: random.Random) -> tuple[datetime, str | None]:
    """When somebody last had to do with them, and the notes up to then, the oldest first."""
    words = table("notes")
    last = clock.past(75, chance)
    if chance.random() < 0.15:
        return last, None
    lines = [chance.choice(words["any"]) for _ in range(chance.randrange(3))] + [chance.choice(words[status])]
    days = [last.date()]
    for _ in lines[1:]:
        days.append(days[-1] - timedelta(days=chance.randrange(2, 20)))
    return last, " ".join(f"{day}: {line}" for day, line in zip(reversed(days), dict.fromkeys(lines), strict=False))


def _follow_up(last: datetime, clock: Clock, chance: random.Random) -> datetime:
    """Two to seven weeks after the last contact, at the end of a working day; some are overdue."""
    day = last + timedelta(days=chance.randrange(14, 50))
    if day.weekday() > 4:
        day += timedelta(days=7 - day.weekday())
    return day.replace(hour=18, minute=0, second=0)


def _phone(chance: random.Random) -> str:
    """From the numbers kept free for fiction."""
    return f"{chance.randrange(201, 990)}-555-{chance.randrange(100, 200):04}"
