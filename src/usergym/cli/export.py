"""`usergym export`: training files from rollouts."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json
from usergym.cli.tables import console, print_json, show_skipped
from usergym.data.export import ExportOptions
from usergym.data.export import export as export_rows
from usergym.types import Speaker


@told_in_one_line
def export(
    source: Path,
    /,
    *,
    train: Path = Path("train.jsonl"),
    validation: Path | None = None,
    n_val: int | None = None,
    format: Literal["nemo_gym", "sft", "sharegpt", "dpo", "verl"] = "nemo_gym",
    exclude_success: Annotated[bool, Parameter(negative="")] = False,
    min_reward: float | None = None,
    top_k: int | None = None,
    min_gap: float = 0.1,
    speaker: Speaker = "assistant",
    skip_bad: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Write training and validation files from rollouts.

    Rows are split by a hash of their task, so the split does not depend on what finished first. Failed and unscored
    conversations are left out and counted.

    Examples:

        usergym export runs/smol --n-val 1 --exclude-success
        usergym export runs/oracle --format sft --train sft.jsonl
        usergym export runs/repeated --format dpo   # a run with --repeats 4

    Parameters
    ----------
    source
        A run folder, or a file of rollouts.
    train
        Training rows (JSONL, JSON or parquet).
    validation
        Validation rows. Default: validation.jsonl, or with --train NAME.jsonl beside it NAME_validation.jsonl.
    n_val
        How many rows are held out, tasks whole. Default: a tenth.
    format
        nemo_gym: a row per conversation up to the last message that was answered, with what is expected. sft: chat
        messages. sharegpt. dpo: all pairs of samples of a task with a gap in reward. verl.
    exclude_success
        Keep only what the agent got wrong.
    min_reward
        Keep only conversations with at least this reward.
    top_k
        Keep the best k samples of each task.
    min_gap
        Smallest gap in reward of a dpo pair.
    speaker
        Whose side is trained.
    skip_bad
        Leave out rows that cannot be read, count and list them.
    json
        Print one JSON object.
    """
    options = ExportOptions(
        format=format,
        speaker=speaker,
        n_val=n_val,
        min_reward=min_reward,
        top_k=top_k,
        exclude_success=exclude_success,
        gap=min_gap,
    )
    if validation is None:
        plain = train == Path("train.jsonl")
        validation = train.with_name("validation.jsonl" if plain else f"{train.stem}_validation{train.suffix}")
    done = export_rows(source, train, validation, options, skip_bad=skip_bad)
    show_skipped(done.skipped, json)
    if json:
        print_json(
            {
                "conversations": done.conversations,
                "train": done.train,
                "validation": done.validation,
                "left_out": done.left_out,
                "skipped": done.skipped.count,
            }
        )
    else:
        left = "".join(f"; left out: {count:,} {reason}" for reason, count in done.left_out.items())
        console.print(f"{done.conversations:,} conversations{left}")
        console.print(f"{done.train:,} rows in {train}, {done.validation:,} in {validation}")
    return 0 if done.train or done.validation else 1
