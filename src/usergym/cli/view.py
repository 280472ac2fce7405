"""`usergym view`: rollouts as a listing, or one whole conversation."""

import json as plain_json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json, at_least
from usergym.data import formats
from usergym.data.printable import one_line, printable
from usergym.data.rollout_inputs import in_the_file
from usergym.data.rollout_metrics import Line, Numbers
from usergym.environments.people.rows import NAME
from usergym.rows import BadRow, Skipped, read_rows
from usergym.types import Message, Trajectory, stable_hash

LISTED = 20
"""Bad lines that are listed."""
WIDE = 60
"""Characters of an answer in the listing."""
TASKS = {"row": "row", "task": "task#try", "reward": "reward", "steps": "steps", "tokens": "in/out"}
PEOPLE = {"row": "row", "person": "person", "level": "level#try", "reward": "reward", "tokens": "in/out"}
"""The columns before what was said, by field."""


@told_in_one_line
def view(file: Path, /, *, row: int | None = None, offset: int = 0, limit: int = 20, json: Json = False) -> int:
    """List rollouts, or show one whole conversation with its tool calls and results.

    Examples:

        usergym view rollouts.jsonl
        usergym view rollouts.jsonl --offset 1000 --limit 50
        usergym view rollouts.jsonl --row 3

    Parameters
    ----------
    file
        Rollouts or trajectories in any form that `usergym convert` reads, or a run folder.
    row
        Show this one whole, counted from 1.
    offset
        Leave out the first so many.
    limit
        List so many.
    json
        Print JSON lines instead of a table.
    """
    return run(file, row, offset, limit, json)


def run(file: Path, row: int | None, offset: int, limit: int, json: bool) -> int:
    """Shows; the exit status: 1 when there was nothing to show."""
    at_least(1, row=row, limit=limit)
    at_least(0, offset=offset)
    if (file / "trajectories.jsonl").is_file():
        file = file / "trajectories.jsonl"
    return _one(file, row, json) if row is not None else _listing(file, offset, limit, json)


def _listing(file: Path, offset: int, limit: int, json: bool) -> int:
    console = Console()
    listed: list[dict[str, str]] = []
    answered = False
    bad, numbers, count = Skipped(LISTED), Numbers(), 0
    for place, row in read_rows(file, skip_bad=True, skipped=bad):
        count += 1
        try:
            line = _numbers_of(row)
            numbers.add(line)
            answered = answered or "response" in row or "turns" in row
            if not offset < count <= offset + limit:
                continue
            for trajectory in formats.read_row(row):
                shown = _cells(trajectory, row)
                if json:
                    print(msgspec.json.encode({"row": count, **shown}).decode())
                else:
                    listed.append({"row": str(count), **{name: str(value) for name, value in shown.items()}})
        except (ValueError, msgspec.MsgspecError) as error:
            bad.add(BadRow(place, str(error)))
    if bad:
        bad.rows = [in_the_file(each) for each in bad.rows]
        print(printable(bad_lines(bad)), file=sys.stderr)
    if not json:
        if count and offset >= count:
            told = f"{file} has {count:,} rows; +offset={offset} (--offset {offset}) is past the last"
            console.print(told, markup=False, highlight=False, soft_wrap=True)
            return 0
        console.print(_table(listed, console.width))
        if count and not answered:
            what = "these are rows to be played, not rollouts: none of them has a response"
            console.print(what, style="yellow", highlight=False, soft_wrap=True)
        _stats(console, numbers, count, min(count, offset + limit), offset, _of_people(listed))
    return 0 if count else 1


def _of_people(listed: Sequence[Mapping[str, str]]) -> bool:
    return bool(listed) and all("person" in each for each in listed)


def _table(listed: Sequence[Mapping[str, str]], width: int) -> Table:
    """One line a row, however narrow the terminal is. Of people: who and what, in place of the task; a column of tools
    only where one was called."""
    wide = width >= 100
    table = Table(expand=True, padding=(0, int(wide)), show_edge=wide)
    people = _of_people(listed)
    columns = PEOPLE if people else TASKS
    for field, name in columns.items():
        left = field in ("task", "person", "level")
        table.add_column(name, justify="left" if left else "right", no_wrap=True, max_width=20 if wide else 15)
    fields = list(columns)
    if not people and (not listed or any(each["tools"] != "-" for each in listed)):
        fields.append("tools")
        table.add_column("tools", no_wrap=True, overflow="ellipsis", ratio=2 if wide else 3, min_width=24)
    table.add_column("last answer", no_wrap=True, overflow="ellipsis", ratio=3 if wide else 1, min_width=11)
    for each in listed:
        table.add_row(*(Text(one_line(each[field])) for field in (*fields, "said")))
    return table


def bad_lines(bad: Skipped) -> str:
    return str(bad).replace(" skipped", " cannot be shown", 1)


def _numbers_of(row: dict[str, object]) -> Line:
    """As much of a row as is counted; for our own form, that of the conversation in it."""
    if "turns" not in row:
        return msgspec.convert(row, Line, strict=False)
    trajectory = formats.read_row(row)[0]
    return Line(stable_hash(trajectory.task.id), trajectory.sample, reward=trajectory.reward())


