"""Tasks: what they are made of, and that nothing of a held-out one occurs in training."""

from collections import Counter
from itertools import islice

from tests.environments.travel.acts import blocks
from usergym.environments.travel import environment as Travel
from usergym.environments.travel.asking import understand
from usergym.environments.travel.blocks import POOLS, combinations_of
from usergym.environments.travel.library import ASPECTS, library, plain
from usergym.environments.travel.oracle import query
from usergym.environments.travel.searching import look_for
from usergym.evaluation.leakage import audit
from usergym.types import split_of


def test_no_block_and_no_destination_of_a_held_out_task_occurs_in_training_over_many_tasks() -> None:
    blocks_in: dict[str, set[str]] = {}
    places_in: dict[str, set[str]] = {}
    for task in islice(Travel().tasks(), 600):
        assert task.split == split_of(task.group, 0.1, 0.1)
        for block in blocks(task):
            blocks_in.setdefault(task.split, set()).add(block.key)
            place = block.arguments.get("destination") or block.arguments["city"]
            places_in.setdefault(task.split, set()).add(place)
    assert set(blocks_in) == {"train", "validation", "test"}
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        assert blocks_in[one].isdisjoint(blocks_in[other])
        assert places_in[one].isdisjoint(places_in[other])
    found = audit(Travel(), 300)
    assert found.leaks == ()
    assert found.keys["content"]["test"] > 200


def test_a_split_asked_for_gives_the_same_tasks_as_all_of_them_gone_through() -> None:
    every = {task.id: task for task in islice(Travel().tasks(seed=3), 200)}
    for split in ("train", "validation", "test"):
        for task in islice(Travel().tasks(split, seed=3), 10):
            assert every.get(task.id, task) == task
            assert task.split == split


def test_the_pools_share_all_combinations_evenly() -> None:
    for aspect in ASPECTS:
        for size in (2, 3, 4):
            shares = [combinations_of(aspect, size, pool) for pool in POOLS]
            assert max(map(len, shares)) - min(map(len, shares)) <= 1
            every = [chosen for share in shares for chosen in share]
            assert len(set(every)) == len(every)
            assert min(map(len, shares)) >= 5


def test_exactly_one_option_is_best_and_to_ignore_any_preference_the_place_or_the_date_is_to_miss_it() -> None:
    for task in islice(Travel().tasks(), 150):
        for block in blocks(task):
            shown = {name: value for name, value in block.arguments.items() if isinstance(value, str)}

            def fits(option: dict, shown: dict = shown) -> bool:  # type: ignore[type-arg]
                return all(option[name] == value for name, value in shown.items())

            def cheapest(ignored: str = "", block=block, anywhere: bool = False) -> str:  # type: ignore[no-untyped-def]
                wanted = [each for each in block.preferences if each.id != ignored]
                left = [option for option in block.options if anywhere or fits(option)]
                left = [option for option in left if all(option[each.field] in each.accepts for each in wanted)]
                return str(min(left, key=lambda option: option["price"])["id"])

            assert cheapest() == block.best_id
            assert len({option["price"] for option in block.options}) == len(block.options)
            assert all(cheapest(each.id) != block.best_id for each in block.preferences)
            assert cheapest(anywhere=True) != block.best_id


def test_what_is_common_among_the_options_does_not_tell_what_is_wanted() -> None:
    hits = total = 0
    for task in islice(Travel().tasks(), 300):
        for block in blocks(task):
            subjects = library()[block.aspect].subjects
            shares = Counter(
                {
                    (field, want.accepts): sum(option[field] in want.accepts for option in block.options)
                    for field, subject in subjects.items()
                    for want in subject.wants
                }
            )
            guess = [key for key, _ in shares.most_common(len(block.preferences))]
            left = [option for option in block.options if all(option[field] in liked for field, liked in guess)]
            hits += bool(left) and min(left, key=lambda option: option["price"])["id"] == block.best_id
            total += 1
    assert hits < 0.2 * total


def test_the_users_first_words_say_all_that_the_searches_need_and_no_preference() -> None:
    for task in islice(Travel().tasks(), 100):
        said = task.opening[0].said
        for block in blocks(task):
            places = [value for value in block.arguments.values() if isinstance(value, str)]
            assert all(value in said for value in places)
            assert not any(each.preference.split(" (")[0] in said for each in block.preferences)
            assert look_for(query(block), blocks(task)).block == block


def test_no_hint_names_its_subject_or_its_value_and_each_question_asks_for_one_thing() -> None:
    for task in islice(Travel(level="444").tasks(), 200):
        every = [each for block in blocks(task) for each in block.preferences]
        for each in every:
            assert understand(each.question, every, every).preference is each
    for aspect in library().values():
        for subject in aspect.subjects.values():
            for want in subject.wants:
                assert len(want.hints) >= 2
                assert set(want.accepts) < set(subject.values)
                for hint in map(plain, want.hints):
                    assert not [word for word in subject.keywords if f" {word} " in hint]
                    assert not [value for value in want.accepts if isinstance(value, str) and plain(value) in hint]
