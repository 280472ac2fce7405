"""What a conversation changed in its office, in a form in which equal things are equal."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from usergym.environments.workplace.answers import SAME
from usergym.environments.workplace.dates import timestamp
from usergym.environments.workplace.state import Plot, State
from usergym.environments.workplace.tables import CASED, Row, Table

TIMES = ("sent_datetime", "event_start")
DAYS = ("due_date", "last_contact_date", "follow_up_by")
"""What is done on a day; a time of day says nothing more."""

ADDRESSES = ("sender/recipient", "participant_email", "assigned_to_email", "customer_email")
NOUNS = {"emails": "email", "events": "meeting", "tasks": "task", "customers": "customer"}
TITLES = {"emails": "subject", "events": "event_name", "tasks": "task_name", "customers": "customer_name"}

Value = str | int
Values = tuple[tuple[str, Value], ...]


def plain(column: str, value: Any) -> Value:
    """A cell in which what means the same is the same: dates as ISO times, durations as numbers, texts without
    regard to case (where it means nothing) and spacing, nothing as ""."""
    if value is None:
        return ""
    text = " ".join(str(value).translate(SAME).split())
    if column in TIMES or column in DAYS:
        try:
            moment = timestamp(text)
            return moment.date().isoformat() if column in DAYS else moment.isoformat(" ")
        except ValueError:
            return text.casefold()
    if column == "duration":
        try:
            return int(float(text))
        except (ValueError, OverflowError):
            return text
    if column in ADDRESSES and text.endswith(">"):
        text = text.rpartition("<")[2].rstrip(">")
    return text if column in CASED else text.casefold()


@dataclass
class Change:
    """What was changed in one table."""

    deleted: frozenset[int]
    """Places of base rows."""
    changed: dict[int, dict[str, Value]]
    """New values by place and column, where they differ from the base's."""
    added: Counter[Values]
    """New rows without their ids, which tell only in which order they were made."""


def change(table: Table) -> Change:
    base = table.base
    start = len(base.rows)
    changed = {}
    for place, row in table.changed.items():
        if place not in table.deleted:
            before = base.rows[place]
            new = {c: plain(c, row[c]) for c in base.columns if row[c] is not before[c]}
            if new := {c: value for c, value in new.items() if value != plain(c, before[c])}:
                changed[place] = new
    added = Counter(
        tuple((c, plain(c, row[c])) for c in base.columns if c != base.key)
        for place, row in enumerate(table.added, start)
        if place not in table.deleted
    )
    return Change(frozenset(place for place in table.deleted if place < start), changed, added)


def effects(office: State) -> tuple[dict[str, Change], set[tuple[Value, Value, str, str]]]:
    """By table; and the plots that were drawn, however often."""
    tables = {name: change(getattr(office, name)) for name in NOUNS}
    return tables, {_plot(plot) for plot in office.plots}


def _plot(plot: Plot) -> tuple[Value, Value, str, str]:
    return plain("due_date", plot.first), plain("due_date", plot.last), plot.value, plot.kind


def is_untouched(office: State) -> bool:
    tables, plots = effects(office)
    return not plots and not any(each.deleted or each.changed or each.added for each in tables.values())


def differences(office: State, wanted: State) -> list[str]:
    """How one office's end state differs from another's over the same tables, a sentence each; none if they agree."""
    (tables, plots), (wanted_tables, wanted_plots) = effects(office), effects(wanted)
    lines: list[str] = []
    for name, noun in NOUNS.items():
        if tables[name] != wanted_tables[name]:
            base = getattr(office, name).base.rows
            lines += _table_differences(noun, name, base, tables[name], wanted_tables[name])
    lines += [f"missing: a {kind} plot of {value}, {a} to {b}" for a, b, value, kind in sorted(wanted_plots - plots)]
    lines += [
        f"not asked for: a {kind} plot of {value}, {a} to {b}" for a, b, value, kind in sorted(plots - wanted_plots)
    ]
    return lines


def _table_differences(noun: str, name: str, base: tuple[Row, ...], got: Change, wanted: Change) -> list[str]:
    def called(place: int) -> str:
        row = base[place]
        return f"{noun} {next(iter(row.values()))} ({row[TITLES[name]]})"

    lines = [f"not deleted: {called(place)}" for place in sorted(wanted.deleted - got.deleted)]
    lines += [f"should not be deleted: {called(place)}" for place in sorted(got.deleted - wanted.deleted)]
    for place in sorted({*got.changed, *wanted.changed} - got.deleted - wanted.deleted):
        mine, theirs = got.changed.get(place, {}), wanted.changed.get(place, {})
        for column in sorted({*mine, *theirs}):
            was = plain(column, base[place][column])
            if mine.get(column, was) != theirs.get(column, was):
                is_now, expected = mine.get(column, was), theirs.get(column, was)
                lines.append(f"wrong value: {called(place)}: {column} is {is_now!r}, expected {expected!r}")
    lines += [f"missing: new {noun} {_shown(row)}{_times(n)}" for row, n in (wanted.added - got.added).items()]
    lines += [f"not asked for: new {noun} {_shown(row)}{_times(n)}" for row, n in (got.added - wanted.added).items()]
    return lines


def _shown(row: Values) -> str:
    cells: Mapping[str, Value] = dict(row)
    return "{" + ", ".join(f"{column}: {str(value)[:60]!r}" for column, value in cells.items() if value != "") + "}"


def _times(count: int) -> str:
    return f" ({count} times)" if count > 1 else ""
