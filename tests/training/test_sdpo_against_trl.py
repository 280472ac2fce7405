"""The first step of TRL's SDPOTrainer, and ours on the replies it sampled, with the reactions it was given."""

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import pytest
import torch
from datasets import Dataset
from trl.experimental.sdpo import SDPOConfig, SDPOTrainer

from usergym.training import checkpoints, tiny
from usergym.training.divergence import chunked_logprobs, reply_logprobs
from usergym.training.heads import halves
from usergym.training.logprobs import reply_states
from usergym.training.sdpo import sdpo_loss

ASKED = ["Name a fruit.", "Where is the harbour?"]
REACTION = "Shorter, please, and no lists."
LENGTH = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(
        tmp_path_factory.mktemp("model"), [*ASKED, REACTION], vocabulary=300, hidden=32, layers=2, heads=2, context=512
    )


class Watched(SDPOTrainer):  # type: ignore[misc]
    """Keeps what the loss was given."""

    given: dict[str, torch.Tensor]

    def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **more: Any) -> Any:
        self.given = {name: each.clone() for name, each in inputs.items() if isinstance(each, torch.Tensor)}
        return super().compute_loss(model, inputs, *arguments, **more)


def first_step(folder: Path, out: Path) -> tuple[dict[str, torch.Tensor], float]:
    """What TRL computed its loss from, and the norm of its gradient."""
    model, tokenizer = checkpoints.load(str(folder))
    prompts = [[{"role": "user", "content": each}] for each in ASKED]
    arguments = SDPOConfig(
        output_dir=str(out),
        max_steps=1,
        per_device_train_batch_size=4,
        num_generations=2,
        max_completion_length=LENGTH,
        generation_kwargs={"min_new_tokens": LENGTH},
        distillation_weight=1.0,
        distillation_mode="sampled_token",
        distillation_alpha=1.0,
        teacher_model_kind="live",
        include_environment_feedback=True,
        use_successful_as_teacher=False,
        learning_rate=1e-6,
        max_grad_norm=1e9,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        seed=1,
    )
    trainer = Watched(
        model=model,
        args=arguments,
        reward_funcs=lambda completions, **more: [0.0] * len(completions),
        train_dataset=Dataset.from_dict({"prompt": prompts, "privileged_context": [REACTION] * len(ASKED)}),
        processing_class=tokenizer,
    )
    trainer.train()
    return trainer.given, next(each["grad_norm"] for each in trainer.state.log_history if "grad_norm" in each)


def unpadded(ids: torch.Tensor, mask: torch.Tensor) -> list[list[int]]:
    return [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True)]


def test_the_first_step_has_the_gradient_norm_of_trls(folder: Path, tmp_path: Path) -> None:
    given, wanted = first_step(folder, tmp_path)
    replies = unpadded(given["completion_ids"], given["completion_mask"])
    contexts = unpadded(given["prompt_ids"], given["prompt_mask"])
    hindsight = [
        ids[: len(ids) - len(reply)]
        for ids, reply in zip(
            unpadded(given["teacher_input_ids"], given["teacher_attention_mask"]), replies, strict=True
        )
    ]
    assert all(len(behind) > len(before) for behind, before in zip(hindsight, contexts, strict=True))
    assert [len(reply) for reply in replies] == [LENGTH] * 4
    model, tokenizer = checkpoints.load(str(folder))
    pad = tokenizer.pad_token_id
    scored = reply_logprobs(model, hindsight, replies, pad=pad, rows=3)
    teacher = torch.tensor([row.tolist() for row in scored], dtype=torch.float32)
    found = halves(model)
    assert found is not None
    # Of the same length, so that a mean over rows and one over tokens are the same.
    for preset, ignored in (("usergym", 0), ("legacy-offline", 0)):
        hidden, ids = reply_states(found, contexts, replies, pad=pad)
        policy = chunked_logprobs(hidden, found.weight, ids, chunk=5).reshape(4, LENGTH)
        model.zero_grad()
        sdpo_loss(policy, policy.detach(), teacher, torch.ones(4, LENGTH), preset, ignore_first_k=ignored).backward()
        norm = torch.nn.utils.get_total_norm(each.grad for each in model.parameters() if each.grad is not None)
        assert wanted > 1e-3
        assert float(norm) == pytest.approx(wanted, rel=1e-4), preset
