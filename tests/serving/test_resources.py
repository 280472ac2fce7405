"""An environment as a resources server, as a client of NeMo Gym uses it."""

import asyncio
import json
import time
from typing import Any

from tests.serving.desk import Desk, DeskWorld, desk, post, row, seeded
from usergym.environments.base import World
from usergym.models.base import ModelError
from usergym.models.fake import FakeModel
from usergym.types import Reward, Task


def response(*calls: tuple[str, str], answer: str = "3", recorded: str = "anything") -> dict[str, Any]:
    """A response that made `calls`, with tool results that no tool would give."""
    output: list[dict[str, Any]] = []
    for number, (name, arguments) in enumerate(calls):
        call_id = f"c{number}"
        output.append({"type": "function_call", "name": name, "arguments": arguments, "call_id": call_id})
        output.append({"type": "function_call_output", "call_id": call_id, "output": recorded})
    content = [{"type": "output_text", "text": answer, "annotations": []}]
    output.append({"type": "message", "role": "assistant", "id": "m", "status": "completed", "content": content})
    return {"id": "r", "object": "response", "model": "m", "output": output, "tools": [], "created_at": 0}


RIGHT = (("add", '{"number":1}'), ("add", '{"number":2}'))


def test_a_session_is_seeded_used_and_verified() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            cookies = await seeded(client, url, row())
            assert await post(client, f"{url}/add", {"number": 1}, cookies) == (200, {"total": 1})
            assert await post(client, f"{url}/add", {"number": 2}, cookies) == (200, {"total": 3})
            assert await post(client, f"{url}/note", {"text": "x"}, cookies) == (200, {"output": "noted x"})
            status, scored = await post(client, f"{url}/verify", {**row(), "response": response(*RIGHT)}, cookies)
            assert (status, scored["reward"], scored["reward_reason"]) == (200, 1.0, "")
            assert scored["responses_create_params"] == row()["responses_create_params"]
            assert [part["name"] for part in scored["rewards"]] == ["total", "heard"]

    asyncio.run(run())


def test_two_sessions_do_not_see_each_other() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            one, two = await seeded(client, url), await seeded(client, url)
            await post(client, f"{url}/add", {"number": 5}, one)
            assert await post(client, f"{url}/add", {"number": 1}, two) == (200, {"total": 1})
            again = await seeded(client, url)
            assert again != one

    asyncio.run(run())


def test_without_a_session_a_tool_says_what_to_do() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            status, body = await post(client, f"{url}/add", {"number": 1})
            assert status == 400
            assert body["detail"] == "Session not initialized. Please call seed_session first."

    asyncio.run(run())


def test_a_tool_that_is_not_there_and_faulty_arguments_are_text_for_the_model() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            cookies = await seeded(client, url, row())
            for name in ("nothing", "score", "__init__", "tools", "wave", "%2e%2e%2fverify", "x" * 5000):
                status, body = await post(client, f"{url}/{name}", {}, cookies)
                assert status in (200, 404), (name, body)
                if status == 200:
                    assert body["output"].startswith("Error executing tool '"), name
                    assert len(body["output"]) < 500
            status, body = await post(client, f"{url}/add", {"number": "many"}, cookies)
            assert (status, "arguments of add" in body["output"]) == (200, True)
            assert await post(client, f"{url}/add", {"number": None}, cookies) == (200, {"total": 1})

    asyncio.run(run())


def test_a_model_cannot_reach_a_route_by_the_name_of_a_tool() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            body = {**row(), "response": response(*RIGHT, ("seed_session", "{}"), ("verify", "{}"))}
            status, scored = await post(client, f"{url}/verify", body)
            assert (status, scored["reward"]) == (200, 1.0)

    asyncio.run(run())


def test_verification_needs_no_session_and_may_be_repeated() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            cookies = await seeded(client, url, row())
            right = {**row(), "response": response(*RIGHT)}
            wrong = {**row(), "response": response(("add", "{}"))}
            for given in (cookies, cookies, None):
                assert (await post(client, f"{url}/verify", right, given))[1]["reward"] == 1.0
                _, scored = await post(client, f"{url}/verify", wrong, given)
                assert (scored["reward"], scored["reward_reason"]) == (0.0, "the total is 1, not 3")
            assert await post(client, f"{url}/verify", {**right, "reward": 0.5}, None) == await post(
                client, f"{url}/verify", right
            )

    asyncio.run(run())


class _Told(DeskWorld):
    """Wants the total as the last words, said by themselves once it is reached."""

    async def score(self) -> list[Reward]:
        assert self.trajectory
        last = self.trajectory.turns[-1].message
        return [Reward("told", float(last.content == str(self.total) and not last.tool_calls))]


