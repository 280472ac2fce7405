import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.data.split import FirstRows, split_of_task
from usergym.types import Task, split_of, split_rank

groups = st.lists(
    st.tuples(st.sampled_from("abcdefghijkl"), st.sampled_from([None, None, None, "validation", "train"])), max_size=40
)


def chosen(tasks, n):
    first = FirstRows(n)
    for task in tasks:
        first.add(task)
    return {task.id for task in tasks if first.split(task) == "validation"}


@given(groups, st.integers(0, 12), st.randoms())
def test_the_first_rows_do_not_depend_on_the_order_of_rows(rows, n, random):
    tasks = [Task(f"{n}-{group}", "e", group, split=split) for n, (group, split) in enumerate(rows)]
    shuffled = random.sample(tasks, len(tasks))
    assert chosen(tasks, n) == chosen(shuffled, n)


@given(groups, st.integers(0, 12))
def test_the_first_rows_are_whole_groups_in_hash_order_and_just_enough(rows, n):
    tasks = [Task(f"{n}-{group}", "e", group, split=split) for n, (group, split) in enumerate(rows)]
    free = [task for task in tasks if task.split is None]
    pinned = {task.id for task in tasks if task.split == "validation"}
    kept = chosen(tasks, n)
    assert pinned <= kept
    groups_in = {task.group for task in free if task.id in kept}
    expected: set[str] = set()
    for group in sorted({task.group for task in free}, key=split_rank):
        if len(pinned) + sum(task.group in expected for task in free) < n:
            expected.add(group)
    assert groups_in == expected
    assert kept == pinned | {task.id for task in free if task.group in expected}


def test_asking_for_all_rows_says_how_many_there_are():
    first = FirstRows(5)
    for n in range(5):
        first.add(Task(str(n), "e"))
    with pytest.raises(ValueError, match="5 validation rows asked of 5"):
        first.check()
    none = FirstRows(0)
    none.check()
    assert none.split(Task("x", "e")) == "train"


def test_shares_hold_on_many_groups_and_pinned_tasks_stay():
    found = [split_of(f"group {n}", 0.2, 0.1) for n in range(5000)]
    assert 0.17 < found.count("validation") / 5000 < 0.23
    assert 0.08 < found.count("test") / 5000 < 0.12
    assert split_of_task(Task("x", "e", split="test"), 1.0) == "test"
    with pytest.raises(ValueError, match=r"0\.9.*0\.2"):
        split_of("x", 0.9, 0.2)


@given(st.text(), st.floats(0, 0.4), st.floats(0, 0.4))
def test_a_larger_share_never_moves_a_group_out_of_validation(group, smaller, more):
    if split_of(group, smaller, 0.1) != "train":
        assert split_of(group, min(smaller + more, 0.9), 0.1) == split_of(group, smaller, 0.1)
