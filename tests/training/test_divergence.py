"""Log-probabilities and divergences in chunks are those of the whole logits, in value and gradient."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import peft
import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTJConfig,
    GPTJForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
)

from usergym.training.divergence import chunked_divergence, chunked_logprobs, reply_logprobs
from usergym.training.heads import halves

WORDS = 60
SIZES: dict[str, Any] = {"vocab_size": WORDS, "bos_token_id": 1, "eos_token_id": 2}
HEADS: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}


def llama(**more: Any) -> Any:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES, **HEADS, num_key_value_heads=1, **more))


def gpt2() -> Any:
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(**SIZES, n_embd=16, n_layer=2, n_head=2, n_positions=64))


def gptj() -> Any:
    """Its head has a bias."""
    torch.manual_seed(0)
    model = GPTJForCausalLM(GPTJConfig(**SIZES, n_embd=16, n_layer=2, n_head=2, rotary_dim=4, n_positions=64))
    torch.nn.init.normal_(model.lm_head.bias)
    return model


def capped() -> Any:
    torch.manual_seed(0)
    config = Gemma2Config(**SIZES, **HEADS, num_key_value_heads=1, head_dim=8, final_logit_softcapping=0.2)
    return Gemma2ForCausalLM(config)


def adapted(*targets: str) -> Any:
    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, target_modules=list(targets), lora_dropout=0.5, init_lora_weights=False)
    return peft.get_peft_model(llama(), config)


def prompted() -> Any:
    torch.manual_seed(0)
    return peft.get_peft_model(llama(), peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3))


MODELS: dict[str, tuple[Callable[[], Any], bool]] = {
    "llama": (llama, True),
    "tied": (lambda: llama(tie_word_embeddings=True), True),
    "gpt2": (gpt2, True),
    "bias": (gptj, True),
    "lora": (lambda: adapted("q_proj", "v_proj"), True),
    "capped logits": (capped, False),
    "lora on the head": (lambda: adapted("q_proj", "lm_head"), False),
    "prompt tuning": (prompted, False),
}
"""And whether head and body are found apart."""


def rows(count: int = 9) -> tuple[list[list[int]], list[list[int]]]:
    draws = random.Random(1)
    contexts = [[draws.randrange(WORDS) for _ in range(draws.randrange(1, 12))] for _ in range(count)]
    replies = [[draws.randrange(WORDS) for _ in range(draws.randrange(0, 10))] for _ in range(count)]
    return contexts, replies


def naive(model: Any, context: Sequence[int], reply: Sequence[int], temperature: float = 1.0) -> np.ndarray:
    """One row by itself, of all its logits."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*context, *reply]])).logits[0]
    said = (logits[-len(reply) - 1 : -1].double() / temperature).log_softmax(-1)
    return said.gather(-1, torch.tensor(reply)[:, None])[:, 0].numpy()


@pytest.mark.parametrize("name", MODELS)
def test_a_reply_is_as_likely_as_the_model_says_whatever_it_is_batched_with(name: str) -> None:
    make, splits = MODELS[name]
    model = make()
    contexts, replies = rows()
    assert (halves(model) is not None) == splits
    model.train()
    scored = reply_logprobs(model, contexts, replies, pad=0, rows=4, temperature=0.7, chunk=5)
    assert all(module.training for module in model.modules())
    model.eval()
    for context, reply, found in zip(contexts, replies, scored, strict=True):
        assert found.shape == (len(reply),)
        if reply:
            np.testing.assert_allclose(found, naive(model, context, reply, 0.7), atol=2e-5)


def test_without_its_adapter_a_model_answers_for_its_base() -> None:
    model = adapted("q_proj", "v_proj")
    contexts, replies = rows()
    with model.disable_adapter():
        base = reply_logprobs(model, contexts, replies, pad=0)
    plain = reply_logprobs(llama(), contexts, replies, pad=0)
    for one, other in zip(base, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_only_the_positions_of_the_reply_go_through_the_head() -> None:
    model, seen = llama(), []
    halves(model)
    body, head = model.model, model.lm_head
    hooks = [
        head.register_forward_hook(lambda *given: seen.append("head")),
        body.register_forward_hook(lambda module, given, made: seen.append(made.last_hidden_state.shape[0])),
    ]
    reply_logprobs(model, *rows(), pad=0, rows=4)
    for hook in hooks:
        hook.remove()
    assert "head" not in seen
    assert max(seen) <= 4


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="context 1 is empty"):
        reply_logprobs(llama(), [[1], []], [[2], [3]], pad=0)
    with pytest.raises(ValueError, match="1 contexts and 2 replies"):
        reply_logprobs(llama(), [[1]], [[2], [3]], pad=0)
    with pytest.raises(ValueError, match="temperature is 0"):
        reply_logprobs(llama(), [[1]], [[2]], pad=0, temperature=0)
    assert reply_logprobs(llama(), [], [], pad=0) == []


