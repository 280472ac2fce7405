"""What a head server says: which servers run, where, and what they play."""

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from usergym.data.printable import one_line, printable
from usergym.data.rollout_inputs import Agent
from usergym.models.transport import show

if TYPE_CHECKING:
    from usergym.serving.host import Service

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
        return one_line(self.config_path or self.process_name or self.implementation)

    @property
    def kind(self) -> str:
        kinds = {"responses_api_agents": "agent", "resources_servers": "resources", "responses_api_models": "model"}
        return one_line(kinds.get(self.server_type or "", self.server_type or ""))

    @property
    def address(self) -> str:
        return self.url or f"http://{self.host or '127.0.0.1'}:{self.port}"


class NoHead(ConnectionError):
    """Nobody answers where the head should be, or whoever does is none."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class WantsToken(NoHead):
    """Somebody answers, and wants a token that was not brought."""


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
        brought = "another token than USERGYM_TOKEN holds" if headers else "a token"
        raise WantsToken(f"{show(url)} wants {brought} ({status}); set USERGYM_TOKEN to the one it was started with")
    if status != 200:
        raise NoHead(f"{show(url)} answers {status}")
    return payload


def _why(error: Exception) -> str:
    return " in time" if isinstance(error, TimeoutError) else ""


async def instances(head: str, headers: Mapping[str, str] | None = None) -> list[Instance]:
    """The servers behind a head."""
    try:
        payload = await get(f"{head.rstrip('/')}/server_instances", headers)
    except WantsToken:
        raise
    except NoHead as error:
        raise NoHead(
            f"{error}; start ng_run (or usergym serve) in another terminal, or say where the head is "
            "with +head_server.port=PORT (--head URL)"
        ) from None
    try:
        return msgspec.json.decode(payload, type=list[Instance])
    except msgspec.MsgspecError as error:
        raise NoHead(f"{show(head)} is no head server: {error}") from None


async def who_listens(service: "Service") -> str:
    """Who has a server's port, as far as it says so."""
    host = "127.0.0.1" if service.host in ("0.0.0.0", "::") else service.host
    url = f"http://{host}:{service.port}"
    try:
        found = msgspec.json.decode(await get(f"{url}/server_instances", token_headers(), 2.0), type=list[Instance])
    except (NoHead, msgspec.MsgspecError) as error:
        return "a server that wants a token" if isinstance(error, WantsToken) else "another program"
    agents = ", ".join(each.name for each in found if each.kind == "agent")
    pids = {each.pid for each in found if each.pid}
    return f"an ng_run or usergym serve with {agents or 'no agent'} (process {', '.join(map(str, sorted(pids)))})"


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
    from usergym.cli.ng.servers import environment_of_agent, identity_of_agent

    agents = {}
    for each in found:
        if each.kind == "agent":
            spec = environment_of_agent(each.name, config)
            agents[each.name] = Agent(
                each.name,
                _near(each.address, head),
                spec and spec.partition(":")[0],
                _needs(spec),
                identity_of_agent(each.name, config),
            )
    return agents


def _needs(spec: str | None) -> dict[str, str]:
    if spec is None or spec.partition(":")[0] != "workplace" or "tables=" in spec:
        return {}
    return {
        "company": "it is a row of NeMo Gym, whose tables the servers were started without; start ng_run with "
        "+workplace_tables=FOLDER (usergym serve --env workplace:tables=FOLDER)"
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
