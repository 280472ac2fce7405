"""An agent server plays rows in process: what it answers, and how it fails."""

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest

from tests.serving.desk import Desk, adds_up, calling, desk, hosting, post, row, seeded
from usergym.environments.calendar import environment as Calendar
from usergym.models.base import BudgetSpent, ModelError, Reply
from usergym.models.fake import FakeModel
from usergym.models.http import HttpModel
from usergym.models.scripted import ScriptedModel
from usergym.serving.agent import agent_app
from usergym.serving.host import Service
from usergym.serving.mock_llm import MockOptions, MockServer
from usergym.types import Message, Sampling, Tokens, Usage


def test_a_row_is_played_and_comes_back_with_its_response_and_reward() -> None:
    async def run() -> None:
        given = row(extra={"kept": [1, 2.5, None]}, big=10**30)
        async with desk() as (client, url, agent):
            status, result = await post(client, f"{agent}/run", given)
            assert status == 200
            assert {key: result[key] for key in given} == given
            assert (result["reward"], result["stop"]) == (1.0, "assistant_done")
            response = result["response"]
            kinds = [item["type"] for item in response["output"]]
            assert kinds == ["function_call", "function_call_output"] * 2 + ["message"]
            ids = [item["id"] for item in response["output"] if "id" in item]
            assert len(set(ids)) == 3
            assert [tool["name"] for tool in response["tools"]][:2] == ["add", "note"]
            assert (response["status"], response["incomplete_details"]) == ("completed", None)
            again = await post(client, f"{url}/verify", result)
            assert (again[0], again[1]["reward"]) == (200, 1.0)

    asyncio.run(run())


def test_usage_is_summed_and_sampled_tokens_stand_on_what_was_generated() -> None:
    def write(messages: Any, tools: Any, sampling: Any) -> Reply:
        place = sum(message.role == "assistant" for message in messages)
        message = calling("add", '{"number":3}') if not place else Message("assistant", "3", "so it is 3")
        prompt = [1, 2, 3] if not place else [1, 2, 3, 7, 8, 4]
        tokens = Tokens.of(prompt, [7, 8], [-0.5, -0.25])
        return Reply(message, Usage(10, 2, 4, calls=1), "tool_calls" if not place else "stop", tokens)

    async def run() -> None:
        async with desk(FakeModel(write)) as (client, _, agent):
            _, result = await post(client, f"{agent}/run", row())
        usage = result["response"]["usage"]
        assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (20, 4, 24)
        assert usage["input_tokens_details"]["cached_tokens"] == 8
        call, _, thought, said = result["response"]["output"]
        assert (call["prompt_token_ids"], call["generation_token_ids"]) == ([1, 2, 3], [7, 8])
        assert (said["prompt_token_ids"], said["generation_log_probs"]) == ([1, 2, 3, 7, 8, 4], [-0.5, -0.25])
        assert thought["summary"] == [{"text": "so it is 3", "type": "summary_text"}]

    asyncio.run(run())


def test_the_row_says_how_the_model_is_asked_and_with_which_tools() -> None:
    async def run() -> None:
        model = FakeModel(lambda *_: "3")
        tool = {"type": "function", "name": "mine", "description": None, "parameters": {}, "strict": None}
        params = {
            **row()["responses_create_params"],
            "temperature": 0.25,
            "top_p": None,
            "max_tokens": 77,
            "reasoning": {"effort": "low"},
            "parallel_tool_calls": False,
            "tools": [tool],
        }
        default = Sampling(temperature=1.0, top_p=0.5)
        async with desk(model, sampling=default) as (client, _, agent):
            for _ in range(2):
                _, result = await post(client, f"{agent}/run", row(responses_create_params=params))
            await post(client, f"{agent}/run", row())
        first, second, plain = model.calls
        asked = first.sampling
        assert (asked.temperature, asked.top_p, asked.max_tokens, asked.reasoning_effort) == (0.25, 0.5, 77, "low")
        assert asked.parallel_tool_calls is False
        assert [tool.name for tool in first.tools] == ["mine"]
        assert first.tools[0] is second.tools[0]
        assert (plain.sampling.temperature, plain.tools[0].name) == (1.0, "add")
        assert result["response"]["temperature"] == 0.25
        assert result["response"]["tools"][0]["name"] == "mine"

    asyncio.run(run())


def test_a_repeated_row_draws_anew_and_an_index_makes_it_the_same_again() -> None:
    async def run() -> None:
        model = FakeModel(lambda *_: "3")
        async with desk(model) as (client, _, agent):
            for body in (row(), row(), row(_ng_rollout_index=1), row(_ng_rollout_index=1), row(_ng_rollout_index=2)):
                await post(client, f"{agent}/run", body)
        one, two, first, again, other = (call.sampling.seed for call in model.calls)
        assert len({one, two, first, other}) == 4
        assert first == again

    asyncio.run(run())


