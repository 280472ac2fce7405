"""Live search engines, against servers on this machine that speak as they do."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.environments.search.acts import playing, told
from usergym.environments.search.engines import KeptSearch, LiveSearch
from usergym.environments.search.world import Search
from usergym.models.base import ModelError, StopRun
from usergym.models.retry import Retry
from usergym.rollouts.engine import Cast, begin, play
from usergym.types import Message, Sampling, Trajectory

KEY = "sk-search-0123456789"
FAST = Retry(retries=2, first=0.01, longest=0.02)
TASK = Search(engine="searxng").read({"id": "b", "question": "Who founded Citibank?", "answer": "Samuel Osgood"})
SERPER = {
    "searchParameters": {"q": "x"},
    "answerBox": {"title": "Citibank", "answer": "Samuel Osgood"},
    "knowledgeGraph": {"title": "Citi", "description": "A bank."},
    "organic": [{"title": f"Page {n}", "snippet": f"Text {n}", "link": "http://x"} for n in range(9)],
}
SEARXNG = {"results": [{"title": "Citibank", "content": "Founded by\nSamuel Osgood.", "url": "http://x"}]}

Answer = Callable[[web.Request, int], web.Response]


class Server:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((str(request.rel_url), dict(request.headers), await request.text()))
        return self.answer(request, len(self.asked) - 1)


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    server = Server(answer)
    app = web.Application()
    app.router.add_route("*", "/search", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


def always(body: object, status: int = 200) -> Answer:
    return lambda request, number: web.json_response(body, status=status)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERPER_API_KEY", KEY)


def live(server: Server, engine: str = "serper", deadline: float = 5.0) -> LiveSearch:
    assert engine in ("serper", "searxng")
    return LiveSearch("serper" if engine == "serper" else "searxng", server.url, 5, FAST, deadline)


async def conversation(server: Server, engine: str = "serper") -> tuple[Search, Trajectory]:
    env = Search(engine="serper" if engine == "serper" else "searxng", base_url=server.url)
    acts = [("search", "founder of Citibank"), ("answer", "Samuel Osgood")]
    return env, await playing(env, TASK, acts, {"search": live(server, engine)})


def test_serper_is_asked_with_the_key_and_its_answer_box_comes_first() -> None:
    async def scenario() -> None:
        async with serving(always(SERPER)) as server:
            _, trajectory = await conversation(server)
            assert trajectory.reward() == 1.0
            lines = told(trajectory)[0].splitlines()
            assert lines[:4] == ["1. Citibank", "   Samuel Osgood", "2. Citi", "   A bank."]
            assert lines[-3:] == ["5. Page 2", "   Text 2", "Searches left: 4."]
            ((_, headers, body),) = server.asked
            assert headers["X-API-KEY"] == KEY
            assert json.loads(body) == {"q": "founder of Citibank", "num": 5}

    asyncio.run(scenario())


def test_searxng_is_asked_for_json_without_a_key() -> None:
    async def scenario() -> None:
        async with serving(always(SEARXNG)) as server:
            _, trajectory = await conversation(server, "searxng")
            assert told(trajectory)[0].splitlines()[:2] == ["1. Citibank", "   Founded by Samuel Osgood."]
            ((path, headers, _),) = server.asked
            assert path == "/search?q=founder+of+Citibank&format=json"
            assert "X-API-KEY" not in headers

    asyncio.run(scenario())


def test_a_conversation_lived_again_reads_what_was_found_and_asks_nobody() -> None:
    async def scenario() -> None:
        async with serving(always(SERPER)) as server:
            env, once = await conversation(server)
            again = await play(env, begin(TASK, 0, 0), Cast(None), past=once.turns, ending=once.stop)
            assert (again.error, again.turns, again.rewards) == (None, once.turns, once.rewards)
            assert len(server.asked) == 1
            assert [turn.message.name for turn in once.turns if turn.speaker == "judge"] == ["search"]
            assert KEY not in json.dumps([turn.message.content for turn in once.turns])

    asyncio.run(scenario())


def test_an_engine_that_finds_nothing_says_so_and_one_that_fails_is_no_empty_result() -> None:
    nothing = {"searchParameters": {}, "organic": []}
    silent = {"results": [], "unresponsive_engines": [["google", "timeout"]]}

    async def scenario() -> None:
        async with serving(always(nothing)) as server:
            _, trajectory = await conversation(server)
            assert told(trajectory)[0].startswith("Nothing was found.")
            assert trajectory.reward() == 1.0
        async with serving(always({"results": []})) as server:
            _, trajectory = await conversation(server, "searxng")
            assert told(trajectory)[0].startswith("Nothing was found.")
        async with serving(always(silent)) as server:
            _, trajectory = await conversation(server, "searxng")
            assert trajectory.error is not None
            assert "do not respond" in trajectory.error.message
            assert (trajectory.reward(), len(server.asked)) == (None, 3)

    asyncio.run(scenario())


@pytest.mark.parametrize(("status", "body"), [(500, {}), (503, "busy"), (429, {"message": "slow down"})])
def test_a_failing_engine_is_tried_again_and_then_a_failure_and_not_a_zero(status: int, body: object) -> None:
    async def scenario() -> None:
        async with serving(always(body, status)) as server:
            _, trajectory = await conversation(server)
            assert trajectory.error is not None
            assert str(status) in trajectory.error.message
            assert KEY not in trajectory.error.message
            assert (trajectory.reward(), len(server.asked)) == (None, 3)

    asyncio.run(scenario())


@pytest.mark.parametrize("body", ["<html>", "[]", "[" * 99_999, "null", '{"message": "hello"}', '{"organic"', ""])
def test_what_is_no_answer_is_a_failure(body: str) -> None:
    async def scenario() -> None:
        for engine in ("serper", "searxng"):
            async with serving(lambda request, number: web.Response(text=body)) as server:
                with pytest.raises(ModelError, match="not an answer") as raised:
                    await live(server, engine).search("x")
                assert raised.value.kind == "malformed"

    asyncio.run(scenario())


def test_an_engine_that_recovers_costs_nobody_a_conversation() -> None:
    def answer(request: web.Request, number: int) -> web.Response:
        return web.json_response(SERPER if number else {}, status=200 if number else 502)

    async def scenario() -> None:
        async with serving(answer) as server:
            _, trajectory = await conversation(server)
            assert (trajectory.reward(), len(server.asked)) == (1.0, 2)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("engine", "status", "body", "words"),
    [
        ("serper", 403, {"message": f"bad key {KEY}"}, r"refused \(403\): bad key \*\*\*; check SERPER_API_KEY"),
        ("serper", 400, {"message": "Not enough credits"}, "no credit left"),
        ("searxng", 403, "Forbidden", r"search\.formats"),
    ],
)
def test_a_refused_key_or_a_spent_account_ends_the_run_in_one_line(
    engine: str, status: int, body: object, words: str
) -> None:
    async def scenario() -> None:
        async with serving(always(body, status)) as server:
            with pytest.raises(StopRun, match=words) as raised:
                await live(server, engine).search("x")
            assert KEY not in str(raised.value)
            assert len(server.asked) == 1

    asyncio.run(scenario())


def test_a_refused_query_fails_one_conversation() -> None:
    async def scenario() -> None:
        async with serving(always({"message": "too long"}, 400)) as server:
            _, trajectory = await conversation(server)
            assert "too long" in str(trajectory.error)
            assert (trajectory.reward(), len(server.asked)) == (None, 1)

    asyncio.run(scenario())


def test_a_deadline_bounds_a_search_with_all_its_retries() -> None:
    async def scenario() -> None:
        async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silence, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        begun = asyncio.get_running_loop().time()
        with pytest.raises(ModelError, match="no answer in time"):
            await LiveSearch("searxng", f"http://127.0.0.1:{port}", 5, FAST, 0.2).search("x")
        assert asyncio.get_running_loop().time() - begun < 1
        server.close()
        await server.wait_closed()

    asyncio.run(scenario())


def test_nobody_at_the_address_is_a_failure() -> None:
    with pytest.raises(ModelError, match="no connection"):
        asyncio.run(LiveSearch("searxng", "http://127.0.0.1:9", 5, FAST).search("x"))


def test_a_missing_key_is_missed_at_the_first_search_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERPER_API_KEY")
    env = Search(engine="serper")
    assert "serper" in env.services["search"].name
    with pytest.raises(StopRun, match="set SERPER_API_KEY"):
        asyncio.run(playing(env, TASK, [("search", "x")]))


def test_without_the_service_a_conversation_is_a_failure_and_not_a_zero() -> None:
    trajectory = asyncio.run(
        playing(Search(engine="searxng"), TASK, [("search", "x")], {"judge": LiveSearch("searxng")})
    )
    assert trajectory.error is not None
    assert trajectory.reward() is None


def test_the_cache_answers_the_same_query_from_its_file_whoever_asks(tmp_path: Path) -> None:
    path = tmp_path / "found.db"

    async def ask(server: Server, query: str, seed: int) -> str:
        search = KeptSearch(live(server), str(path))
        reply = await search.reply([Message("user", query)], (), Sampling(seed=seed))
        await search.close()
        return reply.message.content

    async def scenario() -> None:
        async with serving(always(SERPER)) as server:
            queries = [("founder  of Citibank", 1), ("founder of Citibank", 2), ("another", 3)]
            found = [await ask(server, query, seed) for query, seed in queries]
            assert found[0] == found[1] == found[2]
            assert len(server.asked) == 2

    asyncio.run(scenario())
    assert KEY.encode() not in path.read_bytes()


def test_a_failure_is_not_kept(tmp_path: Path) -> None:
    def answer(request: web.Request, number: int) -> web.Response:
        return web.json_response(SERPER if number > 2 else {}, status=200 if number > 2 else 500)

    async def scenario() -> None:
        async with serving(answer) as server:
            search = KeptSearch(live(server), str(tmp_path / "found.db"))
            with pytest.raises(ModelError):
                await search.reply([Message("user", "x")], (), Sampling())
            reply = await search.reply([Message("user", "x")], (), Sampling())
            assert "Samuel Osgood" in reply.message.content
            await search.close()

    asyncio.run(scenario())


def test_many_searches_at_once_share_a_session_that_is_closed_when_nobody_waits() -> None:
    async def scenario() -> None:
        async with serving(always(SEARXNG)) as server:
            search = live(server, "searxng")
            found = await asyncio.gather(*(search.search(f"query {n}") for n in range(50)))
            assert len(found) == len(server.asked) == 50
            assert search._session is None

    asyncio.run(scenario())


def test_an_address_that_is_no_url_is_refused_without_its_password() -> None:
    with pytest.raises(ValueError, match="expected http"):
        LiveSearch("searxng", "ftp://user:secret@host")
    shown = LiveSearch("searxng", "http://user:secret@host:1/searx/")
    assert "secret" not in shown.name + shown.shown
    assert os.environ["SERPER_API_KEY"] not in repr(vars(LiveSearch("serper")))
