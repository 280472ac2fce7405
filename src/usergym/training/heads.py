"""The two halves of a causal language model: what makes hidden states, and the linear head that makes logits of them.

The head is the greater part of the memory of a small model with a large vocabulary; by itself it can be asked about the
few positions that matter.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import Any
from weakref import WeakKeyDictionary

import torch

_splits: "WeakKeyDictionary[Any, bool]" = WeakKeyDictionary()
"""Which models are their body and then their head: some scale or cap what the head makes."""


@dataclass(frozen=True, slots=True)
class Halves:
    """Of one model. `body` maps (B, T) ids to hidden states, `weight` (V, H) and `bias` (V,) map those to logits."""

    body: Any
    weight: torch.Tensor
    bias: torch.Tensor | None


def halves(model: Any) -> Halves | None:
    """None where the logits are not a linear map of the last hidden states: an adapter on the head, prompts that an
    adapter puts before the ids, logits that are capped or scaled, a head that cannot be found."""
    adapters = getattr(model, "peft_config", {})
    if any(each.is_prompt_learning for each in adapters.values()):
        return None
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    body, head = getattr(whole, "base_model", None), _head(whole)
    if body is None or body is whole or type(head) is not torch.nn.Linear:
        return None
    if whole not in _splits:
        _splits[whole] = _linear(whole, body, head)
    return Halves(body, head.weight, head.bias) if _splits[whole] else None


def _head(whole: Any) -> Any:
    try:
        return whole.get_output_embeddings()
    except (AttributeError, NotImplementedError):
        return None


def _linear(whole: Any, body: Any, head: Any) -> bool:
    """Whether `whole` hands its head what its body makes, and passes on what the head makes. The head is made to say
    large numbers for that: a cap does little to the small ones of an untrained model."""
    ids = torch.zeros((1, 2), dtype=torch.long, device=head.weight.device)
    said = torch.linspace(-1000, 1000, 2 * len(head.weight), device=ids.device).reshape(1, 2, -1).to(head.weight.dtype)
    heard: list[torch.Tensor] = []
    hooks = [
        head.register_forward_pre_hook(lambda module, given: heard.append(given[0])),
        head.register_forward_hook(lambda module, given, made: said),
    ]
    try:
        with torch.no_grad(), still(whole):
            logits = whole(input_ids=ids, use_cache=False).logits
    finally:
        for hook in hooks:
            hook.remove()
    with torch.no_grad(), still(whole):
        states = hidden_states(body, ids)
    return (
        len(heard) == 1
        and states.shape == heard[0].shape
        and bool(torch.allclose(states, heard[0].to(states.dtype), rtol=1e-3, atol=1e-3))
        and bool(torch.equal(logits.to(said.dtype), said))
    )


def hidden_states(body: Any, ids: torch.Tensor) -> torch.Tensor:
    """(B, T, H) of (B, T) ids. Rows may be padded on the right, with anything and without a mask: no position of a
    causal model looks to its right."""
    states: torch.Tensor = body(input_ids=ids, use_cache=False).last_hidden_state
    return states


def last_logits(model: Any, ids: Sequence[int], count: int) -> torch.Tensor:
    """The (count, V) logits that say each of the last `count` of `ids`, through the model's own door."""
    device = next(model.parameters()).device
    options: dict[str, Any] = {"use_cache": False}
    if "logits_to_keep" in signature(model.forward).parameters or hasattr(model, "get_base_model"):
        options["logits_to_keep"] = count + 1
    logits: torch.Tensor = model(input_ids=torch.tensor([list(ids)], device=device), **options).logits
    return logits[0, -count - 1 : -1]


@contextmanager
def still(model: Any) -> Iterator[None]:
    """Without dropout, each module being afterwards as it was."""
    before = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in before:
            module.training = True
