"""Which tasks a run of several environments trains on, and in which order."""

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.orchard import Orchard
from usergym.training.courses import Course, check, schedule
from usergym.types import Task


def stream(name: str, count: int = 3, validation: Iterable[Task] = (), weight: float = 1.0) -> Course:
    tasks = [Task(f"{name}-{number}", name) for number in range(count)]
    return Course(name, Orchard(), lambda: iter(tasks), list(validation), weight)


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=5), st.integers(1, 300))
def test_every_stretch_has_each_environment_by_its_weight(weights: list[float], count: int) -> None:
    made = schedule([stream(f"e{place}", weight=weight) for place, weight in enumerate(weights)], count)
    taken: Counter[str] = Counter()
    for number, (course, task) in enumerate(made, 1):
        assert task.env == course.name
        taken[course.name] += 1
        for place, weight in enumerate(weights):
            due = number * weight / sum(weights)
            assert abs(taken[f"e{place}"] - due) <= len(weights)
    assert len(made) == count


def test_a_stream_that_ends_begins_again_and_the_order_is_the_same_every_time() -> None:
    tasks = [task.id for _, task in schedule([stream("a"), stream("b", 2)], 10)]
    assert tasks == ["a-0", "b-0", "a-1", "b-1", "a-2", "b-0", "a-0", "b-1", "a-1", "b-0"]
    assert tasks[:4] == [task.id for _, task in schedule([stream("a"), stream("b", 2)], 4)]


def test_what_cannot_be_trained_on_is_refused_with_the_remedy() -> None:
    check([stream("a", validation=[Task("b-0", "a")])])
    for courses, told in (
        ([], "no environment to train on; give --envs"),
        ([stream("a"), stream("b", 0)], "environment b has no training tasks"),
        ([stream("a", weight=-1.0)], "the weight of a is -1.0; give more than 0"),
        ([stream("a", weight=float("nan"))], "the weight of a is nan"),
        ([stream("a", validation=[Task("other", "a", group="a-2")])], "task a-2 of a is in training, and its group"),
    ):
        with pytest.raises(ValueError, match=told):
            check(courses)
