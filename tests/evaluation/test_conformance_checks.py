from collections.abc import Iterator

from usergym.environments import load
from usergym.environments.base import Environment, World
from usergym.evaluation.conformance import PROMISES, checks
from usergym.types import Reward, Task


class _Generous(World):
    system = "Say something."

    async def score(self) -> list[Reward]:
        return [Reward("given", 1.0)]


class Broken(Environment):
    """Gives its reward away, hides its ground truth badly, and has the same tasks for every seed."""

    name = "broken"

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        return (Task(f"broken-{n}", "broken", data={"ground_truth": n}) for n in range(20))

    def start(self, task: Task) -> World:
        return _Generous(task)


class Crashing(Broken):
    def start(self, task: Task) -> World:
        raise ZeroDivisionError("no worlds today")


def found(environment: Environment) -> dict[str, str]:
    return {check.name: check.detail for check in checks(environment) if not check.passed}


def test_an_environment_of_the_package_keeps_all_promises() -> None:
    assert found(load("calendar")) == {}


def test_each_broken_promise_is_named_with_where() -> None:
    broken = found(Broken())
    assert "seeds 5 and 6 both give" in broken["the same seed gives the same tasks and another seed others"]
    assert "train and validation share" in broken["splits share no group"]
    assert "gave 1.0" in broken["an idle agent never earns"]
    assert "it has tasks that name it" not in broken


def test_an_environment_that_raises_breaks_the_promise_it_was_met_at_and_ends_nothing() -> None:
    every = list(checks(Crashing()))
    assert len(every) == len(PROMISES)
    assert any("no worlds today" in check.detail for check in every)
