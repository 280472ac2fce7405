"""The numbers that UserRL published, as facts with their source, and the names under which it evaluates."""

from functools import cache
from importlib.resources import files

import msgspec

from usergym.types import Record


class Published(Record, frozen=True):
    """One line of the table: a model's mean reward in each gym."""

    name: str
    gyms: dict[str, float]
    average: float
    """Weighted by the number of tasks."""
    effective_turns: float | None = None
    time_weighted: float | None = None


class Table(Record, frozen=True):
    source: str
    url: str
    note: str
    tasks: dict[str, int]
    """Test tasks by evaluation name; the weights of the average."""
    held_out: tuple[str, ...]
    """Gyms that nothing was trained on."""
    models: tuple[Published, ...]


@cache
def table() -> Table:
    text = (files("usergym.evaluation") / "userrl.json").read_bytes()
    return msgspec.json.decode(text, type=Table)


def gym_of(name: str) -> str:
    """The gym of an evaluation name, as the table calls it: of travel22 travel, of bamboogle search."""
    base = name.partition(":")[0]
    return "search" if base == "bamboogle" else "travel" if base.startswith("travel") else base


def weight_of(name: str) -> int:
    """Published test tasks behind an evaluation name; 0 for what is none of UserRL's."""
    tasks = table().tasks
    base = name.partition(":")[0]
    if base in tasks:
        return tasks[base]
    return sum(count for each, count in tasks.items() if gym_of(each) == base)
