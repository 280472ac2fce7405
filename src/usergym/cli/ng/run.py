"""`ng_run`: the servers of a configuration, in one process."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from usergym.cli.ng.command import TOKEN, Command, Head, says
from usergym.cli.ng.config import Config, ConfigError, load
from usergym.cli.ng.overrides import Override, did_you_mean
from usergym.cli.ng.policy import ignored, model_of
from usergym.cli.ng.servers import RESOURCES, AgentBlock, Block, agents, blocks, environment_spec
from usergym.cli.ng.tables import NOTE, VARIABLE, tables_folder
from usergym.cli.ng.verb import serve_line

if TYPE_CHECKING:
    from usergym.serving.host import Service
    from usergym.serving.stack import Pair

_POLICY = ("policy_base_url", "policy_api_key", "policy_model_name")
_NO_PROGRAMS = (
    "skip_venv_if_present",
    "uv_cache_dir",
    "uv_venv_dir",
    "ray_head_node_address",
    "num_gpus",
)
"""Settings about starting programs and machines, of which there are none here."""


def about(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class Run(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters."""

    config_paths: Annotated[
        list[str], about("YAML files, your own or shipped ones: a model, and one or more environments.")
    ] = []
    policy_base_url: Annotated[
        str | None, about("URL of the model's server, ending in /v1; local: a model in this process.")
    ] = None
    policy_api_key: Annotated[str | None, about("Its key; it is held in memory only.")] = None
    policy_model_name: Annotated[str | None, about("Its model; local/smollm2: a model in this process.")] = None
    policy_api: Annotated[str | None, about("Which of the server's dialects to speak: chat or responses.")] = None
    policy_send_seed: Annotated[
        bool | None, about("Send the seed of each draw with each call. Default: not with openai_model.")
    ] = None
    head_server: Annotated[Head, about("Where the head listens; port 0 takes a free one.")] = Head()
    default_host: Annotated[str, about("Where the other servers listen.")] = "127.0.0.1"
    workplace_tables: Annotated[str | None, about("Folder with the CSV files of NeMo Gym's workplace.")] = None
    dry_run: Annotated[bool, about("Check the configuration, and start nothing.")] = False


def run(parameters: Run, overrides: list[Override]) -> int | None:
    from usergym.cli.serve import Announcement, serve_until_ended
    from usergym.serving.host import check_exposure
    from usergym.serving.stack import Stack, build

    config = configured(parameters, overrides)
    found = agents(servers := blocks(config.values, config.origins))
    if not found:
        raise ConfigError(_no_agent(servers))
    block = _one_model(found, config)
    token = os.environ.get("USERGYM_TOKEN", "").strip()
    host, head = parameters.default_host, parameters.head_server
    for address in {host, head.host}:
        check_exposure(address, token, "set USERGYM_TOKEN to one, here and where clients run, or leave out the address")
    pairs, specs, notes = _pairs(found, parameters.workplace_tables)
    notes += ignored(block) + _unused(config, servers, found, block)
    model = model_of(block)
    says(serve_line(block, pairs, specs, head, host, bool(token)))
    for note in notes:
        says(note, "note")
    if parameters.dry_run:
        print("the configuration is complete; nothing was started (dry_run)")
        return None
    shown = _shown(config.values, found, specs)
    services = build(pairs, Stack(model, block.name, block.port() or 0, host, head.port, config=shown))
    services[0].host = head.host
    serve_until_ended(services, token, Announcement(False), (model,), _port_flag(servers))
    return None


def configured(parameters: Run, overrides: Sequence[Override]) -> Config:
    """The configuration of a command line. ConfigError where there is none."""
    config = load(parameters.config_paths, [*overrides, *_policy(parameters)], _defaults(parameters))
    servers = blocks(config.values, config.origins)
    if not config.sources and not servers:
        raise ConfigError(
            'no configuration is given; write "+config_paths=[responses_api_models/openai_model/configs/'
            'openai_model.yaml,resources_servers/calendar/configs/calendar.yaml]"'
        )
    given = {"api": parameters.policy_api, "send_seed": parameters.policy_send_seed}
    given = {name: value for name, value in given.items() if value is not None}
    for block in {each.model.name: each.model for each in agents(servers)}.values() if given else ():
        config.values[block.name] = {block.kind: {block.implementation: {**block.settings, **given}}}
    return config


def _policy(parameters: Run) -> list[Override]:
    """The policy's parameters are keys of the configuration too, which its files refer to."""
    return [
        Override((name,), value, value)
        for name in _POLICY
        if (value := getattr(parameters, name)) is not None and not (name == "policy_api_key" and value == "???")
    ]


def _defaults(parameters: Run) -> dict[str, Any]:
    """What need not be given where it means nothing: a local model has no server and no key."""
    values: dict[str, Any] = {}
    name = parameters.policy_model_name or ""
    if parameters.policy_base_url == "local" or name.startswith("local/"):
        values = {"policy_base_url": "local", "policy_api_key": "", "policy_model_name": name or "local/smollm2"}
    elif parameters.policy_base_url is not None:
        values = {"policy_api_key": ""}
    return values


