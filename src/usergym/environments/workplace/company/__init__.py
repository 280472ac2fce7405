"""Companies of our own, whole: people, their mail, meetings, boards, customers and website, drawn from one seed.

Everything stands in relation to one moment, `now(spec)`: what is past has happened, what is due is due. Each table
has its own stream of chance, so more mails do not change the meetings; the same spec is the same company everywhere.
"""

from dataclasses import asdict, dataclass, fields
from datetime import datetime

from usergym.environments.workplace.company import boards, customers, mail, meetings, people, traffic
from usergym.environments.workplace.company.moments import Clock
from usergym.environments.workplace.company.words import stream

Tables = dict[str, list[dict[str, str | None]]]
"""Rows by table, with the columns of `office.COLUMNS`."""

FEWEST_PEOPLE = 8


@dataclass(frozen=True)
class Spec:
    """What a company is made from. Any size; time and memory are linear in it."""

    seed: int = 0
    people: int = 20
    """With an address in the directory; whose mailbox it is does not count."""
    emails: int = 500
    events: int = 300
    visits: int = 1000
    """To the website, in the last 90 days."""
    tasks: int = 300
    """On the three boards."""
    customers: int = 200

    def __post_init__(self) -> None:
        if self.people < FEWEST_PEOPLE:
            raise ValueError(f"people={self.people}: a company has at least {FEWEST_PEOPLE}")
        for field in fields(self)[2:]:
            if (count := getattr(self, field.name)) < 0:
                raise ValueError(f"{field.name}={count}: expected a number from 0")


def now(spec: Spec) -> datetime:
    """The moment at which the company is looked at: a working day of 2024 to 2027, during the day."""
    return Clock.of(spec.seed).now


def build(spec: Spec = Spec()) -> Tables:
    """All tables of one company."""
    clock = Clock.of(spec.seed)
    staff = people.hire(spec.people, stream(spec.seed, "people"))
    clients = customers.meet(spec.customers, staff, clock, stream(spec.seed, "customers"))
    tasks = boards.fill(spec.tasks, staff, clock, stream(spec.seed, "boards"))
    events = meetings.plan(spec.events, staff, clients, clock, stream(spec.seed, "meetings"))
    topics = mail.Topics(staff, tasks, events, clients)
    return {
        "emails": mail.write(spec.emails, topics, clock, stream(spec.seed, "mail")),
        "calendar": events,
        "analytics": traffic.count(spec.visits, clock, stream(spec.seed, "traffic")),
        "projects": tasks,
        "customers": [client.row for client in clients],
        "directory": [{"email_address": person.email} for person in staff.people],
    }


def describe(spec: Spec) -> dict[str, str | int]:
    """The company in a line: its name, its domain, whose mailbox it is, the time, and the spec."""
    staff = people.hire(spec.people, stream(spec.seed, "people"))
    return {
        "company": staff.company,
        "domain": staff.domain,
        "mailbox": staff.boss,
        "now": f"{now(spec):%Y-%m-%d %H:%M}",
        **asdict(spec),
    }
