"""An environment over the Model Context Protocol: the package's own client, real sockets, a real child process."""

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.terminal import command, environment, usergym
from tests.serving.real_http import client, listening
from usergym.environments.base import Environment, Say, World, load, tool
from usergym.models.base import Model
from usergym.types import Message, Task
from usergym.users.base import Participant
from usergym.users.scripted import ScriptedParticipant

mcp = pytest.importorskip("mcp")
serving = pytest.importorskip("usergym.serving.mcp")


class Shelf(Environment):
    """Books are put on a shelf of a task's size; one can ask the owner."""

    name = "shelf"

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        for size in (2, 3):
            yield Task(f"shelf-{size}", self.name, data={"size": size})

    def start(self, task: Task) -> World:
        return ShelfWorld(task)


class ShelfWorld(World):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.books: list[str] = []

    @property
    def system(self) -> str:
        return "Fill the shelf."

    @tool()
    def put(self, title: str, copies: int = 1) -> list[str]:
        """Puts a book on the shelf."""
        self.books += [title] * copies
        if len(self.books) >= self.task.data["size"]:
            self.stop = "full"
        return self.books

    @tool()
    def ask_owner(self, words: str) -> Say:
        """Says something to the owner."""
        return Say(words)

    def user(self, model: Model | None) -> Participant | None:
        def line(view: Sequence[Message]) -> str:
            return f"You said: {view[-1].content}" if view else "Please fill my shelf."

        return ScriptedParticipant("user", line)


def use(run: Callable[[Any, str], Awaitable[None]], **options: Any) -> None:
    """Calls `run` with the worlds and the URL of a server."""

    async def whole() -> None:
        task = next(Shelf().tasks())
        worlds = serving.worlds_of(Shelf(), task)
        for name, value in options.items():
            setattr(worlds, name, value)
        async with listening(serving.mcp_app(worlds, "shelf")) as url:
            await run(worlds, f"{url}/mcp")

    asyncio.run(whole())


def text_of(result: Any) -> str:
    (content,) = result.content
    return str(content.text)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_client_finds_the_tools_and_uses_them(mode: str) -> None:
    async def run(worlds: Any, url: str) -> None:
        async with mcp.Client(url, mode=mode) as session:
            tools = {each.name: each for each in (await session.list_tools()).tools}
            assert set(tools) == {"put", "ask_owner"}
            assert tools["put"].input_schema["required"] == ["title"]
            assert tools["put"].description == "Puts a book on the shelf."
            assert text_of(await session.call_tool("put", {"title": "Emma"})) == '["Emma"]'
            assert text_of(await session.call_tool("ask_owner", {"words": "Any more?"})) == "You said: Any more?"
            assert "`titel`" in text_of(await session.call_tool("put", {"titel": "x"}))
            unknown = await session.call_tool("../put", {})
            assert unknown.is_error
            assert "put, ask_owner" in text_of(unknown)

    use(run)


def test_each_session_has_a_world_of_its_own_which_goes_with_it() -> None:
    async def run(worlds: Any, url: str) -> None:
        async with mcp.Client(url) as one, mcp.Client(url) as other:
            await one.call_tool("put", {"title": "Emma"})
            assert text_of(await other.call_tool("put", {"title": "Ulysses"})) == '["Ulysses"]'
            assert text_of(await one.call_tool("put", {"title": "Dune"})) == '["Emma","Dune"]'
            over = await one.call_tool("put", {"title": "Too much"})
            assert over.is_error
            assert "full" in text_of(over)
            assert len(worlds) == 2
        assert len(worlds) == 0

    use(run)


def test_the_task_is_a_prompt_and_a_resource() -> None:
    async def run(worlds: Any, url: str) -> None:
        async with mcp.Client(url) as session:
            await session.call_tool("put", {"title": "Emma"})
            (prompt,) = (await session.list_prompts()).prompts
            told = (await session.get_prompt(prompt.name)).messages
            assert [(each.role, each.content.text) for each in told] == [
                ("user", "Fill the shelf."),
                ("user", "Please fill my shelf."),
            ]
            (resource,) = (await session.list_resources()).resources
            (contents,) = (await session.read_resource(str(resource.uri))).contents
            assert json.loads(contents.text) == [
                {"role": "system", "content": "Fill the shelf."},
                {"role": "user", "content": "Please fill my shelf."},
            ]
            for wrong in (session.get_prompt("other"), session.read_resource("usergym://other")):
                with pytest.raises(mcp.MCPError, match="there is"):
                    await wrong

    use(run)


