"""Our estimators where verl calls them: through its registry, `compute_advantage`, its configuration and its loss."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from verl import DataProto
from verl.trainer.config import AlgoConfig
from verl.trainer.ppo.core_algos import get_adv_estimator_fn, get_policy_loss_fn
from verl.trainer.ppo.ray_trainer import compute_advantage
from verl.workers.config import FSDPActorConfig

import usergym.training.verl  # noqa: F401
from usergym.training.credit import turn_advantages
from usergym.training.verl_credit import TooManyLost, runs
from usergym.training.verl_setup import ESTIMATORS, PASSTHROUGH

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "turn_credit.jsonl"

Conversation = Sequence[tuple[int, int, float]]
"""Of each turn: tokens of others before it, its own tokens, its reward."""


def batch(conversations: Sequence[Conversation], groups: Sequence[str], length: int = 24) -> tuple[DataProto, list]:
    """As verl has it after its rollouts, and the spans of the turns."""
    rewards, mask = torch.zeros(len(conversations), length), torch.zeros(len(conversations), length, dtype=torch.int64)
    spans: list[list[tuple[int, int]]] = []
    for row, turns in enumerate(conversations):
        end = 0
        spans.append([])
        for between, own, reward in turns:
            start, end = end + between, end + between + own
            spans[row].append((start, end))
            mask[row, start:end] = 1
            rewards[row, end - 1] = reward
    data = DataProto.from_single_dict(
        {"token_level_rewards": rewards, "response_mask": mask, "uid": np.array(groups, dtype=object)}
    )
    return data, spans


def advantages(data: DataProto, name: str, **algorithm: Any) -> np.ndarray:
    config = OmegaConf.create({"gamma": 1.0, "norm_adv_by_std_in_grpo": True, **algorithm})
    OmegaConf.set_struct(config, True)
    done = compute_advantage(data, adv_estimator=name, config=config)
    assert torch.equal(done.batch["advantages"], done.batch["returns"])
    return done.batch["advantages"].numpy()


TALKS: list[Conversation] = [
    [(0, 3, 0.0), (2, 2, 1.0), (1, 4, 0.0)],
    [(0, 2, 0.0), (3, 5, 0.0)],
    [(0, 4, 0.5)],
    [(0, 1, 0.25), (1, 1, 0.5), (1, 1, 0.25)],
]
REWARDS = [[reward for _, _, reward in talk] for talk in TALKS]
GROUPS = ["a", "a", "b", "b"]


@pytest.mark.parametrize("name", ["usergym_turn", "usergym_conservative", "usergym_paper"])
def test_verl_gives_each_token_the_credit_of_its_turn(name: str) -> None:
    data, spans = batch(TALKS, GROUPS)
    found = advantages(data, name, turn_level_method="Equalized", trajectory_score_method="R2G", gamma=0.8)
    expected = turn_advantages(
        REWARDS, spans, GROUPS, 24, "Equalized", "R2G", 0.8, preset=ESTIMATORS[name] or "usergym"
    )
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not found[data.batch["response_mask"].numpy() == 0].any()


def test_the_preset_of_the_general_name_is_a_setting() -> None:
    data, spans = batch(TALKS, GROUPS)
    for preset in ("usergym", "userrl", "grpo"):
        found = advantages(data, "usergym_turn", preset=preset, normalize_by_std=False)
        np.testing.assert_allclose(
            found, turn_advantages(REWARDS, spans, GROUPS, 24, preset=preset, normalize_by_std=False), atol=1e-6
        )


@pytest.mark.skipif(not CASES.exists(), reason="recorded cases are not here")
def test_the_documented_name_gives_the_recorded_advantages() -> None:
    checked = 0
    for line in CASES.read_text().splitlines()[:80]:
        case = json.loads(line)
        members = case["trajectories"]
        # Turns that touch each other are moved apart: between two replies somebody else always spoke.
        talks = [
            [
                (int(bool(i)), b - a, r)
                for i, ((a, b), r) in enumerate(zip(m["turn_spans"], m["turn_rewards"], strict=True))
            ]
            for m in members
        ]
        if any(own == 0 for talk in talks for _, own, _ in talk):
            continue
        data, spans = batch(talks, [str(m["group"]) for m in members], length=case["length"] + 20)
        found = advantages(
            data,
            "grpo_multiturn",
            turn_level_method=case["turn_level_method"],
            trajectory_score_method=case["trajectory_score_method"],
            gamma=case["gamma"],
            norm_adv_by_std_in_grpo=case["normalize_by_std"],
        )
        for member, own, row in zip(members, spans, found, strict=True):
            expected = [member["advantages"][a] for a, _ in member["turn_spans"]]
            np.testing.assert_allclose([row[a] for a, _ in own], expected, atol=2e-5)
            checked += 1
    assert checked > 50


def test_a_conversation_without_a_token_to_learn_from_is_in_no_baseline() -> None:
    talks: list[Conversation] = [[(0, 2, 1.0)], [(0, 2, 0.0)], []]
    found = advantages(batch(talks, ["a"] * 3)[0], "usergym_turn")
    np.testing.assert_allclose(found[:2], advantages(batch(talks[:2], ["a"] * 2)[0], "usergym_turn"))
    assert found[0].any()
    assert not found[2].any()
    scored = advantages(batch([*talks[:2], [(0, 2, 0.0)]], ["a"] * 3)[0], "usergym_turn")
    assert not np.allclose(scored[1], found[1])


def test_a_step_that_lost_too_much_ends_the_run_with_one_line() -> None:
    talks: list[Conversation] = [[(0, 2, 1.0)], [], []]
    with pytest.raises(TooManyLost, match=r"2 of the 3 conversations .* algorithm.max_lost=0.5 .* same command again"):
        advantages(batch(talks, ["a"] * 3)[0], "usergym_turn")
    assert not advantages(batch(talks, ["a"] * 3)[0], "usergym_turn", max_lost=0.7)[1:].any()


def test_rows_that_verl_adds_to_fill_a_batch_are_not_lost_conversations() -> None:
    talks: list[Conversation] = [[(0, 2, 1.0)], [(0, 2, 0.0)], [], [], []]
    assert advantages(batch(talks, ["a", "a", "pad1", "pad1", "pad1"])[0], "usergym_turn")[0].any()


def test_settings_under_which_turns_cannot_be_told_apart_are_refused() -> None:
    data, _ = batch(TALKS, GROUPS)
    with pytest.raises(ValueError, match="rollout_rs=token_k1 takes tokens out of turns"):
        advantages(data, "usergym_turn", rollout_correction={"rollout_is": None, "rollout_rs": "token_k1"})
    assert advantages(data, "usergym_turn", rollout_correction={"rollout_is": "token", "rollout_rs": None}).any()
    del data.non_tensor_batch["uid"]
    with pytest.raises(ValueError, match="no uid"):
        advantages(data, "usergym_turn")


def test_verls_own_configuration_class_is_read_too() -> None:
    data, spans = batch(TALKS, GROUPS)
    done = compute_advantage(data, adv_estimator="usergym_turn", config=AlgoConfig(gamma=0.5))
    expected = turn_advantages(REWARDS, spans, GROUPS, 24, gamma=0.5)
    np.testing.assert_allclose(done.batch["advantages"].numpy(), expected, atol=1e-6)


def test_credit_that_was_given_token_by_token_passes_through() -> None:
    data, _ = batch(TALKS, GROUPS)
    data.batch["token_level_rewards"] = torch.randn(4, 24)
    expected = data.batch["token_level_rewards"] * data.batch["response_mask"]
    np.testing.assert_allclose(advantages(data, PASSTHROUGH), expected.numpy())


def test_verls_loss_has_no_gradient_on_what_others_said() -> None:
    data, _ = batch(TALKS, GROUPS)
    mask = data.batch["response_mask"]
    advantage = torch.from_numpy(advantages(data, "usergym_turn"))
    logprobs = torch.full((4, 24), -1.0, requires_grad=True)
    actor = FSDPActorConfig(strategy="fsdp", rollout_n=2, ppo_micro_batch_size_per_gpu=1)
    loss, _ = get_policy_loss_fn("vanilla")(
        old_log_prob=torch.full((4, 24), -1.0),
        log_prob=logprobs,
        advantages=advantage,
        response_mask=mask,
        loss_agg_mode="token-mean",
        config=actor,
    )
    loss.backward()
    assert logprobs.grad is not None
    torch.testing.assert_close(logprobs.grad, -advantage * mask / mask.sum())
    assert not logprobs.grad[mask == 0].any()
    assert logprobs.grad[mask == 1].any()


def test_runs_of_a_mask_are_half_open_ranges() -> None:
    mask = np.array([1, 1, 0, 1, 0, 0, 1], dtype=bool)
    assert runs(mask) == [(0, 2), (3, 4), (6, 7)]
    assert runs(np.zeros(3, dtype=bool)) == []


def test_every_name_is_registered_with_verl() -> None:
    for name in (*ESTIMATORS, PASSTHROUGH):
        assert get_adv_estimator_fn(name)
