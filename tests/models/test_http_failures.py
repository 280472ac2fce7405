"""What goes wrong between a model and its server, and what each failure means for the run."""

import asyncio
import email.utils
import socket
import time
from collections.abc import Callable

import pytest
from aiohttp import web

from tests.models.odd_server import Answer, Hook, Seen, answering, free_port
from usergym.models.base import ModelError, StopRun
from usergym.models.http import HttpModel
from usergym.models.providers import connect
from usergym.models.retry import Retry
from usergym.models.transport import Key, Options
from usergym.serving.mock_llm import MockOptions, MockServer
from usergym.types import Message, Sampling

SECRET = "sk-very/secret+key"
HELLO = [Message("user", "Hi")]
OK = Answer()


def failing(
    *answers: Answer | Hook, calls: int = 1, retry: Retry = Retry(2, 0.01), attempt: float = 5, deadline: float = 20
) -> tuple[BaseException | None, Seen, float]:
    """What the last of `calls` calls raised, what the server saw, and the seconds it took."""

    async def run() -> tuple[BaseException | None, Seen, float]:
        async with answering(*answers) as seen:
            options = Options(retry=retry, attempt=attempt, deadline=deadline)
            model = HttpModel("big/model", seen.url, key=Key("SOME_KEY", SECRET), options=options)
            begun, error = time.monotonic(), None
            for _ in range(calls):
                try:
                    await model.reply(HELLO, (), Sampling())
                    error = None
                except (ModelError, StopRun) as raised:
                    error = raised
            await model.close()
            return error, seen, time.monotonic() - begun

    return asyncio.run(run())


