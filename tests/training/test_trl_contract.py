"""What trl_seam.py relies on inside TRL. A test that fails here names the version that changed and what it changed."""

import inspect
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import trl
from trl import GRPOTrainer
from trl.trainer import grpo_trainer

from tests.training.orchards import course, settings, trained, watched
from tests.training.policies import policy
from usergym.training.trl_seam import UNSCORED

__all__ = ["policy"]

SIGNATURES = {
    "_generate_and_score_completions": ["self", "inputs"],
    "_generate_single_turn": ["self", "prompt_ids", "images", "multimodal_fields", "num_generations"],
    "_compute_loss": ["self", "model", "inputs"],
    "_save_checkpoint": ["self", "model", "trial"],
    "_determine_best_metric": ["self", "metrics", "trial"],
    "log": ["self", "logs", "start_time"],
    "evaluate": ["self", "eval_dataset", "ignore_keys", "metric_key_prefix"],
}
WRITTEN = {
    "GRPOTrainer.__init__": ["self._metrics = {", "self._tokenizer", "self.generation_config = GenerationConfig("],
    "GRPOTrainer._generate": ["self.rollout_func(prompts, self)", 'extra_fields.pop("env_mask", None)'],
    "GRPOTrainer._generate_and_score_completions": ['"advantages": advantages', '["tool_mask"] = tool_mask'],
    "GRPOTrainer._compute_loss": ["if advantages.dim() == 1:", 'inputs["tool_mask"]', 'inputs["num_items_in_batch"]'],
    "GRPOTrainer._generate_single_turn": [
        "generation_config=self.generation_config",
        "self.eos_token_ids",
        "self.vllm_generation.generate(",
    ],
    "GRPOTrainer._calculate_rewards": ['reward_kwargs["log_metric"]', UNSCORED],
}


def changed(name: str) -> str:
    return f"trl {trl.__version__} changed {name}, which usergym.training.trl_seam relies on"


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_methods_that_are_overridden_or_called_take_what_they_took(name: str) -> None:
    method = getattr(GRPOTrainer, name, None)
    assert method is not None, changed(name)
    found = list(inspect.signature(method).parameters)
    assert found[: len(SIGNATURES[name])] == SIGNATURES[name], changed(f"the signature of {name} to {found}")
    required = [each.name for each in list(inspect.signature(method).parameters.values())[len(SIGNATURES[name]) :]]
    assert all(inspect.signature(method).parameters[each].default is not inspect.Parameter.empty for each in required)


@pytest.mark.parametrize("place", WRITTEN)
def test_the_private_names_are_used_where_they_were(place: str) -> None:
    name = place.rpartition(".")[2]
    source = inspect.getsource(getattr(GRPOTrainer, name))
    for passage in WRITTEN[place]:
        assert passage in source, changed(f"{passage!r} in {place}")


def test_a_vllm_engine_still_reads_its_temperature_and_stops_when_it_generates() -> None:
    """Its module needs vLLM to be imported, so it is read."""
    text = Path(inspect.getfile(grpo_trainer)).parents[1].joinpath("generation", "vllm_generation.py").read_text()
    generate = text[text.index("    def generate(") :]
    for passage in ("temperature = self.temperature", "self.generation_kwargs"):
        assert passage in generate, changed(f"{passage!r} in VLLMGeneration.generate")


def test_the_loss_moves_each_sampled_token_by_its_own_advantage_and_no_other_token() -> None:
    """The derivative of the loss by the log-probability of every token, of a batch made by hand."""
    logps = torch.tensor([[-1.0, -2.0, -0.5, -3.0], [-0.1, -0.2, -0.3, -0.4]], requires_grad=True)
    tool_mask = torch.tensor([[1, 0, 1, 1], [1, 1, 0, 0]])
    padding = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    advantages = torch.tensor([[0.5, 9.0, -1.0, -1.0], [2.0, 2.0, 9.0, 9.0]])
    sampled = (tool_mask * padding).sum()
    inputs = {
        "prompt_ids": torch.zeros(2, 1, dtype=torch.long),
        "prompt_mask": torch.ones(2, 1, dtype=torch.long),
        "completion_ids": torch.zeros(2, 4, dtype=torch.long),
        "completion_mask": padding,
        "tool_mask": tool_mask,
        "advantages": advantages,
        "num_items_in_batch": sampled,
    }
    loss = GRPOTrainer._compute_loss(_stub(logps), None, inputs)
    loss.backward()
    wanted = -advantages * tool_mask * padding / sampled
    assert logps.grad is not None
    torch.testing.assert_close(logps.grad, wanted, msg=changed("the loss of (B, T) advantages"))


def _stub(logps: torch.Tensor) -> Any:
    """As much of a trainer as the loss looks at."""
    return SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *args, **more: (logps, torch.zeros_like(logps), None),
        _metrics={"train": defaultdict(list)},
        _entropy_bonus_enabled=False,
        accelerator=SimpleNamespace(num_processes=1, gather=lambda each: each, reduce=lambda each, reduction: each),
        args=SimpleNamespace(delta=None, steps_per_generation=1),
        aux_loss_enabled=False,
        beta=0.0,
        current_gradient_accumulation_steps=1,
        epsilon_high=0.2,
        epsilon_low=0.2,
        importance_sampling_level="token",
        loss_type="dapo",
        model=SimpleNamespace(training=True),
        off_policy_mask_threshold=None,
        top_entropy_quantile=1.0,
        use_vllm=False,
        vllm_importance_sampling_correction=False,
    )


def test_the_loss_gets_one_advantage_for_each_turn_and_none_for_what_others_said(policy: Path, tmp_path: Path) -> None:
    with watched() as seen:
        trained(settings(policy, tmp_path, steps=1), course())
    assert len(seen.passes) == 2
    told = set()
    for inputs in seen.passes:
        advantages, ids = inputs["advantages"], inputs["completion_ids"]
        own = inputs["tool_mask"].bool() & inputs["completion_mask"].bool()
        assert advantages.shape == ids.shape, changed("the shape of advantages on their way to the loss")
        assert not advantages[~own].any()
        for row, mine in zip(advantages, own, strict=True):
            edges = torch.nonzero(torch.diff(mine.int(), prepend=torch.zeros(1, dtype=torch.int)) == 1).flatten()
            turns = [row[edge : edge + int((~mine[edge:]).int().argmax() or len(row))] for edge in edges.tolist()]
            assert all(len(set(turn.tolist())) == 1 for turn in turns)
            told.add(tuple(turn[0].item() for turn in turns))
    assert sum(len(turns) == 2 and turns[0] != turns[1] for turns in told) > 2
