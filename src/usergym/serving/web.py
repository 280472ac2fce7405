"""JSON in, JSON out: what every server here has in common, failures included."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from usergym.environments.base import RowError
from usergym.models.wire import decode


class Refused(Exception):
    """A request that gets no answer but a reason: `status` over HTTP, `kind` one word, `message` what to do."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        field: str = "",
        turn: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.field = field
        self.turn = turn
        self.headers = headers

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"kind": self.kind, "message": self.message}
        if self.turn is not None:
            error["turn"] = self.turn
        if not self.field:
            return {"error": error, "detail": self.message}
        entry = {"type": self.kind, "loc": ["body", *self.field.split(".")], "msg": self.message}
        return {"error": {**error, "field": self.field}, "detail": [entry]}


def row_refused(error: ValueError) -> Refused:
    """A row that cannot be played: one entry, which names the field and what was expected."""
    return Refused(422, "row", str(error), field=error.field if isinstance(error, RowError) else "")


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    payload = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Response(payload, status, headers, media_type="application/json")


def refusal(refused: Refused, **more: Any) -> Response:
    return reply(refused.body() | more, refused.status, refused.headers)


_any: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Any)


async def json_object(request: Request) -> dict[str, Any]:
    """The body, which must be an object; an empty body is an empty one."""
    return as_object(await request.body() or b"{}")


def as_object(payload: bytes) -> dict[str, Any]:
    try:
        value = decode(payload, _any)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise not_json(error) from None
    if not isinstance(value, dict):
        raise Refused(422, "body", f"expected a JSON object, found {type(value).__name__}")
    return value


def not_json(error: Exception) -> Refused:
    why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
    return Refused(422, "body", f"the body is not JSON: {why}")


async def alive(request: Request) -> Response:
    return reply(b'{"status":"ok"}')


LIVENESS = [Route(path, alive) for path in ("/", "/health")]


def starlette(routes: Sequence[BaseRoute]) -> Starlette:
    """An app that answers in JSON also where nothing is, and where something went wrong."""
    return Starlette(
        routes=routes,
        exception_handlers={
            Refused: _on_refused,
            HTTPException: _on_http,
            ClientDisconnect: _on_gone,
            Exception: _on_bug,
        },
    )


async def _on_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(error)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"nothing at {request.url.path[:200]}" if error.status_code == 404 else error.detail
    kind = "body" if error.status_code == 413 else "http"
    return refusal(Refused(error.status_code, kind, message, headers=error.headers))


async def _on_gone(request: Request, error: Exception) -> Response:
    return refusal(GONE)


async def _on_bug(request: Request, error: Exception) -> Response:
    """The traceback goes to stderr (see host), never to the client."""
    return refusal(BUG)


BUG = Refused(500, "bug", "the server failed to answer this request; its log says where")
GONE = Refused(499, "gone", "the client closed the connection")
