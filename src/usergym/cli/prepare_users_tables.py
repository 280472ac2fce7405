"""What `usergym prepare users` tells before and after."""

import shlex
from pathlib import Path

from rich.table import Table

from usergym.cli.tables import console, print_json
from usergym.data.prepare.users.datasets import Dataset
from usergym.data.prepare.users.leakage import WHAT
from usergym.data.prepare.users.output import MANIFEST, SPLITS
from usergym.data.prepare.users.pipeline import Preparation
from usergym.data.prepare.users.report import Report


def show_plan(job: Preparation, rules: Dataset, as_json: bool, replies: Path | None = None) -> None:
    """`replies`: the file that keeps what models answer, where one is asked."""
    names = [f"{split}{ending}" for ending in (".parquet", ".example.json") for split in SPLITS]
    names += ["personas.jsonl", *(["thoughts.jsonl"] if job.layout.what == "thinking_sft" else []), MANIFEST]
    outputs = [*(job.folder / name for name in names), job.prompts, *([replies] if replies else [])]
    told = rules_in_words(job, rules)
    if as_json:
        print_json({"reads": job.source.told(), "rules": told, "writes": outputs, "settings": job.settings})
        return
    for title, lines in (("reads", job.source.told()), ("rules", told), ("would write", list(map(str, outputs)))):
        console.print(f"{title}:", highlight=False)
        for line in lines:
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def rules_in_words(job: Preparation, rules: Dataset) -> list[str]:
    plan, layout = job.plan, job.layout
    how = {
        "user": f"{plan.unseen:g} of the people, then {plan.seen:g} and {plan.val:g} of the others' posts",
        "post": f"the last {plan.seen:g} of the posts, the {plan.val:g} before them",
        "turn": f"each person's last {plan.seen:g} turns, the {plan.val:g} before them",
        "source": "as the source is split",
        None: "as the source is split; else by user",
    }[plan.by]
    whose = {"auto": "given, else drawn from own texts", "given": "given", "own": "drawn from own texts"}
    drawn = plan.persona_model["name"] if plan.persona_model else "rules"
    levels = ", ".join(layout.hierarchy.names)
    spread = "; a row for each level" if layout.expand else ""
    published = f"; published runs used {rules.percent:g}% of the training rows" if rules.percent < 100 else ""
    return [
        f"{layout.what} rows for {layout.hierarchy.name} ({levels}){spread}",
        f"a text of at least {plan.min_chars:,} characters, at most {plan.comment_words:,} words, with its thread "
        f"at most {plan.example_words:,}; {rules.name}'s own rules; people with {plan.min_comments} texts or more",
        f"held out: {how}; {plan.train_percent:g}% of the training rows{published}",
        f"personas: {plan.personas} ({whose[plan.personas]}, by {drawn}), of {plan.min_items} items or more",
        f"redacted: {', '.join(plan.redact) or 'nothing'}; leaks: {plan.leaks}; broken rows: "
        + ("the first ends it" if plan.strict else "left out and counted"),
    ]


def show_report(report: Report, job: Preparation, as_json: bool) -> None:
    figures = report.figures()
    if as_json:
        print_json({"out": str(job.folder), **figures, "settings": job.settings})
        return
    table = Table(title=f"{job.layout.what} rows in {job.folder}", show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    table.add_row("rows read", f"{sum(report.read.values()):,}")
    for title in ("broken", "left_out"):
        for reason, count in figures[title].items():
            table.add_row(f"  left out: {reason}", f"{count:,}")
    for reason, count in figures["people_left_out"].items():
        table.add_row(f"people left out: {reason}", f"{count:,}")
    for source, count in report.personas.items():
        table.add_row(f"personas: {source}", f"{count:,}")
    for title, tally in (("personas", report.asked), ("thoughts", report.thoughts)):
        for reason, count in (+tally.refused).items():
            table.add_row(f"  {title}, answers refused: {reason}", f"{count:,}")
        for reason, count in tally.failed.items():
            table.add_row(f"  {title}, none: {reason}", f"{count:,}")
    for kind, count in report.leak_counts.items():
        table.add_row(f"leaks: {WHAT[kind]}", f"{count:,}" + (" (taken out)" if count and report.cured else ""))
    table.add_row("held-out texts that training threads show", f"{report.shown:,}")
    for split, count in report.written.items():
        people = f" of {report.users[split]:,} people" if split in report.users else ""
        table.add_row(f"written: {split}.parquet{people}", f"{count:,}")
    console.print(table, markup=False)
    if job.layout.what == "rl":
        console.print(f"next: usergym train users {shlex.quote(str(job.folder))}", markup=False, soft_wrap=True)
    if (
        usage := (report.asked.usage + report.thoughts.usage)
        if report.asked.usage.calls + report.thoughts.usage.calls
        else None
    ):
        console.print(
            f"{usage.calls:,} calls, {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out", highlight=False
        )
