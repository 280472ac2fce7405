"""`ng_dump_config`: a configuration as it is resolved, secrets masked."""

from usergym.cli.ng.command import Command, says
from usergym.cli.ng.overrides import Override
from usergym.cli.ng.run import COMMAND as RUN
from usergym.cli.ng.run import Run, configured
from usergym.serving.masking import masked


def dump(parameters: Run, overrides: list[Override]) -> None:
    from omegaconf import OmegaConf

    config = configured(parameters, overrides)
    says("what ng_run reads; usergym serve takes the same from its flags")
    for source in config.sources:
        print(f"# {source}")
    print(OmegaConf.to_yaml(OmegaConf.create(masked(config.values))), end="")


COMMAND = Command(
    "ng_dump_config",
    "Prints the configuration that ng_run would start, resolved, secrets masked. Takes the command line of ng_run.",
    Run,
    dump,
    (
        "ng_dump_config \\",
        '  "+config_paths=[resources_servers/calendar/configs/calendar.yaml]"',
    ),
    open=True,
    variables=RUN.variables,
)


def main() -> None:
    COMMAND.main()
