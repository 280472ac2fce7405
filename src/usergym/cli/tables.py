"""What a person reads at the end of a verb; with --json one object that a program reads."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from usergym.evaluation.metrics import Summary
from usergym.evaluation.plan import Plan
from usergym.rows import Skipped

console = Console()
errors = Console(stderr=True)


def print_json(value: object) -> None:
    print(msgspec.json.encode(value, enc_hook=str).decode())


def counted(count: int, one: str, several: str = "") -> str:
    """`several`: where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def reward_of(summary: Summary) -> str:
    """Mean with its 95% interval."""
    if summary.mean is None:
        return "not scored"
    if summary.low is None or summary.high is None:
        return f"{summary.mean:.3f}"
    return f"{summary.mean:.3f} [{summary.low:.2f}, {summary.high:.2f}]"


def summary_table(summaries: Mapping[str, Summary], title: str, seconds: Mapping[str, float]) -> Table:
    """`seconds`: wall clock by agent."""
    table = Table(title=title, padding=(0, 0))
    priced = any(summary.usage.cost for summary in summaries.values())
    table.add_column("agent", overflow="fold")
    for name in ("reward [95% CI]", "scored", "failed", "calls", "tokens in/out", "seconds", *["cost"] * priced):
        table.add_column(name, justify="right", no_wrap=name != "failed")
    for name, summary in summaries.items():
        usage = summary.usage
        cells = [
            reward_of(summary),
            f"{summary.scored:,}/{summary.conversations:,}",
            ", ".join(f"{count} {kind}" for kind, count in summary.errors.items()) or "-",
            f"{usage.calls:,}",
            f"{usage.input_tokens:,}/{usage.output_tokens:,}",
            f"{seconds[name]:,.1f}",
        ]
        table.add_row(name, *cells, *[f"${usage.cost:,.4f}"] * priced)
    return table


def show_summary(
    summary: Summary, folder: Path, seconds: float, as_json: bool, left_out: Mapping[str, int] | None = None
) -> None:
    """`seconds`: wall clock of this call of the verb; `left_out`: rows of the data that could not be used, by why."""
    if as_json:
        told = {"rows_left_out": left_out} if left_out else {}
        print_json({"run": str(folder), "seconds": seconds, "summary": summary, **told})
        return
    console.print(summary_table({summary.agent: summary}, summary.env, {summary.agent: seconds}))
    for what, counts in (
        ("ended by", summary.stops),
        ("lost by", summary.reasons),
        ("not scored by", summary.unscored_by),
    ):
        if counts:
            console.print(f"{what}: " + ", ".join(f"{reason} {count:,}" for reason, count in counts.items()))
    if summary.errors:
        console.print(f"why they failed: {folder / 'failures.jsonl'}; run again to retry them (3 attempts in all)")
    console.print(f"trajectories: {folder / 'trajectories.jsonl'}")


def show_generated(summary: Summary, output: Path, rows: int, as_json: bool) -> None:
    failed = sum(summary.errors.values())
    if as_json:
        print_json({"output": str(output), "conversations": rows, "failed": summary.errors, "usage": summary.usage})
        return
    console.print(f"{rows:,} conversations in {output}")
    if summary.usage.calls:
        console.print(
            f"{summary.usage.calls:,} calls, {summary.usage.input_tokens:,} tokens in, "
            f"{summary.usage.output_tokens:,} out" + (f", ${summary.usage.cost:,.4f}" if summary.usage.cost else "")
        )
    if failed:
        kinds = ", ".join(f"{count} {kind}" for kind, count in summary.errors.items())
        console.print(f"{failed:,} failed ({kinds}) and are not in it; see {output}.run/failures.jsonl")


def show_skipped(skipped: Skipped, as_json: bool) -> None:
    if skipped:
        (errors if as_json else console).print(str(skipped), style="yellow", markup=False, highlight=False)


def told_left_out(skipped: Skipped) -> str:
    """How many and why, on one line; which they were is said where they are read."""
    reasons = ", ".join(f"{count:,} {why}" for why, count in skipped.why.most_common())
    return f"left out: {skipped.count:,} rows ({reasons})"


def show_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        print_json(plan)
        return
    table = Table(title=f"Plan for {plan.conversations:,} conversations (measured on {plan.measured})")
    for name in ("speaker", "model", "calls", "tokens in", "tokens out", "cost"):
        table.add_column(name, justify="left" if name in ("speaker", "model") else "right")
    for each in plan.speaking:
        cost = "no price; give --prices" if each.cost is None else f"${each.cost:,.4f}"
        tokens = (f"{each.calls:,}", f"{each.input_tokens:,}", f"{each.output_tokens:,}")
        table.add_row(each.speaker, each.model, *tokens, cost)
    if not plan.speaking:
        table.add_row("nobody", "no model is called", "0", "0", "0", "-")
    console.print(table)
    console.print(f"disk: {plan.disk_bytes / 2**20:,.1f} MiB")
