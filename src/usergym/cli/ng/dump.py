"""`ng_dump_config`: a configuration as it is resolved, secrets masked."""

from typing import Annotated

import msgspec

from usergym.cli.ng.command import Command, says
from usergym.cli.ng.config import load
from usergym.cli.ng.overrides import Override
from usergym.serving.masking import masked


class Dump(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters."""

    config_paths: Annotated[list[str], msgspec.Meta(description="YAML files: your own, or shipped ones.")] = []


def dump(parameters: Dump, overrides: list[Override]) -> None:
    from omegaconf import OmegaConf

    config = load(parameters.config_paths, overrides)
    says("what ng_run reads; usergym serve takes the same from its flags")
    for source in config.sources:
        print(f"# {source}")
    print(OmegaConf.to_yaml(OmegaConf.create(masked(config.values))), end="")


COMMAND = Command(
    "ng_dump_config",
    "Prints the configuration that ng_run would start, resolved, secrets masked.",
    Dump,
    dump,
    ('ng_dump_config "+config_paths=[resources_servers/calendar/configs/calendar.yaml]"',),
    open=True,
)


def main() -> None:
    COMMAND.main()
