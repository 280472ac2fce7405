"""Any model of ours as an OpenAI-compatible server: `/v1/responses` and `/v1/chat/completions`."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from usergym.models.base import Model
from usergym.models.sampled import SampledModel
from usergym.serving import chat_body, responses_body
from usergym.serving.bodies import tools_of
from usergym.serving.error_body import openai_app
from usergym.serving.streams import chat_stream, responses_stream
from usergym.serving.web import reply
from usergym.types import Sampling


def model_app(model: Model, *, sampling: Sampling = Sampling()) -> Starlette:
    """Answers whatever model a client names with this one, whose name the reply tells. `sampling` fills in what a
    request leaves open. Streams are made from the finished reply."""
    sampled = SampledModel(model, sampling)

    async def chat(request: Request) -> Response:
        wanted = chat_body.read_chat_request(await request.body())
        answer = await sampled.reply(*chat_body.asked(wanted, tools_of(wanted.tools).tools))
        body = chat_body.chat_body(model.name, answer, wanted)
        return events(chat_stream(body, wanted.include_usage)) if wanted.stream else reply(body)

    async def responses(request: Request) -> Response:
        wanted = responses_body.read_responses_request(await request.body())
        tools = tools_of(wanted.tools)
        answer = await sampled.reply(*responses_body.asked(wanted, tools.tools))
        body = responses_body.responses_body(model.name, answer, wanted, tools.flat)
        return events(responses_stream(body)) if wanted.stream else reply(body)

    return openai_app(model.name, {"/v1/chat/completions": chat, "/v1/responses": responses})


def events(stream: bytes) -> Response:
    return Response(stream, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
