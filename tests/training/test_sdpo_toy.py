"""What the choices of SDPO do in expectation, where it can be counted out."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from benchmarks.sdpo_toy import ROWS, TOYS, Toy, sampled, whole
from usergym.training.signal import Signal

ECHO = Toy(0.1, (0.1, 0.9))
GRID = [
    Toy(p, channel, request, drift)
    for p, channel, request, drift in product(
        (0.05, 0.3, 0.5, 0.9), ((0.1, 0.9), (0.5, 0.9), (0.2, 0.3), (0.9, 0.1)), (False, True), (0.0, -1.0)
    )
]
SILENT = [Toy(p, (q, q), drift=drift) for p, q, drift in product((0.1, 0.5, 0.9), (0.1, 0.5), (0.0, -1.0, 2.0))]
"""The user reacts to every reply alike, and an echo that is alike to all is read as nothing."""


def drifting(toy: Toy) -> bool:
    return toy.drift != 0


def test_own_responses_and_the_kl_divergence_pull_to_opposite_sides() -> None:
    assert sampled(ECHO)[0] == pytest.approx(0.1092, abs=5e-5)
    assert whole(ECHO, "reverse_kl") == pytest.approx(-0.1266, abs=5e-5)


def test_own_responses_climb_what_a_reaction_tells_about_its_reply() -> None:
    """The derivative of the mutual information of reply and reaction, by finite differences."""

    def information(theta: float, channel: tuple[float, float]) -> float:
        toy = Toy(1 / (1 + np.exp(-theta)), channel)
        return sum(
            toy.policy()[reply] * toy.said(reply)[o] * np.log(toy.said(reply)[o] / toy.any_said()[o])
            for reply, o in product((0, 1), (0, 1))
        )

    for p, channel in product((0.1, 0.4, 0.8), ((0.1, 0.9), (0.5, 0.9), (0.05, 0.3))):
        theta = float(np.log(p / (1 - p)))
        slope = (information(theta + 1e-5, channel) - information(theta - 1e-5, channel)) / 2e-5
        assert sampled(Toy(p, channel))[0] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("toy", GRID, ids=str)
def test_a_siblings_reaction_and_the_full_vocabulary_descend_the_same_divergence(toy: Toy) -> None:
    assert sampled(toy, cross_fit=True)[0] == pytest.approx(whole(toy, "reverse_kl"), abs=1e-10)
    assert whole(toy, "reverse_kl", top_k=1) == pytest.approx(whole(toy, "reverse_kl"), abs=1e-10)


@pytest.mark.parametrize("toy", GRID, ids=str)
def test_another_replys_reaction_as_control_takes_the_common_demand_away(toy: Toy) -> None:
    own, cross = sampled(toy)[0], sampled(toy, cross_fit=True)[0]
    assert sampled(toy, control="shuffled")[0] == pytest.approx(own - cross, abs=1e-10)


@pytest.mark.parametrize("toy", [toy for toy in GRID if not drifting(toy)], ids=str)
def test_an_empty_control_changes_nothing_where_a_hint_by_itself_does_nothing(toy: Toy) -> None:
    assert sampled(toy, control="unrelated")[0] == pytest.approx(sampled(toy)[0], abs=1e-12)


@pytest.mark.parametrize("toy", SILENT, ids=str)
def test_a_user_who_reacts_to_every_reply_alike_teaches_nothing_beside_a_control(toy: Toy) -> None:
    for control in ("empty", "unrelated", "shuffled"):
        assert sampled(toy, control=control)[0] == pytest.approx(0, abs=1e-12)
    assert sampled(toy, Signal(contrast=False, gate=1.0), control="unrelated")[0] == pytest.approx(0, abs=1e-12)
    without = [sampled(toy)[0], sampled(toy, cross_fit=True)[0], whole(toy, "reverse_kl")]
    for each in without:
        assert each == pytest.approx(toy.drift * toy.p * (1 - toy.p), abs=1e-12)


@pytest.mark.parametrize("toy", [toy for toy in GRID if toy.request], ids=str)
def test_a_request_is_followed_beside_a_control_wherever_more_complaints_meet_the_unwanted_reply(toy: Toy) -> None:
    if toy.channel[0] > toy.channel[1]:
        assert sampled(toy, control="unrelated")[0] > 0


@pytest.mark.parametrize("toy", [toy for toy in GRID if drifting(toy) and toy.request], ids=str)
def test_cross_fitted_a_control_takes_drift_out_to_the_last_digit(toy: Toy) -> None:
    still = Toy(toy.p, toy.channel, toy.request)
    beside = sampled(toy, cross_fit=True, control="unrelated")[0]
    assert beside == pytest.approx(sampled(still, cross_fit=True)[0], abs=1e-12)


@pytest.mark.parametrize("p", [0.1, 0.4, 0.9])
def test_in_an_echo_cross_fitting_feeds_the_likelier_reply_and_own_reactions_the_rarer(p: float) -> None:
    toy, side = Toy(p, (0.1, 0.9)), np.sign(p - 0.5)
    assert sampled(toy, cross_fit=True)[0] * side > 0 > sampled(toy)[0] * side


def test_the_page_shows_what_the_toy_gives() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sdpo_signal.md").read_text().replace("−", "-")
    for name, of in ROWS.items():
        figures = " | ".join(f"{round(of(toy), 6) + 0.0:+.4f}" for toy in TOYS.values())
        assert f"| {name} | {figures} |" in page


def test_a_hint_that_is_only_a_hint_can_turn_the_sign_without_a_control() -> None:
    toy = Toy(0.1, (0.9, 0.1), request=True, drift=-1.0)
    assert sampled(toy)[0] < 0 < sampled(toy, control="unrelated")[0]
    assert sampled(toy, control="shuffled")[0] < 0


@pytest.mark.parametrize("toy", GRID[::3], ids=str)
def test_what_centring_leaves(toy: Toy) -> None:
    """A reply's own mean is all there is of a reply of one token; a sibling's mean is not its own."""
    own = sampled(toy)[0]
    assert sampled(toy, Signal(centring="sequence"))[0] == pytest.approx(0, abs=1e-12)
    assert sampled(toy, Signal(centring="sibling"))[0] == pytest.approx(own, abs=1e-12)
    assert sampled(toy, Signal(centring="batch"))[0] == pytest.approx(own / 2, abs=1e-12)


@pytest.mark.parametrize("p", [0.1, 0.7])
@pytest.mark.parametrize("reference", [0.2, 0.5])
def test_the_anchor_descends_the_divergence_from_the_reference(p: float, reference: float) -> None:
    toy = Toy(p, (0.5, 0.5))
    pull = sampled(toy, Signal(anchor=0.3), reference=reference)[0]
    wanted = p * (1 - p) * (np.log(p / (1 - p)) - np.log(reference / (1 - reference)))
    assert pull == pytest.approx(-0.3 * wanted, abs=1e-12)


def test_a_clip_bounds_what_one_reaction_can_do_and_keeps_the_side() -> None:
    bound = sampled(ECHO, Signal(clip=1.0))
    assert 0 < bound[0] < sampled(ECHO)[0]
    assert bound[1] < sampled(ECHO)[1]
