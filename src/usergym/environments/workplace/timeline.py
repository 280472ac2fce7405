"""Rows that are searched by words and by time, the newest first."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from usergym.environments.workplace.dates import timestamp
from usergym.environments.workplace.tables import Row, Table


class Timeline:
    """The index of a base table: its rows' texts in lower case, in the order of their times."""

    def __init__(self, rows: Sequence[Row], time_column: str, text_of: Callable[[Row], str]) -> None:
        self.time_column = time_column
        self.text_of = text_of
        times = [timestamp(row[time_column]) for row in rows]
        order = sorted(range(len(rows)), key=lambda place: times[place], reverse=True)
        self._places = order
        self._texts = [text_of(rows[place]).lower() for place in order]
        self._rising = [times[place] for place in reversed(order)]

    def find(
        self, table: Table, words: Sequence[str], earliest: datetime | None = None, latest: datetime | None = None
    ) -> list[Row]:
        """Rows that hold all words (in lower case, taken literally), between two times, both included."""
        count = len(self._places)
        first = count - (bisect_right(self._rising, latest) if latest else count)
        last = count - (bisect_left(self._rising, earliest) if earliest else 0)
        hits: Sequence[int] = range(first, last)
        texts = self._texts
        for word in sorted(dict.fromkeys(words), key=len, reverse=True):
            hits = [hit for hit in hits if word in texts[hit]]
            if not hits:
                break
        places = self._places
        rows = table.base.rows
        if table.deleted or table.changed:
            gone = table.deleted | table.changed.keys()
            hits = [hit for hit in hits if places[hit] not in gone]
        others = self._others(table, set(words), earliest, latest)
        if not others:
            return [rows[places[hit]] for hit in hits]
        found = [(places[hit], rows[places[hit]]) for hit in hits]
        for other in others:  # few, so each is put where it belongs
            insort(found, other, key=self._rank)
        return [row for _, row in found]

    def _rank(self, pair: tuple[int, Row]) -> tuple[timedelta, int]:
        """The newest first; of the same time, in the order of their places."""
        place, row = pair
        return datetime.max - timestamp(row[self.time_column]), place

    def _others(
        self, table: Table, words: Iterable[str], earliest: datetime | None, latest: datetime | None
    ) -> list[tuple[int, Row]]:
        """Those that the conversation changed or added."""
        start = len(table.base.rows)
        theirs = [*table.changed.items(), *enumerate(table.added, start)]
        return [
            (place, row)
            for place, row in theirs
            if place not in table.deleted
            and all(word in self.text_of(row).lower() for word in words)
            and (earliest is None or timestamp(row[self.time_column]) >= earliest)
            and (latest is None or timestamp(row[self.time_column]) <= latest)
        ]