def _no_agent(servers: Mapping[str, Block]) -> str:
    kinds = ", ".join(sorted({block.kind for block in servers.values()})) or "no server"
    return f"the configuration has no agent, only {kinds}; add the file of an environment to config_paths"


def _one_model(found: Sequence[AgentBlock], config: Config) -> Block:
    users: dict[str, list[str]] = {}
    for each in found:
        users.setdefault(each.model.name, []).append(each.block.name)
    if len(users) > 1:
        used = "; ".join(
            f"{model} ({config.origin(model)}) is used by {', '.join(names)}" for model, names in users.items()
        )
        raise ConfigError(
            f"the agents use {len(users)} models: {used}; start one ng_run each, with a +head_server.port of its own"
        )
    return found[0].model


def _pairs(found: Sequence[AgentBlock], tables: str | None) -> "tuple[list[Pair], dict[str, str], list[str]]":
    """What is served, the environment of each resources server, and what a person should know."""
    from usergym.environments.base import load as load_environment
    from usergym.serving.stack import Pair

    pairs, specs, notes = [], {}, []
    for each in found:
        resources = each.resources
        if resources.name in specs:
            raise ConfigError(f"two agents use the resources server {resources.name!r}; give each one of its own")
        spec = environment_spec(resources)
        if spec is None:
            raise ConfigError(_no_environment(resources))
        if spec.partition(":")[0] == "workplace" and "tables=" not in spec:
            if folder := tables_folder(tables, resources.settings):
                spec += ("," if ":" in spec else ":") + f"tables={folder}"
            else:
                notes.append(NOTE)
        specs[resources.name] = spec
        ports = (resources.port() or 0, each.block.port() or 0)
        implementations = (resources.implementation, each.block.implementation)
        pairs.append(
            Pair(load_environment(spec), resources.name, each.block.name, *ports, each.max_steps, *implementations)
        )
    return pairs, specs, notes


def _no_environment(block: Block) -> str:
    from usergym.data.formats.nemo_gym import ENVIRONMENTS
    from usergym.environments.base import names

    there = [*names(), *ENVIRONMENTS]
    return (
        f"{block.name}: no environment {block.implementation!r} here{did_you_mean(block.implementation, there)} "
        f"(there are: {', '.join(there)}); for one of your own give +{block.name}.{block.kind}."
        f"{block.implementation}.environment=PACKAGE.MODULE"
    )


def _unused(config: Config, servers: Mapping[str, Block], found: Sequence[AgentBlock], model: Block) -> list[str]:
    """What the configuration says and nobody acts on."""
    used = {each.resources.name for each in found} | {each.block.name for each in found} | {model.name}
    notes = [
        f"{block.name} is used by no agent and not started" for block in servers.values() if block.name not in used
    ]
    notes += [f"{name} has no effect: there are no programs to start" for name in _NO_PROGRAMS if name in config.values]
    known = {"entrypoint", "max_steps", "resources_server", "model_server", "datasets", "host", "port", "name"}
    for each in found:
        others = [name for name in each.block.settings if name not in known]
        notes += [f"{each.block.name}: {name} has no effect here" for name in others]
    return notes


def _shown(values: Mapping[str, Any], found: Sequence[AgentBlock], specs: Mapping[str, str]) -> dict[str, Any]:
    """The configuration for the head, which also says what each resources server plays."""
    out = dict(values)
    for each in found:
        block = each.resources
        settings = {**block.settings, "environment": specs[block.name]}
        out[block.name] = {RESOURCES: {block.implementation: settings}}
    return out


def _port_flag(servers: Mapping[str, Block]) -> Any:
    """How another port is given to a server."""

    def flag(service: "Service") -> str:
        block = servers.get(service.name)
        name = f"{block.name}.{block.kind}.{block.implementation}" if block else "head_server"
        return f"+{name}.port={service.port + 1}"

    return flag


COMMAND = Command(
    "ng_run",
    "Starts the servers of a configuration in one process: a head, the model, and for each environment a resources\n"
    "server and an agent. Ctrl-C ends them.",
    Run,
    run,
    (
        'ng_run "+config_paths=[\\',
        "  responses_api_models/openai_model/configs/openai_model.yaml,\\",
        '  resources_servers/workplace_assistant/configs/workplace_assistant.yaml]" \\',
        "  +policy_base_url=https://integrate.api.nvidia.com/v1 \\",
        "  +policy_api_key=$NVIDIA_API_KEY +policy_model_name=openai/gpt-oss-120b",
        'ng_run "+config_paths=[\\',
        "  responses_api_models/local_model/configs/local_model.yaml,\\",
        '  resources_servers/calendar/configs/calendar.yaml]"',
    ),
    open=True,
    variables={
        "USERGYM_TOKEN": TOKEN,
        VARIABLE: "Folder with the CSV files of NeMo Gym's workplace, where +workplace_tables names none.",
        "NEMO_GYM_ROOT": "A checkout of NeMo Gym, in which configurations and tables are looked for.",
    },
)


def main() -> None:
    COMMAND.main()
