"""`ng_status`: which servers run, and whether they are well."""

import shlex
from typing import Annotated

import msgspec

from usergym.cli.ng.command import TOKEN, Command, Head, says
from usergym.cli.ng.overrides import Override


class Status(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters."""

    head_server: Annotated[Head, msgspec.Meta(description="Where ng_run listens.")] = Head()
    json: Annotated[bool, msgspec.Meta(description="Print JSON.")] = False


def status(parameters: Status, overrides: list[Override]) -> int:
    from usergym.cli.status import run

    head = parameters.head_server
    words = ["usergym", "status", *(["--head", head.url] if head != Head() else []), *["--json"] * parameters.json]
    says(shlex.join(words))
    return run(head.url, parameters.json)


COMMAND = Command(
    "ng_status",
    "Shows which servers run: name, kind, address, process, uptime, and whether each answers.",
    Status,
    status,
    ("ng_status", "ng_status +head_server.port=11001"),
    variables={"USERGYM_TOKEN": TOKEN},
)


def main() -> None:
    COMMAND.main()
