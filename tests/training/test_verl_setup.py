"""The overrides of a verl run, composed with verl's real configuration and checked by verl's own check."""

import dataclasses
import re
from pathlib import Path

import pytest
import verl
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import validate_config

from usergym.models.base import StopRun
from usergym.training.verl_setup import RULES, VerlRun, check, merged, model_name, overrides, written

CONFIG = str(Path(verl.__file__).parent / "trainer" / "config")


def composed(run: VerlRun, *more: str) -> DictConfig:
    with initialize_config_dir(CONFIG, version_base=None):
        return compose("ppo_trainer", merged(overrides(run), more))


@pytest.fixture(scope="module")
def run() -> VerlRun:
    return VerlRun("Qwen/Qwen3-8B", ("train.parquet",), ("validation.parquet",), user_model="openai/gpt-4o")


def test_the_documented_run_composes_and_passes_verls_own_check(run: VerlRun) -> None:
    config = composed(dataclasses.replace(run, gamma=0.8, turn_level_method="Equalized", estimator="grpo_multiturn"))
    validate_config(config, need_reference_policy(config), need_critic(config))
    assert not need_critic(config)
    assert not need_reference_policy(config)
    rollout = config.actor_rollout_ref.rollout
    assert (rollout.name, rollout.n, rollout.gpu_memory_utilization) == ("sglang", 8, 0.5)
    assert (rollout.prompt_length, rollout.response_length) == (1152, 8192)
    assert (rollout.agent.default_agent_loop, rollout.multi_turn.max_assistant_turns) == ("usergym", 16)
    assert (config.algorithm.adv_estimator, config.algorithm.gamma) == ("grpo_multiturn", 0.8)
    assert (config.algorithm.turn_level_method, config.algorithm.trajectory_score_method) == ("Equalized", "Sum")
    model = config.actor_rollout_ref.model
    assert model.enable_gradient_checkpointing
    assert model.enable_activation_offload
    trainer = config.trainer
    assert (trainer.save_freq, trainer.test_freq, list(trainer.logger)) == (1, 5, ["console", "wandb"])
    assert (trainer.project_name, trainer.n_gpus_per_node, trainer.nnodes) == ("UserRL", 8, 1)
    assert config.ray_kwargs.ray_init.runtime_env.env_vars.VERL_USE_EXTERNAL_MODULES == "usergym.training.verl"


def test_what_is_given_behind_replaces_what_is_ours(run: VerlRun) -> None:
    more = ("+algorithm.turn_level_method=EM", "trainer.n_gpus_per_node=4", "usergym.reply=64", "trainer.nnodes=2")
    config = composed(run, "+usergym.reply=64", *more[:2], more[3])
    assert (config.algorithm.turn_level_method, config.usergym.reply) == ("EM", 64)
    assert (config.trainer.n_gpus_per_node, config.trainer.nnodes) == (4, 2)
    assert sum("n_gpus_per_node" in each for each in merged(overrides(run), more)) == 1


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="$\n\r", exclude_categories=["Cc", "Cs"]), max_size=20))
def test_any_text_comes_out_of_hydra_as_it_went_in(text: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    assert OverridesParser.create().parse_override(f"key={written(text)}").value() == text


def test_neither_keys_nor_urls_are_in_the_overrides(run: VerlRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://me:password@somewhere/v1")
    assert not re.search("secret|password|somewhere", " ".join(overrides(run)))


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("gpt-4o", "openai/gpt-4o"),
        ("Qwen/Qwen3-32B", "openai/Qwen/Qwen3-32B"),
        ("vllm/Qwen/Qwen3-32B", "vllm/Qwen/Qwen3-32B"),
        ("http://localhost:8000/v1/q", "http://localhost:8000/v1/q"),
        ("", RULES),
        (RULES, RULES),
    ],
)
def test_a_user_is_named_as_documented(name: str, ours: str) -> None:
    assert model_name(name) == ours


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"estimator": "gae"}, "estimator 'gae'"),
        ({"turn_level_method": "Sideways"}, "Equalized"),
        ({"engine": "hf"}, "there are sglang, vllm"),
        ({"rollouts": 1}, "a group needs 2 or more"),
        ({"mini_batch": 48}, "no multiple of mini_batch 48"),
        ({"n_gpus_per_node": 3}, "1024 conversations do not divide among 3 GPUs"),
        ({"tensor_parallel": 3}, "tensor_parallel 3"),
        ({"max_lost": 0.0}, "max_lost is 0.0"),
        ({"turns": 0}, "turns is 0"),
    ],
)
def test_a_run_that_cannot_work_is_refused_in_one_line(run: VerlRun, change: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        dataclasses.replace(run, **change)


def test_what_is_missing_is_said_before_any_compute(
    run: VerlRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ValueError, match="set MODEL_PATH"):
        check(dataclasses.replace(run, model=str(tmp_path)))
    with pytest.raises(ValueError, match=r"no train file train\.parquet"):
        check(run)
    file = tmp_path / "rows.parquet"
    file.touch()
    there = dataclasses.replace(run, train_files=(str(file),), validation_files=(str(file),))
    with pytest.raises(StopRun, match="no key for openai/gpt-4o: set OPENAI_API_KEY"):
        check(there)
    check(dataclasses.replace(there, user_model=RULES))
