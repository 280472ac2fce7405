"""Every environment keeps every promise, on its own tasks, played through the one loop."""

from collections.abc import Callable

import pytest

from usergym.environments import load, names
from usergym.evaluation.conformance import PROMISES, Promise

pytestmark = pytest.mark.parametrize("name", names())


def test_it_is_found_by_its_name(name: str) -> None:
    environment = load(name)
    assert environment.name == name
    with pytest.raises(LookupError, match="no option 'colour'"):
        load(f"{name}:colour=blue")


def _test_of(promise: Promise) -> Callable[[str], None]:
    def test(name: str) -> None:
        promise(load(name))

    return test


for _promise in PROMISES:
    vars()[f"test_{_promise.__name__}"] = _test_of(_promise)
