"""Credit of turns as a person reads it, with a bar for each, or as one JSON object."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from usergym.cli.credit_groups import Explained, Member
from usergym.data.printable import one_line
from usergym.training.credit import Preset
from usergym.types import Speaker, Turn

WIDE = 400
"""Characters of a turn that can reach a line, however wide the terminal."""
HALF = 5
"""Characters of a bar on each side of its middle."""
NUMBER = 8
"""Characters of a credit in figures."""


def show(path: Path, groups: Sequence[Explained], total: int, presets: Sequence[Preset], speaker: Speaker) -> None:
    console = Console()
    for group in groups:
        console.print(_table(group, presets, console.width))
        for note in _notes(group, presets, console.width):
            console.print(note, style="dim", markup=False, highlight=False, soft_wrap=True)
        console.print()
    console.print(_told(groups, total, presets, speaker), markup=False, highlight=False, soft_wrap=True)
    if len(groups) < total:
        console.print(f"of {total:,} tasks in {path}; --limit {total} shows all, --task ID one", markup=False)


def show_json(path: Path, groups: Sequence[Explained], total: int, presets: Sequence[Preset], speaker: Speaker) -> None:
    value = {
        "run": str(path),
        "speaker": speaker,
        "tasks": total,
        "unscored": _unscored(groups),
        "alone": _alone(groups),
        "flat": {preset: sum(group.is_flat(preset) for group in groups) for preset in presets},
        "groups": [
            {"task": group.task, "members": [_member_json(member, presets) for member in group.members]}
            for group in groups
        ],
    }
    print(msgspec.json.encode(value).decode())


def _member_json(member: Member, presets: Sequence[Preset]) -> dict[str, Any]:
    rewards: Sequence[float | None] = member.rewards or [None] * len(member.replies)
    return {
        "id": member.trajectory.id,
        "left_out": member.left_out or None,
        "score": {preset: member.standings[preset].score for preset in presets if member.standings},
        "baseline": {preset: member.standings[preset].baseline for preset in presets if member.standings},
        "turns": [
            {
                "turn": place,
                "words": _words(member.trajectory.turns[place])[:WIDE],
                "reward": reward,
                "credit": {p: float(member.standings[p].turns[number]) for p in presets if member.standings},
            }
            for number, (place, reward) in enumerate(zip(member.replies, rewards, strict=True))
        ],
    }


def _table(group: Explained, presets: Sequence[Preset], width: int) -> Table:
    """Bars where there is room for them, the scores in the table where there is still more."""
    bars, scores = width >= 44 + 24 * len(presets), _holds_scores(width, presets)
    table = Table(title=Text(one_line(group.task)), title_justify="left", expand=True, show_edge=width >= 100)
    table.add_column("#", justify="right", no_wrap=True, min_width=2)
    table.add_column("turn", justify="right", no_wrap=True, min_width=4)
    table.add_column("said or called", no_wrap=True, overflow="ellipsis", ratio=1, min_width=14)
    table.add_column("reward", justify="right", no_wrap=True, min_width=6)
    if scores:
        table.add_column("score (baseline)", justify="right", no_wrap=True, min_width=16)
    for preset in presets:
        wide = NUMBER + bars * (2 * HALF + 2)
        table.add_column("credit" if len(presets) == 1 else preset, no_wrap=True, min_width=max(wide, len(preset)))
    largest = {
        preset: max((float(abs(each.standings[preset].turns).max()) for each in group.scored), default=0.0)
        for preset in presets
    }
    for member in group.members:
        sample = str(member.trajectory.sample)
        if member.rewards is None:
            left_out = Text("left out", style="yellow")
            table.add_row(sample, "", left_out, *["-"] * (1 + scores + len(presets)), end_section=True)
            continue
        for number, (place, reward) in enumerate(zip(member.replies, member.rewards, strict=True)):
            cells = [bar(float(member.standings[p].turns[number]), largest[p], bars) for p in presets]
            words = Text(_words(member.trajectory.turns[place])[:WIDE])
            against = ["" if number else _against(member, presets[0])] * scores
            last = number == len(member.replies) - 1
            first = "" if number else sample
            table.add_row(first, str(place), words, f"{reward:+.3g}", *against, *cells, end_section=last)
    return table


def _holds_scores(width: int, presets: Sequence[Preset]) -> bool:
    return len(presets) == 1 and width >= 88


def _against(member: Member, preset: Preset) -> str:
    """The score, and what it is compared with."""
    return f"{member.standings[preset].score:.3g} ({member.standings[preset].baseline:.3g})"


def bar(credit: float, largest: float, drawn: bool = True) -> Text:
    """A number with its sign, and a bar from the middle to the right for more than 0, to the left for less."""
    size = min(HALF, round(HALF * abs(credit) / largest + 0.4)) if largest and credit else 0
    colour = "green" if credit > 0 else "red" if credit < 0 else "dim"
    text = Text(f"{credit:+{NUMBER}.3f}" if credit else f"{'0':>{NUMBER}}", style=colour)
    if drawn:
        text.append(f" {'█' * size * (credit < 0):>{HALF}}", style=colour)
        text.append("│", style="dim")
        text.append(f"{'█' * size * (credit > 0):<{HALF}}", style=colour)
    return text


def _words(turn: Turn) -> str:
    calls = [f"{call.name}({call.arguments[:WIDE]})" for call in turn.message.tool_calls]
    return one_line(" ".join(filter(None, (turn.message.content[: 2 * WIDE], *calls)))) or "(nothing)"


def _notes(group: Explained, presets: Sequence[Preset], width: int) -> list[str]:
    notes = [
        f"#{each.trajectory.sample} left out: {one_line(each.left_out)}" for each in group.members if each.left_out
    ]
    if group.scored and not _holds_scores(width, presets):
        for preset in presets:
            found = [f"#{each.trajectory.sample} {_against(each, preset)}" for each in group.scored]
            notes.append(f"score (baseline) by {preset}: {', '.join(found)}")
    if len(group.scored) < 2 and group.members:
        notes.append(f"{len(group.scored)} of {len(group.members)} samples scored: nothing to compare with")
    notes.extend(
        f"{preset}: no difference between its samples, so no credit" for preset in presets if group.is_flat(preset)
    )
    return notes


def _told(groups: Sequence[Explained], total: int, presets: Sequence[Preset], speaker: Speaker) -> str:
    members = sum(len(group.members) for group in groups)
    flat = ", ".join(f"{sum(group.is_flat(preset) for group in groups)} by {preset}" for preset in presets)
    return (
        f"turns of the {speaker}: {members:,} conversations of {len(groups):,} tasks; left out: {_unscored(groups):,} "
        f"conversations; tasks with fewer than two scored samples: {_alone(groups):,}; without any difference: {flat}"
    )


def _unscored(groups: Sequence[Explained]) -> int:
    return sum(len(group.members) - len(group.scored) for group in groups)


def _alone(groups: Sequence[Explained]) -> int:
    return sum(len(group.scored) < 2 for group in groups)
