"""What held-out conversations say of a policy."""

import math

from usergym.training.held_out import held_out


def test_a_validation_of_which_too_little_was_scored_says_nothing() -> None:
    rewards = [("a", "1", 1.0), ("a", "2", None), ("a", "3", None), ("a", "4", None)]
    assert held_out(rewards, max_lost=0.8)["eval_reward"] == 1.0
    found = held_out(rewards, max_lost=0.5)
    assert math.isnan(found["eval_reward"])
    assert found["eval_lost"] == 0.75


def test_an_environment_of_which_nothing_was_scored_is_not_left_out_of_the_mean() -> None:
    rewards = [("a", "1", 1.0), ("a", "2", 0.5), ("b", "1", None)]
    assert math.isnan(held_out(rewards, max_lost=0.9)["eval_reward"])
