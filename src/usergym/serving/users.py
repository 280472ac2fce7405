"""A simulated user as an OpenAI-compatible chat endpoint, so that any agent framework can talk to it.

In the caller's messages, role `user` is what the agent said and `assistant` what our user said before: to its caller
this endpoint is a model like any other. A user keeps nothing between turns, so neither does the server.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from usergym.models.base import Reply
from usergym.models.chat_format import ChatMessage
from usergym.serving.bodies import BadRequest, read
from usergym.serving.chat_body import ChatRequest, chat_body, messages_in, one_choice
from usergym.serving.error_body import openai_app
from usergym.serving.model import events
from usergym.serving.streams import chat_stream
from usergym.serving.web import reply
from usergym.types import Message, Turn, Usage, stable_hash
from usergym.users.base import Participant, SimulatorError

Make = Callable[[Sequence[Message], int], Participant]
"""Seats the user of one conversation: the caller's messages, and the conversation's seed."""


class UserRequest(ChatRequest):
    messages: list[ChatMessage] = []


_decoder = msgspec.json.Decoder(UserRequest)


def user_app(make: Make, *, name: str = "user") -> Starlette:
    """`POST /v1/chat/completions` answers with the user's next words. A conversation without any is begun by the user.

    The body's `usergym` says whether the user is `done`, and why (`stop`); then content may be "". What the user
    thinks or notes for itself is not in it.
    """

    async def chat(request: Request) -> Response:
        wanted = one_choice(read(await request.body(), _decoder))
        messages = messages_in(wanted)
        heard = heard_in(messages)
        user = make(messages, seed_of(wanted, messages))
        system = [Message("system", user.seat.system)] if user.seat.system else []
        turn = await user.speak([*system, *heard])
        body = user_body(name, turn, wanted)
        answer = events(chat_stream(body, wanted.include_usage)) if wanted.stream else reply(body)
        answer.headers["X-Usergym-Done"] = "true" if body["usergym"]["done"] else "false"
        return answer

    return openai_app(name, {"/v1/chat/completions": chat})


def heard_in(messages: Sequence[Message]) -> list[Message]:
    """What was said aloud, which is all the user knows: no system prompt, no tool traffic, no reasoning."""
    said = [Message(row.role, row.content) for row in messages if row.role in ("user", "assistant") and row.content]
    if said and said[-1].role == "assistant":
        raise BadRequest("messages: the agent (role user) has said nothing since the user's last words", "messages")
    return said


def seed_of(request: ChatRequest, messages: Sequence[Message]) -> int:
    """The same in every request of a conversation: from `seed` and `user`, and from what stood before the user's
    first words."""
    before: list[str] = []
    for message in messages:
        if message.role == "assistant":
            break
        before.append(message.content)
    return stable_hash("user", request.seed, request.user, *before[:2]) & 0x7FFFFFFF


def user_body(name: str, turn: Turn, request: ChatRequest) -> dict[str, Any]:
    """The words alone: no state, no reasoning, no token ids."""
    words = turn.said
    if not words and turn.stop is None:
        raise SimulatorError("the user said nothing, and did not leave either")
    body = chat_body(name, Reply(Message("assistant", words), turn.usage or Usage()), request)
    return {**body, "usergym": {"done": turn.stop is not None, "stop": turn.stop}}
