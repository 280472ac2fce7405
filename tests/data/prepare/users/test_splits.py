"""Who and what is held out, whatever order rows come in."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.data.prepare.users.leakage import split_leaks
from usergym.data.prepare.users.splits import By, SplitPlan, assign, head
from usergym.data.prepare.users.targets import Entry
from usergym.environments.people.raw import part_of
from usergym.rows import Place

HERE = Place(Path("rows.jsonl"), 1)


def entries(spec: list[tuple[int, int]]) -> list[Entry]:
    """Of pairs person, post; later ones are later."""
    return [
        Entry(f"id{n}", f"u{user}", f"p{post}", 1000.0 * post + n, 1, n, None, 0, HERE)
        for n, (user, post) in enumerate(spec)
    ]


GRID = [(user, post) for user in range(40) for post in range(25)]
PAIRS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 9)), max_size=80)


def assigned(found: list[Entry], by: By, *known: str, **shares: float) -> tuple[dict[str, str], Counter[str]]:
    left_out: Counter[str] = Counter()
    assign(found, SplitPlan(by, **shares), known, left_out)  # type: ignore[arg-type]
    return {entry.id: entry.part for entry in found}, left_out


def test_the_shares_are_as_documented():
    found = entries(GRID)
    parts, _ = assigned(found, "user", *{entry.user for entry in found})
    unseen = {entry.user for entry in found if entry.unseen}
    assert len(unseen) == 3  # 0.08 of 40
    seen = Counter(parts[entry.id] for entry in found if not entry.unseen)
    assert seen == {"train": 37 * 22, "test": 37 * 2, "val": 37 * 1}
    assert {parts[entry.id] for entry in found if entry.unseen} == {"test"}


def test_a_persona_of_somebody_unseen_is_drawn_from_a_history_that_is_no_target():
    found = entries(GRID)
    parts, left_out = assigned(found, "user")
    for user in {entry.user for entry in found if entry.unseen}:
        theirs = sorted((entry for entry in found if entry.user == user), key=lambda entry: entry.age)
        assert [parts[entry.id] for entry in theirs] == ["history"] * 12 + ["test"] * 13
    assert left_out["history of a person who is not in train"] == 36


def test_posts_are_held_out_by_time():
    found = entries(GRID)
    parts, _ = assigned(found, "post", seen=0.2, val=0.08)
    by_post = {entry.post: parts[entry.id] for entry in found}
    assert [by_post[f"p{n}"] for n in range(25)] == ["train"] * 18 + ["val"] * 2 + ["test"] * 5


def test_turns_are_held_out_from_the_end_of_each_person():
    found = entries(GRID)
    parts, _ = assigned(found, "turn", seen=0.2, val=0.08)
    for user in range(40):
        own = [parts[entry.id] for entry in found if entry.user == f"u{user}"]
        assert own == sorted(own, key=["train", "val", "test"].index)
        assert Counter(own) == {"train": 18, "val": 2, "test": 5}


def test_small_shares_of_many_people_come_out_right_together():
    found = entries([(user, post) for user in range(400) for post in range(5)])
    parts, _ = assigned(found, "turn")
    counts = Counter(parts.values())
    assert 0.06 < counts["test"] / 2000 < 0.10
    assert 0.01 < counts["val"] / 2000 < 0.03


def test_the_sources_own_splits_are_kept():
    found = entries([(0, 0), (0, 1), (1, 2)])
    for entry, own in zip(found, ("train", "val", "test"), strict=True):
        entry.own = own
    assert list(assigned(found, "source", "u1")[0].values()) == ["train", "val", "test"]
    assert [entry.unseen for entry in found] == [False, False, True]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", "train"),
        ("train0", "train"),
        ("val", "val"),
        ("validation-00000", "val"),
        ("unseen_test", "test"),
        ("seen_test", "test"),
        ("test0.parquet", "test"),
        ("all", None),
        (None, None),
    ],
)
def test_the_names_of_splits_are_understood(name: str | None, part: str | None):
    assert part_of(name) == part


@given(spec=PAIRS, by=st.sampled_from(["user", "post", "turn"]), seed=st.integers(0, 99), data=st.data())
def test_partitions_are_disjoint_and_do_not_depend_on_the_order_of_rows(
    spec: list[tuple[int, int]], by: By, seed: int, data: st.DataObject
):
    found = entries(spec)
    parts, left_out = assigned(found, by, seed=seed)
    assert split_leaks(found, by) == []
    trained = {entry.user for entry in found if entry.part == "train"}
    for entry in found:
        assert entry.part not in ("val", "test") or entry.unseen or entry.user in trained
        assert not (entry.unseen and entry.user in trained)
    assert sum(not part for part in parts.values()) == left_out["held out, of a person who is not in train"]
    shuffled = data.draw(st.permutations(entries(spec)))
    assert assigned(shuffled, by, seed=seed)[0] == parts
    assert not spec or "train" in parts.values() or len({user for user, _ in spec}) < 2


@given(spec=PAIRS, smaller=st.floats(1, 50), larger=st.floats(50, 100))
def test_a_subset_is_part_of_every_larger_one(spec: list[tuple[int, int]], smaller: float, larger: float):
    found = entries(spec)
    few = [entry.id for entry in head(found, smaller, 42)]
    many = [entry.id for entry in head(found, larger, 42)]
    assert many[: len(few)] == few
    assert len(head(found, 100, 42)) == len(found)
    assert not found or few


def test_what_is_on_both_sides_is_found():
    found = entries([(0, 0), (1, 0), (2, 1), (2, 2)])
    for entry, part in zip(found, ("train", "test", "train", "test"), strict=True):
        entry.part = part
    found[3].unseen = True
    found[1].id = found[0].id
    kinds = sorted(leak.field for leak in split_leaks(found, "post"))
    assert kinds == ["person", "post", "text"]
