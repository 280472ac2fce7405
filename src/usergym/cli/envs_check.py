"""`usergym envs check`: promises, and proof that nothing of a held-out task occurs in training."""

from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from usergym.cli.env_test import run as check_promises
from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json, at_least
from usergym.cli.tables import console, print_json
from usergym.environments.base import load, names
from usergym.evaluation.leakage import SPLITS, Audit, audit

LISTED = 10


@told_in_one_line
def envs_check(
    *name: str,
    leakage: Annotated[bool, Parameter(negative="")] = False,
    tasks: int = 300,
    seed: int = 0,
    json: Json = False,
) -> int:
    """Check environments: all promises (as `usergym test-env`), or with --leakage that splits share nothing.

    Tasks of every split are generated, and those of validation and test compared with those of training: groups, whole
    tasks, what the environment calls content, and hidden texts. What is shared is listed, and the exit status is 1;
    what could not be compared is told.

    Examples:

        usergym envs check function --leakage
        usergym envs check --leakage --tasks 1000

    Parameters
    ----------
    name
        Environments, with options; your own by their dotted paths. Default: all of the package.
    leakage
        Compare the splits.
    tasks
        Of each split.
    seed
        Of the tasks.
    json
        Print JSON instead of tables.
    """
    at_least(1, tasks=tasks)
    if not leakage:
        return check_promises(name, json)
    found = [audit(load(each), tasks, seed) for each in name or tuple(names())]
    if json:
        print_json(found)
    else:
        for each in found:
            _show(each)
    return 1 if any(each.leaks or not all(each.tasks.values()) for each in found) else 0


def _show(found: Audit) -> None:
    table = Table(title=f"{found.env}: what was compared")
    table.add_column("")
    for split in SPLITS:
        table.add_column(split, justify="right")
    table.add_column("also in training", justify="right")
    table.add_row("tasks", *(f"{found.tasks[split]:,}" for split in SPLITS), "")
    for kind, sizes in found.keys.items():
        shared = len({leak.key for leak in found.leaks if leak.kind == kind})
        told = f"[red]{shared:,}[/]" if shared else "[green]0[/]"
        table.add_row(f"different {kind}s", *(f"{sizes[split]:,}" for split in SPLITS), told)
    console.print(table)
    for each in found.not_compared:
        console.print(f"not compared: {each}", style="yellow", markup=False, soft_wrap=True)
    for split, count in found.tasks.items():
        if not count:
            console.print(f"{split} has no tasks", style="red")
    for leak in found.leaks[:LISTED]:
        console.print(f"{leak.kind} of {leak.split} task {leak.task} is in {leak.train}: {leak.key}", markup=False)
    if len(found.leaks) > LISTED:
        console.print(f"and {len(found.leaks) - LISTED:,} more")
