"""`usergym eval compare`: two runs on the tasks both have."""

from pathlib import Path
from typing import Literal

from usergym.cli.errors import told_in_one_line
from usergym.cli.eval_runs import outcomes_of, parts_of
from usergym.cli.eval_tables import comparison_table
from usergym.cli.options import Json
from usergym.cli.tables import console, print_json
from usergym.evaluation.comparison import compare
from usergym.evaluation.scores import Sheet, sheets


@told_in_one_line
def eval_compare(
    first: Path,
    second: Path,
    /,
    *,
    metric: Literal["score", "userrl", "published", "success"] = "score",
    json: Json = False,
) -> None:
    """Compare two runs, task by task: the mean difference with its interval, a p-value, and the smallest difference
    that the sample could have shown.

    Examples:

        usergym eval compare runs/eval-oracle+idle-all/oracle runs/eval-oracle+idle-all/idle
        usergym eval compare before after --metric success

    Parameters
    ----------
    first
        A folder of an evaluation, of one of its models, or any run folder.
    second
        Likewise; what is told is second minus first.
    metric
        What is compared: score (0 to 1), userrl (that system's rewards), published (its published metric), success.
    json
        Print one JSON object instead of a table.
    """
    found = compare(_one_model(first), _one_model(second), metric)
    if json:
        print_json({"first": str(first), "second": str(second), "comparisons": found})
        return
    console.print(comparison_table(found, f"{metric} of {second} against {first}"))
    console.print("p: paired permutation test, two-sided. could show: smallest true difference found with 80% chance.")


def _one_model(folder: Path) -> dict[str, Sheet]:
    parts = parts_of(folder)
    models = sorted({model for model, _, _ in parts})
    if len(models) > 1:
        raise ValueError(
            f"{folder} holds runs of {', '.join(models)}; name one of its folders, such as {parts[0][2].parent}"
        )
    return {env: sheet for (_, env), sheet in sheets(outcomes_of(parts)).items()}