def _cells(trajectory: Trajectory, row: dict[str, object]) -> dict[str, object]:
    turns = trajectory.turns[len(trajectory.task.opening) :]
    mine = [turn for turn in turns if turn.speaker == "assistant" and turn.message.role == "assistant"]
    calls: dict[str, int] = {}
    for turn in mine:
        for call in turn.message.tool_calls:
            calls[call.name] = calls.get(call.name, 0) + 1
    usage = trajectory.usage("assistant")
    said = next((turn.message.content for turn in reversed(mine) if turn.message.content), "")
    reward = trajectory.reward()
    task = row.get("_ng_task_index", _short(trajectory.task.id))
    rollout = row.get("_ng_rollout_index", trajectory.sample)
    data = trajectory.task.data if trajectory.task.env == NAME else {}
    who = {"person": data["user"], "level": f"{data['level']}#{rollout}"} if {"user", "level"} <= data.keys() else {}
    return {
        "task": f"{task}#{rollout}",
        "reward": "-" if reward is None else f"{reward:g}",
        "steps": len(mine),
        "tokens": f"{usage.input_tokens:,}/{usage.output_tokens:,}",
        "tools": ", ".join(f"{name} x{count}" if count > 1 else name for name, count in calls.items()) or "-",
        "said": " ".join(said[: 4 * WIDE].split())[:WIDE],
        **who,
    }


def _short(name: str) -> str:
    """A hash by its first digits, which tell it from the others on a screen."""
    return re.sub(r"[0-9a-f]{12,}", lambda found: found[0][:8], name)


def _stats(console: Console, numbers: Numbers, count: int, last: int, offset: int, people: bool) -> None:
    mean = numbers.mean()
    reward = "not scored"
    if mean:
        interval = f" [{mean.low:.2f}, {mean.high:.2f}]" if mean.low is not None and mean.high is not None else ""
        reward = f"mean reward {mean.mean:.3f}{interval}"
    place = f"rows {offset + 1:,} to {last:,} of {count:,}" if count else "no rows"
    told = f"{place}; of all: {reward}; {numbers.unscored:,} unscored; "
    tokens = f"{numbers.input_tokens:,} tokens in, {numbers.output_tokens:,} out"
    console.print(told + tokens, highlight=False, markup=False, soft_wrap=True)
    if count and people:
        console.print("level#try: what the person was asked for, and which of its rollouts, from 0", highlight=False)
    elif count:
        console.print("task#try: which row of the input, and which of its rollouts, from 0", highlight=False)
    if last < count:
        console.print(f"more: +offset={last} (--offset {last}); one whole: +row=N (--row N)", highlight=False)


def _one(file: Path, wanted: int, json: bool) -> int:
    bad = Skipped(LISTED)
    number = 0
    for number, (place, row) in enumerate(read_rows(file, skip_bad=True, skipped=bad), 1):
        if number == wanted:
            if json:
                print(msgspec.json.encode(row).decode())
                return 0
            try:
                found = formats.read_row(row)
            except (ValueError, msgspec.MsgspecError) as error:
                raise BadRow(place, str(error)) from None
            for trajectory in found:
                _show(Console(), trajectory, row)
            return 0
    raise ValueError(
        f"{file} has {number} rows{f' and {bad.count} bad lines' if bad else ''}; there is no row {wanted}"
    )


def _show(console: Console, trajectory: Trajectory, row: dict[str, object]) -> None:
    reward = trajectory.reward()
    console.rule(Text(f"{one_line(trajectory.task.id)}  reward {'-' if reward is None else f'{reward:g}'}"))
    for name, value in row.items():
        if isinstance(value, (str, int, float)) and name not in ("id", "reward", formats.FIELD):
            console.print(printable(f"{name}: {str(value)[:200]}"), style="dim", markup=False, highlight=False)
    for each in trajectory.rewards:
        if each.reason:
            console.print(printable(f"{each.name}: {each.reason}"), style="dim", markup=False, highlight=False)
    for title, body in _parts(trajectory.view("assistant")):
        console.print(Text(f"\n{one_line(title)}", style="bold"))
        console.print(printable(body), markup=False, highlight=False, soft_wrap=True)


def _parts(messages: list[Message]) -> Iterator[tuple[str, str]]:
    """What is read, with a title each."""
    for message in messages:
        if message.reasoning:
            yield "assistant, thinking", message.reasoning
        if message.role == "tool":
            yield f"result of {message.tool_call_id}", _pretty(message.content)
        elif message.content or not message.tool_calls:
            yield message.role, message.content
        for call in message.tool_calls:
            yield f"assistant calls {call.name} ({call.id})", _pretty(call.arguments)


def _pretty(text: str) -> str:
    """JSON indented; anything else as it is."""
    try:
        value = plain_json.loads(text)
    except (ValueError, RecursionError):
        return text
    return plain_json.dumps(value, indent=2, ensure_ascii=False) if isinstance(value, (dict, list)) else text
