"""The loss: recorded cases of the published trainers, and what ours promises."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.terminal import SHARED
from usergym.training.sdpo import sdpo_loss

CASES = Path(SHARED) / "cases" / "sdpo_loss.jsonl"
NAMES = ("policy_logprobs", "old_logprobs", "teacher_logprobs", "mask")


def rows(seed: int, count: int = 3, length: int = 7, dtype: Any = torch.float64) -> list[torch.Tensor]:
    draws = torch.Generator().manual_seed(seed)
    made = [-4 * torch.rand(count, length, generator=draws, dtype=dtype) for _ in range(3)]
    made[1] = made[0] + 0.1 * torch.randn(count, length, generator=draws, dtype=dtype)
    return [*made, (torch.rand(count, length, generator=draws) < 0.7).to(dtype)]


def slope(given: list[torch.Tensor], **more: Any) -> tuple[float, torch.Tensor]:
    policy = given[0].detach().clone().requires_grad_()
    loss = sdpo_loss(policy, *given[1:], **more)
    loss.backward()
    assert policy.grad is not None
    return float(loss.detach()), policy.grad


@pytest.mark.skipif(not CASES.exists(), reason="the recorded cases are not here")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_and_gradient_are_those_that_were_recorded(dtype: Any) -> None:
    seen = set()
    for line in CASES.read_text().splitlines():
        case = json.loads(line)
        given = [torch.tensor(case[name], dtype=dtype) for name in NAMES]
        options = {name: case[name] for name in ("epsilon", "ignore_first_k") if name in case}
        loss, gradient = slope(given, preset=f"legacy-{case['mode']}", **options)
        assert loss == pytest.approx(case["loss"], abs=1e-6), case["id"]
        torch.testing.assert_close(gradient, torch.tensor(case["grad"], dtype=dtype), rtol=0, atol=1e-6)
        seen.add(case["mode"])
    assert seen == {"online", "offline"}


@pytest.mark.parametrize("preset", ["usergym", "legacy-online", "legacy-offline"])
@pytest.mark.parametrize("ignored", [0, 2, 99])
def test_the_gradient_is_the_slope_of_the_loss_where_the_advantage_is_held_still(preset: str, ignored: int) -> None:
    """Finite differences, of the loss with the teacher moved along: legacy-offline compares it with the policy."""
    given = rows(1)
    given[3][1] = 0
    _, gradient = slope(given, preset=preset, ignore_first_k=ignored)
    for place in [(0, 0), (0, 3), (1, 2), (2, 6)]:
        ends = []
        for step in (1e-6, -1e-6):
            moved = [each.clone() for each in given]
            moved[0][place] += step
            if preset == "legacy-offline":
                moved[2][place] += step
            ends.append(float(sdpo_loss(*moved, preset=preset, ignore_first_k=ignored)))
        assert float(gradient[place]) == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-7)


def test_two_tokens_are_skipped_offline_unless_the_caller_says() -> None:
    given = rows(2)
    assert slope(given, preset="legacy-offline")[0] == slope(given, preset="legacy-offline", ignore_first_k=2)[0]
    assert slope(given, preset="legacy-offline")[0] != slope(given, preset="legacy-offline", ignore_first_k=0)[0]


def test_online_no_row_as_a_whole_is_good_or_bad() -> None:
    given = rows(3)
    given[0] = given[1]
    _, gradient = slope(given, preset="legacy-online")
    torch.testing.assert_close(gradient.sum(1), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-12)


@given(seed=st.integers(0, 10_000), more=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_neither_padding_nor_the_cut_into_rows_changes_ours(seed: int, more: int) -> None:
    given = rows(seed)
    loss, gradient = slope(given)
    padded = [torch.cat([each, torch.full((3, more), torch.nan, dtype=each.dtype)], dim=1) for each in given]
    padded[3] = torch.cat([given[3], torch.zeros(3, more, dtype=torch.float64)], dim=1)
    wide_loss, wide_gradient = slope(padded)
    assert wide_loss == pytest.approx(loss, abs=1e-12)
    torch.testing.assert_close(wide_gradient[:, :7], gradient)
    assert not wide_gradient[:, 7:].any()
    packed_loss, packed_gradient = slope([each.reshape(1, -1) for each in given])
    assert packed_loss == pytest.approx(loss, abs=1e-12)
    torch.testing.assert_close(packed_gradient.reshape(3, 7), gradient)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_on_policy_each_token_moves_by_its_own_advantage_and_has_the_same_weight(seed: int) -> None:
    given = rows(seed)
    given[0] = given[1]
    _, gradient = slope(given)
    wanted = -(given[2] - given[1]) * given[3] / given[3].sum().clamp(min=1)
    torch.testing.assert_close(gradient, wanted)


def test_ours_skips_the_first_tokens_of_the_reply_not_of_the_row() -> None:
    given = rows(4, count=1)
    given[3] = torch.tensor([[0, 0, 1, 1, 0, 1, 1]], dtype=torch.float64)
    _, gradient = slope(given, ignore_first_k=3)
    assert gradient.nonzero().tolist() == [[0, 6]]


def test_a_token_that_has_become_likelier_than_the_clip_allows_is_pushed_no_further() -> None:
    given = [torch.tensor([[-0.5]]), torch.tensor([[-1.0]]), torch.tensor([[-0.2]]), torch.ones(1, 1)]
    assert not slope(given)[1].any()
    assert slope(given, epsilon=0.9)[1].any()


@pytest.mark.parametrize("preset", ["usergym", "legacy-online", "legacy-offline"])
def test_without_any_token_there_is_nothing_to_learn_and_no_nan(preset: str) -> None:
    given = [torch.full((2, 3), -torch.inf), *(torch.full((2, 3), torch.nan) for _ in range(2)), torch.zeros(2, 3)]
    loss, gradient = slope(given, preset=preset)
    assert loss == 0
    assert not gradient.any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"preset": "online"}, "usergym, legacy-online, legacy-offline"),
        ({"epsilon": 0.0}, "epsilon is 0.0"),
        ({"epsilon": -1.0}, "epsilon is -1.0"),
        ({"epsilon": float("nan")}, "epsilon is nan"),
        ({"ignore_first_k": -1}, "ignore_first_k is -1"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sdpo_loss(*rows(5), **change)


def test_shapes_that_differ_are_named() -> None:
    given = rows(6)
    given[2] = given[2][:, :-1]
    with pytest.raises(ValueError, match=r"teacher_logprobs has the shape \(3, 6\), policy_logprobs \(3, 7\)"):
        sdpo_loss(*given)
    with pytest.raises(ValueError, match="give \\(rows, tokens\\)"):
        sdpo_loss(*(torch.zeros(3) for _ in range(4)))
