"""How far two models are apart in what they would say next, without ever holding the full-vocabulary logits of all
positions of either."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch

from usergym.training.logprobs import (
    CHUNK,
    check_head,
    chunked_logprobs,
    hand_on,
    logits_of,
    parts,
    reply_logprobs,
)

__all__ = ["Kind", "chunked_divergence", "chunked_logprobs", "reply_logprobs"]

Kind = Literal["reverse_kl", "forward_kl", "jsd"]


def chunked_divergence(
    student_hidden: torch.Tensor,
    student_weight: torch.Tensor,
    teacher_hidden: torch.Tensor,
    teacher_weight: torch.Tensor,
    *,
    kind: Kind = "reverse_kl",
    alpha: float = 0.5,
    top_k: int | None = None,
    student_bias: torch.Tensor | None = None,
    teacher_bias: torch.Tensor | None = None,
    temperature: float = 1.0,
    chunk: int = CHUNK,
) -> torch.Tensor:
    """How far the student's next token is from the teacher's at each position: (N,) in nats, of hidden states (N, H)
    and weights (V, H), each side's H its own. Gradients go to the student alone.

    With p the student's distribution and q the teacher's: `reverse_kl` sum p log(p/q); `forward_kl` sum q log(q/p);
    `jsd` (1 - alpha) KL(p|m) + alpha KL(q|m), m = (1 - alpha) p + alpha q.
    `top_k`: over the student's k likeliest tokens and one bucket of all others. At most two (chunk, V) tensors of
    logits exist at a time; where the weight is trained they are computed again in the backward pass.
    """
    check_head(student_hidden, student_weight, student_bias, "student_hidden", temperature, chunk)
    check_head(teacher_hidden, teacher_weight, teacher_bias, "teacher_hidden", temperature, chunk)
    if kind not in get_args(Kind):
        raise ValueError(f"kind is {kind!r}; there are {', '.join(get_args(Kind))}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; give a number between 0 and 1, the teacher's share of the mixture")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k is {top_k}; give 1 or more, or None for the full vocabulary")
    if len(student_hidden) != len(teacher_hidden) or len(student_weight) != len(teacher_weight):
        raise ValueError("student and teacher differ in positions or vocabulary; give the same positions of both")
    out: torch.Tensor = _Divergence.apply(
        *(student_hidden, student_weight, student_bias, teacher_hidden, teacher_weight, teacher_bias),
        *(kind, alpha, top_k, temperature, chunk),
    )
    return out


class _Divergence(torch.autograd.Function):  # type: ignore[misc]
    """As `_Logprobs`, of a divergence."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> torch.Tensor:
        hidden, weight, options = given[0], given[1], given[6:]
        ctx.options = options
        wants_head = ctx.needs_input_grad[1] or ctx.needs_input_grad[2]
        ahead = ctx.needs_input_grad[0] and not wants_head
        out, slopes = [], []
        for part in parts(len(hidden), options[-1]):
            apart, slope = _compare(given, part, options, ahead)
            out.append(apart)
            if slope is not None:
                slopes.append(slope.to(weight.dtype) @ weight)
        ctx.save_for_backward(*given[:6], torch.cat(slopes) if slopes else None)
        return torch.cat(out) if out else hidden.new_zeros(0)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> Any:
        *given, slopes = ctx.saved_tensors
        hidden, weight, bias = given[:3]
        nothing = (None,) * 8
        if slopes is not None:
            return (upstream[:, None].to(slopes.dtype) * slopes).to(hidden.dtype), None, None, *nothing
        to_hidden = torch.zeros_like(hidden) if ctx.needs_input_grad[0] else None
        to_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        to_bias = torch.zeros_like(bias) if ctx.needs_input_grad[2] else None
        for part in parts(len(hidden), ctx.options[-1]):
            _, slope = _compare(given, part, ctx.options, True)
            assert slope is not None
            slope.mul_(upstream[part, None])
            hand_on(slope, hidden[part], weight, to_hidden[part] if to_hidden is not None else None, to_weight, to_bias)
        return to_hidden, to_weight, to_bias, *nothing


def _compare(
    given: Sequence[Any], part: slice, options: Sequence[Any], wants_slope: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The divergences of a chunk, (C,), and their gradient with respect to the student's logits before the
    temperature, (C, V)."""
    kind, alpha, top_k, temperature, _ = options
    p = logits_of(given[0][part], given[1], given[2], temperature).log_softmax(-1)
    q = logits_of(given[3][part], given[4], given[5], temperature).log_softmax(-1)
    if top_k is None or top_k >= p.size(-1):
        apart, by_p = _apart(p, q, kind, alpha)
        # Through the softmax: a distribution's log-probabilities cannot all grow.
        return apart, (by_p - p.exp() * by_p.sum(-1, keepdim=True)) / temperature if wants_slope else None
    best = p.topk(top_k, dim=-1).indices
    small = [_buckets(each, best) for each in (p, q)]
    apart, by_p = _apart(small[0], small[1], kind, alpha)
    if not wants_slope:
        return apart, None
    slope = by_p[:, -1:] * (p - small[0][:, -1:]).exp()
    slope.scatter_(-1, best, by_p[:, :-1])
    return apart, (slope - p.exp() * by_p.sum(-1, keepdim=True)) / temperature


def _buckets(logprobs: torch.Tensor, best: torch.Tensor) -> torch.Tensor:
    """The log-probabilities of the tokens `best`, (C, k), and of all others together: (C, k + 1)."""
    others = logprobs.scatter(-1, best, -torch.inf).logsumexp(-1, keepdim=True)
    return torch.cat([logprobs.gather(-1, best), others], dim=-1)


def _apart(p: torch.Tensor, q: torch.Tensor, kind: Kind, alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The divergence (C,) of log-probabilities (C, V), and its derivative with respect to each of `p` by itself."""
    if kind == "reverse_kl":
        terms = p.exp() * (p - q)
        return terms.sum(-1), terms + p.exp()
    if kind == "forward_kl":
        return (q.exp() * (q - p)).sum(-1), -q.exp()
    mixed = torch.logaddexp(p + np.log(1 - alpha), q + np.log(alpha))
    own = (1 - alpha) * p.exp() * (p - mixed)
    return own.sum(-1) + alpha * (q.exp() * (q - mixed)).sum(-1), own