def test_sessions_are_bounded_and_expire() -> None:
    async def full(worlds: Any, url: str) -> None:
        async with mcp.Client(url) as one, mcp.Client(url) as other:
            await one.call_tool("put", {"title": "Emma"})
            with pytest.raises(mcp.MCPError, match="in use"):
                await other.call_tool("put", {"title": "Emma"})

    async def idle(worlds: Any, url: str) -> None:
        async with mcp.Client(url) as one, mcp.Client(url) as other:
            await one.call_tool("put", {"title": "Emma"})
            worlds.ttl = 0.0
            await other.call_tool("put", {"title": "Emma"})
            assert len(worlds) == 1

    # The package bounds sessions too; here the worlds' own bound is the lower one.
    async def whole() -> None:
        task = next(Shelf().tasks())
        for limit, run in ((1, full), (10, idle)):
            worlds = serving.worlds_of(Shelf(), task)
            async with listening(serving.mcp_app(worlds, "shelf")) as url:
                worlds.limit = limit
                await run(worlds, f"{url}/mcp")

    asyncio.run(whole())


def test_a_version_without_sessions_is_told_to_shake_hands() -> None:
    async def run(worlds: Any, url: str) -> None:
        with pytest.RaisesGroup(mcp.MCPError, flatten_subgroups=True) as caught:
            async with mcp.Client(url, mode="2026-07-28") as session:
                await session.list_tools()
        assert "begin with initialize" in str(caught.value.exceptions[0].exceptions[0])

    use(run)


def test_a_request_smuggled_in_by_a_web_page_is_refused() -> None:
    async def whole() -> None:
        worlds = serving.worlds_of(Shelf(), next(Shelf().tasks()))
        async with client(serving.mcp_app(worlds, "shelf")) as session:
            for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
                async with session.post("/mcp", json={}, headers=headers) as answer:
                    assert answer.status in (403, 421)
            async with session.get("/") as answer:
                assert await answer.json() == {"status": "ok"}

    asyncio.run(whole())


def test_an_environment_without_tools_is_not_served() -> None:
    environment = load("calendar")
    with pytest.raises(LookupError, match="usergym serve user --env calendar"):
        serving.worlds_of(environment, next(environment.tasks()))


@pytest.fixture(scope="module")
def server() -> Iterator[Callable[[Any], int]]:
    stack = AsyncExitStack()
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    with asyncio.Runner() as runner:

        async def begin() -> Any:
            worlds = serving.worlds_of(Shelf(), next(Shelf().tasks()))
            session = await stack.enter_async_context(client(serving.mcp_app(worlds, "shelf")))
            about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about}
            async with session.post("/mcp", json=hello, headers=headers) as answer:
                assert answer.status == 200
                headers["mcp-session-id"] = answer.headers["mcp-session-id"]
            return session

        session = runner.run(begin())

        async def send(body: Any) -> int:
            async with session.post("/mcp", data=msgspec.json.encode(body), headers=headers) as answer:
                await answer.read()
                return answer.status

        yield lambda body: runner.run(send(body))
        runner.run(stack.aclose())


simple = st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.text(max_size=8)
methods = st.sampled_from(
    ["tools/list", "tools/call", "prompts/get", "prompts/list", "resources/read", "resources/list", "ping", "nothing"]
)
params = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["put", "ask_owner", "task"]) | simple,
        "arguments": st.none()
        | st.dictionaries(st.sampled_from(["title", "copies", "words"]), simple, max_size=3)
        | simple,
        "uri": simple,
        "cursor": simple,
    },
)
requests = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "id": st.integers(1, 99) | st.text(min_size=1, max_size=4), "method": methods},
    optional={"params": params},
)


@settings(max_examples=80, deadline=None)
@given(body=requests | simple | st.lists(simple, max_size=2) | st.dictionaries(st.text(max_size=4), simple, max_size=3))
def test_an_odd_body_is_answered_or_refused(server: Callable[[Any], int], body: Any) -> None:
    assert server(body) < 500


def test_the_command_serves_over_http_and_over_stdio() -> None:
    async def over_http(url: str) -> None:
        async with mcp.Client(f"{url}/mcp") as session:
            assert len((await session.list_tools()).tools) == 27

    started = command("serve", "mcp", "--env", "workplace", "--port", 0, "--json")
    with subprocess.Popen(started, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout
        try:
            asyncio.run(over_http(json.loads(process.stdout.readline())["servers"][0]["url"]))
        finally:
            process.terminate()

    async def over_stdio() -> None:
        program, *arguments = command("serve", "mcp", "--env", "workplace", "--task", "0", "--stdio")
        child = mcp.StdioServerParameters(command=program, args=arguments, env=environment())
        async with mcp.Client(child) as session:
            found = await session.call_tool("company_directory_find_email_address", {"name": "a"})
            assert "@" in text_of(found)
            assert (await session.get_prompt("task")).messages

    asyncio.run(over_stdio())


def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Any) -> None:
    done = usergym(tmp_path, "serve", "mcp", "--env", "calendar", "--port", 0, fails=True)
    assert "serves tools" in done.stderr
    assert done.stderr.count("\n") == 1
    (tmp_path / "mcp.py").write_text("raise ModuleNotFoundError('none', name='mcp')")
    done = usergym(tmp_path, "serve", "mcp", fails=True)
    assert "pip install 'usergym[mcp]'" in done.stderr
