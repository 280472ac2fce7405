"""Sessions are bounded in number and in time, and nobody gets at another's."""

import asyncio
from collections.abc import Mapping

import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests.serving.desk import desk, post, row, seeded
from usergym.serving.remote import Conversation
from usergym.serving.sessions import GRACE, Sessions
from usergym.serving.web import Refused


class Thing:
    def __init__(self) -> None:
        self.busy = False
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(sessions: Sessions[Thing]) -> tuple[Thing, str]:
    """What is kept, and the cookie that was set for it."""
    response = Response()
    thing = sessions.open(Thing, response)
    return thing, response.headers["set-cookie"]


def bringing(cookies: Mapping[str, str]) -> Request:
    header = "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()
    return Request({"type": "http", "headers": [(b"cookie", header)]})


def value(cookie: str) -> str:
    return cookie.split(";")[0].partition("=")[2]


def test_a_cookie_is_signed_closed_to_scripts_and_named_after_its_server() -> None:
    sessions: Sessions[Thing] = Sessions("my server/1")
    thing, cookie = opened(sessions)
    assert cookie.startswith("usergym_my_server_1=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert sessions.of(bringing({sessions.cookie: value(cookie)})) is thing


@pytest.mark.parametrize(
    "forge",
    [
        lambda v: v[:-5] + ("A" if v[-5] != "A" else "B") + v[-4:],
        lambda v: v.split(".")[0],
        lambda v: "x" + v,
        lambda v: "",
        lambda v: "...",
        lambda v: v + ".x",
    ],
)
def test_a_forged_cookie_is_no_session(forge) -> None:  # type: ignore[no-untyped-def]
    sessions: Sessions[Thing] = Sessions("s")
    _, cookie = opened(sessions)
    assert sessions.of(bringing({sessions.cookie: forge(value(cookie))})) is None


def test_a_cookie_of_another_process_or_server_is_no_session() -> None:
    sessions, same_name, other = (Sessions[Thing](name) for name in ("s", "s", "t"))
    _, cookie = opened(sessions)
    for stranger in (same_name, other):
        opened(stranger)
        assert stranger.of(bringing({stranger.cookie: value(cookie)})) is None


def test_idle_sessions_expire_and_used_or_busy_ones_do_not() -> None:
    clock = Clock()
    sessions: Sessions[Thing] = Sessions("s", ttl=10, clock=clock)
    (idle, _), (used, cookie), (busy, _) = (opened(sessions) for _ in range(3))
    busy.busy = True
    for clock.now in (4, 8, 12):
        assert sessions.of(bringing({sessions.cookie: value(cookie)})) is used
    assert (idle.closed, used.closed, busy.closed) == (True, False, False)
    busy.busy = False
    clock.now = 23
    sessions.expire()
    assert (used.closed, busy.closed, sessions.count) == (True, True, 0)
    assert sessions.of(bringing({sessions.cookie: value(cookie)})) is None


def test_when_all_places_are_taken_nobody_is_thrown_out() -> None:
    clock = Clock()
    sessions: Sessions[Thing] = Sessions("s", limit=2, ttl=10, clock=clock)
    first, _ = opened(sessions)
    clock.now = 3
    opened(sessions)
    with pytest.raises(Refused) as refused:
        opened(sessions)
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "7"})
    assert not first.closed
    clock.now = 11
    opened(sessions)
    assert (first.closed, sessions.count) == (True, 2)


def test_one_that_is_done_can_be_asked_for_a_while_and_goes_first() -> None:
    clock = Clock()
    sessions: Sessions[Thing] = Sessions("s", limit=2, clock=clock)
    (one, cookie), (two, other) = opened(sessions), opened(sessions)
    request = bringing({sessions.cookie: value(cookie)})
    sessions.finish(sessions.key_of(request))
    assert sessions.of(request) is one
    opened(sessions)
    assert (one.closed, two.closed, sessions.of(request)) == (True, False, None)
    request = bringing({sessions.cookie: value(other)})
    sessions.finish(sessions.key_of(request))
    clock.now = GRACE + 1
    assert sessions.of(request) is None
    assert two.closed


def test_a_server_that_is_full_says_when_to_come_again() -> None:
    async def run() -> None:
        kept: Sessions[Conversation] = Sessions("desk", limit=3)
        async with desk(sessions=kept) as (client, url, _):
            cookies = [await seeded(client, url, row()) for _ in range(3)]
            async with client.post(f"{url}/seed_session", json={}) as answer:
                assert (answer.status, int(answer.headers["Retry-After"]) > 3000) == (503, True)
            assert await post(client, f"{url}/add", {}, cookies[0]) == (200, {"total": 1})
            response = {"output": [{"type": "message", "role": "assistant", "content": "3"}]}
            verified = await post(client, f"{url}/verify", {**row(), "response": response}, cookies[0])
            assert (verified[0], verified[1]["reward"]) == (200, 0.0)
            await seeded(client, url, row())
            assert (await post(client, f"{url}/add", {}, cookies[0]))[0] == 400
            assert kept.count == 3

    asyncio.run(run())


def test_an_expired_session_ends_its_world() -> None:
    async def run() -> None:
        clock = Clock()
        kept: Sessions[Conversation] = Sessions("desk", ttl=60, clock=clock)
        async with desk(sessions=kept) as (client, url, _):
            cookies = await seeded(client, url, row())
            before = len(asyncio.all_tasks())
            clock.now = 61
            assert (await post(client, f"{url}/add", {}, cookies))[0] == 400
            assert len(asyncio.all_tasks()) == before - 1
            assert kept.count == 0

    asyncio.run(run())
