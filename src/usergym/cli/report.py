"""`usergym report`: one page about one or more runs."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from usergym.cli.errors import told_in_one_line
from usergym.cli.running import outcomes
from usergym.cli.tables import console
from usergym.evaluation.report import write_report
from usergym.types import Trajectory


@told_in_one_line
def report(*runs: Path, output: Path = Path("report.html"), title: str = "usergym", samples: int = 30) -> None:
    """Write one HTML page about one or more runs: a table, plots, and conversations to read. It needs no server and
    loads nothing from elsewhere.

    Examples:

        usergym report runs/oracle runs/smol --output report.html

    Parameters
    ----------
    runs
        Run folders; each is a row of the table, named after its folder.
    output
        The page.
    title
        Its title.
    samples
        Conversations to show per run, failed ones first.
    """
    if not runs:
        raise ValueError("no run folder given; `usergym report runs/NAME` makes a page about one")
    sources: dict[str, Callable[[], Iterable[Trajectory]]] = {}
    for run in runs:
        if not run.exists() and (Path("runs") / run).is_dir():
            run = Path("runs") / run
        if not (run / "trajectories.jsonl").exists():
            raise ValueError(f"{run} is no run folder: it has no trajectories.jsonl")
        name = run.name if run.name not in sources else str(run)
        sources[name] = partial(outcomes, run)
    write_report(output, sources, title, samples)
    console.print(f"report: {output}")
