"""Any environment as MCP tools: one world for each session, over streamable HTTP or stdio. Nothing here grades.

What the task asks is the prompt `task` and the resource `usergym://task`. A session needs the protocol's handshake:
a version without sessions has nowhere to keep a world, so clients of one are told to shake hands.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mcp_types as types
import msgspec
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from usergym import __version__
from usergym.environments.base import Environment
from usergym.models.base import Model
from usergym.models.chat_format import to_chat
from usergym.serving.guard import is_loopback
from usergym.serving.remote import GREETING, Conversation
from usergym.serving.web import LIVENESS, starlette
from usergym.types import Message, Task

URI = "usergym://task"
IDLE_SECONDS = 1800.0
MOST_SESSIONS = 10_000
SESSION_HEADER = "mcp-session-id"


@dataclass(slots=True)
class Session:
    conversation: Conversation
    used: float
    opening: list[Message] | None = None
    """What the agent knows before it does anything."""


class Worlds:
    """The conversations of the sessions that are open, made when they are first asked for."""

    def __init__(self, make: Callable[[], Conversation], limit: int = MOST_SESSIONS, ttl: float = IDLE_SECONDS) -> None:
        self.make = make
        self.limit = limit
        self.ttl = ttl
        self._kept: OrderedDict[str, Session] = OrderedDict()
        """In the order in which they were last used."""

    def __len__(self) -> int:
        return len(self._kept)

    async def of(self, key: str) -> Session:
        self._expire()
        if key not in self._kept and len(self._kept) >= self.limit:
            raise MCPError(types.INTERNAL_ERROR, f"all {self.limit} sessions are in use; end one, or try again later")
        session = self._kept.pop(key, None) or Session(self.make(), 0.0)
        session.used = time.monotonic()
        self._kept[key] = session
        await session.conversation.ready()
        if session.opening is None:
            seen = session.conversation.trajectory.view("assistant")
            session.opening = [message for message in seen if message != Message("user", GREETING)]
        return session

    def close(self, key: str) -> None:
        if session := self._kept.pop(key, None):
            session.conversation.close()

    def _expire(self) -> None:
        now = time.monotonic()
        for key, session in list(self._kept.items()):
            if session.used + self.ttl > now:
                break
            if not session.conversation.busy:
                self.close(key)


def worlds_of(
    environment: Environment, task: Task, user_model: Model | None = None, services: Mapping[str, Model] | None = None
) -> Worlds:
    """LookupError for a task whose agent has no tools. RowError for one that cannot be played."""
    if not environment.start(task).tools("assistant"):
        raise LookupError(
            f"{environment.name} gives its agent no tools, and MCP serves tools; talk to its user with "
            f"`usergym serve user --env {environment.name}`"
        )
    return Worlds(lambda: Conversation(environment, task, user_model=user_model, services=services or {}))


class _Handlers:
    """What a client may ask, for the session that it asks in."""

    def __init__(self, worlds: Worlds) -> None:
        self.worlds = worlds

    async def session(self, context: Any) -> Session:
        if context.request is None:
            return await self.worlds.of("")  # stdio: the process is the session
        key = context.request.headers.get(SESSION_HEADER)
        if key is None:
            supported = list(HANDSHAKE_PROTOCOL_VERSIONS)
            data = {"supported": supported, "requested": context.protocol_version}
            raise MCPError(types.UNSUPPORTED_PROTOCOL_VERSION, "a world needs a session: begin with initialize", data)
        return await self.worlds.of(key)

    async def discover(self, context: Any, params: types.RequestParams | None) -> types.DiscoverResult:
        versions = MODERN_PROTOCOL_VERSIONS if context.request is None else HANDSHAKE_PROTOCOL_VERSIONS
        capabilities = types.ServerCapabilities(
            tools=types.ToolsCapability(), prompts=types.PromptsCapability(), resources=types.ResourcesCapability()
        )
        return types.DiscoverResult(supported_versions=list(versions), capabilities=capabilities)

    async def list_tools(self, context: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        tools = (await self.session(context)).conversation.tools
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=tool.name, description=tool.description, input_schema={"type": "object", **tool.parameters}
                )
                for tool in tools
            ]
        )

    async def call_tool(self, context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        conversation = (await self.session(context)).conversation
        known = [tool.name for tool in conversation.tools]
        if params.name not in known and not conversation.over:
            return _failed(f"there is no tool {params.name[:200]!r}; there are {', '.join(known)}")
        arguments = msgspec.json.encode(params.arguments or {}).decode()
        result = await conversation.call(params.name, arguments)
        if result is None:
            return _failed(f"the conversation is over: {conversation.over}")
        return types.CallToolResult(content=[types.TextContent(type="text", text=result)])

    async def list_prompts(self, context: Any, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        prompt = types.Prompt(name="task", description="What the agent is told, and what it is asked.")
        return types.ListPromptsResult(prompts=[prompt])

    async def get_prompt(self, context: Any, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        if params.name != "task":
            raise MCPError(types.INVALID_PARAMS, f"there is no prompt {params.name[:200]!r}; there is task")
        # The protocol has no system messages in prompts.
        return types.GetPromptResult(
            messages=[
                types.PromptMessage(
                    role="assistant" if message.role == "assistant" else "user",
                    content=types.TextContent(type="text", text=message.content),
                )
                for message in (await self.session(context)).opening or ()
                if message.content
            ]
        )

    async def list_resources(
        self, context: Any, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        about = types.Resource(uri=URI, name="task", description="The task's messages.", mime_type="application/json")
        return types.ListResourcesResult(resources=[about])

    async def read_resource(self, context: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        if str(params.uri) != URI:
            raise MCPError(types.INVALID_PARAMS, f"there is no resource {str(params.uri)[:200]!r}; there is {URI}")
        rows = msgspec.json.encode(to_chat((await self.session(context)).opening or ())).decode()
        contents = types.TextResourceContents(uri=URI, text=rows, mime_type="application/json")
        return types.ReadResourceResult(contents=[contents])


def _failed(why: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=f"Error: {why}.")], is_error=True)


def mcp_server(worlds: Worlds, name: str) -> Server[Any]:
    handlers = _Handlers(worlds)
    server: Server[Any] = Server(
        name,
        version=__version__,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
        on_list_resources=handlers.list_resources,
        on_read_resource=handlers.read_resource,
    )
    server.add_request_handler("server/discover", types.RequestParams, handlers.discover)
    return server


def mcp_app(worlds: Worlds, name: str, host: str = "127.0.0.1") -> Starlette:
    """Streamable HTTP at `/mcp`. On a loopback `host`, requests that a web page smuggled in from elsewhere are
    refused."""
    return starlette([*LIVENESS, Route("/mcp", _Endpoint(mcp_server(worlds, name), worlds, is_loopback(host)))])


class _Endpoint:
    """The package's endpoint, begun with the first request: our host runs no lifespans."""

    def __init__(self, server: Server[Any], worlds: Worlds, local: bool) -> None:
        self.worlds = worlds
        self.manager = StreamableHTTPSessionManager(
            server,
            json_response=True,
            session_idle_timeout=worlds.ttl,
            max_sessions=worlds.limit,
            security_settings=TransportSecuritySettings(
                enable_dns_rebinding_protection=local,
                allowed_hosts=["127.0.0.1:*", "localhost:*", "[::1]:*"],
                allowed_origins=["http://127.0.0.1:*", "http://localhost:*", "http://[::1]:*"],
            ),
        )
        self.app: ASGIApp = self.manager.handle_request
        self.begun = asyncio.Event()
        self.running: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.running is None:
            self.running = asyncio.create_task(self._run())
        await self.begun.wait()
        await self.app(scope, receive, send)
        if scope["method"] == "DELETE":
            ended = dict(scope["headers"]).get(SESSION_HEADER.encode(), b"")
            self.worlds.close(ended.decode("latin-1"))

    async def _run(self) -> None:
        async with self.manager.run():
            self.begun.set()
            await asyncio.Event().wait()


async def serve_stdio(worlds: Worlds, name: str, models: Sequence[Model] = ()) -> None:
    """Serves the client at standard input until it leaves, and closes `models`."""
    server = mcp_server(worlds, name)
    try:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
    finally:
        worlds.close("")
        for model in models:
            await model.close()
