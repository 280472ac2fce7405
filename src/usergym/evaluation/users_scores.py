"""How far models think and speak as people, in numbers: people are what is counted.

A person counts once: the replies to a context are averaged, then the contexts of a person, then people. Intervals are
those of the bootstrap that draws people (usergym.evaluation.wins.bootstrap), so they speak of other people. Differences
are taken in each context first, and tested by flipping the signs of people's means.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from usergym.evaluation.comparison import permutation_p, smallest_difference
from usergym.evaluation.users import Said, Source
from usergym.evaluation.wins import bootstrap
from usergym.types import Record

DRAWS = 4000
FEWEST = 6
"""People from whom an interval is made. A percentile of the bootstrap never leaves the range of their means, which
holds the middle of a population with a chance of 1 - 2 (1/2)^n: with five people, less than 95%."""

Values = Mapping[tuple[str, str], Sequence[float]]
"""By person and context, one for each reply."""


class Score(Record, frozen=True):
    """What one judge says of one text."""

    value: float | None
    """None: not judged, which is never 0."""
    failure: str = ""
    """Why there is no value, where there was a text."""


class Clustered(Record, frozen=True, omit_defaults=False):
    """A mean of people's means."""

    mean: float
    low: float | None
    """None where too little is known of how people differ: fewer than FEWEST, or all alike."""
    high: float | None
    people: int
    contexts: int
    replies: int


class Cell(Record, frozen=True, omit_defaults=False):
    """One source at one level, by one judge."""

    source: Source
    level: str
    judge: str
    alignment: Clustered | None
    """0 to 1; a reply that does not keep to what was asked is 0. None: nothing was judged."""
    kept: Clustered | None
    """The same over the replies that do keep to it."""
    least: Clustered | None
    """The same with 0 for every text that was not judged: no judge could make less of it. None where all were."""
    asked: int
    judged: int
    wrong: dict[str, int]
    """Replies that are worth 0, by reason."""
    lost: dict[str, int]
    """Replies that were never got, by reason; left out."""
    unjudged: dict[str, int]
    """Texts that the judge failed on, by reason; left out."""


class Difference(Record, frozen=True, omit_defaults=False):
    """Second minus first, in the same contexts."""

    first: Source
    second: Source
    level: str
    judge: str
    difference: Clustered
    p: float
    """Two-sided; sign flips of people's mean differences. Not corrected for the number of tests."""
    smallest: float | None
    """The smallest true difference that so many people would have shown with 80% chance."""


def clustered(values: Values, seed: int = 0) -> Clustered | None:
    """None without a value."""
    means = _by_person(values)
    if not means:
        return None
    found = np.array(list(means.values()), dtype=np.float64)
    differ = len(found) >= FEWEST and float(np.ptp(found)) > 1e-12
    ends = bootstrap(found, draws=DRAWS, seed=seed) if differ else None
    return Clustered(
        float(found.mean()),
        ends.low if ends else None,
        ends.high if ends else None,
        len(found),
        sum(bool(each) for each in values.values()),
        sum(map(len, values.values())),
    )


def _by_person(values: Values) -> dict[str, float]:
    people: defaultdict[str, list[float]] = defaultdict(list)
    for (user, _), each in values.items():
        if each:
            people[user].append(sum(each) / len(each))
    return {user: sum(people[user]) / len(people[user]) for user in sorted(people)}  # the bootstrap goes by places


def valued(pairs: Iterable[tuple[Said, float | None]]) -> dict[tuple[str, str], list[float]]:
    """By person and context, without what has no value."""
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for said, value in pairs:
        if value is not None:
            found[said.user, said.context].append(value)
    return dict(found)


class Sheet:
    """All texts with what the judges say of them, and what comes of it."""

    def __init__(
        self, said: Sequence[Said], scores: Mapping[str, Sequence[Score]], order: Sequence[str], seed: int = 0
    ) -> None:
        """`scores`: of each judge, in the order of `said`. `order`: of the levels."""
        self.order = order
        self.said = said
        self.scores = scores
        self.seed = seed
        self._places: defaultdict[tuple[Source, str], list[int]] = defaultdict(list)
        for place, each in enumerate(said):
            self._places[each.source, each.level].append(place)

    @property
    def sources(self) -> list[Source]:
        return list(dict.fromkeys(source for source, _ in self._places))

    def levels(self, source: Source) -> list[str]:
        return [level for level in self.order if self.has(source, level)]

    def has(self, source: Source, level: str) -> bool:
        return (source, level) in self._places

    def values(self, source: Source, level: str, judge: str, kept: bool = False) -> Values:
        given = self.scores[judge]
        places = [place for place in self._places[source, level] if self.said[place].sound or not kept]
        return valued((self.said[place], given[place].value) for place in places)

    def cell(self, source: Source, level: str, judge: str) -> Cell:
        places = self._places[source, level]
        said = [self.said[place] for place in places]
        given = [self.scores[judge][place] for place in places]
        return Cell(
            source,
            level,
            judge,
            clustered(self.values(source, level, judge), self.seed),
            clustered(self.values(source, level, judge, kept=True), self.seed),
            self._least(source, level, judge),
            len(said),
            sum(each.value is not None for each in given),
            _counted(each.wrong for each in said),
            _counted(each.lost for each in said),
            _counted(each.failure for each in given),
        )

    def _least(self, source: Source, level: str, judge: str) -> Clustered | None:
        places, given = self._places[source, level], self.scores[judge]
        if not any(given[place].failure for place in places):
            return None
        values = ((self.said[place], 0.0 if given[place].failure else given[place].value) for place in places)
        return clustered(valued(values), self.seed)

    def difference(self, first: Source, second: Source, level: str, judge: str) -> Difference | None:
        """None where no context has both."""
        before, after = (self.values(each, level, judge) for each in (first, second))
        apart = {
            key: [sum(after[key]) / len(after[key]) - sum(before[key]) / len(before[key])]
            for key in before
            if after.get(key) and before[key]
        }
        found = clustered(apart, self.seed)
        if found is None:
            return None
        means = list(_by_person(apart).values())
        return Difference(first, second, level, judge, found, permutation_p(means), smallest_difference(means))


def _counted(reasons: Iterable[str]) -> dict[str, int]:
    return dict(Counter(filter(None, reasons)).most_common())
