"""An agent server: plays a row's conversation with a model and answers with its response and reward."""

import asyncio
import itertools
import time
import uuid
from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from usergym.environments.base import Environment, World
from usergym.models.base import Model, StopRun
from usergym.models.responses_format import tools_to_responses
from usergym.models.wire import Encoded
from usergym.rollouts.engine import Cast, Limits, begin, play, seat_model
from usergym.rollouts.gym_rows import messages_of, output_of, response_of, usage_of
from usergym.serving.bodies_gym import Row, RowReader, sampling_of, whole_number
from usergym.serving.remote import Conversation, Stretch
from usergym.serving.resources import aggregate_metrics, blank_task
from usergym.serving.scoring import STATUS, refused_by, stopped, task_of, verdict
from usergym.serving.sessions import Sessions
from usergym.serving.web import GONE, LIVENESS, Refused, refusal, reply, row_refused, starlette
from usergym.types import Sampling, Seat, Tool, stable_hash
from usergym.users.base import ModelParticipant, Participant

CONCURRENCY = 1024
SAMPLE = "_ng_rollout_index"


def agent_app(
    environment: Environment,
    model: Model,
    *,
    name: str,
    max_steps: int | None = None,
    sessions: Sessions[Conversation] | None = None,
    concurrency: int = CONCURRENCY,
    sampling: Sampling = Sampling(),
    user_model: Model | None = None,
    services: Mapping[str, Model] = {},
    max_seconds: float | None = None,
    seed: int = 0,
) -> Starlette:
    """`max_steps` bounds the model calls of one conversation (else the environment does), `concurrency` the
    conversations at once (others wait), `max_seconds` one conversation. `sessions` are those of the resources server
    that shares this environment. `sampling` is what a row leaves open."""
    limits = Limits(max_steps or environment.max_replies, seconds=max_seconds)
    cast = Cast(None, user_model, services=services, limits=limits)
    server = _Agent(environment, model, sessions or Sessions(name), cast, sampling, concurrency, seed)
    return starlette(
        [
            *LIVENESS,
            Route("/run", server.run, methods=["POST"]),
            Route("/v1/responses", server.responses, methods=["POST"]),
            Route("/aggregate_metrics", aggregate_metrics, methods=["POST"]),
        ]
    )


