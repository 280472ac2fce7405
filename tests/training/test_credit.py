"""Credit of turns: what each preset promises, on groups drawn by hypothesis and on recorded verdicts of other code."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.terminal import SHARED
from usergym.training.credit import Filtered, filtered, turn_advantages, turn_credits

CASES = SHARED / "cases" / "turn_credit.jsonl"
PRESETS = ("usergym", "conservative", "userrl", "paper", "grpo")
SCORES = ("Sum", "Mean", "R2G")
LEVELS = ("Equalized", "R2G", "EM")
Rewards = list[float]

rewards = st.lists(st.sampled_from([-1.0, -0.25, 0.0, 0.0, 0.5, 1.0]), min_size=1, max_size=5)
group = st.lists(rewards, min_size=2, max_size=5)
member = st.one_of(st.none(), rewards, st.lists(st.one_of(st.none(), st.just(0.5)), min_size=1, max_size=3))
method = st.fixed_dictionaries(
    {
        "turn_level_method": st.sampled_from(LEVELS),
        "trajectory_score_method": st.sampled_from(SCORES),
        "gamma": st.sampled_from([1.0, 0.8, 0.0]),
        "normalize_by_std": st.booleans(),
        "preset": st.sampled_from(PRESETS),
    }
)


def spans_of(lengths: Sequence[int], gap: int = 1) -> list[tuple[int, int]]:
    """Turns of so many tokens, `gap` tokens of somebody else before each."""
    ends = np.cumsum([gap + length for length in lengths])
    return [(int(end) - length, int(end)) for end, length in zip(ends, lengths, strict=True)]


def credits(*members: Sequence[float | None] | None, **settings: object) -> list[Rewards | None]:
    """Of one group."""
    found = turn_credits(members, [0] * len(members), **settings)  # type: ignore[arg-type]
    return [None if each is None else each.tolist() for each in found]


@pytest.mark.skipif(not CASES.exists(), reason="the recorded cases are not here")
def test_the_userrl_preset_agrees_with_what_its_code_gave() -> None:
    rows = [msgspec.json.decode(line) for line in CASES.read_bytes().splitlines()]
    assert len(rows) >= 40
    for row in rows:
        members = row["trajectories"]
        found = turn_advantages(
            [each["turn_rewards"] for each in members],
            [each["turn_spans"] for each in members],
            [each["group"] for each in members],
            row["length"],
            row["turn_level_method"],
            row["trajectory_score_method"],
            row["gamma"],
            row["normalize_by_std"],
            "userrl",
        )
        wanted = np.array([each["advantages"] for each in members])
        np.testing.assert_allclose(found, wanted, atol=1e-5, err_msg=f"case {row['id']}")


def test_the_paper_preset_is_its_formula() -> None:
    found = credits([1, 0, 1], [0, 0], preset="paper", turn_level_method="R2G", gamma=0.5)
    sigma = math.sqrt(2)  # of the scores 2 and 0
    assert found[0] == pytest.approx([(1.25 - 1) / sigma, (0.5 - 1) / sigma, 0], abs=1e-5)
    assert found[1] == pytest.approx([-1 / sigma, -1 / sigma], abs=1e-5)
    em = credits([1], [0], preset="paper", turn_level_method="EM")
    assert em == [pytest.approx([0.5 / math.sqrt(0.5)], abs=1e-5), pytest.approx([0], abs=1e-5)]


def test_grpo_is_the_score_less_the_mean_on_every_turn() -> None:
    assert credits([1, 1], [0], [1], preset="grpo") == [[1, 1], [-1], [0]]
    assert credits([1, 1], [0], [1], preset="grpo", normalize_by_std=True)[0] == pytest.approx([1, 1], abs=1e-5)


def test_reward_to_go_is_the_return_less_that_of_the_others_and_the_largest_lead_over_them_so_far() -> None:
    """Put back: the mean over the others of their mean lead over each other, here of 1 in two of three turns, of 0.5 in
    one of two, and of 0.5 in two of three."""
    found = credits([0.5, -1], [1, 0, 1], [0, 1])
    assert found[0] == pytest.approx([-2 + 1 / 3, -2 + 1 / 3], abs=2e-3)
    led = 1 / 8
    assert found[1] == pytest.approx([1.75 + led, 1 + led, 1 + led], abs=3e-3), "0.75 ahead after its first turn"
    assert found[2] == pytest.approx([0.25 + 1 / 3, 0.25 + 1 / 3], abs=2e-3)


@given(st.lists(rewards.filter(lambda each: sum(each) > 0), min_size=1, max_size=4), st.integers(1, 6))
def test_every_turn_of_a_member_that_earned_nothing_among_members_that_did_is_negative(
    others: list[Rewards], turns: int
) -> None:
    for preset in ("usergym", "conservative"):
        for level in LEVELS:
            found = credits([0.0] * turns, *others, preset=preset, turn_level_method=level)
            assert max(found[0] or []) < 0, (preset, level)


def told_apart(own: Rewards, others: list[Rewards], turn: int) -> bool:
    """Whether rewards before `turn` tell the member from the others: not where all of these earned the same in all
    and it earned nothing yet, nor where they earned the same turn by turn, and so did it."""
    first = others[0]
    nothing_yet = not any(own[:turn]) and all(sum(each) == sum(first) for each in others)
    together = all(each == first for each in others) and own[:turn] == first[:turn] and turn < len(first)
    return not (nothing_yet or together)


@settings(max_examples=300)
@given(group)
def test_a_turn_that_loses_reward_gets_less_than_the_one_before_it(members: list[Rewards]) -> None:
    for place, found in enumerate(credits(*members)):
        own, others = members[place], members[:place] + members[place + 1 :]
        assert found is not None
        for turn in range(1, len(own)):
            assert found[turn] <= found[turn - 1]
            if own[turn] < 0 and told_apart(own, others, turn):
                assert found[turn] < found[turn - 1]


@pytest.mark.parametrize("members", [([1, -1], [0, 0]), ([1, -1], [-1, -1], [0, 0]), ([-1, -1], [0, 0], [1])])
def test_so_it_is_in_the_groups_that_turn_the_sign_elsewhere(members: tuple[Rewards, ...]) -> None:
    first, second = credits(*members)[0] or []
    assert second < first


@given(group)
def test_conservative_never_reinforces_a_turn_that_lost_reward_and_changes_no_other(members: list[Rewards]) -> None:
    exact, found = credits(*members), credits(*members, preset="conservative")
    for own, before, after in zip(members, exact, found, strict=True):
        assert before is not None
        assert after == [min(a, 0) if reward < 0 else a for reward, a in zip(own, before, strict=True)]


@given(rewards, st.integers(2, 6), method)
def test_a_group_whose_members_all_earned_the_same_gets_exactly_nothing(
    own: Rewards, size: int, method: dict[str, object]
) -> None:
    assert credits(*[own] * size, **method) == [[0.0] * len(own)] * size


@pytest.mark.parametrize("preset", ["usergym", "conservative", "grpo"])
def test_so_does_one_that_earned_the_same_at_the_end_in_more_or_fewer_turns(preset: str) -> None:
    assert credits([0, 0, 1], [1], [0, 1], preset=preset) == [[0, 0, 0], [0], [0, 0]]
    assert credits([0, 0], [0], [0, 0, 0], preset=preset) == [[0, 0], [0], [0, 0, 0]]


@given(group)
def test_em_rewards_the_best_turn_most_and_punishes_it_least(members: list[Rewards]) -> None:
    for own, found in zip(members, credits(*members, turn_level_method="EM"), strict=True):
        assert found is not None
        best, worst = int(np.argmax(own)), int(np.argmin(own))
        assert found[best] >= found[worst]
        assert found[best] > found[worst] or own[best] == own[worst] or not any(found)


@given(st.lists(member, min_size=1, max_size=8), st.data(), method)
def test_padding_order_and_packing_change_nothing(
    members: list[Rewards | None], data: st.DataObject, method: dict[str, object]
) -> None:
    groups = data.draw(st.lists(st.sampled_from("ab"), min_size=len(members), max_size=len(members)))
    spans = [spans_of(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))) for n in map(length, members)]
    whole = turn_advantages(members, spans, groups, 30, **method)  # type: ignore[arg-type]

    def of(places: Sequence[int], tokens: int = 30) -> np.ndarray:
        picked = ([each[place] for place in places] for each in (members, spans, groups))
        return turn_advantages(*picked, tokens, **method)  # type: ignore[arg-type]

    longer = of(range(len(members)), 50)
    assert (longer[:, :30] == whole).all()
    assert not longer[:, 30:].any()
    order = data.draw(st.permutations(range(len(members))))
    assert (of(order) == whole[order]).all()
    for name in set(groups):
        places = [place for place, each in enumerate(groups) if each == name]
        assert (of(places) == whole[places]).all()
    scored = [place for place, each in enumerate(members) if each is not None and None not in each]
    assert not np.delete(whole, scored, axis=0).any()
    assert (of(scored) == whole[scored]).all()


def length(rewards: Sequence[object] | None) -> int:
    return 0 if rewards is None else len(rewards)


def test_tokens_of_a_turn_have_its_credit_and_all_others_none() -> None:
    found = turn_advantages(
        [[1, 0], None, [0, None], [0]], [[(1, 3), (5, 6)], [], [(0, 1), (1, 2)], [(0, 2)]], "aaaa", 7
    )
    assert found.shape == (4, 7)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found[0], [0, 1, 1, 0, 0, -0.001, 0])
    np.testing.assert_allclose(found[3], [-1, -1, 0, 0, 0, 0, 0])
    assert not found[1:3].any()
    assert turn_advantages([], [], [], 4).shape == (0, 4)


@given(group, st.data())
def test_turn_credits_are_what_tokens_get_also_where_they_depend_on_how_many_there_are(
    members: list[Rewards], data: st.DataObject
) -> None:
    counts = [data.draw(st.lists(st.integers(1, 3), min_size=len(each), max_size=len(each))) for each in members]
    spans = [spans_of(each) for each in counts]
    groups = [0] * len(members)
    for preset in PRESETS:
        tokens = turn_advantages(members, spans, groups, 25, "EM", preset=preset)  # type: ignore[arg-type]
        turns = turn_credits(members, groups, "EM", preset=preset, turn_tokens=counts)  # type: ignore[arg-type]
        for row, own, each in zip(tokens, spans, turns, strict=True):
            assert each is not None
            assert [row[start] for start, _ in own] == each.tolist()


def test_what_teaches_nothing_is_told() -> None:
    members = [[1.0], [1.0], None, [0.0], [1.0, None], [0.5], [0.0, 1.0]]
    found = filtered(members, ["flat", "flat", "alone", "alone", "none", "mixed", "mixed"])
    assert found == Filtered((2, 4), ("alone", "none"), ("flat",))


def test_dividing_by_the_spread_of_scores_that_have_none_gives_nothing() -> None:
    assert credits([1, 0], [0, 1], normalize_by_std=True) == [[0, 0], [0, 0]]
    assert credits([1], [0], normalize_by_std=True)[0] == pytest.approx([math.sqrt(2)], abs=1e-5)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"turn_rewards": [[1, math.nan]]}, "reward of turn 1 of member 0 is nan"),
        ({"turn_rewards": [[math.inf, None]]}, "reward of turn 0 of member 0 is inf"),
        ({"turn_rewards": [[1, "0"]]}, "reward of turn 1 of member 0 is '0'"),
        ({"turn_rewards": [[1]]}, "member 0 has 1 turn_rewards and 2 turn_spans"),
        ({"turn_rewards": [[]], "turn_spans": [[]]}, "member 0 has no turns"),
        ({"turn_rewards": [[1, 0], [0]]}, "turn_spans has 1 members, turn_rewards 2"),
        ({"groups": []}, "groups has 0 members, turn_rewards 1"),
        ({"groups": [["a"]]}, "the group of member 0 is"),
        ({"turn_spans": [[(0, 1), (1, 9)]]}, r"span \(1, 9\) of turn 1 of member 0 is outside"),
        ({"turn_spans": [[(0, 1), (-1, 1)]]}, "outside"),
        ({"turn_spans": [[(0, 1), (3, 2)]]}, "outside"),
        ({"turn_spans": [[(0, 3), (2, 4)]]}, r"span \(2, 4\) of turn 1 of member 0 begins before"),
        ({"turn_spans": [[(0, 1), (2,)]]}, "no pair of whole numbers"),
        ({"turn_spans": [[(0, 1.5), (2, 3)]]}, "no pair of whole numbers"),
        ({"length": -1}, "length is -1"),
        ({"gamma": 1.5}, "gamma is 1.5"),
        ({"gamma": math.nan}, "gamma is nan"),
        ({"preset": "rloo"}, "preset is 'rloo'; there are usergym, conservative, turnwise, userrl, paper, grpo"),
        ({"turn_level_method": "Naive"}, "turn_level_method is 'Naive'; there are Equalized, R2G, EM"),
        ({"trajectory_score_method": "sum"}, "trajectory_score_method is 'sum'; there are Sum, Mean, R2G"),
    ],
)
def test_what_cannot_be_credited_is_told_with_its_place(changed: dict[str, object], told: str) -> None:
    good: dict[str, object] = {
        "turn_rewards": [[1, 0]],
        "turn_spans": [[(0, 1), (2, 3)]],
        "groups": [0],
        "length": 4,
    }
    with pytest.raises(ValueError, match=told):
        turn_advantages(**{**good, **changed})  # type: ignore[arg-type]


def test_counts_of_tokens_must_fit_too() -> None:
    with pytest.raises(ValueError, match="member 0 has 2 turn_rewards and 1 turn_tokens"):
        turn_credits([[1, 0]], [0], turn_tokens=[[1]])
    with pytest.raises(ValueError, match="turn_tokens has 0 members, turn_rewards 1"):
        turn_credits([[1, 0]], [0], turn_tokens=[])


def test_turnwise_compares_what_is_still_earned_with_that_of_the_others_at_the_same_turn() -> None:
    found = credits([1, 0, 1], [0, 1], preset="turnwise")
    assert found == [[1, 0, 1], [-1, 0]]
    soon = credits([1, 0, 1], [0, 1], preset="turnwise", gamma=0)
    assert soon == [[1, -1, 1], [-1, 1]], "the turn's own reward alone"


@pytest.mark.parametrize("preset", ["userrl", "usergym"])
def test_credit_that_is_not_finite_is_refused(preset: str) -> None:
    large: Rewards = [-400.0] if preset == "userrl" else [1e308, 1e308]
    level = "EM" if preset == "userrl" else "R2G"
    with pytest.raises(ValueError, match="not finite"), np.errstate(all="ignore"):
        turn_advantages(
            [large, [0.0]], [[(i, i + 1) for i in range(len(large))], [(0, 1)]], [0, 0], 2, level, preset=preset
        )  # type: ignore[arg-type]
