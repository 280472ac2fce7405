"""An environment as a NeMo Gym resources server: its tools and its verdict over HTTP."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from usergym.environments.base import Environment, OpensBlank
from usergym.models.base import Model
from usergym.serving.bodies_gym import RowReader
from usergym.serving.metrics_body import aggregate_payload
from usergym.serving.remote import Conversation
from usergym.serving.scoring import items_of, lived, refused_by, task_of, verdict
from usergym.serving.sessions import Sessions
from usergym.serving.web import LIVENESS, Refused, as_object, not_json, reply, starlette
from usergym.types import Task

LARGE, MANY = 1 << 18, 100
"""A body that is longer than so many bytes, or lives again so many items, may take a while, which it does beside the
loop. Judges live on the loop."""

NO_SESSION = "Session not initialized. Please call seed_session first."


def blank_task(environment: Environment) -> Task:
    if isinstance(environment, OpensBlank):
        return environment.blank()
    task = next(iter(environment.tasks()), None)
    if task is None:
        raise Refused(422, "row", "this environment has no tasks of its own; send a dataset row")
    return task


def resources_app(
    environment: Environment,
    *,
    name: str,
    sessions: Sessions[Conversation] | None = None,
    user_model: Model | None = None,
    services: Mapping[str, Model] = {},
) -> Starlette:
    """`user_model` plays the user of a session, `services` are whom its world may ask (`judge`)."""
    server = _Resources(environment, sessions or Sessions(name), user_model, services)
    return starlette(
        [
            *LIVENESS,
            Route("/reverify_mode", _stateless),
            Route("/seed_session", server.seed_session, methods=["POST"]),
            Route("/close_session", server.close_session, methods=["POST"]),
            Route("/verify", server.verify, methods=["POST"]),
            Route("/aggregate_metrics", aggregate_metrics, methods=["POST"]),
            Route("/{tool}", server.call, methods=["POST"]),
        ]
    )


async def _stateless(request: Request) -> Response:
    return reply(b'"stateless"')


async def aggregate_metrics(request: Request) -> Response:
    """Pure Python over many rows, so it runs beside the loop."""
    payload = await request.body()

    def work() -> bytes:
        try:
            return aggregate_payload(msgspec.json.decode(payload))
        except (msgspec.MsgspecError, RecursionError) as error:
            raise not_json(error) from None

    return reply(await asyncio.to_thread(work))


class _Resources:
    def __init__(
        self,
        environment: Environment,
        sessions: Sessions[Conversation],
        user_model: Model | None,
        services: Mapping[str, Model],
    ) -> None:
        self.environment = environment
        self.sessions = sessions
        self.user_model = user_model
        self.services = services
        self.rows = RowReader()

    async def seed_session(self, request: Request) -> Response:
        row = self.rows.read(await request.body())
        bare = all(name.startswith("_") for name in row.fields)
        task = blank_task(self.environment) if bare else task_of(self.environment, row)
        self.sessions.close(self.sessions.key_of(request))
        response = reply(b"{}")
        conversation = self.sessions.open(
            lambda: Conversation(self.environment, task, user_model=self.user_model, services=self.services), response
        )
        await conversation.ready()
        if error := conversation.trajectory.error:
            raise refused_by(error)
        return response

    async def close_session(self, request: Request) -> Response:
        """Also where there is none any more, so that it can be said twice."""
        return reply({"closed": self.sessions.close(self.sessions.key_of(request))})

    async def call(self, request: Request) -> Response:
        """The name is looked up among the world's tools and is nothing else: neither a path nor an attribute."""
        session = self.sessions.of(request)
        if session is None:
            raise Refused(400, "session", NO_SESSION)
        name = request.path_params["tool"]
        arguments = _arguments(await request.body())
        known = [tool.name for tool in session.tools]
        if name not in known:
            return _failed(name, f"there is no such tool; there are {', '.join(known) or 'none'}")
        result = await session.call(name, arguments)
        return _failed(name, session.over) if result is None else reply(_output(result))

    async def verify(self, request: Request) -> Response:
        payload = await request.body()
        row = self.rows.read(payload)
        living = lived(self.environment, row, self.services)
        if not self.services and (len(payload) > LARGE or items_of(row) > MANY):
            trajectory = await asyncio.to_thread(asyncio.run, living)
        else:
            trajectory = await living
        scored = verdict(trajectory, bool(self.services))
        self.sessions.finish(self.sessions.key_of(request))
        return reply({**row.raw, **scored})


def _arguments(payload: bytes) -> str:
    """The body as a tool's arguments, without those that are null."""
    arguments = as_object(payload or b"{}")
    if None not in arguments.values():
        return payload.decode(errors="replace") or "{}"
    return json.dumps({name: value for name, value in arguments.items() if value is not None})


def _output(result: str) -> bytes:
    """A result that is a JSON object is the answer; any other text stands in one."""
    if result.startswith("{"):
        try:
            msgspec.json.decode(result, type=dict[str, Any])
            return result.encode()
        except (msgspec.MsgspecError, RecursionError):
            pass
    return msgspec.json.encode({"output": result})


def _failed(name: str, why: str) -> Response:
    return reply({"output": f"Error executing tool '{name[:200]}': {why}"})
