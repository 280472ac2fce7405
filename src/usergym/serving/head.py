"""The head server: which servers there are, and the configuration they run with."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from usergym.serving.masking import masked
from usergym.serving.web import LIVENESS, reply, starlette

HEAD_PORT = 11000
HEAD = "head_server"

TYPES = {
    "model": "responses_api_models",
    "resources": "resources_servers",
    "agent": "responses_api_agents",
    "user": "users",
    "mcp": "mcp",
    "head": HEAD,
}
"""What NeMo Gym calls each kind, as a level of its configuration."""


class Instance(Protocol):
    """A server that runs; its port is known once it listens."""

    name: str
    kind: Any
    host: str
    port: int
    implementation: str
    """The level of the configuration below the kind."""
    started: float
    """Seconds since the epoch; 0 until it listens."""


def head_app(config: Mapping[str, Any], instances: Sequence[Instance]) -> Starlette:
    """`config` is shown masked, with the addresses of `instances` as they are when somebody asks."""

    async def server_instances(request: Request) -> Response:
        return reply([shown(instance) for instance in instances if instance.kind != "head"])

    async def global_config(request: Request) -> Response:
        import yaml

        text = yaml.safe_dump(masked(located(config, instances)), sort_keys=False, allow_unicode=True)
        return reply(msgspec.json.encode(text))

    return starlette(
        [
            *LIVENESS,
            Route("/server_instances", server_instances),
            Route("/global_config_dict_yaml", global_config),
        ]
    )


def shown(instance: Instance) -> dict[str, Any]:
    """With the names that `ng_status` and its like know."""
    return {
        "process_name": instance.name,
        "server_type": TYPES[instance.kind],
        "name": instance.implementation or instance.name,
        "config_path": instance.name,
        "dir_path": None,
        "entrypoint": None,
        "host": instance.host,
        "port": instance.port,
        "url": f"http://{instance.host}:{instance.port}",
        "pid": os.getpid(),
        "start_time": instance.started,
        "status": "success" if instance.started else "connection_error",
    }


def located(config: Mapping[str, Any], instances: Sequence[Instance]) -> dict[str, Any]:
    """The configuration with every server's host and port where a client of NeMo Gym looks for them."""
    out = dict(config)
    for instance in instances:
        where = {"host": instance.host, "port": instance.port}
        if instance.kind == "head":
            out[HEAD] = {**_mapping(out.get(HEAD)), **where}
            continue
        block = dict(_mapping(out.get(instance.name)))
        kind = next(iter(block), TYPES[instance.kind])
        inner = dict(_mapping(block.get(kind)))
        implementation = next(iter(inner), instance.implementation or instance.name)
        inner[implementation] = {**_mapping(inner.get(implementation)), **where}
        out[instance.name] = {**block, kind: inner}
    return out


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
