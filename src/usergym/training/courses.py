"""What is trained on: several environments in one run, each with its share, its tasks and its held-out tasks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from usergym.environments.base import Environment
from usergym.types import Task


@dataclass(frozen=True)
class Course:
    """One environment of a training run. `train` starts its stream of tasks anew; it may end or not."""

    name: str
    environment: Environment
    train: Callable[[], Iterable[Task]]
    validation: Sequence[Task] = ()
    weight: float = 1.0
    """Its share of the tasks, relative to the others'."""


def check(courses: Sequence[Course], sample: int = 1000) -> None:
    """ValueError for an environment without training tasks, with a weight that is none, or that validates on what it
    trains on (looked for in the first `sample` training tasks)."""
    if not courses:
        raise ValueError("no environment to train on; give --envs NAME[,NAME...]")
    for course in courses:
        if not course.weight > 0:
            raise ValueError(f"the weight of {course.name} is {course.weight}; give more than 0, or leave it out")
        first = list(islice(course.train(), sample))
        if not first:
            raise ValueError(
                f"environment {course.name} has no training tasks; it can be evaluated on only, or give --tasks FILE"
            )
        if pinned := next((task for task in first if task.split in ("validation", "test")), None):
            raise ValueError(
                f"task {pinned.id} of {course.name} is pinned to the split {pinned.split}; train on tasks of train"
            )
        held_out = {task.group for task in course.validation}
        shared = next((task for task in first if task.group in held_out), None)
        if shared:
            raise ValueError(
                f"task {shared.id} of {course.name} is in training, and its group {shared.group!r} in validation; "
                "give validation tasks of other groups"
            )


def schedule(courses: Sequence[Course], count: int) -> list[tuple[Course, Task]]:
    """The first `count` tasks, the environments mixed by their weights in every stretch of them, so that each batch
    has its share of each. A stream that ends begins again."""
    streams = [_endless(course) for course in courses]
    taken = [0] * len(courses)
    made = []
    for _ in range(count):
        place = min(range(len(courses)), key=lambda each: ((taken[each] + 1) / courses[each].weight, each))
        taken[place] += 1
        made.append((courses[place], next(streams[place])))
    held_out = {(course.name, task.group) for course in courses for task in course.validation}
    if shared := next((task for course, task in made if (course.name, task.group) in held_out), None):
        raise ValueError(
            f"task {shared.id} is in training, and its group {shared.group!r} in validation; give validation tasks of "
            "other groups"
        )
    return made


def _endless(course: Course) -> Iterator[Task]:
    while True:
        yield from course.train()