def halves_of(seed: int, positions: int = 7, words: int = 11) -> list[torch.Tensor]:
    """Hidden states, weight and bias of a student, then of a wider teacher, in float64."""
    draws = torch.Generator().manual_seed(seed)
    shapes: list[tuple[int, ...]] = [(positions, 5), (words, 5), (words,), (positions, 6), (words, 6), (words,)]
    made = [torch.randn(*shape, generator=draws, dtype=torch.float64) for shape in shapes]
    return [each.requires_grad_(place < 3) for place, each in enumerate(made)]


def gradients(loss: torch.Tensor, of: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, of))


@pytest.mark.parametrize("chunk", [1, 3, 7, 50])
@pytest.mark.parametrize("trains_head", [True, False])
def test_log_probabilities_in_chunks_are_exact(chunk: int, trains_head: bool) -> None:
    hidden, weight, bias = halves_of(0)[:3]
    ids, upstream = torch.arange(7) % 11, torch.linspace(-1, 2, 7, dtype=torch.float64)
    trained = [hidden, weight, bias] if trains_head else [hidden]
    if not trains_head:
        weight, bias = weight.detach(), bias.detach()
    ours = chunked_logprobs(hidden, weight, ids, bias=bias, temperature=0.7, chunk=chunk)
    logits = (hidden @ weight.T + bias) / 0.7
    wanted = logits.log_softmax(-1).gather(-1, ids[:, None])[:, 0]
    torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-10)
    pairs = zip(gradients(ours @ upstream, trained), gradients(wanted @ upstream, trained), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_log_probabilities_in_chunks_have_the_slope_that_finite_differences_find() -> None:
    hidden, weight, bias = halves_of(1)[:3]
    ids = torch.arange(7)
    assert torch.autograd.gradcheck(
        lambda *a: chunked_logprobs(a[0], a[1], ids, bias=a[2], chunk=3), (hidden, weight, bias)
    )


def whole(given: Sequence[torch.Tensor], kind: str, alpha: float, top_k: int | None) -> torch.Tensor:
    """The divergence by its definition, of all logits."""
    logits = [(given[n] @ given[n + 1].T + given[n + 2]) / 0.7 for n in (0, 3)]
    p, q = (each.softmax(-1) for each in logits)
    if top_k is not None and top_k < p.size(-1):
        best = p.topk(top_k, dim=-1).indices
        p, q = (torch.cat([x.gather(-1, best), 1 - x.gather(-1, best).sum(-1, keepdim=True)], -1) for x in (p, q))
    if kind == "reverse_kl":
        return (p * (p / q).log()).sum(-1)
    if kind == "forward_kl":
        return (q * (q / p).log()).sum(-1)
    mixed = (1 - alpha) * p + alpha * q
    return (1 - alpha) * (p * (p / mixed).log()).sum(-1) + alpha * (q * (q / mixed).log()).sum(-1)


@pytest.mark.parametrize("kind", ["reverse_kl", "forward_kl", "jsd"])
@pytest.mark.parametrize("top_k", [None, 1, 4, 11, 99])
@pytest.mark.parametrize("trains_head", [True, False])
def test_divergences_in_chunks_are_exact(kind: Any, top_k: int | None, trains_head: bool) -> None:
    given = halves_of(2)
    if not trains_head:
        given[1:3] = [each.detach() for each in given[1:3]]
    trained, upstream = given[: 3 if trains_head else 1], torch.linspace(-1, 2, 7, dtype=torch.float64)
    hidden, weight, bias, other_hidden, other_weight, other_bias = given
    ours = chunked_divergence(
        *(hidden, weight, other_hidden, other_weight),
        kind=kind,
        alpha=0.3,
        top_k=top_k,
        temperature=0.7,
        chunk=3,
        student_bias=bias,
        teacher_bias=other_bias,
    )
    wanted = whole(given, kind, 0.3, top_k)
    torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-10)
    pairs = zip(gradients(ours @ upstream, trained), gradients(wanted @ upstream, trained), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", ["reverse_kl", "forward_kl", "jsd"])
def test_divergences_have_the_slope_that_finite_differences_find(kind: Any) -> None:
    given = halves_of(3, positions=3)
    assert torch.autograd.gradcheck(
        lambda *a: chunked_divergence(a[0], a[1], *given[3:5], student_bias=a[2], kind=kind, top_k=4, chunk=2),
        tuple(given[:3]),
    )


def test_the_teacher_gets_no_gradient() -> None:
    given = [each.detach().requires_grad_() for each in halves_of(4)]
    chunked_divergence(given[0], given[1], given[3], given[4]).sum().backward()
    assert given[0].grad is not None
    assert given[3].grad is given[4].grad is None


def test_a_teacher_that_agrees_is_no_distance_away_and_pulls_nowhere() -> None:
    hidden, weight = halves_of(5)[:2]
    for kind in ("reverse_kl", "forward_kl", "jsd"):
        apart = chunked_divergence(hidden, weight, hidden.detach(), weight.detach(), kind=kind, top_k=3)
        torch.testing.assert_close(apart, torch.zeros(7, dtype=torch.float64), rtol=0, atol=1e-12)
        torch.testing.assert_close(gradients(apart.sum(), [hidden])[0], torch.zeros_like(hidden), rtol=0, atol=1e-12)


def test_certainty_of_the_student_is_no_obstacle() -> None:
    """All the mass on one token, so that the bucket of the others holds less than float32 can say."""
    hidden = torch.tensor([[300.0, 0.0]], requires_grad=True)
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], requires_grad=True)
    for kind in ("reverse_kl", "forward_kl", "jsd"):
        apart = chunked_divergence(hidden, weight, torch.zeros(1, 2), weight.detach(), kind=kind, top_k=2)
        made = gradients(apart.sum(), [hidden, weight])
        assert all(torch.isfinite(each).all() for each in (apart, *made))


