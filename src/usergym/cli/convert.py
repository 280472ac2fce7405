"""`usergym convert`: from one interchange format to another."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json
from usergym.cli.tables import console, print_json, show_skipped
from usergym.data.convert import convert as convert_rows
from usergym.types import Speaker


@told_in_one_line
def convert(
    source: Path,
    target: Path,
    /,
    *,
    to: str | None = None,
    frm: Annotated[str | None, Parameter(name="--from")] = None,
    speaker: Speaker | None = None,
    skip_bad: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Convert between interchange formats, without loss.

    Formats: trajectories (our own), nemo_gym, graded (rollouts with a grade), messages (sft), sharegpt, dpo, userrl,
    humanlm, interactions (x, y, o), verl. Files: *.jsonl, *.json, *.parquet. What a format cannot hold travels in a
    field `usergym` of the row, so converting back gives the same.

    Examples:

        usergym convert runs/smol/trajectories.jsonl smol.jsonl --to sharegpt
        usergym convert rollouts.jsonl rollouts.parquet --to verl

    Parameters
    ----------
    source
        A run folder or a file.
    target
        The file to write.
    to
        Format to write; default: our own trajectories.
    frm
        Format of the source; default: told from the shape of its rows.
    speaker
        Whose side the rows are.
    skip_bad
        Leave out rows that cannot be read, count and list them; otherwise the first one ends it.
    json
        Print one JSON object.
    """
    done = convert_rows(source, target, to, frm, skip_bad=skip_bad, speaker=speaker)
    show_skipped(done.skipped, json)
    if json:
        counts = {"read": done.read, "written": done.written, "without_rows": done.without_rows}
        print_json({"format": done.format, **counts, "skipped": done.skipped.count})
    else:
        left = f", {done.without_rows:,} have no place in it" if done.without_rows else ""
        console.print(f"{done.read:,} conversations read{left}; {done.written:,} rows of {done.format} in {target}")
    return 0 if done.written else 1
