"""What a study found: who wins how often, how alike and how human each system is, and how far raters agree.

Participants are what is counted: all answers of one are averaged first, so intervals and tests speak of other people
who are given these items.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from statistics import quantiles

import numpy as np

from usergym.evaluation.agreement import krippendorff_alpha
from usergym.evaluation.study_answers import REASONS, Answer, Rules, answers, excluded
from usergym.evaluation.study_progress import Progress
from usergym.evaluation.study_statistics import SignedRank, holm, kendall_w, signed_rank
from usergym.evaluation.wins import Interval, WinRate, bootstrap, win_rate
from usergym.types import Record


class Rating(Record, frozen=True, omit_defaults=False):
    """A mean of participants' means, with the interval of the bootstrap over participants."""

    mean: float
    interval: Interval | None
    """None with fewer than two participants."""


class SystemFigures(Record, frozen=True, omit_defaults=False):
    system: str
    answers: int
    win: WinRate
    """Against the other texts of the same page, ties half."""
    first: float
    """The share of pages on which it is first; those that share the first place share it here."""
    similarity: Rating
    likeness: Rating


class Pair(Record, frozen=True, omit_defaults=False):
    """Two systems on the pages that show both; differences are first minus second."""

    first: str
    second: str
    win: WinRate
    """Of the first."""
    similarity: SignedRank
    likeness: SignedRank
    similarity_holm: float
    """p of the same, corrected for the number of pairs."""
    likeness_holm: float


class RaterAgreement(Record, frozen=True, omit_defaults=False):
    """How far participants who saw the same texts say the same."""

    what: str
    alpha: float | None
    """Krippendorff's on the ordinal scale; 1: they agree, 0: as chance would. None where no text has two raters."""
    texts: int
    """With two raters or more."""


class Analysis(Record, frozen=True, omit_defaults=False):
    joined: int
    compared: int
    """Participants with at least one finished comparison."""
    finished: int
    """Those with all of theirs."""
    counted: int
    """Those whose answers count."""
    comparisons: int
    """That count."""
    excluded: dict[str, int]
    """Participants by reason; one may have several."""
    checks: int
    checks_failed: int
    systems: tuple[SystemFigures, ...]
    """The best first."""
    pairs: tuple[Pair, ...]
    agreement: tuple[RaterAgreement, ...]
    kendall_w: float | None
    """Mean over items with two raters or more, of their places."""
    coherence: float | None
    """The share of pairs of texts on one page whose order is that of their similarity, ties in either left out."""
    by_place: dict[str, float]
    """The win rate of each place on the page: 0.5 everywhere where places do not matter."""
    minutes: tuple[float, float, float] | None
    """Quartiles of the time that a counted participant spent."""
    wanting: int
    """Items with fewer answers that count than were asked for."""


def analyse(progress: Progress, rules: Rules | None = None, seed: int = 0) -> tuple[Analysis, list[Answer]]:
    """The figures, and all rows behind them, those left out included. ValueError without one comparison that counts."""
    left_out = excluded(progress, rules or Rules())
    rows = answers(progress, left_out)
    counted = [row for row in rows if not row.excluded]
    if not counted:
        why = Counter(reason for each in left_out.values() for reason in each)
        raise ValueError(
            f"no comparison counts: {len(progress.people)} joined, {len(left_out)} compared something, and "
            f"{sum(map(bool, left_out.values()))} are left out"
            + (f" ({', '.join(f'{n} {each}' for each, n in why.items())}); --everybody keeps them" if why else "")
        )
    pages = _pages(counted)
    people = {row.participant for row in counted}
    per_item = Counter(item for _, item in pages)
    checked = [passed for person in progress.people.values() for passed in person.checked()]
    figures = [_figures(system, counted, pages, seed) for system in sorted({row.system for row in counted})]
    return (
        Analysis(
            joined=len(progress.people),
            compared=len(left_out),
            finished=sum(person.compared() >= progress.expected() for person in progress.people.values()),
            counted=len(people),
            comparisons=len(pages),
            excluded={why: sum(why in each for each in left_out.values()) for why in REASONS},
            checks=len(checked),
            checks_failed=len(checked) - sum(checked),
            systems=tuple(sorted(figures, key=lambda each: -(each.win.rate or 0.0))),
            pairs=_pairs(pages, seed),
            agreement=_agreement(counted),
            kendall_w=_concordance(pages),
            coherence=_coherence(pages),
            by_place=_by_place(counted),
            minutes=_minutes(progress, people),
            wanting=sum(per_item[item] < progress.settings.raters for item in progress.items),
        ),
        rows,
    )


Pages = Mapping[tuple[str, str], Sequence[Answer]]
"""Rows by participant and item."""