class _Tells(Desk):
    def start(self, task: Task) -> World:
        return _Told(task)


THOUGHT = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm."}]}


def test_words_behind_calls_without_results_are_said_after_them() -> None:
    whole = response(*RIGHT)["output"]
    calls, said = [item for item in whole if item["type"] == "function_call"], whole[-1]
    outputs = [item for item in whole if item["type"] == "function_call_output"]
    before = {**said, "content": "I shall."}

    async def run() -> None:
        async with desk(environment=_Tells()) as (client, url, _):
            for output, reward in (
                ([*calls, said], 1.0),
                ([*calls, THOUGHT, said], 1.0),
                ([before, calls[0], THOUGHT, calls[1], said], 1.0),
                ([calls[0], outputs[0], calls[1], said], 1.0),
                (whole, 1.0),
                ([*calls, said, *outputs], 0.0),
                ([said, *calls], 0.0),
            ):
                body = {**row(), "response": {**response(), "output": output}}
                status, scored = await post(client, f"{url}/verify", body)
                assert (status, scored["reward"]) == (200, reward), output

    asyncio.run(run())


def test_verifying_many_items_stalls_nobody() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            output = [{"type": "function_call", "name": "add", "arguments": "{}", "call_id": "c"}] * 4000
            body = {**row(4000), "response": {**response(), "output": output}}
            verifying = asyncio.create_task(post(client, f"{url}/verify", body))
            answered = 0
            while not verifying.done():
                async with client.get(url) as answer:
                    await answer.read()
                answered += 1
            assert (await verifying)[1]["reward"] == 1.0
            assert answered > 5

    asyncio.run(run())


def test_words_for_the_user_are_answered_by_the_user() -> None:
    async def run() -> None:
        talk = row(answers=["I am fine", "bye"])
        async with desk() as (client, url, _):
            cookies = await seeded(client, url, talk)
            said = await post(client, f"{url}/tell", {"words": "How are you?"}, cookies)
            assert said == (200, {"output": "I am fine"})
            calls = (("tell", '{"words":"How are you?"}'), *RIGHT)
            body = {**talk, "response": response(*calls, recorded="I am fine")}
            _, scored = await post(client, f"{url}/verify", body)
            assert scored["reward"] == 1.0
            assert {part["name"]: part["value"] for part in scored["rewards"]}["heard"] == 2.0

    asyncio.run(run())


def test_a_faulty_row_is_one_entry_that_names_the_field() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            for path in ("seed_session", "verify"):
                for fault, field in (
                    ({"goal": None}, "goal"),
                    ({"responses_create_params": 3}, "responses_create_params"),
                    ({"responses_create_params": {"input": 3}}, "input"),
                    ({"responses_create_params": {"input": "hi", "tools": 7}}, "responses_create_params.tools"),
                    ({"responses_create_params": {"input": "hi", "tools": [{}]}}, "responses_create_params.tools"),
                ):
                    status, body = await post(client, f"{url}/{path}", {**row(), "response": response(), **fault})
                    assert (status, body["error"]["field"], len(body["detail"])) == (422, field, 1)
                    assert body["detail"][0]["loc"] == ["body", *field.split(".")]
            for broken in ({}, {"response": 3}, {"response": {"output": 3}}, {"response": {"output": [{"type": "x"}]}}):
                status, body = await post(client, f"{url}/verify", {**row(), **broken})
                assert (status, body["error"]["kind"]) == (422, "row"), broken

    asyncio.run(run())


def test_what_cannot_be_scored_is_an_error_and_not_a_zero() -> None:
    async def run() -> None:
        judge = FakeModel(lambda *_: "yes", fail={0: ModelError("unavailable", "the judge is away")})
        async with desk(services={"judge": judge}) as (client, url, _):
            status, body = await post(client, f"{url}/verify", {**row(unscored=True), "response": response()})
            assert (status, body["error"]["kind"], "nobody knows" in body["error"]["message"]) == (
                503,
                "unscored",
                True,
            )
            assert "reward" not in body
            asked = {**row(), "response": response(("judged", "{}"), *RIGHT)}
            status, body = await post(client, f"{url}/verify", asked)
            assert (status, body["error"]["kind"]) == (503, "judge")
            status, body = await post(client, f"{url}/verify", asked)
            assert (status, body["reward"]) == (200, 1.0)

    asyncio.run(run())


