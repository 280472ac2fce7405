"""`usergym population`: people whose latent states are known, and what they wrote, as raw rows."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json, at_least
from usergym.cli.tables import console, print_json
from usergym.rows import Writer
from usergym.users.population import Population, stance_degree
from usergym.users.population.posts import TURNS
from usergym.users.population.rows import COMMENTS
from usergym.users.population.tables import wording


@told_in_one_line
def population(
    *,
    people: int = 100,
    posts: int = 50,
    comments: int = COMMENTS,
    turns: int = len(TURNS),
    seed: int = 0,
    out: Path = Path("population.jsonl"),
    show: int = 2,
    force: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> None:
    """Write what a synthetic population said, as raw rows with the true states and personas.

    Rules that are known decide what a person thinks of a post, by values, temper, manner and thread; the comment is
    composed of that. No model is called. The same numbers give the same rows on every machine.

    Examples:

        usergym population --people 500 --posts 200 --out rows.jsonl
        usergym population --people 10 --posts 5 --show 5 --force

    Parameters
    ----------
    people
        How many people.
    posts
        How many posts.
    comments
        Comments of each person, or one to every post where there are fewer.
    turns
        The longest thread before a comment, 1 to 4 texts.
    seed
        Same seed, same rows. A larger population begins with the people and posts of a smaller one.
    out
        *.jsonl, *.json or *.parquet.
    show
        Print so many rows of different people.
    force
        Overwrite the file.
    json
        Print one JSON object.
    """
    at_least(1, people=people, posts=posts, comments=comments)
    at_least(0, show=show)
    if out.exists() and not force:
        raise ValueError(f"{out} exists; give another --out, or --force to write it anew")
    made = Population(people, posts, seed, turns)
    degrees: Counter[int | None] = Counter()
    shown: dict[str, dict[str, Any]] = {}
    with Writer(out, whole=True) as writer:
        for row in made.rows(comments):
            writer.write(row)
            degrees[stance_degree(row["completion"])] += 1
            if len(shown) < show:
                shown.setdefault(row["user_id"], row)
    if json:
        told = {"out": str(out), "people": people, "posts": posts, "rows": writer.rows, "degrees": _named(degrees)}
        print_json({**told, "shown": list(shown.values())})
        return
    for row in shown.values():
        console.print(_row_table(row))
    console.print(_degree_table(degrees))
    console.print(f"{writer.rows:,} rows of {people:,} people under {posts:,} posts: {out}", highlight=False)


def _named(degrees: Counter[int | None]) -> dict[str, int]:
    return {words.stance: degrees[degree] for degree, words in wording().degree.items()}


def _degree_table(degrees: Counter[int | None]) -> Table:
    table = Table("stance", "comments")
    table.columns[1].justify = "right"
    for stance, count in _named(degrees).items():
        table.add_row(stance, f"{count:,}")
    return table


def _row_table(row: dict[str, Any]) -> Table:
    table = Table(show_header=False, title=f"{row['user_id']} under {row['post_id']}", title_justify="left")
    about = row["metadata"]
    for field, items in about["persona"].items():
        table.add_row(field, Text(", ".join(items), style="dim"))
    table.add_section()
    for said in row["prompt"]:
        table.add_row(said["metadata"]["author"], Text(said["content"]))
    table.add_section()
    for level, text in about["states"].items():
        table.add_row(level, Text(text))
    table.add_section()
    table.add_row("response", Text(row["completion"], style="bold"))
    return table
