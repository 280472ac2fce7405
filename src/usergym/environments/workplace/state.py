"""The state of an office: five tables and a directory that conversations share, and what one of them changed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, Self

from usergym.environments.workplace.tables import Base, Row, Table
from usergym.environments.workplace.timeline import Timeline

SHAPE_ERRORS = (TypeError, ValueError, AttributeError, KeyError, IndexError, ArithmeticError, RecursionError)
"""What a tool raises over arguments that are not of the kind it expects."""

COLUMNS = {
    "emails": ("email_id", "inbox/outbox", "sender/recipient", "subject", "sent_datetime", "body"),
    "calendar": ("event_id", "event_name", "participant_email", "event_start", "duration"),
    "analytics": (
        "date_of_visit",
        "visitor_id",
        "page_views",
        "session_duration_seconds",
        "traffic_source",
        "user_engaged",
    ),
    "projects": ("task_id", "task_name", "assigned_to_email", "list_name", "due_date", "board"),
    "customers": (
        "customer_id",
        "assigned_to_email",
        "customer_name",
        "customer_email",
        "customer_phone",
        "last_contact_date",
        "product_interest",
        "status",
        "follow_up_by",
        "notes",
    ),
    "directory": ("email_address",),
}
"""Tables and their columns, the id first."""

PEER_NOW = datetime(2023, 11, 30, 23, 59)
"""The time at which the peer's tables are looked at."""


@dataclass(slots=True)
class Day:
    """The visits of one day."""

    date: str
    visits: int = 0
    engaged: int = 0
    seconds: float = 0.0
    """Of all sessions together."""
    sources: Counter[str] = field(default_factory=Counter)


class Plot(NamedTuple):
    """A plot that was asked for."""

    first: str
    last: str
    value: str
    kind: str

    @property
    def path(self) -> str:
        return f"plots/{self.first}_{self.last}_{self.value}_{self.kind}.png"


class Visits:
    """The website's visits, counted by day once."""

    def __init__(self, rows: Sequence[Row]) -> None:
        days: dict[str, Day] = {}
        self._visitors: dict[str, list[Row]] = {}
        for row in rows:
            day = days.setdefault(row["date_of_visit"], Day(row["date_of_visit"]))
            day.visits += 1
            day.engaged += bool(row["user_engaged"])
            day.seconds += float(row["session_duration_seconds"])
            day.sources[row["traffic_source"]] += 1
            self._visitors.setdefault(row["visitor_id"], []).append(row)
        self.rows = rows
        self._days = [days[date] for date in sorted(days)]

    def of_visitor(self, visitor_id: Any) -> Sequence[Row]:
        return self._visitors.get(visitor_id, ()) if isinstance(visitor_id, str) else ()

    def days(self, first: Any = None, last: Any = None) -> list[Day]:
        """Those with visits, both bounds included, compared as texts."""
        return [day for day in self._days if (not first or day.date >= first) and (not last or day.date <= last)]


class OfficeBase:
    """The tables as they are read, with what every conversation would otherwise work out again."""

    def __init__(self, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        bases = {name: Base(columns, tables[name]) for name, columns in COLUMNS.items()}
        self.emails, self.events, self.tasks = bases["emails"], bases["calendar"], bases["projects"]
        self.customers = bases["customers"]
        self.directory = tuple(row["email_address"] for row in bases["directory"].rows)
        self.visits = Visits(bases["analytics"].rows)
        self.mail = Timeline(
            self.emails.rows, "sent_datetime", lambda row: f"{row['subject']} {row['body']} {row['sender/recipient']}"
        )
        self.meetings = Timeline(
            self.events.rows, "event_start", lambda row: f"{row['event_name']}\0{row['participant_email']}"
        )

    @cached_property
    def assignees(self) -> frozenset[str]:
        return frozenset(str(row["assigned_to_email"]).lower() for row in self.tasks.rows)


class State:
    """One conversation's office: what it changes is seen by nobody else."""

    __slots__ = ("base", "customers", "emails", "events", "now", "plots", "tasks")

    def __init__(self, base: OfficeBase, now: datetime = PEER_NOW) -> None:
        self.base = base
        self.now = now
        self.emails = Table(base.emails)
        self.events = Table(base.events)
        self.tasks = Table(base.tasks)
        self.customers = Table(base.customers)
        self.plots: list[Plot] = []

    @property
    def directory(self) -> tuple[str, ...]:
        return self.base.directory

    def fresh(self) -> Self:
        """Another office over the same tables, in which nothing was changed."""
        return type(self)(self.base, self.now)
