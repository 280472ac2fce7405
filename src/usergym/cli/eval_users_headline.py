"""The first lines of an evaluation of simulated people, in words: how close each model comes, what the persona adds."""

from collections.abc import Iterator, Mapping

from usergym.evaluation.users import CONSTANT, Play, Source
from usergym.evaluation.users_judging import OVERLAP
from usergym.evaluation.users_results import Result
from usergym.evaluation.users_scores import FEWEST, Cell, Clustered, Difference
from usergym.users.states.spec import LAST

OTHERS = {"shuffled": "another's", "none": "none"}
"""Whose persona a control tells instead."""


def judge_told(name: str) -> str:
    return "the overlap of words" if name == OVERLAP else name


def fullest(result: Result) -> Play:
    """The play that the headline is about: spoken where there is one."""
    plays = {cell.source.play for cell in result.cells if cell.source.model != CONSTANT}
    return "spoken" if "spoken" in plays else "asked"


def headline(result: Result, names: Mapping[str, str]) -> Iterator[str]:
    """Of the responses, or of the last level that was asked for."""
    level = LAST if LAST in result.levels else result.levels[-1]
    play = fullest(result)
    cells = {cell.source: cell for cell in result.cells if (cell.judge, cell.level) == (result.main, level)}
    how = ", states first" if play == "spoken" and level == LAST else ""
    yield f"Alignment of the {level}{how}, 0 to 1, by {judge_told(names[result.main])}:"
    for model in result.models:
        source = Source(model, play=play)
        if source in cells:
            yield f"  {names[model]}: {_standing(cells[source])}{_gained(result, source, level, names)}"
            yield from _persona(result, source, level)
    if (chance := cells.get(Source(CONSTANT))) and chance.alignment:
        yield f"  for comparison, the same text always: {chance.alignment.mean:.3f}"
    if count := len(result.warnings):
        yield f"  {count} warning{'s' * (count > 1)} below: read {'them' if count > 1 else 'it'} first"


def _standing(cell: Cell) -> str:
    if cell.alignment is None:
        return "not judged"
    kept = cell.judged and 1 - sum(cell.wrong.values()) / cell.judged
    form = "" if not cell.wrong else f"; {kept:.0%} of its replies kept to what was asked"
    return f"{_between(cell.alignment)}{form}"


def _gained(result: Result, source: Source, level: str, names: Mapping[str, str]) -> str:
    """Over the first model."""
    first = next((each for each in _own(result.pairs, result, source, level)), None)
    return "" if first is None else f"; {_between(first.difference, '+')} over {names[first.first.model]}"


def _persona(result: Result, source: Source, level: str) -> Iterator[str]:
    found = _own(result.controls, result, source, level)
    if not found:
        yield "    what the persona adds is not known (--controls shuffled none)"
    for each in found:
        told = f"{_between(each.difference, '+')}{_seen(each.difference)}"
        yield f"    its own persona adds, over {OTHERS[each.first.persona]}: {told}"


def _own(of: tuple[Difference, ...], result: Result, source: Source, level: str) -> list[Difference]:
    return [each for each in of if (each.second, each.level, each.judge) == (source, level, result.main)]


def _seen(found: Clustered) -> str:
    if found.people < FEWEST:
        return ", too few people to tell"
    low, high = (found.mean if end is None else end for end in (found.low, found.high))
    return ", no difference seen" * (low <= 0 <= high)


def _between(found: Clustered, sign: str = "") -> str:
    if found.low is None or found.high is None:
        return f"{found.mean:{sign}.3f}"
    return f"{found.mean:{sign}.3f} [{found.low:{sign}.2f}, {found.high:{sign}.2f}]"
