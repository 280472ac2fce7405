"""Several servers in one process: how they begin, what they let through, how they end."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.serving.desk import Desk, adds_up, desk, hosting, post, row
from usergym.models.scripted import ScriptedModel
from usergym.serving.host import Service, check_exposure, serve
from usergym.serving.resources import resources_app
from usergym.serving.web import starlette


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        service = Service("desk", "resources", resources_app(Desk(), name="desk"), port=port)
        with pytest.raises(OSError, match=rf"cannot listen on 127.0.0.1:{port} for 'desk': .*give another port"):
            asyncio.run(serve([service]))


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("127.0.0.1", 99999)])
def test_an_address_that_is_none_is_told(host: str, port: int) -> None:
    service = Service("desk", "resources", resources_app(Desk(), name="desk"), host, port)
    with pytest.raises(OSError, match=r"cannot listen on .* for 'desk': .*give a"):
        asyncio.run(serve([service], token="t"))


def test_an_address_that_others_reach_needs_a_token() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        check_exposure(host, "")
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", ""):
        with pytest.raises(ValueError, match="no token is set"):
            check_exposure(host, "")
        check_exposure(host, "token")


def test_only_who_has_the_token_is_answered_but_anybody_may_ask_whether_it_lives() -> None:
    async def run() -> None:
        async with desk(token="s3cret") as (client, url, agent):
            async with client.get(url) as answer:
                assert answer.status == 200
            for given in (None, "Bearer s3cre", "Bearer s3cret2", "s3cret", "Basic s3cret"):
                headers = {"Authorization": given} if given else {}
                async with client.post(f"{agent}/run", json=row(), headers=headers) as answer:
                    assert (answer.status, (await answer.json())["error"]["kind"]) == (401, "token")
            async with client.post(f"{agent}/run", json=row(), headers={"Authorization": "Bearer s3cret"}) as answer:
                assert answer.status == 200

    asyncio.run(run())


def asked(**headers: str) -> list[int]:
    """The statuses of a head's GET and an agent's POST."""

    async def run() -> list[int]:
        async with (
            desk() as (client, _, agent),
            client.get(agent, headers=headers) as got,
            client.post(f"{agent}/run", json=row(), headers=headers) as posted,
        ):
            if posted.status == 403:
                assert (await posted.json())["error"]["kind"] == "origin"
            return [got.status, posted.status]

    return asyncio.run(run())


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "http://localhost@evil.example"},
        {"Origin": "http://evil.example", "Host": "evil.example"},
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example:80"},
        {"Host": "[::1"},
        {"Host": "10.0.0.1"},
    ],
)
def test_what_a_web_page_sends_to_a_server_of_this_machine_is_refused(headers: dict[str, str]) -> None:
    assert asked(**headers) == [403, 403]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://127.0.0.1:8888", "Host": "localhost:9999"},
        {"Host": "[::1]:80"},
        {"Host": "127.9.9.9"},
        {"Host": "LOCALHOST"},
    ],
)
def test_programs_and_pages_of_this_machine_are_answered(headers: dict[str, str]) -> None:
    assert asked(**headers) == [200, 200]


def test_with_a_token_only_the_token_counts() -> None:
    async def run() -> None:
        async with desk(token="s3cret") as (client, _, agent):
            for token, status in (("s3cret", 200), ("another", 401)):
                headers = {"Origin": "https://my.page", "Host": "my.server", "Authorization": f"Bearer {token}"}
                async with client.post(f"{agent}/run", json=row(), headers=headers) as answer:
                    assert answer.status == status

    asyncio.run(run())


def test_a_body_over_the_limit_is_refused_told_or_not_how_long_it_is() -> None:
    async def chunks() -> "asyncio.AsyncIterator[bytes]":  # type: ignore[name-defined]
        for _ in range(40):
            yield b"x" * 100

    async def run() -> None:
        async with desk(body_limit=2000) as (client, url, agent):
            for path in (f"{agent}/run", f"{url}/verify", f"{url}/seed_session", f"{url}/add"):
                assert (await post(client, path, b"x" * 2001))[0] == 413
            async with client.post(f"{agent}/run", data=chunks()) as answer:
                assert (answer.status, (await answer.json())["error"]["kind"]) == (413, "body")
            assert (await post(client, f"{agent}/run", row()))[0] == 200

    asyncio.run(run())


def test_a_bug_is_a_short_500_and_its_traceback_goes_to_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    async def broken(request: Request) -> Response:
        raise ZeroDivisionError("a secret value")

    async def bare(scope: object, receive: object, send: object) -> None:
        raise ZeroDivisionError("a secret value")

    async def run() -> None:
        apps = [starlette([Route("/", broken)]), bare]
        services = [Service(str(n), "head", app) for n, app in enumerate(apps)]  # type: ignore[arg-type]
        async with hosting(services) as urls, aiohttp.ClientSession() as client:
            for url in urls.values():
                async with client.get(url) as answer:
                    text = await answer.text()
                    assert (answer.status, "secret" in text, "its log says where" in text) == (500, False, True)

    asyncio.run(run())
    assert capfd.readouterr().err.count("ZeroDivisionError: a secret value") == 2


def test_models_are_closed_at_the_end() -> None:
    class Closing(ScriptedModel):
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    model = Closing(["x"])

    async def run() -> None:
        services = [Service("desk", "resources", resources_app(Desk(), name="desk"))]
        async with hosting(services, models=[model]):
            assert not model.closed

    asyncio.run(run())
    assert model.closed == 1


PROGRAM = """
import sys
from tests.serving.desk import Desk, adds_up, calling
from usergym.models.scripted import ScriptedModel
from usergym.serving.host import run, serve
from usergym.serving.stack import Stack, build, pair
model = ScriptedModel([calling("wait", '{"seconds":30}'), "3"])
services = build([pair(Desk())], Stack(model, head_port=0))
run(serve(services, announce=lambda known: print(*(each.url for each in known), flush=True)))
print("ended")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_soon_even_while_a_conversation_runs(number: signal.Signals) -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=root,
        env={**os.environ, "PYTHONPATH": "."},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        agent = process.stdout.readline().split()[-1]

        async def run() -> None:
            async with aiohttp.ClientSession() as client:
                playing = asyncio.create_task(post(client, f"{agent}/run", row()))
                await asyncio.sleep(0.3)
                process.send_signal(number)
                status, body = await playing
                assert (status, body["error"]["kind"]) == (503, "ending")

        begun = time.perf_counter()
        asyncio.run(run())
        assert process.wait(5) == 0
        assert time.perf_counter() - begun < 3
        assert process.stdout.read().split() == ["ended"]
        assert "Traceback" not in process.stderr.read()


def test_answers_to_a_chatty_client_do_not_wait_for_acknowledgements() -> None:
    async def run() -> None:
        async with desk(adds_up()) as (client, url, _):
            begun = time.perf_counter()
            for _ in range(30):
                async with client.get(url) as answer:
                    await answer.read()
            assert time.perf_counter() - begun < 0.6

    asyncio.run(run())
