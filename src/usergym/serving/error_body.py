"""How a request fails: always a JSON body in OpenAI's form, never a traceback."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from usergym.models.base import ModelError, StopRun
from usergym.serving.bodies import BadRequest
from usergym.serving.notices import NOTICES
from usergym.serving.web import LIVENESS, reply
from usergym.users.base import SimulatorError

Handler = Callable[[Request], Awaitable[Response]]


def failed(status: int, message: str, kind: str, param: str | None = None, code: str | None = None) -> Response:
    return reply({"error": {"message": message, "type": kind, "param": param, "code": code}}, status)


def told(handler: Handler) -> Handler:
    """What goes wrong in answering becomes a status and one line: 400 the client's fault, 502 the model's, 503 for
    what ends a run (a refused key, a spent budget)."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except BadRequest as error:
            return failed(400, str(error), "invalid_request_error", error.param)
        except ModelError as error:
            if error.kind == "refused":
                return failed(400, str(error), "invalid_request_error", code=error.kind)
            if error.kind == "unavailable":
                NOTICES.tell(error.kind, str(error))
            return failed(502, str(error), "model_error", code=error.kind)
        except SimulatorError as error:
            return failed(502, str(error), "simulator_error", code="user")
        except StopRun as error:
            NOTICES.tell("stopped", str(error))
            return failed(503, str(error), "stopped", code="stopped")
        except ClientDisconnect:
            return failed(400, "the request ended half-way", "invalid_request_error")

    return answer


def openai_app(name: str, posts: dict[str, Handler]) -> Starlette:
    """An app that answers `posts` by their paths, `GET /` and `GET /v1/models` with the one model called `name`."""
    about = {"id": name, "object": "model", "created": 0, "owned_by": "usergym"}

    async def models(request: Request) -> Response:
        return reply({"object": "list", "data": [about]})

    routes = [*LIVENESS, Route("/v1/models", models)]
    routes += [Route(path, told(handler), methods=["POST"]) for path, handler in posts.items()]
    return Starlette(routes=routes, exception_handlers={HTTPException: _on_http, Exception: _on_bug})


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.url.path[:200]}: {error.detail.lower()}"
    response = failed(error.status_code, what, "invalid_request_error")
    response.headers.update(error.headers or {})
    return response


async def _on_bug(request: Request, error: Exception) -> Response:
    """The traceback goes to the log, never to the client."""
    return failed(500, "the server failed to answer this request; its log says where", "bug")
