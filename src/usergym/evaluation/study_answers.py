"""Finished comparisons as rows, one for each candidate, and the people whose answers are not to be trusted."""

from collections.abc import Iterator, Sequence
from statistics import median

from usergym.evaluation.study_progress import Progress, Taken
from usergym.types import Record


class Answer(Record, frozen=True, omit_defaults=False):
    """What one participant said of one candidate."""

    participant: str
    item: str
    system: str
    place: int
    """On the page, from 1."""
    similarity: int
    likeness: int
    rank: int
    """1 is best; equal ones share a place."""
    beaten: float
    """The share of the other candidates that it ranks before, ties half."""
    reason: str
    seconds: float
    excluded: tuple[str, ...] = ()
    """Why this participant's answers are left out; empty: they count."""


class Rules(Record, frozen=True):
    """Whose answers are left out."""

    failures: int = 0
    """Attention checks that one may fail."""
    least_seconds: float = 15.0
    """Median time of a comparison, at least."""
    everybody: bool = False
    """Leave nobody out."""


CHECK, FAST, ALIKE, COPIED = "failed an attention check", "too fast", "all ratings alike", "one reason for everything"
REASONS = (CHECK, FAST, ALIKE, COPIED)


def excluded(progress: Progress, rules: Rules) -> dict[str, tuple[str, ...]]:
    """Of every participant who compared anything, why their answers are left out; () where they are not."""
    return {name: tuple(_reasons(person, rules)) for name, person in progress.people.items() if person.compared()}


def _reasons(person: Taken, rules: Rules) -> Iterator[str]:
    if rules.everybody:
        return
    compared = {item: values for (stage, item), values in person.done.items() if stage == "compare"}
    if person.failed() > rules.failures:
        yield CHECK
    if median(person.seconds.get(("compare", item), 0.0) for item in compared) < rules.least_seconds:
        yield FAST
    if len(compared) < 2:
        return
    ratings = {
        value
        for values in compared.values()
        for name, value in values.items()
        if name.startswith(("similarity_", "likeness_"))
    }
    if len(ratings) == 1:
        yield ALIKE
    reasons = {" ".join(values.get("reason", "").casefold().split()) for values in compared.values()}
    if len(reasons) == 1 and reasons != {""}:
        yield COPIED


def answers(progress: Progress, left_out: dict[str, tuple[str, ...]]) -> list[Answer]:
    """One for each candidate of each finished comparison, in the order in which people joined and went on."""
    found: list[Answer] = []
    for name, person in progress.people.items():
        for assigned in person.assigned:
            values = person.done.get(("compare", assigned.item))
            if values is None:
                continue
            systems = progress.items[assigned.item].systems
            ranks = [int(values[f"rank_{n + 1}"]) for n in range(len(assigned.order))]
            for n, system in enumerate(assigned.order):
                found.append(
                    Answer(
                        name,
                        assigned.item,
                        systems[system],
                        n + 1,
                        int(values[f"similarity_{n + 1}"]),
                        int(values[f"likeness_{n + 1}"]),
                        ranks[n],
                        _beaten(ranks, n),
                        values.get("reason", ""),
                        round(person.seconds.get(("compare", assigned.item), 0.0), 1),
                        left_out.get(name, ()),
                    )
                )
    return found


def _beaten(ranks: Sequence[int], own: int) -> float:
    won = sum(1.0 if ranks[own] < rank else 0.5 if ranks[own] == rank else 0.0 for rank in ranks)
    return (won - 0.5) / (len(ranks) - 1)
