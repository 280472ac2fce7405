"""An office as a request is made from it: rows by what people call them. Works on any office, ours or one read from
files."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from usergym.environments.workplace.company.people import first_names
from usergym.environments.workplace.dates import timestamp
from usergym.environments.workplace.office import Office
from usergym.environments.workplace.tables import Row

PRONOUNS = {
    "she": {"they": "she", "them": "her", "their": "her", "theirs": "hers", "has": "has", "does": "does", "is": "is"},
    "he": {"they": "he", "them": "him", "their": "his", "theirs": "his", "has": "has", "does": "does", "is": "is"},
    "they": {
        "they": "they",
        "them": "them",
        "their": "their",
        "theirs": "theirs",
        "has": "have",
        "does": "do",
        "is": "are",
    },
}


@dataclass(frozen=True)
class Person:
    first: str
    last: str
    email: str
    shared: bool
    """Somebody else has this first name too."""

    @property
    def name(self) -> str:
        """What is enough to know who is meant."""
        return f"{self.first} {self.last}" if self.shared and self.last else self.first

    @property
    def search(self) -> str:
        """What finds them in the directory."""
        return f"{self.first}.{self.last}".lower() if self.shared else self.first.lower()

    def slots(self, prefix: str = "") -> dict[str, str]:
        """The words for this person in a phrasing: `{who}`, `{they}`, `{them}`, `{their}`, `{has}`, `{does}`."""
        words = {"who": self.name, **PRONOUNS[first_names().get(self.first, "they")]}
        return {prefix + key: word for key, word in words.items()}


class Book:
    """Read once for all requests of one office."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.now: datetime = office.now
        self.today: date = office.now.date()
        self.emails: list[Row] = sorted(office.base.emails.rows, key=lambda row: str(row["sent_datetime"]))
        self.events: list[Row] = sorted(office.base.events.rows, key=lambda row: str(row["event_start"]))
        self.tasks: list[Row] = list(office.base.tasks.rows)
        self.customers: list[Row] = list(office.base.customers.rows)
        self.visits = office.base.visits

    @cached_property
    def people(self) -> list[Person]:
        split = {address: _name(address) for address in self.office.directory}
        counted = Counter(first for first, _ in split.values())
        return [Person(first, last, address, counted[first] > 1) for address, (first, last) in split.items()]

    @cached_property
    def by_email(self) -> dict[str, Person]:
        return {person.email: person for person in self.people}

    @cached_property
    def inbox(self) -> list[Row]:
        """Mail from colleagues, the oldest first."""
        return [row for row in self.emails if row["inbox/outbox"] == "inbox" and self.known(row["sender/recipient"])]

    @cached_property
    def inbox_from(self) -> dict[str, list[Row]]:
        return _by(self.inbox, "sender/recipient")

    @cached_property
    def coming(self) -> list[Row]:
        """Meetings that have not begun, the next first."""
        return [
            row
            for row in self.events
            if timestamp(row["event_start"]) > self.now and self.known(row["participant_email"])
        ]

    @cached_property
    def events_on(self) -> dict[str, list[Row]]:
        days: dict[str, list[Row]] = defaultdict(list)
        for row in self.events:
            days[str(row["event_start"])[:10]].append(row)
        return days

    @cached_property
    def tasks_of(self) -> dict[str, list[Row]]:
        return _by(self.tasks, "assigned_to_email")

    @cached_property
    def customers_of(self) -> dict[str, list[Row]]:
        return _by(self.customers, "assigned_to_email")

    @cached_property
    def task_names(self) -> list[str]:
        return [str(row["task_name"]).lower() for row in self.tasks]

    @cached_property
    def customer_names(self) -> list[str]:
        return [str(row["customer_name"]).lower() for row in self.customers]

    @cached_property
    def developers(self) -> list[Person]:
        """Who has tasks on a board; nobody else can be given one."""
        return [person for person in self.people if person.email in self.tasks_of]

    @cached_property
    def sellers(self) -> list[Person]:
        return [person for person in self.people if person.email in self.customers_of]

    @cached_property
    def traffic_days(self) -> list[str]:
        return [day.date for day in self.visits.days()]

    def known(self, address: object) -> bool:
        return address in self.by_email

    def workdays(self, first: int, last: int) -> list[date]:
        """Those from `first` to `last` days after today."""
        days = (self.today + timedelta(days=offset) for offset in range(first, last + 1))
        return [day for day in days if day.weekday() < 5]


def firm(customer: Row) -> str:
    """The firm behind a customer's address, as one word."""
    return str(customer["customer_email"]).partition("@")[2].partition(".")[0]


def _by(rows: list[Row], column: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[str(row[column])].append(row)
    return found


def _name(address: str) -> tuple[str, str]:
    box = re.sub(r"\d+$", "", address.partition("@")[0])
    first, _, last = box.partition(".")
    return first.title(), last.title()


def value_of(table: list[Row], **wanted: Any) -> list[Row]:
    """Rows with exactly these values."""
    return [row for row in table if all(row[column] == value for column, value in wanted.items())]
