"""A small world of tools, and the servers of it: what the tests of the NeMo Gym servers talk to."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from usergym.environments.base import Environment, RowError, Say, World, tool
from usergym.models.base import Model
from usergym.models.scripted import ScriptedModel
from usergym.rollouts.gym_rows import messages_of, turns_of
from usergym.serving.agent import agent_app
from usergym.serving.host import Service, serve
from usergym.serving.remote import Conversation
from usergym.serving.resources import resources_app
from usergym.serving.sessions import Sessions
from usergym.types import Message, Reward, Seat, Task, ToolCall
from usergym.users.base import Participant
from usergym.users.scripted import ScriptedParticipant


class DeskWorld(World):
    system = "Add up what you are told."

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.total = 0

    def user(self, model: Model | None) -> Participant | None:
        answers = self.task.data.get("answers")
        if not answers:
            return None
        spoken = sum(turn.speaker == "user" for turn in self.task.opening)
        return ScriptedParticipant("user", answers, Seat(model="scripted"), spoken)

    @tool()
    def add(self, number: int = 1) -> dict[str, int]:
        """Adds a number to the total."""
        self.total += number
        return {"total": self.total}

    @tool()
    def note(self, text: str) -> str:
        """Writes something down."""
        return f"noted {text}"

    @tool()
    async def wait(self, seconds: float) -> str:
        """Waits."""
        await asyncio.sleep(seconds)
        return "waited"

    @tool()
    def tell(self, words: str) -> Say:
        """Says something to the user."""
        return Say(words)

    @tool()
    async def judged(self) -> str:
        """Asks the judge."""
        return await self.ask("judge", "Well?")

    @tool()
    def broken(self) -> str:
        """Fails."""
        raise ZeroDivisionError("a bug in the world")

    @tool()
    def finish(self) -> str:
        """Ends it."""
        self.stop = "finished"
        return "bye"

    async def score(self) -> list[Reward]:
        for _ in range(self.task.data.get("burn", 0)):
            sum(range(1000))
        if self.task.data.get("unscored"):
            return [Reward("total", None, reason="nobody knows")]
        heard = [turn.said for turn in self.trajectory.turns if turn.speaker == "user"] if self.trajectory else []
        goal = self.task.data["goal"]
        reason = f"the total is {self.total}, not {goal}"
        return [
            Reward("total", float(self.total == goal), reason="" if self.total == goal else reason),
            Reward("heard", float(len(heard)), weight=0.0),
        ]


class Desk(Environment):
    name = "desk"

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        yield self.blank()

    def blank(self) -> Task:
        return Task("desk-blank", "desk", data={"goal": 0})

    def read(self, row: Mapping[str, Any]) -> Task:
        params = row.get("responses_create_params")
        if not isinstance(params, Mapping):
            raise RowError("responses_create_params", "an object", row.get("responses_create_params", ...))
        _, opening = turns_of(messages_of(params.get("input", ...), "input"), "input")
        if type(row.get("goal")) is not int:
            raise RowError("goal", "a whole number", row.get("goal", ...))
        answers = row.get("answers", [])
        if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
            raise RowError("answers", "a list of texts", answers)
        if type(row.get("burn", 0)) is not int:
            raise RowError("burn", "a whole number", row["burn"])
        kept = {key: row[key] for key in ("goal", "answers", "unscored", "burn") if key in row}
        return Task(f"desk-{row.get('id', 0)}", "desk", opening=tuple(opening), data=kept)

    def start(self, task: Task) -> World:
        return DeskWorld(task)


def row(goal: int = 3, **more: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "add 1 and 2"}]
    return {"id": 7, "goal": goal, "responses_create_params": {"input": messages}, **more}


def calling(name: str, arguments: str = "{}", number: int = 0) -> Message:
    return Message("assistant", tool_calls=(ToolCall(f"c{number}", name, arguments),))


def adds_up(**more: Any) -> ScriptedModel:
    """An agent that earns the reward of `row()`."""
    replies = [calling("add", '{"number":1}', 0), calling("add", '{"number":2}', 1), Message("assistant", "3")]
    return ScriptedModel(replies, **more)


@asynccontextmanager
async def hosting(services: Sequence[Service], **options: Any) -> AsyncIterator[dict[str, str]]:
    """The URLs of the services by name, while they run."""
    ready = asyncio.Event()
    running = asyncio.create_task(serve(services, announce=lambda _: ready.set(), **options))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        waiting.cancel()
        running.result()
    try:
        yield {service.name: service.url for service in services}
    finally:
        running.cancel()
        await asyncio.wait((running,))


@asynccontextmanager
async def desk(
    model: Model | None = None, sessions: Sessions[Conversation] | None = None, **options: Any
) -> AsyncIterator[tuple[aiohttp.ClientSession, str, str]]:
    """A client that keeps no cookies, as NeMo Gym's, and the URLs of the resources and the agent server."""
    sessions = Sessions("desk") if sessions is None else sessions
    services = options.pop("services", {})
    environment = options.pop("environment", None) or Desk()
    served = {key: options.pop(key) for key in ("token", "body_limit") if key in options}
    resources = resources_app(environment, name="desk", sessions=sessions, services=services)
    agent = agent_app(environment, model or adds_up(), name="agent", sessions=sessions, services=services, **options)
    both = [Service("desk", "resources", resources, end=sessions.close_all), Service("agent", "agent", agent)]
    async with hosting(both, **served) as urls:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as client:
            yield client, urls["desk"], urls["agent"]


async def post(
    client: aiohttp.ClientSession, url: str, body: Any = None, cookies: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Status and decoded body; `body` as it is where it is bytes."""
    payload: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": {} if body is None else body}
    async with client.post(url, cookies=cookies, **payload) as answer:
        assert answer.content_type == "application/json", await answer.text()
        return answer.status, await answer.json()


async def seeded(client: aiohttp.ClientSession, url: str, body: Any = None) -> dict[str, str]:
    """The cookies of a new session, as a client of NeMo Gym forwards them."""
    async with client.post(f"{url}/seed_session", json={} if body is None else body) as answer:
        assert answer.status == 200, await answer.text()
        return {name: morsel.value for name, morsel in answer.cookies.items()}
