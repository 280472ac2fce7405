"""`ng_test`: whether an environment keeps its promises."""

import shlex
from typing import Annotated

import msgspec

from usergym.cli.ng.command import Command, says
from usergym.cli.ng.config import ConfigError
from usergym.cli.ng.overrides import Override, did_you_mean
from usergym.cli.ng.shipped import environment_of


def about(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class Test(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters."""

    entrypoint: Annotated[str | None, about("The peer's folder of it: resources_servers/workplace_assistant.")] = None
    environment: Annotated[str | None, about("Its name, with options: calendar:level=hard.")] = None
    all: Annotated[bool, about("All of the package; so is no environment at all.")] = False
    json: Annotated[bool, about("Print JSON.")] = False


def test(parameters: Test, overrides: list[Override]) -> int:
    from usergym.cli.env_test import run

    names: tuple[str, ...] = ()
    if not parameters.all:
        if parameters.entrypoint:
            names = (_named(parameters.entrypoint),)
        elif parameters.environment:
            names = (parameters.environment,)
    says(shlex.join(["usergym", "test-env", *names, *["--json"] * parameters.json]))
    return run(names, parameters.json)


def _named(entrypoint: str) -> str:
    from usergym.data.formats.nemo_gym import ENVIRONMENTS
    from usergym.environments.base import names

    name = entrypoint.rstrip("/").rpartition("/")[2]
    if (found := environment_of(name)) is None:
        there = [*names(), *ENVIRONMENTS]
        raise ConfigError(
            f"entrypoint {entrypoint}: no environment {name!r} here{did_you_mean(name, there)} "
            f"(there are: {', '.join(there)})"
        )
    return found


COMMAND = Command(
    "ng_test",
    "Checks that an environment keeps its promises: perfect play earns the maximum, idle play never earns, nothing\n"
    "hidden reaches the agent, the same seed gives the same conversation, and so on. Without an environment, all.",
    Test,
    test,
    ("ng_test +entrypoint=resources_servers/workplace_assistant", "ng_test +environment=calendar"),
    positional="environment",
)


def main() -> None:
    COMMAND.main()
