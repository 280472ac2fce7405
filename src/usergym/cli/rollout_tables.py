"""What a person reads after rollouts were collected."""

from pathlib import Path

from rich.table import Table

from usergym.cli.tables import console, print_json
from usergym.data.rollout_metrics import Numbers, Summary


def show_rollouts(summary: Summary, output: Path, wanted: int, seconds: float, as_json: bool) -> None:
    """`wanted`: how many rollouts were asked for."""
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
    table = Table(title=str(output))
    table.add_column("", overflow="fold")
    for name in ("rollouts", "reward [95% CI]", "unscored", "tokens in/out"):
        table.add_column(name, justify="right", no_wrap=True)
    parts = {"all": whole}
    for of in (summary.agents, summary.categories):
        if len(of) > 1:
            parts |= dict(sorted(of.items()))
    for name, numbers in parts.items():
        table.add_row(name, *_cells(numbers))
    console.print(table)
    if summary.failures:
        failures = ", ".join(f"{count:,} {kind}" for kind, count in summary.failures.most_common())
        where = output.with_name(f"{output.stem}_failures.jsonl")
        console.print(f"failed: {failures}; see {where}. The same command tries them again.", markup=False)
    console.print(f"{whole.rows:,} of {wanted:,} rollouts in {output}, {seconds:,.1f} s", markup=False)


def _cells(numbers: Numbers) -> list[str]:
    mean = numbers.mean()
    reward = "not scored"
    if mean:
        reward = f"{mean.mean:.3f}"
        if mean.low is not None and mean.high is not None:
            reward += f" [{mean.low:.2f}, {mean.high:.2f}]"
    tokens = f"{numbers.input_tokens:,}/{numbers.output_tokens:,}"
    return [f"{numbers.rows:,}", reward, f"{numbers.unscored:,}", tokens]
