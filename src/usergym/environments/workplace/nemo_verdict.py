"""The peer's verdict: five data frames, equal in values, order and index."""

from bisect import bisect_left
from typing import Any

from usergym.environments.workplace.state import State
from usergym.environments.workplace.tables import Table, peer_values

Frame = list[tuple[int, tuple[Any, ...]]]


def same_frames(office: State, wanted: State) -> bool:
    """Whether the peer calls these end states equal. A row's index is part of the frame there: a deletion leaves a
    hole, and a new row gives all rows new numbers, except in the calendar, where every new row is number 0."""
    return (
        _same(office.events, wanted.events, renumbers=False)
        and _same(office.emails, wanted.emails)
        and office_plots(office) == office_plots(wanted)
        and _same(office.tasks, wanted.tasks)
        and _same(office.customers, wanted.customers)
    )


def office_plots(office: State) -> list[str]:
    return [plot.path.lower() for plot in office.plots]


def _same(table: Table, wanted: Table, renumbers: bool = True) -> bool:
    if not any((table.deleted, table.changed, table.added, wanted.deleted, wanted.changed, wanted.added)):
        return True
    return _frame(table, renumbers) == _frame(wanted, renumbers)


def _frame(table: Table, renumbers: bool) -> Frame:
    base = table.base
    start = len(base.rows)
    deleted, changed = table.deleted, table.changed
    values = base.peer_values
    rows = [
        (place, peer_values(changed[place]) if place in changed else values[place])
        for place in range(start)
        if place not in deleted
    ]
    added = [(place, peer_values(row)) for place, row in enumerate(table.added, start) if place not in deleted]
    if not renumbers:
        return rows + [(0, row) for _, row in added]
    closed = sorted(table.deleted_before_last_added)
    return [(place - bisect_left(closed, place), row) for place, row in rows + added] if closed else rows + added
