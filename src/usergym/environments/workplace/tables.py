"""A table that many conversations share, and what one of them changed in it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

Row = dict[str, Any]
"""Values by column: texts, None where nothing stands; nobody may change one that came from a base."""

CASED = ("status", "list_name", "board")
"""Columns in which upper and lower case are different values."""


class Base:
    """A table as it is read, never changed: shared by every conversation."""

    def __init__(self, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        self.columns = tuple(columns)
        self.key = self.columns[0]
        """The column that holds the id."""
        self.rows: tuple[Row, ...] = tuple({column: row.get(column) for column in self.columns} for row in rows)
        places: dict[Any, list[int]] = {}
        for place, row in enumerate(self.rows):
            places.setdefault(row[self.key], []).append(place)
        self.places = places

        self.lowered: dict[str, list[str]] = {
            column: [str(row[column] or "").lower() for row in self.rows] for column in self.columns
        }
        """Each column as a search sees it: in lower case, and "" where nothing stands."""

    @cached_property
    def peer_values(self) -> tuple[tuple[Any, ...], ...]:
        """The rows as the peer compares them."""
        return tuple(peer_values(row) for row in self.rows)

    @cached_property
    def highest(self) -> list[str]:
        """The ids, the highest first, in the order of texts."""
        return sorted((str(key) for key in self.places), reverse=True)


def peer_values(row: Row) -> tuple[Any, ...]:
    """As the peer lowers a row before it compares: what is no text, there, becomes nothing."""
    return tuple(
        value if column in CASED else value.lower() if isinstance(value, str) else None for column, value in row.items()
    )


class Table:
    """A base and a copy-on-write overlay of one conversation. A row's place never changes: base rows have theirs,
    added rows go on from there."""

    __slots__ = ("added", "base", "changed", "deleted", "deleted_before_last_added")

    def __init__(self, base: Base) -> None:
        self.base = base
        self.deleted: set[int] = set()
        self.changed: dict[int, Row] = {}
        self.added: list[Row] = []
        self.deleted_before_last_added: frozenset[int] = frozenset()

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        """Places and rows that are there, in order."""
        deleted, changed = self.deleted, self.changed
        if not deleted and not changed:
            yield from enumerate(self.base.rows)
        else:
            for place, row in enumerate(self.base.rows):
                if place not in deleted:
                    yield place, changed.get(place, row)
        start = len(self.base.rows)
        for place, row in enumerate(self.added, start):
            if place not in deleted:
                yield place, row

    def __getitem__(self, place: int) -> Row:
        start = len(self.base.rows)
        return self.added[place - start] if place >= start else self.changed.get(place) or self.base.rows[place]

    def places(self, key: object) -> list[int]:
        """Where rows with this id stand; an id that was written over may stand more than once."""
        name = self.base.key
        found = list(self.base.places.get(key, ())) if isinstance(key, str) else []
        found += [place for place in self.changed if place not in found]
        found += range(len(self.base.rows), len(self.base.rows) + len(self.added))
        return sorted(place for place in found if place not in self.deleted and self[place][name] == key)

    def highest_id(self) -> str | None:
        """In the order of texts; None for an empty table."""
        name = self.base.key
        rewritten = {place for place, row in self.changed.items() if row[name] != self.base.rows[place][name]}
        gone = self.deleted | rewritten
        places = self.base.places
        kept = next((key for key in self.base.highest if any(place not in gone for place in places[key])), None)
        others = [str(self.changed[place][name]) for place in rewritten - self.deleted]
        start = len(self.base.rows)
        others += [str(row[name]) for place, row in enumerate(self.added, start) if place not in self.deleted]
        return max([*others, *([] if kept is None else [kept])], default=None)

    def add(self, row: Row) -> None:
        self.deleted_before_last_added = frozenset(self.deleted)
        self.added.append({column: row.get(column) for column in self.base.columns})

    def delete(self, places: Iterable[int]) -> None:
        self.deleted.update(places)

    def update(self, places: Iterable[int], column: str, value: Any) -> None:
        start = len(self.base.rows)
        for place in places:
            row = {**self[place], column: value}
            if place >= start:
                self.added[place - start] = row
            else:
                self.changed[place] = row


def containing(table: Table, texts: Mapping[str, str]) -> list[Row]:
    """Rows in whose columns these texts stand, in any case. The texts are not empty, and are taken literally."""
    base = table.base
    wanted = [(column, text.lower()) for column, text in texts.items()]
    hits: Iterable[int] = range(len(base.rows))
    for column, text in wanted:
        values = base.lowered[column]
        hits = [place for place in hits if text in values[place]]
    deleted, changed = table.deleted, table.changed
    if deleted or changed:
        kept = {place for place in hits if place not in deleted and place not in changed}
        kept |= {place for place, row in changed.items() if place not in deleted and _holds(row, wanted)}
        hits = sorted(kept)
    found = [changed.get(place) or base.rows[place] for place in hits]
    start = len(base.rows)
    found += [row for place, row in enumerate(table.added, start) if place not in deleted and _holds(row, wanted)]
    return found


def _holds(row: Row, wanted: Iterable[tuple[str, str]]) -> bool:
    return all(text in str(row[column] or "").lower() for column, text in wanted)


def page_of(rows: Sequence[Row], what: str, page: Any, page_size: Any) -> dict[str, Any]:
    """One page of rows that were found, and where it stands. A page past the end is the last one."""
    total = len(rows)
    pages = (total + page_size - 1) // page_size
    page = max(1, min(page, pages)) if pages > 0 else 1
    first = (page - 1) * page_size
    shown = rows[first : min(first + page_size, total)]
    return {
        what: [dict(row) for row in shown],
        "pagination": {f"total_{what}": total, "page": page, "page_size": page_size, "total_pages": pages},
    }
