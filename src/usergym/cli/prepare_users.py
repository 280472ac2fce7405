"""`usergym prepare users`: rows on which a simulated user is trained to think and speak as a given person."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.models import Models, resolved
from usergym.cli.options import ReachOptions
from usergym.cli.prepare_run import bar
from usergym.cli.prepare_users_options import (
    PersonaOptions,
    RowOptions,
    RuleOptions,
    SplitOptions,
    ThinkingOptions,
    TreeOptions,
    UserOptions,
)
from usergym.cli.prepare_users_tables import show_plan, show_report
from usergym.cli.running import how_to_resume
from usergym.cli.tables import show_skipped
from usergym.data.prepare.users.datasets import Dataset
from usergym.data.prepare.users.datasets import dataset as rules_of
from usergym.data.prepare.users.opening import open_people
from usergym.data.prepare.users.output import folder_of
from usergym.data.prepare.users.pipeline import Preparation
from usergym.data.prepare.users.plan import Plan
from usergym.data.prepare.users.report import Report
from usergym.data.prepare.users.rows import Layout, What
from usergym.data.prepare.users.thinking import Thinker, thoughts_in
from usergym.models.base import StopRun
from usergym.users.states import load
from usergym.users.states.modes import mode as mode_of

PROVIDERS = {"gpt-": "openai", "o1": "openai", "o3": "openai", "o4": "openai", "claude-": "anthropic"}
"""Of the documented names that go without one."""
NONE = "none"
REPLIES = "replies.sqlite"
LEVELS: Mapping[What, str] = {"rl": "sebvgcr", "sft": "r", "thinking_sft": "think_r"}
CHAT_LEVELS: Mapping[What, str] = {"rl": "sebvgcr_wildchat_stronger", "sft": "r_wildchat", "thinking_sft": "think_r"}
"""Where an assistant is spoken to."""
SOURCE_FLAGS = ["--source", "--raw-dataset-repo", "--parquet-dir"]


@told_in_one_line
def users(
    *,
    dataset: str,
    source: Annotated[str | None, Parameter(name=SOURCE_FLAGS)] = None,
    rows: Annotated[RowOptions, Parameter(name="*", group="Rows")] = RowOptions(),
    splits: Annotated[SplitOptions, Parameter(name="*", group="Splits")] = SplitOptions(),
    personas: Annotated[PersonaOptions, Parameter(name="*", group="Personas")] = PersonaOptions(),
    rules: Annotated[RuleOptions, Parameter(name="*", group="Rules")] = RuleOptions(),
    thinking: Annotated[ThinkingOptions, Parameter(name="*", group="Models")] = ThinkingOptions(),
    tree: Annotated[TreeOptions, Parameter(name="*", group="Output")] = TreeOptions(),
) -> None:
    """Write rows on which a simulated user learns to think and speak as a given person.

    Each row is a thread, a persona, and what that person really wrote next. People, posts or turns are held out;
    personas come with the rows or from the person's own earliest training texts; nothing that is held out may show.

    Examples:

        usergym prepare users --dataset reddit --source rows.jsonl --out data/users/reddit
        usergym prepare users --dataset amazon --source rows/ --sft --redact all --dry-run
        usergym prepare users --dataset medium --mode separate_system_prompt --train-subset-percentage 25

    Parameters
    ----------
    dataset
        Whose rules: reddit, amazon, youtube, medium, wildchat_english (or wildchat), enron; plain has none.
    source
        A data set of the hub (needs the extra data), a file, or a folder whose files may be splits (JSONL, JSON,
        parquet). Default: the published one of the data set.
    """
    options = UserOptions(rows, splits, personas, rules, thinking, tree)
    found = rules_of(dataset)
    layout = _layout(rows, found.chat)
    plan = _plan(found, source or found.repo, layout, options)
    save = tree.save_data_dir or Path("data/users") / found.name
    folder = folder_of(save, layout, splits.train_subset_percentage)
    if not plan.source:
        raise ValueError(f"--dataset {found.name} has no rows on the hub; give --source FILE or FOLDER")
    job = Preparation(
        plan, layout, open_people(plan.source), folder, tree.save_prompt_dir or save / "prompts", force=tree.force
    )
    if tree.dry_run:
        job.check()
        show_plan(job, found, tree.json, (thinking.cache or save / REPLIES) if _asks(job) else None)
        return
    report = _run(job, options, save)
    show_skipped(report.skipped, tree.json)
    show_report(report, job, tree.json)


def _asks(job: Preparation) -> bool:
    plan = job.plan
    return bool(plan.persona_model or plan.thinking_model or plan.thinking_judge)


def _layout(rows: RowOptions, chat: bool) -> Layout:
    if rows.thinking_sft and not rows.sft:
        raise ValueError("--thinking-sft is a kind of --sft; give both")
    what: What = "thinking_sft" if rows.thinking_sft else "sft" if rows.sft else "rl"
    mode = mode_of(rows.mode) if rows.mode else None
    default = mode.levels if mode else (CHAT_LEVELS if chat else LEVELS)[what]
    expand = rows.expand or (what == "rl" and mode is not None and mode.own_prompts)
    return Layout(what, load(rows.hierarchy_config_path or default), mode, tags=not rows.no_tag, expand=expand)


def _plan(found: Dataset, source: str, layout: Layout, options: UserOptions) -> Plan:
    rows, splits, personas, rules, thinking = (
        options.rows,
        options.splits,
        options.personas,
        options.rules,
        options.thinking,
    )
    thinks = layout.what == "thinking_sft"
    return Plan(
        dataset=found.name,
        source=source,
        what=layout.what,
        hierarchy=layout.hierarchy.name,
        digest=layout.hierarchy.digest,
        mode=rows.mode,
        tags=layout.tags,
        expand=layout.expand,
        by=splits.split_by,
        unseen=0.08 if splits.unseen is None else splits.unseen,
        seen=splits.seen,
        val=splits.val,
        seed=splits.seed,
        train_percent=100.0 if splits.train_subset_percentage is None else splits.train_subset_percentage,
        test_percent=splits.test_subset_percentage,
        personas=personas.personas,
        persona_model=resolved(_named(personas.persona_model, thinking), thinking),
        texts=personas.persona_texts,
        min_items=personas.min_items,
        redact=personas.kinds(),
        field_dropout=personas.field_dropout_prob,
        item_dropout=personas.item_dropout_prob,
        test_field_dropout=personas.test_field_dropout_prob,
        test_item_dropout=personas.test_item_dropout_prob,
        min_comments=rules.min_comments,
        comment_words=rules.comment_words,
        example_words=rules.example_words,
        min_chars=found.min_chars if rules.min_chars is None else rules.min_chars,
        thinking_model=resolved(_named(thinking.thinking_model, thinking), thinking) if thinks else None,
        thinking_judge=resolved(_named(thinking.thinking_judge, thinking), thinking) if thinks else None,
        thoughts=str(thinking.trajectory_path) if thinks and thinking.trajectory_path else None,
        leaks="drop" if splits.drop_leaks else "allow" if splits.allow_leaks else "fail",
        strict=rules.strict,
        limit=rules.limit,
    )


def _named(name: str | None, reach: ReachOptions) -> str | None:
    """With its provider, where it is one of the names that are known without; None for no model."""
    if name is None or name == NONE:
        return None
    if "/" in name or reach.endpoint or reach.base_url:
        return name
    provider = next((provider for begin, provider in PROVIDERS.items() if name.startswith(begin)), None)
    return f"{provider}/{name}" if provider else name


def _run(job: Preparation, options: UserOptions, save: Path) -> Report:
    try:
        return asyncio.run(_with_models(job, options, save))
    except KeyboardInterrupt:
        print(f"\ninterrupted: the replies so far are kept. {how_to_resume()}", file=sys.stderr)
        sys.exit(130)
    except StopRun as error:
        raise StopRun(str(error) if "again" in str(error) else f"{error}\n{how_to_resume()}") from None


async def _with_models(job: Preparation, options: UserOptions, save: Path) -> Report:
    """Connects the models that are asked for, with a file of their replies beside the rows."""
    thinking = replace(options.thinking, cache=options.thinking.cache or save / REPLIES)
    models = Models(thinking)
    persona = _named(options.personas.persona_model, thinking)
    job.model = models.connect(persona) if persona else None
    job.at_once, job.bar = thinking.thinking_batch_size, bar
    try:
        if job.layout.what == "thinking_sft":
            writer, judge = _named(thinking.thinking_model, thinking), _named(thinking.thinking_judge, thinking)
            known = thoughts_in(thinking.trajectory_path) if thinking.trajectory_path else {}
            if writer is None and not known:
                raise ValueError("--thinking-model none: thoughts must come from --trajectory-path; give it")
            job.thinker = Thinker(
                models.connect(writer) if writer else None, models.connect(judge) if judge else None, known
            )
        return await job.run()
    finally:
        for model in models.all:
            await model.close()