class _Agent:
    def __init__(
        self,
        environment: Environment,
        model: Model,
        sessions: Sessions[Conversation],
        cast: Cast,
        sampling: Sampling,
        concurrency: int,
        seed: int,
    ) -> None:
        self.environment = environment
        self.model = model
        self.sessions = sessions
        self.cast = cast
        self.sampling = sampling
        self.places = asyncio.Semaphore(concurrency)
        self.seed = seed
        self.rows = RowReader()
        self.encoded = Encoded()
        self.unnumbered = itertools.count(1)

    async def run(self, request: Request) -> Response:
        try:
            row = self.rows.read(await request.body())
            return reply(await unless_gone(request, self.placed(self.play(row))))
        except Refused as refused:
            # Collectors written for NeMo Gym look at this field for what may be tried again.
            return refusal(refused, _ng_failure_class=refused.kind)
        except ValueError as error:
            return refusal(row_refused(error), _ng_failure_class="row")

    async def placed(self, work: Coroutine[Any, Any, bytes]) -> bytes:
        """What `work` gives, begun once there is a place."""
        try:
            async with self.places:
                return await work
        finally:
            work.close()

    async def play(self, row: Row) -> bytes:
        """The row with `response`, `reward` and what else scoring adds. Refused where there is no reward."""
        task = task_of(self.environment, row)
        sampling = sampling_of(row.params, self.sampling)
        index = whole_number(row.fields, SAMPLE)
        # A row that comes again without an index is another sample of its task, so it draws anew.
        seed = self.seed if index is not None else stable_hash(self.seed, "again", next(self.unnumbered))
        trajectory = begin(task, index or 0, seed)
        cast = self.cast
        tools: list[Tool] = []

        def seating(world: World, seed: int) -> Participant:
            tools.extend(world.tools("assistant"))
            return seat(world, seed)

        seat = seat_model(self.model, sampling)
        seated = Cast(seating, cast.user_model, services=cast.services, limits=cast.limits)
        try:
            await play(self.environment, trajectory, seated)
        except StopRun as error:
            raise stopped(error) from None
        scored = verdict(trajectory, bool(cast.services))
        response = response_of(
            trajectory,
            "assistant",
            self.wire(tuple(tools)),
            key=uuid.uuid4().hex,
            opening=len(task.opening),
            ids=True,
        ) | described(sampling, row.params, trajectory.stop == "length")
        return msgspec.json.encode({**row.raw, "response": response, **scored})

    def wire(self, tools: tuple[Tool, ...]) -> msgspec.Raw:
        return self.encoded.get(tools) or self.encoded.put(tools, tools_to_responses(tools))

    async def responses(self, request: Request) -> Response:
        """The agent's turns until it says something, without a verdict: in the world of the session that the request
        brings, else in a blank one."""
        try:
            row = self.rows.read_params(await request.body())
            work = self.respond(row, self.sessions.of(request))
            return reply(await unless_gone(request, self.placed(work)))
        except ValueError as error:
            raise row_refused(error) from None

    async def respond(self, row: Row, session: Conversation | None) -> bytes:
        params = row.fields
        messages = messages_of(params.get("input", ...), "input")
        if isinstance(words := params.get("instructions"), str):
            messages.insert(0, messages_of([{"role": "system", "content": words}], "instructions")[0])
        sampling = sampling_of(params, self.sampling)
        own = session is None
        conversation = session or Conversation(
            self.environment,
            blank_task(self.environment),
            user_model=self.cast.user_model,
            services=self.cast.services,
        )
        try:
            await conversation.ready()
            tools = row.tools or tuple(conversation.tools)
            seat = Seat("", tuple(tool.name for tool in tools), self.model.name, sampling)
            model = ModelParticipant("assistant", self.model, seat, tools, next(self.unnumbered))
            stretch = Stretch(model, messages, self.cast.limits.replies)
            seen = await conversation.play(stretch)
        finally:
            if own:
                conversation.close()
        return msgspec.json.encode(self.answer(conversation, stretch, output_of(seen), tools, sampling, params))

    def answer(
        self,
        conversation: Conversation,
        stretch: Stretch,
        output: list[dict[str, Any]],
        tools: tuple[Tool, ...],
        sampling: Sampling,
        params: Mapping[str, Any],
    ) -> dict[str, Any]:
        if isinstance(stretch.error, StopRun):
            raise stopped(stretch.error)
        if stretch.error:
            raise Refused(STATUS[stretch.error.kind], stretch.error.kind, str(stretch.error))
        if conversation.trajectory.error:
            raise refused_by(conversation.trajectory.error)
        if not stretch.turns:
            raise Refused(409, "session", f"nothing can be said in this session: {conversation.over}")
        return {
            "id": f"resp_{uuid.uuid4().hex}",
            "created_at": 0.0,
            "model": self.model.name,
            "object": "response",
            "output": output,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": self.wire(tools),
            "usage": usage_of(stretch.usage),
        } | described(sampling, params, stretch.turns[-1].stop == "length")


def described(sampling: Sampling, params: Mapping[str, Any], cut: bool) -> dict[str, Any]:
    """The fields of a response that say how it was asked for and whether it is whole."""
    return {
        "created_at": time.time(),
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "error": None,
        "instructions": params.get("instructions") if isinstance(params.get("instructions"), str) else None,
        "metadata": params.get("metadata") if isinstance(params.get("metadata"), Mapping) else None,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_output_tokens": sampling.max_tokens,
        "parallel_tool_calls": params.get("parallel_tool_calls") is not False,
    }


async def unless_gone(request: Request, work: Coroutine[Any, Any, bytes]) -> bytes:
    """What `work` gives; it is cancelled when the client goes away."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise GONE
    finally:
        leaving.cancel()
        working.cancel()
