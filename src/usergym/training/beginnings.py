"""Contexts that begin alike are read once: a request, and the request with a reaction behind it, differ in their last
tokens only, and so do the reactions to a reply and the control beside them.

What has been read is the keys and values of a model with plain attention. Any other model, and one that drops out
activations or computes them again, reads every context whole; the figures are the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.cache_utils import DynamicCache, DynamicLayer

from usergym.training.heads import Halves, halves, still
from usergym.training.logprobs import CHUNK, check_rows, chunked_logprobs, reply_logprobs, reply_states


def common(contexts: Sequence[Sequence[int]]) -> int:
    """How many tokens all of them begin with."""
    shortest = min(map(len, contexts))
    return next((n for n in range(shortest) if len({context[n] for context in contexts}) > 1), shortest)


def logprobs_behind(
    model: Any,
    contexts: Sequence[Sequence[Sequence[int]]],
    replies: Sequence[Sequence[int]],
    *,
    pad: int,
    temperature: float = 1.0,
    chunk: int = CHUNK,
) -> list[list[NDArray[np.float64]]]:
    """As `reply_logprobs`, of each reply behind each of its contexts: contexts[row][n] are ids, the result's [row][n]
    is (len(reply),)."""
    flat = [context for several in contexts for context in several]
    told = [reply for several, reply in zip(contexts, replies, strict=True) for _ in several]
    check_rows(flat, told, temperature)
    options: dict[str, Any] = {"temperature": temperature, "chunk": chunk}
    out = []
    with torch.no_grad(), still(model):
        found = halves(model)
        for several, reply in zip(contexts, replies, strict=True):
            shared = min(common(several), *(len(context) - 1 for context in several)) if len(several) > 1 else 0
            cache = _read(found, several[0][:shared], len(several)) if found and shared and len(reply) else None
            if found is None or cache is None:
                out.append(reply_logprobs(model, several, [reply] * len(several), pad=pad, **options))
                continue
            states = _behind(found, cache, shared, several, reply, pad)
            ids = torch.tensor(list(reply) * len(several), device=states.device)
            scored = chunked_logprobs(states, found.weight, ids, bias=found.bias, **options)
            out.append(list(scored.double().cpu().numpy().reshape(len(several), -1)))
    return out


def student_and_teacher(
    found: Halves, context: Sequence[int], hindsight: Sequence[int], reply: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The hidden states that say a reply behind its context, with gradients, and those that say it in hindsight,
    without; (len(reply), H) each. For a live teacher: both are of the same weights."""
    check_rows([context, hindsight], [reply, reply])
    shared = min(common([context, hindsight]), len(hindsight) - 1)
    ids = torch.tensor([[*context, *reply]], device=found.weight.device)
    made = found.body(input_ids=ids, use_cache=True)
    student = made.last_hidden_state[0, len(context) - 1 : -1]
    with torch.no_grad():
        cache = _cut(made.past_key_values, shared, 1) if shared and not _drops_out(found.body) else None
        del made
        if cache is not None:
            return student, _behind(found, cache, shared, [hindsight], reply, 0)
        with still(found.body):
            return student, reply_states(found, [hindsight], [reply], pad=0)[0]


def _read(found: Halves, ids: Sequence[int], times: int) -> Any:
    made = found.body(input_ids=torch.tensor([list(ids)], device=found.weight.device), use_cache=True)
    return _cut(made.past_key_values, len(ids), times)


def _cut(cache: Any, length: int, times: int) -> Any:
    """A cache of its own with the first `length` positions, `times` over; None of one that cannot be cut."""
    if type(cache) is not DynamicCache or any(type(layer) is not DynamicLayer for layer in cache.layers):
        return None
    own = DynamicCache()
    for place, layer in enumerate(cache.layers):
        keys, values = (each[:, :, :length].detach().expand(times, -1, -1, -1) for each in (layer.keys, layer.values))
        own.update(keys, values, place)
    return own


def _behind(
    found: Halves, cache: Any, shared: int, contexts: Sequence[Sequence[int]], reply: Sequence[int], pad: int
) -> torch.Tensor:
    """The hidden states that say the reply behind each context, one below the other, of which `cache` holds the first
    `shared` positions. Padding is on the right, where nothing looks at it."""
    rest = [[*context[shared:], *reply] for context in contexts]
    longest = max(map(len, rest))
    ids = torch.tensor([[*each, *[pad] * (longest - len(each))] for each in rest], device=found.weight.device)
    states = found.body(input_ids=ids, past_key_values=cache, use_cache=True).last_hidden_state
    starts = [len(context) - shared - 1 for context in contexts]
    return torch.cat([states[row, start : start + len(reply)] for row, start in enumerate(starts)])


def _drops_out(body: Any) -> bool:
    shares = (
        module.p if isinstance(module, torch.nn.Dropout) else getattr(module, "attention_dropout", 0.0)
        for module in body.modules()
        if module.training
    )
    return any(shares)