async def drop(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def truncate(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"choices": [')
    assert request.transport is not None
    request.transport.close()
    return response


async def hang(request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


@pytest.mark.parametrize(
    "fault",
    [
        *(Answer({"error": "busy"}, status) for status in (408, 409, 429, 500, 502, 503, 529)),
        drop,
        truncate,
        hang,
        Answer(b"<html>"),
        Answer(b""),
        Answer({"choices": []}),
        Answer({"choices": [{"message": {"content": 5}}]}),
        Answer(b"\xff\xfe{}"),
        Answer(b'{"choices": [], "x": ' + b"[" * 100_000),
    ],
)
def test_a_passing_fault_is_asked_again(fault: Answer | Hook) -> None:
    error, seen, _ = failing(fault, OK, attempt=0.3)
    assert error is None
    assert len(seen.bodies) == 2
    assert seen.bodies[0] == seen.bodies[1]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Answer({"error": {"message": "overloaded now"}}, 503), "unavailable"),
        (drop, "unavailable"),
        (truncate, "unavailable"),
        (Answer(b"<html>"), "malformed"),
        (Answer({"choices": []}), "malformed"),
    ],
)
def test_a_lasting_fault_is_asked_a_bounded_number_of_times(fault: Answer | Hook, kind: str) -> None:
    error, seen, _ = failing(fault)
    assert isinstance(error, ModelError)
    assert error.kind == kind
    assert len(seen.bodies) == 3
    assert "3 tries" in str(error)
    assert seen.url in str(error)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_request_fails_once_with_the_servers_words(status: int) -> None:
    words = "maximum context length is 4096 tokens"
    error, seen, _ = failing(Answer({"error": {"message": words}}, status))
    assert isinstance(error, ModelError)
    assert (error.kind, len(seen.bodies)) == ("refused", 1)
    assert words in str(error)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_the_run_at_once_without_showing_it(status: int) -> None:
    error, seen, _ = failing(Answer({"error": {"message": f"bad key {SECRET}\nsorry"}}, status))
    assert isinstance(error, StopRun)
    assert len(seen.bodies) == 1
    text = str(error)
    assert "SOME_KEY" in text
    assert seen.url in text
    assert "\n" not in text
    assert SECRET not in text


@pytest.mark.parametrize("form", [SECRET, SECRET.replace("/", "%2F").replace("+", "%2B")])
@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_the_key_is_cut_out_of_whatever_a_server_says(form: str, status: int) -> None:
    error, seen, _ = failing(Answer(f"you sent {form}".encode(), status))
    assert error is not None
    chain = repr(error) + str(error) + repr(error.__cause__)
    assert form not in chain
    assert "***" in str(error)
    assert seen.headers[0]["Authorization"] == f"Bearer {SECRET}"


def test_a_key_that_stands_where_a_text_is_shortened_is_not_half_shown() -> None:
    for status in (200, 400, 503):
        for before in (200, 500):
            error, _, _ = failing(Answer(b"x" * (before - len(SECRET) // 2) + SECRET.encode() + b"y" * 600, status))
            assert SECRET[: len(SECRET) // 2] not in str(error)
            assert len(str(error)) < 900


def test_an_account_without_credit_stops_the_run() -> None:
    error, seen, _ = failing(Answer({"error": {"message": "pay", "code": "insufficient_quota"}}, 429))
    assert isinstance(error, StopRun)
    assert len(seen.bodies) == 1


def test_an_unknown_model_stops_the_run_before_the_first_success_and_is_refused_after_it() -> None:
    missing = Answer({"error": {"message": "no such model"}}, 404)
    error, seen, _ = failing(missing)
    assert isinstance(error, StopRun)
    assert "'big/model'" in str(error)
    assert seen.url in str(error)
    error, _, _ = failing(OK, missing, calls=2)
    assert isinstance(error, ModelError)
    assert error.kind == "refused"


def test_a_redirect_is_not_followed_with_the_key() -> None:
    error, seen, _ = failing(Answer({}, 307, {"Location": "http://elsewhere/v1"}))
    assert isinstance(error, StopRun)
    assert "http://elsewhere/v1" in str(error)
    assert len(seen.bodies) == 1


@pytest.mark.parametrize(
    ("header", "least"), [(lambda: "0.4", 0.4), (lambda: email.utils.formatdate(time.time() + 2, usegmt=True), 0.5)]
)
def test_retry_after_is_honoured(header: Callable[[], str], least: float) -> None:
    async def slow_down(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": header()})

    error, seen, seconds = failing(slow_down, OK)
    assert error is None
    assert len(seen.bodies) == 2
    assert seconds >= least


def test_a_wait_past_the_deadline_is_not_begun() -> None:
    error, seen, seconds = failing(Answer({}, 429, {"Retry-After": "3600"}))
    assert isinstance(error, ModelError)
    assert error.kind == "unavailable"
    assert "deadline" in str(error)
    assert seconds < 2
    assert len(seen.bodies) == 1


def test_a_server_that_never_answers_meets_the_deadline() -> None:
    error, _, seconds = failing(hang, deadline=0.5)
    assert isinstance(error, ModelError)
    assert error.kind == "unavailable"
    assert seconds < 2


def test_an_endpoint_that_refuses_before_its_first_answer_stops_the_run_at_once() -> None:
    port = free_port()

    async def run() -> None:
        await connect("vllm/Qwen/Qwen3-8B", base_url=f"http://127.0.0.1:{port}/v1").reply(HELLO, (), Sampling())

    begun = time.monotonic()
    with pytest.raises(StopRun) as stop:
        asyncio.run(run())
    assert time.monotonic() - begun < 2
    text = str(stop.value)
    assert f"http://127.0.0.1:{port}/v1" in text
    assert "vllm serve Qwen/Qwen3-8B" in text
    assert "\n" not in text


def test_a_host_that_does_not_resolve_stops_the_run_within_five_seconds() -> None:
    async def run() -> None:
        model = connect("http://no-such-host.invalid/v1/m")
        try:
            await asyncio.gather(*(model.reply(HELLO, (), Sampling()) for _ in range(3)))
        finally:
            await model.close()

    begun = time.monotonic()
    with pytest.raises(StopRun, match=r"no-such-host\.invalid.*mock-llm"):
        asyncio.run(run())
    assert time.monotonic() - begun < 5


def test_refusals_after_the_first_answer_are_retried() -> None:
    port = free_port()

    async def run() -> None:
        model = HttpModel("m", f"http://127.0.0.1:{port}/v1", options=Options(retry=Retry(8, 0.05, 0.2)))
        async with MockServer(MockOptions(port=port)):
            await model.reply(HELLO, (), Sampling())
        again = asyncio.create_task(model.reply(HELLO, (), Sampling()))
        await asyncio.sleep(0.1)
        assert not again.done()
        async with MockServer(MockOptions(port=port)):
            assert (await again).message.content
        with pytest.raises(ModelError, match="connection refused") as error:
            await HttpModel.reply(model, HELLO, (), Sampling())
        assert error.value.kind == "unavailable"
        await model.close()

    asyncio.run(run())


def test_a_server_that_speaks_no_http_is_unavailable() -> None:
    async def run() -> None:
        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"220 mail ready\r\n")
            writer.close()

        server = await asyncio.start_server(babble, "127.0.0.1", 0, family=socket.AF_INET)
        port = server.sockets[0].getsockname()[1]
        model = HttpModel("m", f"http://127.0.0.1:{port}/v1", options=Options(retry=Retry(1, 0.01)))
        with pytest.raises(ModelError) as error:
            await model.reply(HELLO, (), Sampling())
        assert error.value.kind == "unavailable"
        await model.close()
        server.close()

    asyncio.run(run())


def test_faults_of_every_kind_leave_every_conversation_with_a_reply() -> None:
    options = MockOptions(
        port=0, error_rate=0.1, rate_limit=0.05, retry_after=0, malformed_rate=0.1, truncate_rate=0.05, drop_rate=0.05
    )

    async def run() -> dict[str, int]:
        async with MockServer(options) as server:
            model = HttpModel("m", server.url, options=Options(retry=Retry(20, 0.001, 0.01)))
            replies = await asyncio.gather(*(model.reply(HELLO, (), Sampling(seed=n)) for n in range(300)))
            await model.close()
            assert all(reply.message.content == "This is a mock reply." for reply in replies)
            return server.stats

    stats = asyncio.run(run())
    assert stats["ok"] == 300
    assert all(stats[fault] > 0 for fault in ("error", "rate_limited", "malformed", "truncated", "dropped"))
