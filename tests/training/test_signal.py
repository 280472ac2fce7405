"""From differences of log-probabilities to advantages."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usergym.training.signal import Centring, Scored, Signal, summary


def scored(draws: np.random.Generator, length: int, **more: Any) -> Scored:
    logprobs = -3 * draws.random((4, length))
    return Scored(logprobs[0], logprobs[1], **{"control": logprobs[2], "reference": logprobs[3], **more})


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Scored | None], list[int]]:
    """Replies of one to six tokens in up to three groups, some of them failed, some found to say nothing."""
    draws = np.random.default_rng(draw(st.integers(0, 10_000)))
    kinds = draw(st.lists(st.sampled_from(["there", "there", "there", "failed", "gated"]), min_size=1, max_size=8))
    rows = [
        None if kind == "failed" else scored(draws, int(draws.integers(1, 7)), gated=kind == "gated") for kind in kinds
    ]
    return rows, [int(draws.integers(3)) for _ in kinds]


def made(signal: Signal, rows: Sequence[Scored | None], groups: Sequence[int]) -> list[Any]:
    return signal.advantages(rows, groups)


@given(batch=batches(), ignored=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_centred_per_sequence_every_reply_sums_to_zero(batch: Any, ignored: int) -> None:
    for each in made(Signal(centring="sequence", ignore_first_k=ignored), *batch):
        assert each is None or each.sum() == pytest.approx(0, abs=1e-9)


@given(batch=batches(), ignored=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_centred_over_the_batch_all_replies_together_sum_to_zero(batch: Any, ignored: int) -> None:
    made_of = made(Signal(centring="batch", ignore_first_k=ignored), *batch)
    assert sum(each.sum() for each in made_of if each is not None) == pytest.approx(0, abs=1e-9)


@given(batch=batches())
@settings(max_examples=60, deadline=None)
def test_a_reply_is_compared_with_its_siblings_and_not_with_itself(batch: Any) -> None:
    rows, groups = batch
    plain, centred = made(Signal(), rows, groups), made(Signal(centring="sibling"), rows, groups)
    for place, row in enumerate(rows):
        if row is None or row.gated:
            continue
        others = [
            plain[other].mean()
            for other, beside in enumerate(rows)
            if other != place and groups[other] == groups[place] and beside is not None and not beside.gated
        ]
        np.testing.assert_allclose(centred[place], plain[place] - (np.mean(others) if others else 0))


@given(batch=batches(), centring=st.sampled_from(["none", "sequence", "batch", "sibling"]))
@settings(max_examples=60, deadline=None)
def test_a_failed_reaction_changes_nothing_for_the_others(batch: Any, centring: Centring) -> None:
    rows, groups = batch
    signal = Signal(centring=centring, clip=2.0, anchor=0.1, ignore_first_k=1)
    there = [place for place, row in enumerate(rows) if row is not None]
    alone = made(signal, [rows[place] for place in there], [groups[place] for place in there])
    together = made(signal, rows, groups)
    assert [place for place, each in enumerate(together) if each is not None] == there
    for place, each in zip(there, alone, strict=True):
        np.testing.assert_array_equal(together[place], each)


@given(batch=batches(), centring=st.sampled_from(["none", "sequence", "batch", "sibling"]), clip=st.floats(0.01, 3))
@settings(max_examples=60, deadline=None)
def test_no_token_is_beyond_the_clip(batch: Any, centring: Centring, clip: float) -> None:
    signal = Signal(centring=centring, clip=clip)
    unbound = made(replace(signal, clip=None), *batch)
    for each, before in zip(made(signal, *batch), unbound, strict=True):
        if each is not None:
            np.testing.assert_array_equal(each, np.clip(before, -clip, clip))


@given(batch=batches(), centring=st.sampled_from(["none", "sequence", "batch", "sibling"]))
@settings(max_examples=40, deadline=None)
def test_a_reaction_that_says_nothing_has_no_part_in_any_mean(batch: Any, centring: Centring) -> None:
    rows, groups = batch
    signal = Signal(centring=centring)
    kept = [place for place, row in enumerate(rows) if row is not None and not row.gated]
    alone = made(signal, [rows[place] for place in kept], [groups[place] for place in kept])
    together = made(signal, rows, groups)
    for place, each in zip(kept, alone, strict=True):
        np.testing.assert_array_equal(together[place], each)
    assert not any(together[place].any() for place, row in enumerate(rows) if row is not None and row.gated)


def row(policy: list[float], teacher: list[float], **more: Any) -> Scored:
    arrays = {name: np.array(value) if isinstance(value, list) else value for name, value in more.items()}
    return Scored(np.array(policy), np.array(teacher), **arrays)


def test_with_a_control_the_signal_is_what_the_reaction_adds_to_it() -> None:
    each = row([-1, -1], [-0.5, -3], control=[-0.75, -2.5])
    np.testing.assert_allclose(made(Signal(), [each], ["x"])[0], [0.25, -0.5])
    np.testing.assert_allclose(made(Signal(contrast=False), [each], ["x"])[0], [0.5, -2])


def test_the_gate_closes_where_a_reaction_does_no_more_than_an_unrelated_one() -> None:
    loud, quiet = row([-1, -1], [-0.5, -2], control=[-1.2, -1.2]), row([-1, -1], [-0.9, -1], control=[-1.2, -1.2])
    assert [Signal(gate=1.0).is_gated(each) for each in (loud, quiet)] == [False, True]
    assert [Signal(gate=4.0).is_gated(each) for each in (loud, quiet)] == [True, True]
    assert not Signal().is_gated(quiet)
    assert Signal(gate=1.0).is_gated(row([-1], [-1], control=[-1]))
    with pytest.raises(ValueError, match="has no control"):
        Signal(gate=1.0).advantages([row([-1], [-2])], ["x"])


def test_the_anchor_pulls_at_every_token_even_at_those_that_say_nothing() -> None:
    each = row([-1, -1], [-0.5, -3], reference=[-2, -0.5], gated=True)
    np.testing.assert_allclose(made(Signal(anchor=0.1), [each], ["x"])[0], [-0.1, 0.05])
    signal = Signal(anchor=0.1, ignore_first_k=1, clip=1.0)
    np.testing.assert_allclose(made(signal, [replace(each, gated=False)], ["x"])[0], [-0.1, -0.95])
    with pytest.raises(ValueError, match="has no reference"):
        Signal(anchor=0.1).advantages([row([-1], [-2])], ["x"])


def test_the_anchors_gradient_is_that_of_the_divergence_from_the_reference_and_k1_and_k3_have_another() -> None:
    """Of three tokens, with theta their logits: score(a) = onehot(a) - p."""
    p, r = np.array([0.2, 0.5, 0.3]), np.array([0.6, 0.1, 0.3])
    score = np.eye(3) - p
    log_ratio = np.log(p / r)
    wanted = p * (log_ratio - p @ log_ratio)
    ours = np.zeros(3)
    for token in range(3):
        here = row([np.log(p[token])], [np.log(p[token])], reference=[np.log(r[token])])
        ours -= p[token] * made(Signal(anchor=1.0), [here], ["x"])[0][0] * score[token]
    np.testing.assert_allclose(ours, wanted)
    np.testing.assert_allclose(p @ score, 0, atol=1e-12)  # k1
    np.testing.assert_allclose((p * (1 - r / p)) @ score, p - r, atol=1e-12)  # k3: of KL(reference | policy)
    assert np.abs(wanted - (p - r)).max() > 0.1


def test_a_summary_counts_what_failed_and_what_says_nothing_apart() -> None:
    rows = [row([-1, -1], [0, -3], control=[-1.5, -1]), None, row([-1], [-0.5], control=[-1], gated=True)]
    told = summary(Signal(contrast=False, clip=1.5), rows, ["x", "x", "y"])
    assert (told.replies, told.failed, told.gated) == (3, 1, 0.5)
    assert told.mean == told.mean_reply == -0.5
    assert told.std == 1.5
    assert told.effect == pytest.approx(3.5 / 3)
    assert told.control_effect == pytest.approx(0.5 / 3)
    assert told.clipped == 0.5
    nothing = summary(Signal(), [None, None], ["x", "x"])
    assert (nothing.failed, nothing.mean, nothing.gated, nothing.effect) == (2, None, None, None)


def test_long_replies_weigh_more_in_the_mean_over_tokens() -> None:
    rows = [row([-1, -1, -1], [0, 0, 0]), row([-1], [-2])]
    told = summary(Signal(), rows, ["x", "y"])
    assert (told.mean, told.mean_reply) == (0.5, 0)


def test_a_reply_without_tokens_is_no_obstacle() -> None:
    for centring in ("none", "sequence", "batch", "sibling"):
        empty, full = made(Signal(centring=centring), [row([], []), row([-1], [-2])], ["x", "x"])
        assert empty.shape == (0,)
        assert np.isfinite(full).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"centring": "group"}, "centring is 'group'; there are none, sequence, batch, sibling"),
        ({"gate": -1.0}, "gate is -1.0"),
        ({"clip": 0.0}, "clip is 0.0"),
        ({"ignore_first_k": -1}, "ignore_first_k is -1"),
        ({"anchor": float("nan")}, "anchor is nan"),
    ],
)
def test_choices_that_cannot_be_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Signal(**change)


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="groups has 2 members, rows 1"):
        Signal().advantages([None], ["x", "y"])
    with pytest.raises(ValueError, match=r"teacher has the shape \(1,\), policy \(2,\)"):
        row([-1, -1], [-1])