def test_at_most_max_steps_model_calls_are_made_and_what_they_did_is_scored() -> None:
    async def run() -> None:
        model = FakeModel(lambda messages, *_: calling("add", '{"number":1}', len(messages)))
        async with desk(model, max_steps=3) as (client, _, agent):
            _, result = await post(client, f"{agent}/run", row(goal=3))
        assert (len(model.calls), result["reward"], result["stop"]) == (3, 1.0, "reply_limit")
        assert result["response"]["output"][-1]["type"] == "function_call_output"

    asyncio.run(run())


def test_a_reply_that_was_cut_says_so_and_is_scored() -> None:
    async def run() -> None:
        model = FakeModel(lambda *_: Reply(Message("assistant", "thr"), Usage(calls=1), "length"))
        async with desk(model) as (client, url, agent):
            _, result = await post(client, f"{agent}/run", row())
            response = result["response"]
            assert (result["reward"], response["status"]) == (0.0, "incomplete")
            assert response["incomplete_details"] == {"reason": "max_output_tokens"}
            assert (await post(client, f"{url}/verify", result))[1]["stop"] == "length"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (ModelError("unavailable", "away"), 502, "unavailable"),
        (ModelError("refused", "no"), 502, "refused"),
        (ModelError("malformed", "what"), 502, "malformed"),
        (BudgetSpent("no more"), 503, "stopped"),
    ],
)
def test_a_failed_conversation_is_an_error_and_never_a_reward(
    fault: ModelError | BudgetSpent, status: int, kind: str
) -> None:
    async def run() -> None:
        async with desk(FakeModel(lambda *_: "3", fail={0: fault})) as (client, _, agent):
            got, body = await post(client, f"{agent}/run", row(reward=1.0))
            assert (got, body["error"]["kind"], body["_ng_failure_class"]) == (status, kind, kind)
            assert "reward" not in body
            assert (await post(client, f"{agent}/run", row()))[0] == 200

    asyncio.run(run())


def test_time_rows_and_judges_fail_with_their_own_status() -> None:
    async def run() -> None:
        waits = ScriptedModel([calling("wait", '{"seconds":5}'), "3"])
        async with desk(waits, max_seconds=0.1) as (client, _, agent):
            status, body = await post(client, f"{agent}/run", row())
            assert (status, body["_ng_failure_class"], body["error"]["turn"]) == (504, "time", 2)
        judged = ScriptedModel([calling("judged"), "3"])
        away = FakeModel(lambda *_: "", fail={0: ModelError("unavailable", "the judge is away")})
        async with desk(judged, services={"judge": away}) as (client, _, agent):
            status, body = await post(client, f"{agent}/run", row())
            assert (status, body["_ng_failure_class"]) == (503, "judge")
            for faulty in (
                {},
                row(goal="three"),
                row(_ng_rollout_index="x"),
                row(responses_create_params={"input": "hi", "temperature": "hot"}),
                row(responses_create_params={"input": "hi", "max_output_tokens": 1.5}),
            ):
                status, body = await post(client, f"{agent}/run", faulty)
                assert (status, body["_ng_failure_class"], len(body["detail"])) == (422, "row", 1), faulty
                if not faulty:
                    assert body["detail"][0]["loc"] == ["body", "responses_create_params"]
            text = {"input": "hi", "metadata": {"extra_body": "{"}}
            status, body = await post(client, f"{agent}/run", row(responses_create_params=text))
            assert (status, body["error"]["field"]) == (422, "responses_create_params.metadata.extra_body")

    asyncio.run(run())


def test_a_thousand_concurrent_runs_are_all_answered() -> None:
    states = {"0": {"event_id": 0, "duration": 60, "constraint": None, "min_time": "10:00", "max_time": "16:00"}}
    answer = json.dumps([{"event_id": 0, "event_name": "x", "start_time": "10:00", "duration": 60}])

    async def run() -> None:
        async with MockServer(MockOptions(port=0, text=answer, latency=0.05)) as server:
            model = HttpModel("mock", server.url)
            app = agent_app(Calendar(), model, name="agent")
            async with (
                hosting([Service("agent", "agent", app)], models=[model]) as urls,
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client,
            ):

                async def one(number: int) -> tuple[int, float, int]:
                    body = {"id": number, "responses_create_params": {"input": "add x"}, "exp_cal_state": states}
                    status, result = await post(client, urls["agent"] + "/run", body)
                    return status, result["reward"], result["id"]

                results = await asyncio.gather(*map(one, range(1000)))
            assert results == [(200, 1.0, number) for number in range(1000)]
            assert server.stats["requests"] == 1000

    asyncio.run(run())


