"""`usergym report`: one page about one or more runs."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from usergym.cli.errors import told_in_one_line
from usergym.cli.tables import console
from usergym.evaluation.report import write_report
from usergym.rollouts.store import outcomes
from usergym.training.curves import svgs
from usergym.training.record import METRICS
from usergym.types import Trajectory


@told_in_one_line
def report(*runs: Path, output: Path = Path("report.html"), title: str = "usergym", samples: int = 30) -> None:
    """Write one HTML page about one or more runs: a table, plots, learning curves of training runs, and conversations
    to read. It needs no server and loads nothing from elsewhere.

    Examples:

        usergym report runs/oracle runs/smol --output report.html

    Parameters
    ----------
    runs
        Folders of runs, also of training; each that holds conversations is a row of the table, named after its folder.
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
    figures: list[tuple[str, str]] = []
    for run in runs:
        if not run.exists() and (Path("runs") / run).is_dir():
            run = Path("runs") / run
        played, learned = (run / "trajectories.jsonl").exists(), (run / METRICS).exists()
        if not (played or learned):
            raise ValueError(f"{run} is no run folder: it has neither trajectories.jsonl nor {METRICS}")
        name = run.name if run.name not in sources else str(run)
        if played:
            sources[name] = partial(outcomes, run)
        if learned:
            figures += [(f"{name}: {about}", drawn) for about, drawn in svgs(run, f"curves{len(figures)}-")]
    write_report(output, sources, title, samples, figures=figures)
    console.print(f"report: {output}")
