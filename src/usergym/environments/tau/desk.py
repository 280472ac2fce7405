"""One conversation's database: a base that every conversation shares and nobody changes, and the records that this
conversation changed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from usergym.environments.tau.tools import TOOLS

Record = dict[str, Any]

_FAULTS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""What a tool raises on arguments that it cannot use."""


class Table:
    """Records by id. Reading gives the shared record; `edit` a copy of it that is this conversation's own."""

    __slots__ = ("base", "own")

    def __init__(self, base: Mapping[str, Record]) -> None:
        self.base = base
        self.own: dict[str, Record] = {}

    def __contains__(self, key: object) -> bool:
        return key in self.own or key in self.base

    def __getitem__(self, key: str) -> Record:
        return self.own[key] if key in self.own else self.base[key]

    def items(self) -> Iterator[tuple[str, Record]]:
        """In the order of the base, then what was added."""
        own = self.own
        for key, record in self.base.items():
            yield key, own.get(key, record)
        for key in own.keys() - self.base.keys():
            yield key, own[key]

    def edit(self, key: str) -> Record:
        if key not in self.own:
            self.own[key] = copied(self.base[key])
        return self.own[key]

    def add(self, key: str, record: Record) -> None:
        self.own[key] = record


class Desk:
    """What an agent's tools work on. Opening one costs microseconds, whatever the size of the base."""

    def __init__(self, name: str, tables: Mapping[str, Mapping[str, Record]]) -> None:
        self.name = name
        self.tables = {table: Table(base) for table, base in tables.items()}

    def __getitem__(self, table: str) -> Table:
        return self.tables[table]

    def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """The answer of a tool, as a text; whatever is wrong with the call is told in it."""
        tool = TOOLS[self.name].get(name) if isinstance(name, str) else None
        if tool is None:
            return f"Unknown action {name}"
        if not isinstance(arguments, Mapping):
            return f"Error: the arguments are not an object but {type(arguments).__name__}"
        try:
            return str(tool(self, **copied(dict(arguments))))
        except _FAULTS as error:
            return f"Error: {error}"

    def same_as(self, other: "Desk") -> bool:
        """Whether both databases hold the same. Looks only at what either changed."""
        return all(
            _same(table, other.tables[name], table.own.keys() | other.tables[name].own.keys())
            for name, table in self.tables.items()
        )


def _same(one: Table, other: Table, keys: Iterable[str]) -> bool:
    for key in keys:
        if key not in one or key not in other:
            return False
        if canonical(one[key]) != canonical(other[key]):
            return False
    return True


def canonical(value: Any) -> str:
    """A text that two values share when they hold the same. The order of an object's fields does not count; numbers
    count as they are written, so 1, 1.0 and true are three things."""
    return repr(_ordered(value))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((key, _ordered(value[key])) for key in sorted(value))
    return tuple(map(_ordered, value)) if isinstance(value, list) else value


def copied(value: Any) -> Any:
    """A copy of a JSON value, without the bookkeeping of `copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value
