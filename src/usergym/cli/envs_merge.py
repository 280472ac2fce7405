"""`usergym envs merge`: tasks of several environments, or parquet files, in one file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json, at_least
from usergym.cli.running import check_writable
from usergym.cli.tables import console, print_json
from usergym.data.convert import refuse_itself
from usergym.data.merge import Cap, Merged, merge, task_rows
from usergym.environments.base import load
from usergym.evaluation.suite import GROUPS, spec_of
from usergym.rows import Writer, read_rows

TASKS = 500


@told_in_one_line
def envs_merge(
    *source: str,
    output: Path,
    split: Literal["train", "validation", "test"] = "train",
    tasks: int = TASKS,
    share: tuple[str, ...] = (),
    most: tuple[str, ...] = (),
    least: tuple[str, ...] = (),
    max_prompt_tokens: int | None = None,
    seed: int = 42,
    json: Json = False,
) -> int:
    """Merge tasks of several environments, in UserRL's columns, each with its cap.

    A source is an environment (its own tasks), one of UserRL's fifteen names, or a file of rows. What is taken is drawn
    by a hash of the seed, so the same command gives the same file.

    Examples:

        usergym envs merge function turtle tau --output train.parquet --most function=200
        usergym envs merge old/train.parquet function --share old/train.parquet=0.35 --output new.parquet

    Parameters
    ----------
    source
        Environments and files (*.parquet, *.jsonl, *.json); userrl: all fifteen.
    output
        The file (*.parquet, *.jsonl, *.json).
    split
        Of the environments' tasks.
    tasks
        Of each environment, before it is capped.
    share
        SOURCE=0.35: this part of a source. Each of the three may be given several times.
    most
        SOURCE=200: not more of it.
    least
        SOURCE=50: not fewer, whatever its share, where there are so many.
    max_prompt_tokens
        Leave out prompts of so many tokens or more, at 4 characters a token.
    seed
        Decides tasks, draw and order.
    json
        Print one JSON object instead of a table.
    """
    at_least(1, tasks=tasks, max_prompt_tokens=max_prompt_tokens)
    names = [name for each in source for name in GROUPS.get(each, (each,))]
    if not names:
        raise ValueError("no source given; `usergym envs merge function turtle --output train.parquet` merges two")
    caps = caps_of(names, share, most, least)
    done = Merged()
    sources: dict[str, Iterable[dict[str, Any]]] = {}
    for name in names:
        if Path(name).suffix in (".parquet", ".jsonl", ".json"):
            refuse_itself(name, output)
            sources[name] = (row for _, row in read_rows(name))
        else:
            sources[name] = task_rows(load(spec_of(name)), split, seed, tasks)
    check_writable(output)
    with Writer(output, whole=True) as writer:
        for row in merge(sources, caps, seed=seed, longest=max_prompt_tokens, done=done):
            writer.write(row)
    if json:
        print_json({"output": str(output), "rows": writer.rows, "sources": done})
        return 0
    table = Table("source", "rows", "taken", "prompt too long", title=f"{writer.rows:,} rows in {output}")
    for name in names:
        table.add_row(name, *(f"{of.get(name, 0):,}" for of in (done.read, done.taken, done.too_long)))
    console.print(table)
    return 0 if writer.rows else 1


def caps_of(names: list[str], share: tuple[str, ...], most: tuple[str, ...], least: tuple[str, ...]) -> dict[str, Cap]:
    """Of the flags. ValueError for a source that is not merged, or no number."""
    given = {flag: _numbers(flag, texts, names) for flag, texts in (("share", share), ("most", most), ("least", least))}
    return {
        name: Cap(
            given["share"].get(name, 1.0),
            int(given["least"].get(name, 0)),
            int(given["most"][name]) if name in given["most"] else None,
        )
        for name in names
    }


def _numbers(flag: str, texts: tuple[str, ...], names: list[str]) -> dict[str, float]:
    found = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        if name not in names:
            raise ValueError(f"--{flag} {text}: {name or 'nothing'} is no source; there are {', '.join(names)}")
        try:
            found[name] = float(number)
        except ValueError:
            raise ValueError(f"--{flag} {text}: {number!r} is no number") from None
    return found
