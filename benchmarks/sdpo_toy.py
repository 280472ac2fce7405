"""A policy with two replies, and a user who reacts: what each choice of SDPO does in expectation, by enumeration.

The policy gives reply 1 with probability p = sigmoid(theta) and reply 0 otherwise. The user reacts with 1 or 0:
`channel[a]` is the probability of reaction 1 to reply a. The teacher reads reaction o as evidence of how likely reply b
is: p(b|o) ~ p(b) reading(o, b). Every figure is d(objective)/d(theta): positive makes reply 1 likelier.

What is enumerated goes through `usergym.training.signal` and `usergym.training.divergence`, not through formulas of its
own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import torch

from usergym.training.divergence import Kind, chunked_divergence
from usergym.training.signal import Scored, Signal

Pair = tuple[float, float]
Control = Literal["none", "empty", "unrelated", "shuffled"]


@dataclass(frozen=True)
class Toy:
    p: float
    channel: Pair
    """The probability of reaction 1 to reply 0 and to reply 1."""
    request: bool = False
    """How the teacher reads. False, an echo: a reaction is as likely to come from reply b as the channel says.
    True, a request: reaction 1 asks for what reply 1 is, 9 to 1, and reaction 0 is content and asks for nothing."""
    drift: float = 0.0
    """What any message behind the request does to the log-odds of reply 1, whatever it says."""

    def policy(self) -> np.ndarray:
        return np.array([1 - self.p, self.p])

    def said(self, reply: int) -> np.ndarray:
        """The probability of each reaction to a reply."""
        return np.array([1 - self.channel[reply], self.channel[reply]])

    def any_said(self) -> np.ndarray:
        return sum(self.policy()[a] * self.said(a) for a in (0, 1))

    def teacher(self, reaction: int | None) -> np.ndarray:
        """p(.|x, o); None: a message without content, such as an empty or an unrelated one."""
        reading = np.ones(2)
        if reaction is not None and self.request:
            reading = np.array([1.0, 9.0]) if reaction else np.ones(2)
        elif reaction is not None:
            reading = np.array([self.said(b)[reaction] for b in (0, 1)])
        odds = self.policy() * reading * np.array([1.0, np.exp(self.drift)])
        return odds / odds.sum()

    def score(self, reply: int) -> float:
        """d log p(reply) / d theta"""
        return reply - self.p


Case = tuple[float, int, Scored]


def cases(toy: Toy, cross_fit: bool = False, control: Control = "none", reference: float | None = None) -> list[Case]:
    """Every reply with every reaction and every control: the probability, the reply, its log-probabilities."""
    found = []
    for reply, reaction in product((0, 1), (0, 1)):
        heard = toy.any_said() if cross_fit else toy.said(reply)
        for other, chance in _controls(toy, control):
            probability = toy.policy()[reply] * heard[reaction] * chance
            own, hindsight = _log(toy.policy(), reply), _log(toy.teacher(reaction), reply)
            beside = None if control == "none" else _log(toy.teacher(other), reply)
            anchor = None if reference is None else _log(np.array([1 - reference, reference]), reply)
            found.append((float(probability), reply, Scored(own, hindsight, beside, anchor)))
    return found


def _controls(toy: Toy, control: Control) -> Iterator[tuple[int | None, float]]:
    if control == "shuffled":
        yield from ((other, float(toy.any_said()[other])) for other in (0, 1))
    else:
        yield None, 1.0


def _log(distribution: np.ndarray, reply: int) -> np.ndarray:
    return np.log(distribution[reply : reply + 1])


def sampled(
    toy: Toy,
    signal: Signal = Signal(),
    *,
    cross_fit: bool = False,
    control: Control = "none",
    reference: float | None = None,
) -> tuple[float, float]:
    """The expectation and the standard deviation of A_1 s(reply 1) over the first of two sampled replies, which are
    siblings where the centring asks for one."""
    each = cases(toy, cross_fit, control, reference)
    mean = square = 0.0
    for (chance, reply, row), (other_chance, _, other) in product(each, each):
        advantages = signal.advantages([row, other], ["x", "x"])[0]
        assert advantages is not None
        gradient = float(advantages[0]) * toy.score(reply)
        mean += chance * other_chance * gradient
        square += chance * other_chance * gradient**2
    return mean, max(square - mean**2, 0.0) ** 0.5


def whole(toy: Toy, kind: Kind, top_k: int | None = None) -> float:
    """Minus the gradient of the divergence over the whole distribution, of reactions as the policy's replies get
    them."""
    total = 0.0
    for reaction in (0, 1):
        student = torch.tensor([[0.0, np.log(toy.p / (1 - toy.p))]], dtype=torch.float64, requires_grad=True)
        teacher = torch.tensor(np.log(toy.teacher(reaction))[None])
        eye = torch.eye(2, dtype=torch.float64)
        chunked_divergence(student, eye, teacher, eye, kind=kind, top_k=top_k).sum().backward()
        assert student.grad is not None
        total -= float(toy.any_said()[reaction]) * float(student.grad[0, 1])
    return total


ROWS = {
    "own reaction (sampled token)": lambda toy: sampled(toy)[0],
    "cross-fitted (a sibling's reaction)": lambda toy: sampled(toy, cross_fit=True)[0],
    "full vocabulary, reverse KL": lambda toy: whole(toy, "reverse_kl"),
    "full vocabulary, forward KL": lambda toy: whole(toy, "forward_kl"),
    "full vocabulary, JSD .5": lambda toy: whole(toy, "jsd"),
    "own, control empty or unrelated": lambda toy: sampled(toy, control="unrelated")[0],
    "cross-fitted, control empty or unrelated": lambda toy: sampled(toy, cross_fit=True, control="unrelated")[0],
    "own, control shuffled": lambda toy: sampled(toy, control="shuffled")[0],
    "own, gate 1": lambda toy: sampled(toy, Signal(contrast=False, gate=1.0), control="unrelated")[0],
    "own, clip 1": lambda toy: sampled(toy, Signal(clip=1.0))[0],
    "own, centred per sequence": lambda toy: sampled(toy, Signal(centring="sequence"))[0],
    "own, centred over 2 of a batch": lambda toy: sampled(toy, Signal(centring="batch"))[0],
    "own, centred on the sibling": lambda toy: sampled(toy, Signal(centring="sibling"))[0],
    "own, anchor .1 at the start p = .5": lambda toy: sampled(toy, Signal(anchor=0.1), reference=0.5)[0],
}
"""What the toy compares, one choice at a time."""

TOYS = {
    "echo .9/.1": Toy(0.1, (0.1, 0.9)),
    "echo, p .5": Toy(0.5, (0.1, 0.9)),
    "echo, p .9": Toy(0.9, (0.1, 0.9)),
    "echo .9/.5": Toy(0.1, (0.5, 0.9)),
    "request": Toy(0.1, (0.9, 0.1), request=True),
    "request, p .9": Toy(0.9, (0.9, 0.1), request=True),
    "says nothing": Toy(0.1, (0.5, 0.5)),
    "nothing, drift": Toy(0.1, (0.5, 0.5), drift=-1.0),
    "request, drift": Toy(0.1, (0.9, 0.1), request=True, drift=-1.0),
}
"""p = .1 unless said. The first is where scoring a reply by its own reaction and descending the KL divergence part."""
