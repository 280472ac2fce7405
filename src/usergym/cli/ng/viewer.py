"""`ng_viewer`: rollouts as a listing, or one whole conversation."""

import shlex
from pathlib import Path
from typing import Annotated

import msgspec

from usergym.cli.ng.command import Command, says
from usergym.cli.ng.overrides import Override


def about(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


_Count = Annotated[int, msgspec.Meta(ge=1)]


class Viewer(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters."""

    jsonl_fpath: Annotated[str, about("The file of rollouts.")]
    row: Annotated[_Count | None, about("Show this one whole, counted from 1.")] = None
    offset: Annotated[int, msgspec.Meta(ge=0, description="Leave out the first so many.")] = 0
    limit: Annotated[_Count, about("List so many.")] = 20
    json: Annotated[bool, about("Print JSON lines.")] = False
    server_host: Annotated[str | None, about("Of NeMo Gym's page; there is none here.")] = None
    server_port: Annotated[int | None, about("Likewise.")] = None


def show(parameters: Viewer, overrides: list[Override]) -> int:
    from usergym.cli.view import run

    p = parameters
    words = ["usergym", "view", p.jsonl_fpath]
    for name, value, default in (("row", p.row, None), ("offset", p.offset, 0), ("limit", p.limit, 20)):
        words += [f"--{name}", str(value)] if value != default else []
    says(shlex.join(words + ["--json"] * p.json))
    if p.server_host or p.server_port:
        says("server_host and server_port have no effect: it is printed here", "note")
    return run(Path(p.jsonl_fpath), p.row, p.offset, p.limit, p.json)


COMMAND = Command(
    "ng_viewer",
    "Lists rollouts with their rewards, steps, tools and tokens; +row=N shows one whole conversation.",
    Viewer,
    show,
    ("ng_viewer rollouts_output.jsonl", "ng_viewer +jsonl_fpath=rollouts_output.jsonl +row=3"),
    positional="jsonl_fpath",
)


def main() -> None:
    COMMAND.main()