def test_conversations_beyond_the_bound_wait_and_are_not_refused() -> None:
    async def run() -> None:
        running = most = 0

        async def answer(*_: Any) -> str:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
            return "3"

        async with desk(FakeModel(answer), concurrency=4) as (client, _, agent):
            done = await asyncio.gather(*(post(client, f"{agent}/run", row()) for _ in range(20)))
        assert [status for status, _ in done] == [200] * 20
        assert most == 4

    asyncio.run(run())


def test_a_client_that_leaves_takes_its_rollout_with_it() -> None:
    async def run() -> None:
        cancelled = asyncio.Event()
        asked = asyncio.Event()

        async def answer(*_: Any) -> str:
            asked.set()
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return "3"

        async with desk(FakeModel(answer)) as (client, _, agent):
            leaving = asyncio.create_task(post(client, f"{agent}/run", row()))
            await asked.wait()
            leaving.cancel()
            await asyncio.wait_for(cancelled.wait(), 5)
            assert cancelled.is_set()

    asyncio.run(run())


def test_responses_are_written_in_the_world_of_the_session() -> None:
    async def run() -> None:
        async with desk(adds_up()) as (client, url, agent):
            cookies = await seeded(client, url, row())
            await post(client, f"{url}/add", {"number": 10}, cookies)
            body = {"input": [{"role": "user", "content": "add"}], "model": "any"}
            status, response = await post(client, f"{agent}/v1/responses", body, cookies)
            assert status == 200
            outputs = [item["output"] for item in response["output"] if item["type"] == "function_call_output"]
            assert outputs == ['{"total":11}', '{"total":13}']
            assert response["output"][-1]["content"][0]["text"] == "3"
            assert response["usage"]["total_tokens"] == 0
            assert await post(client, f"{url}/add", {}, cookies) == (200, {"total": 14})
            _, blank = await post(client, f"{agent}/v1/responses", body, {"usergym_desk": "forged.x"})
            assert [item["output"] for item in blank["output"] if "output" in item] == ['{"total":1}', '{"total":3}']

    asyncio.run(run())


def test_responses_fail_as_runs_do_and_leave_the_session_alone() -> None:
    async def run() -> None:
        model = FakeModel(lambda *_: "3", fail={0: ModelError("unavailable", "away"), 1: BudgetSpent("no more")})
        async with desk(model, max_steps=2) as (client, url, agent):
            cookies = await seeded(client, url, row())
            seen = [await post(client, f"{agent}/v1/responses", {"input": "hi"}, cookies) for _ in range(3)]
            assert [status for status, _ in seen] == [502, 503, 200]
            assert seen[0][1]["error"]["message"] == "away"
            for body in ({}, {"input": 3}, {"input": "x", "tools": 3}, {"input": "x", "temperature": "hot"}):
                assert (await post(client, f"{agent}/v1/responses", body, cookies))[0] == 422
            assert (await post(client, f"{url}/finish", {}, cookies))[0] == 200
            status, body = await post(client, f"{agent}/v1/responses", {"input": "hi"}, cookies)
            assert (status, body["error"]["kind"]) == (409, "session")

    asyncio.run(run())


def test_a_model_that_calls_tools_for_ever_is_stopped() -> None:
    async def run() -> None:
        model = FakeModel(lambda messages, *_: calling("add", "{}", len(messages)))
        async with desk(model, max_steps=4) as (client, _, agent):
            status, response = await post(client, f"{agent}/v1/responses", {"input": "hi"})
            assert (status, len(model.calls), len(response["output"])) == (200, 4, 8)

    asyncio.run(run())


def test_a_long_conversation_stalls_nobody() -> None:
    async def run() -> None:
        def write(messages: Any, *_: Any) -> Message:
            slow = "slow" in messages[-1].content
            return calling("wait", '{"seconds":0.6}') if slow else Message("assistant", "3")

        slow_row = row(responses_create_params={"input": "slow"})
        async with desk(FakeModel(write)) as (client, _, agent):
            waiting = asyncio.create_task(post(client, f"{agent}/run", slow_row))
            await asyncio.sleep(0.05)
            begun = time.perf_counter()
            await asyncio.gather(*(post(client, f"{agent}/run", row()) for _ in range(10)))
            assert time.perf_counter() - begun < 0.4
            assert (await waiting)[0] == 200

    asyncio.run(run())


def test_the_environment_bounds_the_replies_where_nobody_else_does() -> None:
    class Short(Desk):
        max_replies = 2

    async def run() -> None:
        model = FakeModel(lambda messages, *_: calling("add", "{}", len(messages)))
        app = agent_app(Short(), model, name="agent")
        async with hosting([Service("agent", "agent", app)]) as urls, aiohttp.ClientSession() as client:
            await post(client, urls["agent"] + "/run", row())
        assert len(model.calls) == 2

    asyncio.run(run())