@pytest.mark.parametrize("trains_head", [True, False])
def test_nothing_as_large_as_all_logits_is_kept_for_the_backward_pass(trains_head: bool) -> None:
    hidden = torch.randn(64, 8, requires_grad=True)
    weight = torch.randn(500, 8, requires_grad=trains_head)
    other = torch.randn(64, 8)
    kept: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    with saved_tensors_hooks(keep, lambda each: each):
        loss = chunked_logprobs(hidden, weight, torch.zeros(64, dtype=torch.long), chunk=4).sum()
        loss = loss + chunked_divergence(hidden, weight, other, weight.detach(), chunk=4).sum()
    loss.backward()
    assert kept
    assert max(kept) <= weight.numel() < 64 * 500


def test_half_precision_is_summed_in_single() -> None:
    draws = torch.Generator().manual_seed(0)
    hidden, weight = (torch.randn(*shape, generator=draws).bfloat16() for shape in ((5, 8), (40, 8)))
    found = chunked_logprobs(hidden.requires_grad_(), weight.requires_grad_(), torch.arange(5))
    assert found.dtype == torch.float32
    wanted = (hidden @ weight.T).float().log_softmax(-1).diagonal()
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    found.sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.dtype == torch.bfloat16


def test_no_position_makes_no_numbers() -> None:
    hidden, weight = torch.zeros(0, 4, requires_grad=True), torch.ones(3, 4, requires_grad=True)
    for made in (
        chunked_logprobs(hidden, weight, torch.zeros(0, dtype=torch.long)),
        chunked_divergence(hidden, weight, hidden.detach(), weight.detach()),
    ):
        assert made.shape == (0,)
        made.sum().backward()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "kl"}, "kind is 'kl'; there are reverse_kl, forward_kl, jsd"),
        ({"kind": "jsd", "alpha": 1.0}, "alpha is 1.0"),
        ({"top_k": 0}, "top_k is 0"),
        ({"chunk": 0}, "chunk is 0"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"student_bias": torch.zeros(3)}, r"bias has the shape \(3,\)"),
    ],
)
def test_choices_that_cannot_be_are_refused(change: dict[str, Any], words: str) -> None:
    hidden, weight, _, other_hidden, other_weight, _ = halves_of(6)
    with pytest.raises(ValueError, match=words):
        chunked_divergence(hidden, weight, other_hidden, other_weight, **change)


def test_shapes_that_do_not_fit_are_refused() -> None:
    hidden, weight, _, other_hidden, other_weight, _ = halves_of(7)
    with pytest.raises(ValueError, match="student and teacher differ"):
        chunked_divergence(hidden[:3], weight, other_hidden, other_weight)
    with pytest.raises(ValueError, match="hidden has the shape"):
        chunked_logprobs(hidden, weight[:, :2], torch.zeros(7, dtype=torch.long))
    with pytest.raises(ValueError, match="ids has the shape"):
        chunked_logprobs(hidden, weight, torch.zeros(3, dtype=torch.long))
