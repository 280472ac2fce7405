"""What a conversation found out: facts that its calls showed, whichever call it was."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from usergym.environments.workplace.effects import plain
from usergym.environments.workplace.state import COLUMNS
from usergym.environments.workplace.tools import WRITES

Fact = tuple[str, ...]

_PARTS = {
    "email": "emails",
    "calendar": "calendar",
    "project": "projects",
    "customer": "customers",
}
_BY_DAY = {
    "analytics_total_visits_count": "visits",
    "analytics_traffic_source_count": "visits",
    "analytics_engaged_users_count": "engaged",
    "analytics_get_average_session_duration": "seconds",
}


def facts(name: str, arguments: Mapping[str, Any], output: Any) -> set[Fact]:
    """What one call showed. Records are taken apart into cells, so that it does not matter how they were found; an
    answer that shows no record is a fact of this very call."""
    if isinstance(output, str) or not output or name in WRITES:
        return {(name, _asked(arguments), output if isinstance(output, str) else "{}")}
    if name == "company_directory_find_email_address":
        return {("directory", str(address)) for address in output}
    if name in _BY_DAY:
        what = f"{_BY_DAY[name]} {arguments.get('traffic_source') or ''}".strip()
        return {(what, date, str(number)) for date, number in output.items()}
    if name == "analytics_get_visitor_information_by_id":
        return {("visitor", msgspec.json.encode(row, order="sorted").decode()) for row in output}
    table = _PARTS[name.split("_", 1)[0]]
    key = COLUMNS[table][0]
    if name.endswith("_by_id"):
        return {_cell(table, str(arguments.get(key)), column, value) for column, value in output.items()}
    rows = output if isinstance(output, list) else next(iter(output.values()))
    return {_cell(table, row[key], column, value) for row in rows for column, value in row.items()}


def _cell(table: str, key: str, column: str, value: Any) -> Fact:
    return (table, key, column, str(plain(column, value)))


def _asked(arguments: Mapping[str, Any]) -> str:
    """The arguments without paging, in which words may stand in any order and case."""
    kept = {
        name: " ".join(sorted(str(value).casefold().split()))
        for name, value in arguments.items()
        if name not in ("page", "page_size") and value not in (None, "")
    }
    return msgspec.json.encode(kept, order="sorted").decode()


def needed(shown: Iterable[Fact]) -> set[Fact]:
    """What must have been looked up: everything that was shown, but addresses only where nothing else was."""
    every = set(shown)
    return {fact for fact in every if fact[0] != "directory"} or every


def subjects(facts_: Iterable[Fact]) -> set[Fact]:
    """What facts are about: a row, a day, a colleague."""
    return {(fact[0].split(" ")[0], fact[1]) for fact in facts_}