def test_a_tool_that_breaks_or_ends_the_world_leaves_its_words() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            cookies = await seeded(client, url, row())
            assert await post(client, f"{url}/finish", {}, cookies) == (200, {"output": "bye"})
            _, after = await post(client, f"{url}/add", {}, cookies)
            assert "it ended (finished)" in after["output"]
            cookies = await seeded(client, url, row())
            for _ in range(2):
                status, body = await post(client, f"{url}/broken", {}, cookies)
                assert (status, body["output"].startswith("Error executing tool 'broken'")) == (200, True)

    asyncio.run(run())


def test_calls_of_one_session_wait_for_each_other_and_for_nobody_else() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            slow, other = await seeded(client, url), await seeded(client, url)
            begun = time.perf_counter()
            waiting = [asyncio.create_task(post(client, f"{url}/wait", {"seconds": 0.4}, slow)) for _ in range(2)]
            await asyncio.sleep(0.05)
            for total in range(1, 21):
                assert await post(client, f"{url}/add", {}, other) == (200, {"total": total})
            assert time.perf_counter() - begun < 0.35
            await asyncio.gather(*waiting)
            assert time.perf_counter() - begun >= 0.8

    asyncio.run(run())


def test_verifying_a_large_body_stalls_nobody() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            body = {**row(burn=60_000, padding="x" * 300_000), "response": response(*RIGHT)}
            begun = time.perf_counter()
            verifying = asyncio.create_task(post(client, f"{url}/verify", body))
            await asyncio.sleep(0.02)
            slowest = 0.0
            while not verifying.done():
                asked = time.perf_counter()
                async with client.get(url) as answer:
                    await answer.read()
                slowest = max(slowest, time.perf_counter() - asked)
            assert (await verifying)[1]["reward"] == 1.0
            assert slowest < (time.perf_counter() - begun) / 2

    asyncio.run(run())


def test_a_conversation_of_too_many_items_is_refused() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            many = [{"role": "user", "content": "x"}] * 4001
            for body, field in (
                (row(responses_create_params={"input": many}, response=response()), "responses_create_params.input"),
                (row(response={"output": many}), "response.output"),
            ):
                status, answer = await post(client, f"{url}/verify", body)
                assert (status, answer["error"]["field"]) == (422, field)

    asyncio.run(run())


def test_a_closed_session_is_gone() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            cookies = await seeded(client, url)
            assert await post(client, f"{url}/close_session", {}, cookies) == (200, {"closed": True})
            assert await post(client, f"{url}/close_session", {}, cookies) == (200, {"closed": False})
            assert (await post(client, f"{url}/add", {}, cookies))[0] == 400

    asyncio.run(run())


def test_metrics_are_of_all_rows_and_of_each_task() -> None:
    async def run() -> None:
        rows = [
            {"_ng_task_index": n // 4, "reward": float(n % 2), "response": {"usage": {"output_tokens": n}}}
            for n in range(8)
        ]
        rows.append({"_ng_task_index": 1, "reward": None})
        async with desk() as (client, url, agent):
            for server in (url, agent):
                status, body = await post(client, f"{server}/aggregate_metrics", {"verify_responses": rows})
                assert status == 200
            whole = body["agent_metrics"]
            assert (whole["mean/reward"], whole["max/reward"], whole["min/reward"], whole["median/reward"]) == (
                0.5,
                1.0,
                0.0,
                0.5,
            )
            assert (whole["mean/output_tokens"], whole["unscored"], whole["tasks"]) == (3.5, 1, 2)
            assert whole["pass@1/reward"] == 0.5
            assert abs(whole["pass@2/reward"] - 5 / 6) < 1e-12
            assert whole["pass@4/reward"] == 1.0
            assert set(body["key_metrics"]) >= {"mean/reward", "pass@1/reward"}
            assert [group["_ng_task_index"] for group in body["group_level_metrics"]] == [0, 1]
            empty = await post(client, f"{url}/aggregate_metrics", {"verify_responses": []})
            assert empty == (200, {"agent_metrics": {}, "key_metrics": {}, "group_level_metrics": []})
            assert (await post(client, f"{url}/aggregate_metrics", {"rows": 1}))[0] == 422

    asyncio.run(run())


def test_a_client_may_ask_whether_it_is_alive_and_how_it_verifies() -> None:
    async def run() -> None:
        async with desk() as (client, url, _):
            async with client.get(url) as answer:
                assert await answer.json() == {"status": "ok"}
            async with client.get(f"{url}/reverify_mode") as answer:
                assert await answer.json() == "stateless"
            async with client.get(f"{url}/a/b") as answer:
                assert (answer.status, json.loads(await answer.text())["error"]["kind"]) == (404, "http")
            async with client.get(f"{url}/verify") as answer:
                assert answer.status == 405

    asyncio.run(run())
