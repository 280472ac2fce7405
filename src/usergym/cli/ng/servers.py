"""The servers of a configuration: blocks of three levels, `name: {kind: {implementation: {settings}}}`, and who asks
whom."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from usergym.cli.ng.config import ConfigError
from usergym.cli.ng.overrides import did_you_mean
from usergym.cli.ng.shipped import environment_of

MODELS, RESOURCES, AGENTS = "responses_api_models", "resources_servers", "responses_api_agents"
KINDS = (MODELS, RESOURCES, AGENTS)
MODEL_URLS = ("openai_base_url", "base_url")
MODEL_NAMES = ("openai_model", "model", "model_name")
"""What a model server's block may call its address and its model."""


@dataclass(frozen=True, slots=True)
class Block:
    """One server."""

    name: str
    kind: str
    implementation: str
    settings: Mapping[str, Any]

    def port(self) -> int | None:
        value = self.settings.get("port")
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535):
            raise ConfigError(f"{self.name}.{self.kind}.{self.implementation}.port is {value!r}; expected 0 to 65535")
        return value


@dataclass(frozen=True, slots=True)
class AgentBlock:
    """An agent and the two servers it uses."""

    block: Block
    resources: Block
    model: Block

    @property
    def max_steps(self) -> int | None:
        value = self.block.settings.get("max_steps")
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ConfigError(f"max_steps of {self.block.name} is {value!r}; expected a whole number from 1")
        return value


def blocks(values: Mapping[str, Any], origins: Mapping[tuple[str, ...], str] = {}) -> dict[str, Block]:
    """The servers. ConfigError for a block that is nearly one; `origins` say in which file."""
    strict = values.get("error_on_almost_servers", True)
    found = {}
    for name, value in values.items():
        if not isinstance(value, Mapping) or not value:
            continue
        kinds = [kind for kind in value if kind in KINDS]
        if kinds:
            found[name] = _block(name, value, kinds, origins)
        elif strict and len(value) == 1 and (near := did_you_mean(str(next(iter(value))), KINDS)):
            raise ConfigError(f"{name} is nearly a server: it has {next(iter(value))!r}{near}")
    return found


def _block(name: str, value: Mapping[str, Any], kinds: list[str], origins: Mapping[tuple[str, ...], str]) -> Block:
    form = f"expected {name}: {{{kinds[0]}: {{IMPLEMENTATION: {{...}}}}}}"
    inner = value[kinds[0]]
    if len(value) == 1 and isinstance(inner, Mapping) and len(inner) > 1:
        files = {each: origins.get((name, kinds[0], each), "the command line") for each in inner}
        several = ", ".join(f"{each} ({file})" if origins else each for each, file in files.items())
        keep = "keep one of the files in config_paths"
        if kinds[0] == MODELS:
            keep += "; two models take one ng_run each, with a +head_server.port of its own"
        raise ConfigError(f"{name} has {len(inner)} implementations, {several}; {keep}")
    if len(value) != 1 or not isinstance(inner, Mapping) or len(inner) != 1:
        raise ConfigError(f"{name} is nearly a server: {form}, with one kind and one implementation")
    implementation, settings = next(iter(inner.items()))
    if not isinstance(settings or {}, Mapping):
        raise ConfigError(f"{name}.{kinds[0]}.{implementation} is {settings!r:.60}; {form}")
    return Block(name, kinds[0], str(implementation), settings or {})


def agents(servers: Mapping[str, Block]) -> list[AgentBlock]:
    """Every agent with what it uses. ConfigError for a name that leads nowhere."""
    return [
        AgentBlock(
            block, _used(block, "resources_server", RESOURCES, servers), _used(block, "model_server", MODELS, servers)
        )
        for block in servers.values()
        if block.kind == AGENTS
    ]


def _used(block: Block, field: str, kind: str, servers: Mapping[str, Block]) -> Block:
    there = [name for name, other in servers.items() if other.kind == kind]
    ref = block.settings.get(field)
    if not isinstance(ref, Mapping) or not isinstance(ref.get("name"), str):
        raise ConfigError(f"{block.name} names no {field}; write {field}: {{type: {kind}, name: NAME}}")
    name = ref["name"]
    if name not in there:
        listed = (
            f" (there are: {', '.join(there)})" if there else f"; no {kind} is configured: add a file to config_paths"
        )
        raise ConfigError(f"{block.name}: its {field} {name!r} is not configured{did_you_mean(name, there)}{listed}")
    return servers[name]


def environment_spec(block: Block) -> str | None:
    """Which environment of ours a resources server is: by its `environment`, else by its implementation's name."""
    given = block.settings.get("environment")
    return str(given) if given else environment_of(block.implementation)


def environment_of_agent(agent: str, values: Mapping[str, Any]) -> str | None:
    """What an agent plays, in a configuration that somebody else serves; None where it does not say."""
    found = _agent(agent, values)
    return environment_spec(found.resources) if found else None


def identity_of_agent(agent: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What decides an agent's rollouts, of such a configuration: never a key, nor an address of this machine, which
    is another one each time."""
    found = _agent(agent, values)
    if found is None:
        return {}
    settings, model = found.block.settings, found.model.settings
    out: dict[str, Any] = {
        "model": _served(next((model[name] for name in MODEL_NAMES if model.get(name)), found.model.name)),
        "model's URL": _remote(next((model[name] for name in MODEL_URLS if model.get(name)), None)),
        "environment": environment_spec(found.resources) or found.resources.implementation,
    }
    out |= {
        name: _served(settings.get(name)) for name in ("max_steps", "sampling", "user_model", "judge_model", "seed")
    }
    out |= {name: model.get(name) for name in ("extra_body", "sampling_overrides", "chat_template_kwargs")}
    return {name: value or None for name, value in out.items()}


def _agent(agent: str, values: Mapping[str, Any]) -> AgentBlock | None:
    try:
        return next((each for each in agents(dict(_readable(values))) if each.block.name == agent), None)
    except ConfigError:
        return None


def _served(name: Any) -> Any:
    """A model's name; of one that is named by a local URL, what stands behind it."""
    if isinstance(name, str) and "://" in name and _remote(name) is None:
        return name.partition("/v1/")[2] or name
    return name


def _remote(url: Any) -> Any:
    """An address; None for one of this machine."""
    from usergym.serving.guard import is_loopback

    if not isinstance(url, str):
        return url
    host = urlsplit(url).hostname
    return None if host is None or is_loopback(host) else url


def _readable(values: Mapping[str, Any]) -> Iterator[tuple[str, Block]]:
    yield from blocks({**values, "error_on_almost_servers": False}).items()
