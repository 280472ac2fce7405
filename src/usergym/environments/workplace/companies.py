"""Companies that were built, kept while they are in use and there is room."""

from collections import OrderedDict
from dataclasses import astuple
from threading import Lock

from usergym.environments.workplace.company import Spec, build, now
from usergym.environments.workplace.office import Office

ROOM = 100_000
"""Rows that are kept; about 90 MB. At least the last company is."""

_kept: OrderedDict[Spec, Office] = OrderedDict()
_lock = Lock()


def known(spec: Spec) -> Office | None:
    """The company, if it is at hand."""
    with _lock:
        office = _kept.get(spec)
        if office is not None:
            _kept.move_to_end(spec)
        return office


def company(spec: Spec) -> Office:
    """The company, built if need be: 40 ms at the usual size, linear in it."""
    office = known(spec)
    if office is None:
        office = Office.from_rows(build(spec), now(spec))
        with _lock:
            _kept[spec] = office
            while len(_kept) > 1 and sum(map(_rows, _kept)) > ROOM:
                _kept.popitem(last=False)
    return office


def _rows(spec: Spec) -> int:
    return sum(astuple(spec)[1:])
