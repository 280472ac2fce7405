"""What a person reads after rollouts were collected."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.table import Table
from rich.text import Text

from usergym.cli.tables import console, print_json
from usergym.data.rollout_metrics import Numbers, Summary


def show_rollouts(
    summary: Summary, output: Path, wanted: int, seconds: float, as_json: bool, failed: Mapping[str, str] = {}
) -> None:
    """`wanted`: how many rollouts were asked for; `failed`: one message for each kind of failure."""
    whole = summary.whole
    if as_json:
        mean = whole.mean()
        print_json(
            {
                "output": str(output),
                "rollouts": whole.rows,
                "wanted": wanted,
                "unscored": whole.unscored,
                "failures": summary.failures,
                "mean": mean and {"value": mean.mean, "low": mean.low, "high": mean.high},
                "input_tokens": whole.input_tokens,
                "output_tokens": whole.output_tokens,
                "seconds": seconds,
            }
        )
        return
    if whole.rows:
        console.print(_table(summary, output))
    if summary.failures:
        failures = ", ".join(f"{count:,} {kind}" for kind, count in summary.failures.most_common())
        where = output.with_name(f"{output.stem}_failures.jsonl")
        again = f"failed: {failures}; see {where}. The same command tries them again."
        console.print(again, markup=False, soft_wrap=True)
        for kind, message in failed.items():
            console.print(f"  {kind}: {message}", markup=False, highlight=False, soft_wrap=True)
    if not whole.rows:
        console.print(f"none of {wanted:,} rollouts came in, {seconds:,.1f} s", markup=False, soft_wrap=True)
        return
    there = f"{whole.rows:,} of {wanted:,} rollouts"
    if whole.rows > wanted:
        there = f"{wanted:,} rollouts were asked for, {whole.rows:,} are"
    console.print(f"{there} in {output}, {seconds:,.1f} s", markup=False, soft_wrap=True)


def _table(summary: Summary, output: Path) -> Table:
    table = Table(title=Text(str(output)))
    table.add_column("", overflow="ellipsis")
    for name in ("rollouts", "reward [95% CI]", "unscored", "tokens in/out"):
        table.add_column(Text(name), justify="right", no_wrap=True)
    table.add_row("all", *_cells(summary.whole))
    for of in (summary.agents, summary.categories):
        if len(of) > 1:
            for name, short in shortened(of).items():
                table.add_row(Text(short), *_cells(of[name]))
    return table


def shortened(names: Iterable[str]) -> dict[str, str]:
    """Names in order, each without the words with which all of them begin."""
    names = sorted(names)
    words = [name.split("_") for name in names]
    shared = 0
    while all(len(each) > shared + 1 and each[: shared + 1] == words[0][: shared + 1] for each in words):
        shared += 1
    return {name: "_".join(each[shared:]) for name, each in zip(names, words, strict=True)}


def _cells(numbers: Numbers) -> list[str]:
    mean = numbers.mean()
    reward = "not scored"
    if mean:
        reward = f"{mean.mean:.3f}"
        if mean.low is not None and mean.high is not None:
            reward += f" [{mean.low:.2f}, {mean.high:.2f}]"
    tokens = f"{numbers.input_tokens:,}/{numbers.output_tokens:,}"
    return [f"{numbers.rows:,}", reward, f"{numbers.unscored:,}", tokens]
