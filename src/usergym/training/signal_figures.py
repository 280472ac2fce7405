"""Signals in figures: of one reply, and of all reactions that reinforce against those that constrain."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from usergym.evaluation.statistics import CONFIDENCE, Estimate, mean_interval
from usergym.training.signal_cases import Kind
from usergym.types import Message, Record

Floats = NDArray[np.float64]
Why = Literal["no_reaction", "long_reaction", "no_reply", "window", "frame", "not_finite"]
QUANTILE = 0.95
THIRDS = 3
DRAWS = 2000
"""Of the bootstrap."""
ENOUGH = 5
"""Requests with reactions of a kind, below which a bootstrap would say nothing."""


class Token(Record, frozen=True):
    """One token of a reply as it is read."""

    id: int
    text: str
    """The texts of all tokens make the reply. Of several tokens that make one character the last has it."""
    special: str = ""
    """The name of a token that is no text, such as the one that ends a reply."""
    part: tuple[int, int] | None = None
    """Which of how many tokens that make one character."""


class LeftOut(Record, frozen=True):
    """A case without a signal: what is in the way, and the remedy."""

    id: str
    why: Why
    message: str


class TokenSignal(Record, frozen=True, omit_defaults=False):
    """A reply with its log-probabilities in nats, under the same history each time. All have one per token."""

    id: str
    request: str
    """What the reply answers; cases of one request are not independent."""
    kind: Kind | None
    messages: tuple[Message, ...]
    """x, as far as it was said since the speaker's reply before."""
    reaction: str
    control: str | None
    """What stood in the reaction's place; None: nothing was scored beside it."""
    template: str
    reply: str
    tokens: tuple[Token, ...]
    lp_x: tuple[float, ...]
    """log p(y|x)."""
    lp_xo: tuple[float, ...]
    """log p(y|x,o)."""
    lp_xc: tuple[float, ...] | None
    """log p(y|x,control)."""

    @property
    def signal(self) -> Floats:
        """A = log p(y|x,o) - log p(y|x), (tokens,)."""
        return np.subtract(self.lp_xo, self.lp_x)

    @property
    def control_signal(self) -> Floats | None:
        """log p(y|x,control) - log p(y|x): what any remark does to the reply, (tokens,)."""
        return None if self.lp_xc is None else np.subtract(self.lp_xc, self.lp_x)

    @property
    def adjusted(self) -> Floats | None:
        """log p(y|x,o) - log p(y|x,control): without what any remark does, (tokens,)."""
        return None if self.lp_xc is None else np.subtract(self.lp_xo, self.lp_xc)


class Figures(Record, frozen=True, omit_defaults=False):
    """Of one reply, in nats per token."""

    tokens: int
    mean: float
    control_mean: float | None
    adjusted_mean: float | None
    thirds: tuple[float | None, ...]
    """Mean signal of the first, middle and last third of the reply; None for a third without a token."""
    control_thirds: tuple[float | None, ...] | None
    beyond: float | None
    """Share of tokens whose |signal| is above the 95 % quantile of the control's: .05 where the reaction does no more
    than the control."""


class Auc(Record, frozen=True, omit_defaults=False):
    """The chance that a reinforcing reaction scores higher than a constraining one, ties counted as half."""

    value: float
    low: float | None
    """95 % bootstrap interval over requests; None with fewer than `ENOUGH` requests of either kind."""
    high: float | None
    reinforce: int
    constrain: int


class Group(Record, frozen=True, omit_defaults=False):
    """All replies with reactions of one kind; every reply counts alike, requests are what is independent."""

    count: int
    mean: Estimate | None
    adjusted: Estimate | None
    thirds: tuple[float | None, ...]
    adjusted_thirds: tuple[float | None, ...] | None
    beyond: float | None


class Aggregate(Record, frozen=True, omit_defaults=False):
    scored: int
    left_out: dict[Why, int]
    groups: dict[str, Group]
    """`all`, and by kind where the kinds are known."""
    auc: Auc | None
    """By the mean signal of a reply; None where one of the kinds is missing."""
    adjusted_auc: Auc | None
    paired: tuple[int, int] | None
    """Of how many replies with both kinds of reaction the reinforcing one has the higher mean signal."""


def figures(of: TokenSignal) -> Figures:
    signal, control, adjusted = of.signal, of.control_signal, of.adjusted
    beyond = None
    if control is not None:
        beyond = float(np.mean(np.abs(signal) > np.quantile(np.abs(control), QUANTILE)))
    return Figures(
        len(of.tokens),
        float(signal.mean()),
        None if control is None else float(control.mean()),
        None if adjusted is None else float(adjusted.mean()),
        thirds(signal),
        None if control is None else thirds(control),
        beyond,
    )


def thirds(values: Floats) -> tuple[float | None, ...]:
    """Means of the three thirds of (tokens,); the first ones are longer where it does not divide."""
    return tuple(float(part.mean()) if len(part) else None for part in np.array_split(values, THIRDS))


