"""How likely given replies are after given contexts, without ever holding the full-vocabulary logits of all positions.

Only the positions of the reply go through the language-model head, a chunk of them at a time, and so does the gradient.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from usergym.training.heads import Halves, halves, hidden_states, last_logits, still

CHUNK = 128
"""Positions whose logits exist at a time: 25 MB in float32 at a vocabulary of 49k."""


def reply_logprobs(
    model: Any,
    contexts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    *,
    pad: int,
    rows: int = 8,
    temperature: float = 1.0,
    chunk: int = CHUNK,
) -> list[NDArray[np.float64]]:
    """The log-probability, in nats, of each token of each reply after its context: (len(reply),) each, without
    gradients and without dropout.

    Replies of similar length are computed together, at most `rows` of them. A model whose logits are no linear map of
    its hidden states is asked for its logits row by row. A model cut over processes (FSDP, ZeRO-3) is gathered first.
    ValueError where a context is empty, or there are not as many contexts as replies.
    """
    check_rows(contexts, replies, temperature)
    out: list[NDArray[np.float64]] = [np.zeros(0)] * len(replies)
    order = [place for place in range(len(replies)) if len(replies[place])]
    order.sort(key=lambda place: len(contexts[place]) + len(replies[place]))
    with torch.no_grad(), still(model):
        found = halves(model)
        for start in range(0, len(order), rows if found else 1):
            places = order[start : start + (rows if found else 1)]
            some = [contexts[place] for place in places], [replies[place] for place in places]
            if found:
                hidden, ids = reply_states(found, *some, pad=pad)
                scored = chunked_logprobs(
                    hidden, found.weight, ids, bias=found.bias, temperature=temperature, chunk=chunk
                )
            else:
                scored = _of_logits(model, some[0][0], some[1][0], temperature, chunk)
            flat = scored.double().cpu().numpy()
            ends = np.cumsum([len(replies[place]) for place in places])
            for place, each in zip(places, np.split(flat, ends[:-1]), strict=True):
                out[place] = each
    return out


def check_rows(contexts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]], temperature: float = 1.0) -> None:
    """ValueError for what `reply_logprobs` refuses."""
    if len(contexts) != len(replies):
        raise ValueError(f"there are {len(contexts)} contexts and {len(replies)} replies; give one of each")
    for place, context in enumerate(contexts):
        if not len(context):
            raise ValueError(
                f"context {place} is empty, and nothing says its reply's first token; give a token or more"
            )
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; give a number above 0")


def reply_states(
    found: Halves, contexts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]], *, pad: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The hidden states that say the replies' tokens, (N, H), and those tokens, (N,), reply after reply."""
    whole = [[*context, *reply] for context, reply in zip(contexts, replies, strict=True)]
    longest = max(map(len, whole))
    device = found.weight.device
    ids = torch.tensor([[*each, *[pad] * (longest - len(each))] for each in whole], device=device)
    states = hidden_states(found.body, ids)
    said = [
        states[row, len(context) - 1 : len(context) + len(reply) - 1]
        for row, (context, reply) in enumerate(zip(contexts, replies, strict=True))
    ]
    return torch.cat(said), torch.tensor([each for reply in replies for each in reply], device=device)


def _of_logits(
    model: Any, context: Sequence[int], reply: Sequence[int], temperature: float, chunk: int
) -> torch.Tensor:
    logits = last_logits(model, [*context, *reply], len(reply))
    ids = torch.tensor(list(reply), device=logits.device)
    out = [
        wide(logits[part] / temperature).log_softmax(-1).gather(-1, ids[part, None])[:, 0]
        for part in parts(len(ids), chunk)
    ]
    return torch.cat(out)


def chunked_logprobs(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    ids: torch.Tensor,
    *,
    bias: torch.Tensor | None = None,
    temperature: float = 1.0,
    chunk: int = CHUNK,
) -> torch.Tensor:
    """log softmax((hidden weight^T + bias) / temperature) at `ids`: (N,) of hidden states (N, H), weight (V, H), bias
    (V,) and ids (N,), in float32 or wider, with gradients to the first three. At most (chunk, V) logits exist at a
    time; where the weight is trained they are computed again in the backward pass.
    """
    check_head(hidden, weight, bias, "hidden", temperature, chunk)
    if ids.shape != hidden.shape[:1]:
        raise ValueError(f"ids has the shape {tuple(ids.shape)}, hidden {tuple(hidden.shape)}; give one id for each")
    out: torch.Tensor = _Logprobs.apply(hidden, weight, bias, ids, temperature, chunk)
    return out


