"""What our adapter relies on in verl, by name. A failure here says which version changed it."""

import inspect
import os
import subprocess
import sys
from importlib.metadata import version

import pytest
import verl.trainer.ppo.padding_utils as padding
from omegaconf import OmegaConf
from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopMetrics, AgentLoopOutput, register
from verl.trainer.ppo.core_algos import register_adv_est
from verl.trainer.ppo.ray_trainer import compute_advantage
from verl.trainer.ppo.reward import get_custom_reward_fn
from verl.trainer.ppo.v1 import agent_loop_tq, trainer_base
from verl.workers.rollout.llm_server import LLMServerClient
from verl.workers.rollout.replica import TokenOutput

from usergym.training.verl import check_version, compute_score
from usergym.training.verl_credit import PADDING

VERL = f"verl {version('verl')}"


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_an_agent_loop_is_registered_run_and_served_as_we_do() -> None:
    assert parameters(register) == ["agent_name"], VERL
    assert parameters(AgentLoopBase.run) == ["self", "sampling_params", "kwargs"], VERL
    generate = inspect.signature(LLMServerClient.generate).parameters
    assert {"request_id", "prompt_ids", "sampling_params"} <= set(generate), VERL
    optional = [name for name, each in generate.items() if each.default is each.empty and each.kind != each.VAR_KEYWORD]
    assert optional == ["self", "request_id", "prompt_ids", "sampling_params"], VERL
    assert {"token_ids", "log_probs", "num_preempted", "extra_fields"} <= set(TokenOutput.model_fields), VERL


def test_what_a_loop_returns_has_the_fields_that_we_fill() -> None:
    ours = {
        "prompt_ids",
        "response_ids",
        "response_mask",
        "response_logprobs",
        "reward_score",
        "num_turns",
        "metrics",
        "extra_fields",
    }
    assert ours <= set(AgentLoopOutput.model_fields), VERL
    required = {name for name, field in AgentLoopOutput.model_fields.items() if field.is_required()}
    assert required == {"prompt_ids", "response_ids", "response_mask", "metrics"}, VERL
    assert "num_preempted" in AgentLoopMetrics.model_fields, VERL
    assert set(
        AgentLoopOutput(prompt_ids=[1], response_ids=[2], response_mask=[1], reward_score=1.0, metrics={}).as_dict()
    ) >= {
        "prompts",
        "responses",
        "response_mask",
        "rm_scores",
    }, VERL


def test_the_trainer_stores_our_token_rewards_and_gives_them_to_the_estimator() -> None:
    stored = inspect.getsource(agent_loop_tq)
    assert "field = output.as_dict()" in stored, VERL
    assert 'field["extra_fields"].get("min_global_steps")' in stored, VERL
    assert "session_id=i" in stored, VERL
    credit = inspect.getsource(trainer_base)
    assert 'data.batch["token_level_scores"] = data.batch["rm_scores"]' in credit, VERL
    assert "config=self.config.algorithm" in credit, VERL


def test_an_estimator_gets_rewards_mask_groups_and_settings() -> None:
    assert parameters(register_adv_est) == ["name_or_enum"], VERL
    assert {"data", "adv_estimator", "config"} <= set(parameters(compute_advantage)), VERL
    source = inspect.getsource(compute_advantage)
    for name in ("token_level_rewards", "response_mask", "config", "index"):
        assert f'"{name}"' in source, (name, VERL)


def test_rows_that_fill_a_batch_are_named_as_we_know_them() -> None:
    assert f'pad_uid = f"{PADDING}{{' in inspect.getsource(padding.upsample_batch_to_divisible_size), VERL


def test_verl_finds_our_reward_function_by_its_path() -> None:
    function = {"path": "pkg://usergym.training.verl", "name": "compute_score"}
    score = get_custom_reward_fn(OmegaConf.create({"reward": {"custom_reward_function": function}}))
    asked = {"data_source": "interact_function", "solution_str": "42", "ground_truth": "42"}
    assert score is not None
    assert score(**asked, extra_info={"usergym_reward": 0.25, "usergym_lost": ""}) == 0.25
    with pytest.raises(ValueError, match="a row of interact_function has no reward: no conversation was played"):
        score(**asked, extra_info={"index": 3})
    with pytest.raises(ValueError, match=r"was not scored \(unavailable\)"):
        compute_score(**asked, extra_info={"usergym_reward": None, "usergym_lost": "unavailable"})


def test_verl_registers_all_of_ours_in_every_process_by_itself() -> None:
    program = (
        "import verl.trainer.ppo.core_algos as a, verl.experimental.agent_loop.agent_loop as l;"
        "print(sorted(n for n in a.ADV_ESTIMATOR_REGISTRY if 'usergym' in n or 'multiturn' in n),"
        "l._agent_loop_registry['usergym'])"
    )
    variables = {**os.environ, "VERL_USE_EXTERNAL_MODULES": "usergym.training.verl"}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "'grpo_multiturn', 'usergym_conservative'" in done.stdout
    assert "usergym.training.verl_loop.UsergymLoop" in done.stdout


@pytest.mark.parametrize("found", ["0.9.1", "0.9.2", "0.9.1+cu", "0.9.10"])
def test_the_versions_it_was_made_for_pass(found: str) -> None:
    check_version(found)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("0.9.0", "verl 0.9.0 is installed, and usergym needs verl>=0.9.1,<0.10; install that version"),
        ("0.10.0", "verl 0.10.0 is installed"),
        ("0.8.0.dev", "verl 0.8.0.dev is installed"),
        ("1.0", "verl 1.0 is installed"),
        (None, "verl is not installed; pip install 'usergym\\[verl]'"),
    ],
)
def test_another_version_is_refused_in_one_line(found: str | None, told: str) -> None:
    with pytest.raises(ImportError, match=told):
        check_version(found)
