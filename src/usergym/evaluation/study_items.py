"""Items of a study, from a file of them, or from runs and files of responses to the same tasks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from usergym.evaluation.study_records import FEWEST, MOST, Item
from usergym.evaluation.study_rows import Response, check_length, item_of, response_of
from usergym.evaluation.study_runs import is_comparable, response_of_run
from usergym.rollouts.store import read_trajectories
from usergym.rows import BadRow, read_rows
from usergym.types import Speaker, Trajectory, is_blank


@dataclass
class Gathered:
    """Items, and how many of what was there could not be used, by reason."""

    items: list[Item]
    left_out: Counter[str] = field(default_factory=Counter)
    """Not a word of it is lost silently: a reason, and how many tasks."""
    named: int = 0
    """Items in which a text holds the name of one of their systems, by which a reader could tell it."""


def gather(sources: Sequence[str], speaker: Speaker = "assistant") -> Gathered:
    """One file of items, or two to four sources of responses, each PATH or NAME=PATH. ValueError where they cannot be
    compared; BadRow for a row that is no item."""
    if len(sources) == 1:
        gathered = Gathered(list(_items(Path(sources[0]))))
    else:
        if len(sources) > MOST:
            raise ValueError(f"{len(sources)} systems; a page shows {FEWEST} to {MOST}, so give no more")
        named = dict(_named(source) for source in sources)
        if len(named) < len(sources):
            raise ValueError("two of the sources have the same name; tell them apart with NAME=PATH")
        gathered = _joined({name: list(_responses(path, speaker)) for name, path in named.items()})
    if not gathered.items:
        why = ", ".join(f"{reason} ({count})" for reason, count in gathered.left_out.items())
        raise ValueError(f"no item is left to compare{': ' + why if why else ' in ' + sources[0]}")
    gathered.named = sum(_tells(item) for item in gathered.items)
    return gathered


def _tells(item: Item) -> bool:
    text = "\n".join((*item.candidates.values(), *(said.text for said in item.context), item.persona)).casefold()
    return any(name.casefold() in text for name in item.candidates)


def _named(source: str) -> tuple[str, Path]:
    name, equals, path = source.partition("=")
    if equals and name and "/" not in name:
        return name, Path(path)
    found = Path(source)
    return (found.parent.name if found.name == "trajectories.jsonl" else found.name.split(".")[0]), found


def _items(path: Path) -> Iterator[Item]:
    if path.is_dir():
        raise ValueError(f"{path} is one run; give two to four of them to compare, or a file of items")
    known: set[str] = set()
    for place, raw in read_rows(path):
        try:
            item = item_of(raw, place.number)
        except ValueError as error:
            raise BadRow(place, str(error)) from None
        if item.id in known:
            raise BadRow(place, f"id {item.id!r} stands twice; give every item its own")
        known.add(item.id)
        yield item


def _responses(path: Path, speaker: Speaker) -> Iterator[Response | None]:
    """Those of a run folder or a file; None for one that failed."""
    if path.is_dir() or path.name == "trajectories.jsonl":
        for trajectory in read_trajectories(path):
            if is_comparable(trajectory.task):
                yield response_of_run(trajectory, speaker)
        return
    for place, raw in read_rows(path):
        try:
            if "task" not in raw:
                yield response_of(raw, place.number)
                continue
            trajectory = msgspec.convert(raw, Trajectory)
            if is_comparable(trajectory.task):
                yield response_of_run(trajectory, speaker)
        except (ValueError, msgspec.ValidationError) as error:
            raise BadRow(place, str(error)) from None


def _joined(responses: Mapping[str, Sequence[Response | None]]) -> Gathered:
    """One item for every task that all have a response to; of several samples the first."""
    left_out: Counter[str] = Counter()
    by_task: dict[str, dict[str, Response]] = {}
    for name, each in responses.items():
        for response in each:
            if response is None or is_blank(response.text):
                left_out[f"failed or silent in {name}"] += 1
            elif name not in by_task.setdefault(response.id, {}):
                by_task[response.id][name] = response
    items = []
    for task, found in by_task.items():
        item = _item_of_all(task, found, len(responses))
        if isinstance(item, str):
            left_out[item] += 1
        else:
            items.append(item)
    return Gathered(items, left_out)


def _item_of_all(task: str, found: Mapping[str, Response], systems: int) -> Item | str:
    """Or why they cannot be compared."""
    if len(found) < systems:
        return "not answered by all"
    first = next(iter(found.values()))
    if any(response.context != first.context for response in found.values()):
        return "the systems had heard different things"
    if any(response.truth != first.truth for response in found.values()):
        return "the systems had to be different people"
    # Where systems were told different personas, as a control is, none of them can be shown as the person.
    same = all(response.persona == first.persona for response in found.values())
    candidates = {name: response.text for name, response in found.items()}
    item = Item(task, first.context, candidates, first.persona if same else "", first.truth)
    try:
        check_length(item)
    except ValueError:
        return "too long to read"
    return item
