"""The default is exact: on a problem whose trajectories and groups are all enumerated, with turns by chance, rewards on
the way and a length that the policy controls, its expected gradient is the true one. With baselines by turn index it
is not."""

import numpy as np
import pytest

from benchmarks.credit import ACTIONS, Groups, Problem, by_turn_index, ours

PROBLEM = Problem(seed=3, lucky=True)
LOGITS = PROBLEM.logits(seed=1)


def distance(groups: Groups, gamma: float = 1.0) -> float:
    """Of the expected gradient of a group from group size x the true gradient, as a share of the latter's length."""
    true = PROBLEM.gradient(LOGITS, gamma) * groups.members.shape[1]
    return float(np.linalg.norm(groups.expected(LOGITS) - true) / np.linalg.norm(true))


def test_the_problem_has_what_makes_credit_hard() -> None:
    lengths = {len(each) for each in PROBLEM.rewards}
    assert lengths == {1, 2, 3}
    assert any(reward < 0 for each in PROBLEM.rewards for reward in each[:-1])
    assert any(reward > 0 for each in PROBLEM.rewards for reward in each[:-1])
    assert PROBLEM.chances(LOGITS).sum() == pytest.approx(1)


@pytest.mark.parametrize("gamma", [1.0, 0.8])
def test_the_true_gradient_is_the_slope_of_the_expected_return(gamma: float) -> None:
    true = PROBLEM.gradient(LOGITS, gamma).reshape(-1, ACTIONS)
    for place in np.ndindex(*LOGITS.shape):
        step = np.zeros_like(LOGITS)
        step[place] = 1e-5
        slope = (PROBLEM.value(LOGITS + step, gamma) - PROBLEM.value(LOGITS - step, gamma)) / 2e-5
        assert true[place] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize(
    ("level", "score", "gamma"),
    [
        ("R2G", "Sum", 1.0),
        ("R2G", "Sum", 0.8),
        ("R2G", "Mean", 0.8),
        ("Equalized", "Sum", 1.0),
        ("Equalized", "R2G", 1.0),
        ("Equalized", "R2G", 0.8),
    ],
)
def test_the_expected_gradient_is_the_true_one(size: int, level: str, score: str, gamma: float) -> None:
    assert distance(Groups(PROBLEM, size, ours("usergym", level, score, gamma)), gamma) < 1e-10


def test_it_is_where_groups_agree_for_some_turns_and_then_part() -> None:
    few = Problem(seed=0, lucky=True, earns=(0, 0, 1))
    groups = Groups(few, 3, ours("usergym"))
    logits = few.logits(5)
    assert groups.expected(logits) == pytest.approx(3 * few.gradient(logits), abs=1e-12)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize(("kind", "least"), [("reached", 0.03), ("rewards", 0.3)])
def test_baselines_by_turn_index_follow_another_gradient(kind: str, least: float, size: int) -> None:
    groups = Groups(PROBLEM, size, by_turn_index(kind))
    assert distance(groups) > 0.1
    found, true = groups.expected(LOGITS), PROBLEM.gradient(LOGITS)
    fitted = found * (found @ true) / (found @ found)
    assert np.linalg.norm(fitted - true) / np.linalg.norm(true) > least, "it is the true one but for its length"


def test_reward_by_reward_they_pay_for_one_more_turn() -> None:
    """To stop is free and to go on costs 0.25 each time. The mean taken off each reward where it was earned hides what
    all members that went on had to pay."""

    class Costly(Problem):
        def __init__(self) -> None:
            super().__init__(seed=0, earns=(0,))
            self.rewards = [tuple(-0.25 * (a != 0) for a in path.actions) for path in self.paths]

    costly = Costly()
    logits = np.zeros((costly.places, ACTIONS))
    stop = 0  # the first action at the first place
    true = costly.gradient(logits)[stop]
    assert true > 0
    assert Groups(costly, 3, ours("usergym")).expected(logits)[stop] == pytest.approx(3 * true, abs=1e-12)
    assert Groups(costly, 3, by_turn_index("rewards")).expected(logits)[stop] < 0.5 * 3 * true


@pytest.mark.parametrize(
    ("name", "least"),
    [("conservative", 0.01), ("userrl", 0.1), ("paper", 0.1)],
)
def test_presets_that_are_not_exact_are_seen_not_to_be(name: str, least: float) -> None:
    assert distance(Groups(PROBLEM, 3, ours(name))) > least


def test_plain_grpo_is_exact_up_to_the_own_share_of_its_mean() -> None:
    found = Groups(PROBLEM, 3, ours("grpo")).expected(LOGITS)
    assert found == pytest.approx(2 * PROBLEM.gradient(LOGITS), abs=1e-10)