def _pages(rows: Sequence[Answer]) -> dict[tuple[str, str], list[Answer]]:
    pages: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for row in rows:
        pages[row.participant, row.item].append(row)
    return dict(pages)


def _by_person(rows: Sequence[Answer], value: Callable[[Answer], float]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        found[row.participant].append(value(row))
    return dict(found)


def _figures(system: str, rows: Sequence[Answer], pages: Pages, seed: int) -> SystemFigures:
    own = [row for row in rows if row.system == system]
    return SystemFigures(
        system,
        len(own),
        win_rate(_by_person(own, lambda row: row.beaten), seed=seed),
        float(
            np.mean([_first_share(page, system) for page in pages.values() if any(r.system == system for r in page)])
        ),
        _rating(_by_person(own, lambda row: row.similarity), seed),
        _rating(_by_person(own, lambda row: row.likeness), seed),
    )


def _first_share(page: Sequence[Answer], system: str) -> float:
    best = min(row.rank for row in page)
    first = [row.system for row in page if row.rank == best]
    return (system in first) / len(first)


def _rating(by_person: Mapping[str, Sequence[float]], seed: int) -> Rating:
    means = np.array([np.mean(values) for values in by_person.values()], dtype=np.float64)
    return Rating(float(means.mean()), bootstrap(means, seed=seed) if len(means) > 1 else None)


def _pairs(pages: Pages, seed: int) -> tuple[Pair, ...]:
    systems = sorted({row.system for page in pages.values() for row in page})
    found: list[tuple[str, str, WinRate, SignedRank, SignedRank]] = []
    for first, second in combinations(systems, 2):
        wins: dict[str, list[float]] = defaultdict(list)
        apart: dict[str, dict[str, list[float]]] = {"similarity": defaultdict(list), "likeness": defaultdict(list)}
        for (person, _), page in pages.items():
            by_system = {row.system: row for row in page}
            if first not in by_system or second not in by_system:
                continue
            one, other = by_system[first], by_system[second]
            wins[person].append(1.0 if one.rank < other.rank else 0.5 if one.rank == other.rank else 0.0)
            apart["similarity"][person].append(one.similarity - other.similarity)
            apart["likeness"][person].append(one.likeness - other.likeness)
        alike, human = (
            signed_rank([float(np.mean(each)) for each in by_person.values()]) for by_person in apart.values()
        )
        if alike and human:
            found.append((first, second, win_rate(wins, seed=seed), alike, human))
    alike_holm = holm([each[3].p for each in found])
    human_holm = holm([each[4].p for each in found])
    return tuple(Pair(*each, a, h) for each, a, h in zip(found, alike_holm, human_holm, strict=True))


def _agreement(rows: Sequence[Answer]) -> tuple[RaterAgreement, ...]:
    """Raters are rows and texts are columns, for each of the three questions."""
    people = {name: place for place, name in enumerate(dict.fromkeys(row.participant for row in rows))}
    texts = {key: place for place, key in enumerate(dict.fromkeys((row.item, row.system) for row in rows))}
    several = sum(count > 1 for count in Counter((row.item, row.system) for row in rows).values())
    found = []
    questions: dict[str, Callable[[Answer], float]] = {
        "similarity": lambda row: row.similarity,
        "human-likeness": lambda row: row.likeness,
        "place": lambda row: row.rank,
    }
    for what, value in questions.items():
        table: list[list[float | None]] = [[None] * len(texts) for _ in people]
        for row in rows:
            table[people[row.participant]][texts[row.item, row.system]] = value(row)
        found.append(RaterAgreement(what, krippendorff_alpha(table, "ordinal") if several else None, several))
    return tuple(found)


def _concordance(pages: Pages) -> float | None:
    by_item: dict[str, list[list[float]]] = defaultdict(list)
    for (_, item), page in pages.items():
        by_item[item].append([row.rank for row in sorted(page, key=lambda row: row.system)])
    found = [w for orders in by_item.values() if (w := kendall_w(orders)) is not None]
    return float(np.mean(found)) if found else None


def _coherence(pages: Pages) -> float | None:
    same = [
        (one.rank < other.rank) == (one.similarity > other.similarity)
        for page in pages.values()
        for one, other in combinations(page, 2)
        if one.rank != other.rank and one.similarity != other.similarity
    ]
    return float(np.mean(same)) if same else None


def _by_place(rows: Sequence[Answer]) -> dict[str, float]:
    by_place: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        by_place[row.place].append(row.beaten)
    return {str(place): float(np.mean(by_place[place])) for place in sorted(by_place)}


def _minutes(progress: Progress, people: set[str]) -> tuple[float, float, float] | None:
    spent = [sum(progress.people[name].seconds.values()) / 60 for name in people]
    if not spent:
        return None
    low, middle, high = quantiles(spent, n=4, method="inclusive") if len(spent) > 1 else spent * 3
    return low, middle, high
