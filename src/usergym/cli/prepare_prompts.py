"""`usergym prepare tldr` and `usergym prepare helpsteer`: prompts for training with a user who reacts."""

from typing import Annotated

from cyclopts import Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.prepare_run import OutputOptions, run
from usergym.data.prepare import helpsteer as helpsteer_rules
from usergym.data.prepare import tldr as tldr_rules
from usergym.data.prepare.sources import open_source


@told_in_one_line
def tldr(
    *,
    source: str = tldr_rules.SOURCE,
    seed: int | None = None,
    options: Annotated[OutputOptions, Parameter(name="*", group="Output")] = OutputOptions(),
) -> None:
    """Write posts to summarise, as prompts, to ./data/tldr_prompts_unique.

    The post, or the article, and a line that asks for the summary: fewer than 1,024 characters together, each once.

    Examples:

        usergym prepare tldr
        usergym prepare tldr --source comparisons/ --out data/tldr --dry-run

    Parameters
    ----------
    source
        A data set of the hub (needs the extra data), or a file or folder of such rows (JSONL, JSON, parquet). In a
        folder the files train* and validation* are the splits.
    seed
        Read the rows in this random order; default: as they are stored.
    """
    config = tldr_rules.CONFIG if source == tldr_rules.SOURCE else None
    run(tldr_rules.Tldr(), open_source(source, config), options.plan(tldr_rules.OUT, seed), options)


@told_in_one_line
def helpsteer(
    *,
    source: str = helpsteer_rules.SOURCE,
    seed: int | None = None,
    options: Annotated[OutputOptions, Parameter(name="*", group="Output")] = OutputOptions(),
) -> None:
    """Write prompts of many kinds to ./data/helpsteer2_prompts.

    Prompts of one turn with at most 2,048 characters, and a response with at most 2,048, each once.

    Examples:

        usergym prepare helpsteer
        usergym prepare helpsteer --source helpsteer2/ --limit 1000

    Parameters
    ----------
    source
        A data set of the hub (needs the extra data), or a file or folder of such rows (JSONL, JSON, parquet). In a
        folder the files train* and validation* are the splits.
    seed
        Read the rows in this random order; default: as they are stored.
    """
    run(helpsteer_rules.HelpSteer(), open_source(source), options.plan(helpsteer_rules.OUT, seed), options)
