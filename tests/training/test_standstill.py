"""When no group differs: what is said of it, and what a line of a step says of replies."""

from usergym.training.standstill import STEPS, Standstill, kept

CUT = {"frac_reward_zero_std": 1.0, "states/replies/truncated": 0.88, "states/replies/kept": 0.12}


def test_a_line_says_what_share_of_replies_kept_and_why_the_others_did_not() -> None:
    assert kept(CUT) == "kept 0.12 (truncated 0.88)"
    assert kept({"states/replies/format": 0.25, "states/replies/empty": 0.75}) == "kept 0.00 (empty 0.75, format 0.25)"
    assert kept({"states/replies/kept": 1.0}) == ""
    assert kept({"loss": 0.5}) == ""


def test_it_is_said_once_after_ten_steps_in_a_row_and_names_what_went_wrong() -> None:
    counted = Standstill()
    said = [counted.after(CUT) for _ in range(STEPS - 1)]
    said += [counted.after({"eval_reward": 0.0}), counted.after({**CUT, "frac_reward_zero_std": 0.5})]
    assert said == [None] * (STEPS + 1), "a validation counts for nothing, and a group that differs begins anew"
    said = [counted.after(CUT) for _ in range(3 * STEPS)]
    (told,) = filter(None, said)
    assert said.index(told) == STEPS - 1
    assert "in 10 steps no group differed" in told
    assert "(truncated 0.88): give replies more room (--max-tokens" in told
    assert "usergym train sft" in told


def test_where_replies_keep_to_the_form_it_asks_for_what_tells_them_apart() -> None:
    counted = Standstill()
    logs = {"frac_reward_zero_std": 1.0, "states/replies/kept": 1.0}
    (told,) = filter(None, (counted.after(logs) for _ in range(STEPS)))
    assert "--judge-model" in told
    assert "keep to what was asked" not in told
