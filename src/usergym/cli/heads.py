"""What a head server says: which servers run, where, and what they play."""

import asyncio
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from usergym.data.rollout_inputs import Agent
from usergym.models.transport import show

SECONDS = 5.0
"""A head on the same machine answers at once, or is none."""


class Instance(msgspec.Struct):
    """One server, as the head lists it."""

    implementation: str = msgspec.field(name="name", default="")
    config_path: str | None = None
    server_type: str | None = None
    url: str | None = None
    host: str | None = None
    port: int | None = None
    pid: int | None = None
    process_name: str | None = None
    status: str | None = None
    start_time: float | None = None

    @property
    def name(self) -> str:
        return self.config_path or self.process_name or self.implementation

    @property
    def kind(self) -> str:
        kinds = {"responses_api_agents": "agent", "resources_servers": "resources", "responses_api_models": "model"}
        return kinds.get(self.server_type or "", self.server_type or "")

    @property
    def address(self) -> str:
        return self.url or f"http://{self.host or '127.0.0.1'}:{self.port}"


class NoHead(ConnectionError):
    """Nobody answers where the head should be, or whoever does is none."""


async def get(url: str, headers: Mapping[str, str] | None = None, seconds: float = SECONDS) -> bytes:
    """NoHead for anything but a 200."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, headers=headers) as response:
            payload = await response.read()
            status = response.status
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise NoHead(f"nobody answers at {show(url)}{_why(error)}") from None
    if status in (401, 403):
        raise NoHead(f"{show(url)} wants a token ({status}): set USERGYM_TOKEN to the one it was started with")
    if status != 200:
        raise NoHead(f"{show(url)} answers {status}")
    return payload


def _why(error: Exception) -> str:
    return " in time" if isinstance(error, TimeoutError) else ""


async def instances(head: str, headers: Mapping[str, str] | None = None) -> list[Instance]:
    """The servers behind a head."""
    try:
        payload = await get(f"{head.rstrip('/')}/server_instances", headers)
    except NoHead as error:
        raise NoHead(
            f"{error}; start ng_run (or usergym serve) in another terminal, or say where the head is"
        ) from None
    try:
        return msgspec.json.decode(payload, type=list[Instance])
    except msgspec.MsgspecError as error:
        raise NoHead(f"{show(head)} is no head server: {error}") from None


async def configuration(head: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The configuration that the head serves, secrets masked; empty where it serves none."""
    import yaml

    try:
        payload = await get(f"{head.rstrip('/')}/global_config_dict_yaml", headers)
        text = msgspec.json.decode(payload, type=str)
        found = yaml.safe_load(text)
    except (NoHead, msgspec.MsgspecError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


async def agents_of(head: str, headers: Mapping[str, str] | None = None) -> dict[str, Agent]:
    """The agent servers behind a head, by their names."""
    found, config = await asyncio.gather(instances(head, headers), configuration(head, headers))
    agents = {}
    for each in found:
        if each.kind == "agent":
            spec = _environment(each.name, config)
            agents[each.name] = Agent(
                each.name, _near(each.address, head), spec and spec.partition(":")[0], _needs(spec)
            )
    return agents


def _environment(agent: str, config: Mapping[str, Any]) -> str | None:
    """What an agent's resources server plays, by the head's configuration."""
    from usergym.cli.ng.servers import environment_of_agent

    return environment_of_agent(agent, config)


def _needs(spec: str | None) -> dict[str, str]:
    if spec is None or spec.partition(":")[0] != "workplace" or "tables=" in spec:
        return {}
    return {
        "company": "rows of NeMo Gym need its tables, and the servers were started without them; "
        "start ng_run with +workplace_tables=FOLDER"
    }


def _near(url: str, head: str) -> str:
    """A server that listens on every address is asked where the head was."""
    parts, asked = urlsplit(url), urlsplit(head)
    if parts.hostname in ("0.0.0.0", "::") and asked.hostname:
        return f"{parts.scheme}://{asked.hostname}:{parts.port}"
    return url


def token_headers() -> dict[str, str]:
    """The bearer token of our own servers, from the environment."""
    token = os.environ.get("USERGYM_TOKEN", "")
    return {"Authorization": f"Bearer {token}"} if token else {}
