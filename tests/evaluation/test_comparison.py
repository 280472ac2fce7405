import itertools
from random import Random

import numpy as np
import pytest

from tests.evaluation.test_scores import outcome
from usergym.evaluation.comparison import compare, permutation_p, smallest_difference
from usergym.evaluation.scores import Sheet, sheets


def brute_force(differences: list[float]) -> float:
    seen = abs(sum(differences))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
            for signs in itertools.product((1, -1), repeat=len(differences))]  # fmt: skip
    return sum(each >= seen - 1e-9 for each in sums) / len(sums)


@pytest.mark.parametrize("count", [1, 2, 5, 9, 14])
def test_with_few_tasks_p_is_what_trying_all_signs_gives(count: int) -> None:
    random = Random(count)
    differences = [round(random.uniform(-0.5, 1.0), 2) for _ in range(count)]
    assert permutation_p(differences) == pytest.approx(brute_force(differences))


def test_with_more_tasks_p_is_close_to_it_and_the_same_every_time() -> None:
    random = Random(3)
    differences = [random.uniform(-0.6, 1.0) for _ in range(16)]
    assert permutation_p(differences) == pytest.approx(brute_force(differences), abs=0.01)
    assert permutation_p(differences) == permutation_p(differences)


def test_ties_change_no_p_and_two_equal_runs_have_p_1() -> None:
    assert permutation_p([1.0, 1.0, -0.5, 0.0, 0.0]) == permutation_p([1.0, 1.0, -0.5])
    assert permutation_p([0.0] * 50) == 1.0
    assert permutation_p([]) == 1.0


def test_the_smallest_difference_is_found_as_often_as_the_power_says() -> None:
    random = np.random.default_rng(2)
    tasks, rounds = 30, 120
    typical = smallest_difference(list(random.normal(0, 1, 100_000)))
    assert typical is not None
    needed = typical * (100_000 / tasks) ** 0.5
    found = sum(permutation_p(list(random.normal(needed, 1, tasks))) < 0.05 for _ in range(rounds))
    assert 0.68 <= found / rounds <= 0.9


def test_a_sample_that_does_not_differ_or_is_one_task_tells_no_smallest_difference() -> None:
    assert smallest_difference([0.3]) is None
    assert smallest_difference([0.3, 0.3, 0.3]) is None


def by_env(rows: list) -> dict[str, Sheet]:
    return {env: sheet for (_, env), sheet in sheets(rows).items()}


def test_only_tasks_that_both_have_are_compared_by_environment_and_together() -> None:
    first = [outcome("a", str(n), 0.0) for n in range(8)] + [outcome("b", "1", 1.0), outcome("c", "1", 1.0)]
    second = [outcome("a", str(n), 1.0) for n in range(2, 20)] + [outcome("b", "1", 1.0)]
    one, other, whole = compare(by_env(first), by_env(second))
    assert (one.env, one.difference.tasks, one.difference.mean, one.p) == ("a", 6, 1.0, 2 / 2**6)
    assert (other.env, other.difference.tasks, other.ties) == ("b", 1, 1)
    assert (whole.env, whole.difference.tasks) == ("all", 7)
    assert whole.second - whole.first == pytest.approx(whole.difference.mean) == pytest.approx(6 / 7)


def test_samples_of_a_task_are_one_value() -> None:
    first = [outcome("a", str(task), 0.5, sample=n) for task in range(5) for n in range(4)]
    second = [outcome("a", str(task), float(n < 3), sample=n) for task in range(5) for n in range(4)]
    (only,) = compare(by_env(first), by_env(second))
    assert only.difference.tasks == 5
    assert only.difference.mean == 0.25
    assert only.p == 2 / 2**5


def test_runs_without_a_shared_task_are_refused() -> None:
    with pytest.raises(ValueError, match="share no task"):
        compare(by_env([outcome("a", "1", 1.0)]), by_env([outcome("a", "2", 1.0)]))
    with pytest.raises(ValueError, match="share no task that has a userrl"):
        compare(by_env([outcome("a", "1", 1.0)]), by_env([outcome("a", "1", 1.0)]), "userrl")
