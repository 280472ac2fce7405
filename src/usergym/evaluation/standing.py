"""What the comparisons of one model with the baseline came to, for one style."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from usergym.environments.style.topical import amiss
from usergym.evaluation.answers import last_request
from usergym.evaluation.statistics import Estimate, mean_interval, paired_difference
from usergym.evaluation.style import Pair
from usergym.evaluation.wins import WinRate, win_rate
from usergym.judges.rules import RuleJudge
from usergym.judges.verdicts import AXES, MAIN, Axis, Choice, Verdict
from usergym.types import Record, Usage

ENOUGH = 4
"""Verdicts after which one that is always the same is worth telling."""


class Bias(Record, frozen=True, omit_defaults=False):
    """What a judge says whatever is asked."""

    first: float | None
    """The share of `first` among its verdicts `first` and `second`; 1/2 without bias, as every pair is shown both ways.
    None where it gave neither."""
    decided: int
    """So many those are."""
    always: Choice | None
    """What it said every time, in four verdicts or more."""


class Standing(Record, frozen=True, omit_defaults=False):
    """How one model does against the baseline, for one style."""

    model: str
    style: str
    step: int | None
    wins: WinRate
    outcomes: dict[str, int]
    """Pairs by what they came to, those that were not judged too."""
    axes: dict[Axis, WinRate]
    """Besides style."""
    bias: Bias
    score: Estimate | None
    """The exact score of the replies, 0 to 1, each prompt counted once; None where no rule is exact."""
    baseline_score: Estimate | None
    difference: Estimate | None
    """Of the two scores, paired by prompt."""
    on_topic: float | None
    """Share of replies that are replies to their request at all; the others score 0."""
    baseline_on_topic: float | None
    words: float | None
    """Mean length of a reply."""
    baseline_words: float | None
    agreement: float | None
    """How often a model's judgement is that of the exact rules, where both say win or loss."""
    agreed_on: int
    """So many pairs those are."""
    usage: Usage
    """Of the judge."""


@dataclass(frozen=True)
class _Compared:
    """One pair, its verdict, and the exact scores of its replies."""

    pair: Pair
    verdict: Verdict | None
    ours: float | None = None
    theirs: float | None = None

    @property
    def outcome(self) -> str:
        return self.pair.missing or (self.verdict.main.outcome if self.verdict else "failed")

    def value(self, axis: Axis) -> float | None:
        opinion = self.verdict.opinions.get(axis) if self.verdict else None
        return opinion.value if opinion else None


def standing(
    model: str,
    style: str,
    rules: RuleJudge,
    found: Sequence[Pair],
    verdicts: Mapping[int, Verdict],
    *,
    step: int | None = None,
    seed: int = 0,
) -> Standing:
    """`rules`: score the replies exactly, and say who wins by them. `verdicts`: by the place of their pair; those of
    pairs without both replies are missing. `seed`: of the bootstrap."""
    compared = [_compared(pair, verdicts.get(place), rules) for place, pair in enumerate(found)]
    texts = [(last_request(pair.task), *pair.texts) for pair in found if pair.texts]
    ours, theirs = (_by_task([(each.pair.task.id, getattr(each, side)) for each in compared]) for side in _SIDES)
    agreement, agreed_on = _agreement(compared, rules.margin)
    asked = [
        axis
        for axis in AXES
        if axis != MAIN and any(each.verdict and axis in each.verdict.opinions for each in compared)
    ]
    return Standing(
        model,
        style,
        step,
        _wins(compared, MAIN, seed),
        dict(Counter(each.outcome for each in compared).most_common()),
        {axis: _wins(compared, axis, seed) for axis in asked},
        bias([each.verdict for each in compared if each.verdict]),
        mean_interval(ours),
        mean_interval(theirs),
        paired_difference(theirs, ours),
        _mean([not amiss(asked, mine) for asked, mine, _ in texts]),
        _mean([not amiss(asked, other) for asked, _, other in texts]),
        _mean([len(mine.split()) for _, mine, _ in texts]),
        _mean([len(other.split()) for _, _, other in texts]),
        agreement,
        agreed_on,
        sum((each.verdict.usage for each in compared if each.verdict), Usage()),
    )


_SIDES = ("ours", "theirs")


def _compared(pair: Pair, verdict: Verdict | None, rules: RuleJudge) -> _Compared:
    if pair.texts is None:
        return _Compared(pair, None)
    ours, theirs = (rules.score(last_request(pair.task), text) for text in pair.texts)
    return _Compared(pair, verdict, ours, theirs)


def _by_task(scores: Sequence[tuple[str, float | None]]) -> dict[str, list[float]]:
    """Each prompt counts once: the mean of its samples."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for task, value in scores:
        if value is not None:
            found[task].append(value)
    return {task: [sum(values) / len(values)] for task, values in found.items()}


def _wins(compared: Sequence[_Compared], axis: Axis, seed: int) -> WinRate:
    values: defaultdict[str, list[float | None]] = defaultdict(list)
    for each in compared:
        values[each.pair.task.id].append(each.value(axis))
    return win_rate(values, seed=seed)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def bias(verdicts: Sequence[Verdict]) -> Bias:
    """Of the verdicts on style; those that nobody was asked for do not count."""
    said = Counter(choice for verdict in verdicts for choice in verdict.main.orders if choice)
    decided = said["first"] + said["second"]
    always = next(iter(said)) if len(said) == 1 and said.total() >= ENOUGH else None
    return Bias(said["first"] / decided if decided else None, decided, always)


def _agreement(compared: Sequence[_Compared], margin: float) -> tuple[float | None, int]:
    """Over pairs that were judged by being asked about, and that the rules tell apart."""
    same = both = 0
    for each in compared:
        if each.verdict is None or each.ours is None or each.theirs is None:
            continue
        opinion = each.verdict.main
        if opinion.orders and opinion.outcome in ("win", "loss") and abs(each.ours - each.theirs) > margin:
            both += 1
            same += (opinion.outcome == "win") == (each.ours > each.theirs)
    return (same / both if both else None), both