class _Logprobs(torch.autograd.Function):  # type: ignore[misc]
    """The gradient of one log-probability with respect to its hidden state is found with the log-probability, the
    upstream gradient only scales it; that of the weight has to wait for the upstream gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        ids: torch.Tensor,
        temperature: float,
        chunk: int,
    ) -> torch.Tensor:
        wants_head = ctx.needs_input_grad[1] or ctx.needs_input_grad[2]
        ahead = ctx.needs_input_grad[0] and not wants_head
        out, slopes = [], []
        for part in parts(len(ids), chunk):
            logits = logits_of(hidden[part], weight, bias, temperature)
            sums = logits.logsumexp(-1)
            out.append(logits.gather(-1, ids[part, None])[:, 0] - sums)
            if ahead:
                slopes.append(_slope(logits, sums, ids[part]).to(weight.dtype) @ weight / temperature)
        ctx.temperature, ctx.chunk = temperature, chunk
        ctx.save_for_backward(hidden, weight, bias, ids, torch.cat(slopes) if ahead and slopes else None)
        return torch.cat(out) if out else hidden.new_zeros(0)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> Any:
        hidden, weight, bias, ids, slopes = ctx.saved_tensors
        if slopes is not None:
            return (upstream[:, None].to(slopes.dtype) * slopes).to(hidden.dtype), None, None, None, None, None
        to_hidden = torch.zeros_like(hidden) if ctx.needs_input_grad[0] else None
        to_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        to_bias = torch.zeros_like(bias) if ctx.needs_input_grad[2] else None
        for part in parts(len(ids), ctx.chunk):
            logits = logits_of(hidden[part], weight, bias, ctx.temperature)
            slope = _slope(logits, logits.logsumexp(-1), ids[part]).mul_(upstream[part, None] / ctx.temperature)
            hand_on(slope, hidden[part], weight, to_hidden[part] if to_hidden is not None else None, to_weight, to_bias)
        return to_hidden, to_weight, to_bias, None, None, None


def _slope(logits: torch.Tensor, sums: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """One-hot less softmax, (C, V), in the memory of the logits."""
    slope = logits.sub_(sums[:, None]).exp_().neg_()
    slope[torch.arange(len(ids), device=ids.device), ids] += 1
    return slope


def hand_on(
    slope: torch.Tensor,
    hidden: torch.Tensor,
    weight: torch.Tensor,
    to_hidden: torch.Tensor | None,
    to_weight: torch.Tensor | None,
    to_bias: torch.Tensor | None,
) -> None:
    """The gradient with respect to a chunk's logits, (C, V), handed on."""
    narrow = slope.to(weight.dtype)
    if to_hidden is not None:
        to_hidden.copy_(narrow @ weight)
    if to_weight is not None:
        to_weight.addmm_(narrow.T, hidden.to(weight.dtype))
    if to_bias is not None:
        to_bias += slope.sum(0).to(to_bias.dtype)


def logits_of(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, temperature: float
) -> torch.Tensor:
    logits = wide(torch.nn.functional.linear(hidden.to(weight.dtype), weight, bias))
    return logits if temperature == 1 else logits / temperature


def wide(logits: torch.Tensor) -> torch.Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def parts(count: int, chunk: int) -> Iterator[slice]:
    return (slice(start, start + chunk) for start in range(0, count, chunk))


def check_head(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, name: str, temperature: float, chunk: int
) -> None:
    if hidden.dim() != 2 or weight.dim() != 2 or hidden.size(1) != weight.size(1):
        raise ValueError(
            f"{name} has the shape {tuple(hidden.shape)}, its weight {tuple(weight.shape)}; give (N, H) and (V, H)"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(
            f"the bias has the shape {tuple(bias.shape)}; give one number for each of {len(weight)} tokens"
        )
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; give a number above 0")
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}; give 1 or more")