def limit(signals: Iterable[TokenSignal]) -> float:
    """Where the colours end, in nats, the same for reactions and controls: the 95 % quantile of what there is."""
    parts = [part for each in signals for part in (each.signal, each.control_signal) if part is not None]
    return max(float(np.quantile(np.abs(np.concatenate(parts)), QUANTILE)), 1e-6) if parts else 1.0


def aggregate(found: Sequence[TokenSignal | LeftOut], seed: int = 0) -> Aggregate:
    """`seed`: of the bootstrap."""
    signals = [each for each in found if isinstance(each, TokenSignal)]
    left = Counter(each.why for each in found if isinstance(each, LeftOut))
    kinds = [kind for kind in ("reinforce", "constrain") if any(each.kind == kind for each in signals)]
    groups = {"all": _group(signals)} if signals else {}
    groups |= {kind: _group([each for each in signals if each.kind == kind]) for kind in kinds}
    means = [(each, float(each.signal.mean())) for each in signals if each.kind]
    adjusted = [(each, float(each.adjusted.mean())) for each in signals if each.kind and each.adjusted is not None]
    return Aggregate(len(signals), dict(left), groups, _auc(means, seed), _auc(adjusted, seed), _paired(means))


def auc(reinforce: Sequence[float], constrain: Sequence[float]) -> float:
    """The area under the ROC curve by ranks (Mann and Whitney 1947), ties as half. Neither may be empty."""
    above = np.sort(np.asarray(constrain, np.float64))
    below = np.searchsorted(above, reinforce, "left") + np.searchsorted(above, reinforce, "right")
    return float(below.mean() / (2 * len(above)))


def _auc(scores: Sequence[tuple[TokenSignal, float]], seed: int) -> Auc | None:
    by_request: defaultdict[str, dict[Kind, list[float]]] = defaultdict(lambda: {"reinforce": [], "constrain": []})
    for each, score in scores:
        if each.kind:
            by_request[each.request][each.kind].append(score)
    requests = list(by_request.values())
    value = _auc_of(requests)
    if value is None:
        return None
    counts: dict[Kind, int] = {"reinforce": 0, "constrain": 0}
    apart: dict[Kind, int] = dict(counts)
    for request in requests:
        for kind, held in request.items():
            counts[kind] += len(held)
            apart[kind] += bool(held)
    low = high = None
    if min(apart.values()) >= ENOUGH:
        random = np.random.default_rng(seed)
        draws = (random.integers(len(requests), size=len(requests)) for _ in range(DRAWS))
        drawn = [made for draw in draws if (made := _auc_of([requests[place] for place in draw])) is not None]
        low, high = (float(each) for each in np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    return Auc(value, low, high, counts["reinforce"], counts["constrain"])


def _auc_of(requests: Sequence[Mapping[Kind, Sequence[float]]]) -> float | None:
    reinforce, constrain = ([each for request in requests for each in request[kind]] for kind in _KINDS)
    return auc(reinforce, constrain) if reinforce and constrain else None


_KINDS: tuple[Kind, Kind] = ("reinforce", "constrain")


def _paired(scores: Sequence[tuple[TokenSignal, float]]) -> tuple[int, int] | None:
    pairs: defaultdict[tuple[str, tuple[int, ...]], dict[Kind, list[float]]] = defaultdict(dict)
    for each, score in scores:
        if each.kind:
            reply = tuple(token.id for token in each.tokens)
            pairs[each.request, reply].setdefault(each.kind, []).append(score)
    both = [[math.fsum(pair[kind]) / len(pair[kind]) for kind in _KINDS] for pair in pairs.values() if len(pair) == 2]
    return (sum(more > less for more, less in both), len(both)) if both else None


def _group(signals: Sequence[TokenSignal]) -> Group:
    made = [figures(each) for each in signals]
    adjusted = [thirds(each.adjusted) for each in signals if each.adjusted is not None]
    beyond = [each.beyond for each in made if each.beyond is not None]
    return Group(
        len(signals),
        _interval(signals, [each.mean for each in made]),
        _interval(signals, [each.adjusted_mean for each in made]),
        _by_third([each.thirds for each in made]),
        _by_third(adjusted) if adjusted else None,
        math.fsum(beyond) / len(beyond) if beyond else None,
    )


def _interval(signals: Sequence[TokenSignal], values: Sequence[float | None]) -> Estimate | None:
    by_request: defaultdict[str, list[float]] = defaultdict(list)
    for each, value in zip(signals, values, strict=True):
        if value is not None:
            by_request[each.request].append(value)
    return mean_interval(by_request)


def _by_third(rows: Sequence[Sequence[float | None]]) -> tuple[float | None, ...]:
    columns = ([each for each in column if each is not None] for column in zip(*rows, strict=True))
    return tuple(math.fsum(column) / len(column) if column else None for column in columns)
