"""`ng_help`: every command with its parameters."""

import importlib
from typing import Annotated, Any

import msgspec

from usergym.cli.ng import COMMANDS, MODULES
from usergym.cli.ng.command import Command, says
from usergym.cli.ng.overrides import BadOverride, Override, did_you_mean


class Help(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters."""

    command: Annotated[str | None, msgspec.Meta(description="Only of this command.")] = None


def show(parameters: Help, overrides: list[Override]) -> None:
    wanted = parameters.command and parameters.command.removeprefix("ng_")
    if wanted and wanted not in COMMANDS:
        near = did_you_mean(wanted, COMMANDS)
        raise BadOverride(f"no command ng_{wanted}{near} (there are: {', '.join(f'ng_{name}' for name in COMMANDS)})")
    says("usergym --help, in the words of NeMo Gym's commands")
    for name in [wanted] if wanted else COMMANDS:
        module: Any = importlib.import_module(f"usergym.cli.ng.{MODULES.get(name, name)}")
        print(f"{module.COMMAND.help()}\n")


COMMAND = Command(
    "ng_help",
    "Lists the commands with their parameters.",
    Help,
    show,
    ("ng_help", "ng_help ng_run"),
    positional="command",
)


def main() -> None:
    COMMAND.main()
