"""Whatever is sent, the answer is JSON and never a 500."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.desk import Desk, adds_up, hosting, row, seeded
from usergym.environments.base import Environment
from usergym.environments.calendar import environment as Calendar
from usergym.serving.stack import Stack, build, pair

PATHS = {
    "resources": ("seed_session", "verify", "aggregate_metrics", "close_session", "add", "tell", "judged", "nothing"),
    "agent": ("run", "v1/responses", "aggregate_metrics"),
}

NAMES = st.sampled_from(
    [
        "responses_create_params",
        "response",
        "output",
        "input",
        "tools",
        "type",
        "role",
        "content",
        "name",
        "arguments",
        "call_id",
        "message",
        "function_call",
        "function_call_output",
        "reasoning",
        "summary",
        "text",
        "user",
        "assistant",
        "system",
        "developer",
        "goal",
        "answers",
        "id",
        "exp_cal_state",
        "temperature",
        "max_output_tokens",
        "reward",
        "usage",
        "verify_responses",
        "_ng_task_index",
        "_ng_rollout_index",
        "number",
        "words",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | NAMES
    | st.just(10**40)
    | st.just("\ud800")
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=5),
    max_leaves=25,
)
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "responses_create_params": st.fixed_dictionaries(
            {"input": VALUES | st.just("hi")}, optional={"tools": VALUES, "temperature": VALUES, "reasoning": VALUES}
        ),
        "response": st.fixed_dictionaries({"output": st.lists(st.dictionaries(NAMES, VALUES, max_size=5), max_size=4)}),
        "goal": st.integers() | VALUES,
        "answers": VALUES,
        "exp_cal_state": st.dictionaries(st.text(max_size=2), st.dictionaries(NAMES, VALUES, max_size=3), max_size=2),
        "verify_responses": st.lists(st.dictionaries(NAMES, VALUES, max_size=5), max_size=4) | VALUES,
        "input": VALUES,
        "tools": VALUES,
        "number": VALUES,
    },
)
BODIES = (
    st.binary(max_size=40)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | ROWS.map(lambda value: json.dumps(value).encode())
)


@contextmanager
def looping() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.mark.parametrize("environment", [Desk(), Calendar()], ids=["desk", "calendar"])
def test_no_body_on_any_route_is_a_500(environment: Environment) -> None:
    """One stack for all examples, so that what one leaves behind meets the next."""
    with looping() as runner:
        services = build([pair(environment)], Stack(adds_up(), head_port=0, sessions=50))
        hosted = hosting(services)
        urls = runner.run(hosted.__aenter__())
        by_kind = {service.kind: service.url for service in services}

        async def connect() -> aiohttp.ClientSession:
            return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

        client = runner.run(connect())
        cookies = runner.run(seeded(client, by_kind["resources"], {}))

        async def send(url: str, body: bytes) -> tuple[int, Any]:
            async with client.post(url, data=body, cookies=cookies) as answer:
                return answer.status, json.loads(await answer.read())

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from([(kind, path) for kind, paths in PATHS.items() for path in paths]), BODIES)
        def fuzz(where: tuple[str, str], body: bytes) -> None:
            kind, path = where
            status, answer = runner.run(send(f"{by_kind[kind]}/{path}", body))
            assert status in (200, 400, 409, 413, 422, 503), (status, answer)
            if status != 200:
                assert answer["error"]["message"]
                assert "reward" not in answer

        try:
            fuzz()
            assert runner.run(send(urls[f"{environment.name}_simple_agent"] + "/run", b"[]"))[0] == 422
        finally:
            runner.run(client.close())
            runner.run(hosted.__aexit__(None, None, None))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"\xff\xfe",
        b'{"a":"\\ud800"}',
        b'{"a":1e999}',
        b'{"a":NaN}',
        b'{"responses_create_params":{"tools":' + b"[" * 5000,
        b'{"a":' + b"9" * 10_000 + b"}",
    ],
    ids=["empty", "null", "deep list", "deep object", "no text", "surrogate", "huge", "nan", "deep tools", "digits"],
)
def test_odd_bytes_are_told_and_leave_the_server_well(body: bytes) -> None:
    async def run() -> None:
        services = build([pair(Desk())], Stack(adds_up(), head_port=0))
        async with hosting(services), aiohttp.ClientSession() as client:
            for service in services:
                for path in PATHS.get(service.kind, ()):
                    async with client.post(f"{service.url}/{path}", data=body) as answer:
                        assert answer.status < 500, (path, await answer.text())
                        json.loads(await answer.read())
            agent = next(service for service in services if service.kind == "agent")
            async with client.post(f"{agent.url}/run", json=row()) as answer:
                assert (answer.status, (await answer.json())["reward"]) == (200, 1.0)

    asyncio.run(run())
