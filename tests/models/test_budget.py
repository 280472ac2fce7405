"""A budget ends a run cleanly, and is never passed by a request."""

import asyncio
from pathlib import Path

import pytest

from usergym.models.base import Reply, StopRun
from usergym.models.budget import Budget, BudgetedModel
from usergym.models.fake import FakeModel
from usergym.models.http import HttpModel
from usergym.models.prices import Price, find, load
from usergym.models.providers import connect
from usergym.models.retry import Retry
from usergym.models.transport import Options
from usergym.serving.mock_llm import MockOptions, MockServer
from usergym.types import Message, Sampling, Usage

HELLO = [Message("user", "Hi")]


def spend(budget: Budget, calls: int, mock: MockOptions, workers: int = 50) -> tuple[list[str], dict[str, int]]:
    """What ended each worker, and what the server counted."""

    async def run() -> tuple[list[str], dict[str, int]]:
        async with MockServer(mock) as server:
            options = Options(retry=Retry(9, 0.001, 0.01))
            model = HttpModel("m", server.url, name="x/m", budget=budget, options=options)

            async def work(number: int) -> str:
                try:
                    for turn in range(calls):
                        await model.reply(HELLO, (), Sampling(seed=number * 1000 + turn))
                except StopRun as stop:
                    return str(stop)
                return ""

            ends = await asyncio.gather(*(work(number) for number in range(workers)))
            await model.close()
            return ends, server.stats

    return asyncio.run(run())


def test_a_bound_on_requests_is_exact_with_many_in_flight_and_retries() -> None:
    ends, stats = spend(Budget(max_requests=77), 5, MockOptions(port=0, error_rate=0.2, jitter=0.01))
    assert stats["requests"] == 77
    assert all("--max-requests 77" in end and "larger" in end for end in ends)


def test_a_bound_on_tokens_lets_only_what_is_in_flight_pass_it() -> None:
    budget = Budget(max_tokens=1000)
    ends, stats = spend(budget, 100, MockOptions(port=0, output_tokens=90), workers=4)
    assert all("--max-tokens 1000" in end for end in ends)
    assert budget.tokens == stats["input_tokens"] + stats["output_tokens"]
    assert 1000 <= budget.tokens < 1000 + 4 * 200


def test_a_bound_on_dollars_uses_the_price_table() -> None:
    budget = Budget(max_cost=0.01, prices={"x/m": Price(0.0, 10.0)})
    ends, stats = spend(budget, 100, MockOptions(port=0, output_tokens=100), workers=2)
    assert all("--max-cost 0.01" in end for end in ends)
    assert budget.cost == pytest.approx(stats["output_tokens"] * 10 / 1e6)
    assert 10 <= stats["ok"] <= 12


def test_no_bound_stops_nothing() -> None:
    budget = Budget()
    ends, stats = spend(budget, 3, MockOptions(port=0), workers=5)
    assert set(ends) == {""}
    assert budget.requests == stats["requests"] == 15


def test_an_unknown_price_is_an_error_before_the_first_call_where_dollars_are_bounded() -> None:
    with pytest.raises(ValueError, match=r"no price is known for 'vllm/m'.*--prices"):
        connect("vllm/m", budget=Budget(max_cost=1.0))
    assert connect("vllm/m", budget=Budget(max_requests=1)).name == "vllm/m"
    assert connect("vllm/m", budget=Budget(max_cost=1.0, prices={"vllm/m": Price(0, 0)})).name == "vllm/m"


@pytest.mark.parametrize("bound", [{"max_requests": -1}, {"max_tokens": -1}, {"max_cost": float("nan")}])
def test_a_bound_below_zero_is_refused(bound: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        Budget(**bound)  # type: ignore[arg-type]


def test_a_model_of_this_process_is_charged_and_costs_nothing() -> None:
    budget = Budget(max_requests=2, max_cost=1.0)
    model = BudgetedModel(FakeModel(lambda *_: "Hello.", name="local/tiny"), budget)

    async def run() -> list[Reply]:
        return [await model.reply(HELLO, (), Sampling()) for _ in range(2)]

    assert len(asyncio.run(run())) == 2
    assert budget.tokens > 0
    assert budget.cost == 0
    with pytest.raises(StopRun, match="2 requests"):
        asyncio.run(run())


def test_prices_come_from_the_table_a_file_overrides_it_and_dates_do_not_matter(tmp_path: Path) -> None:
    shipped = load()
    known = shipped["openai/gpt-4o-mini"]
    assert find(shipped, "openai/gpt-4o-mini-2024-07-18") == known
    assert find(shipped, "anthropic/claude-haiku-4-5-20251001") == shipped["anthropic/claude-haiku-4-5"]
    assert find(shipped, "vllm/anything") is None
    assert known.cost(Usage(1_000_000, 1_000_000, 500_000)) == pytest.approx(0.5 * 0.15 + 0.5 * 0.075 + 0.6)
    file = tmp_path / "prices.json"
    file.write_text('{"openai/gpt-4o-mini": {"input": 9, "output": 9}, "vllm/m": {"input": 0, "output": 1}}')
    own = load(file)
    assert (own["openai/gpt-4o-mini"].input, own["vllm/m"].output) == (9, 1)
    assert own["openai/gpt-4o"] == shipped["openai/gpt-4o"]


@pytest.mark.parametrize("text", ["{", '{"m": {"input": 1}}', '{"m": {"input": -1, "output": 1}}', '{"m": 3}', "\xff"])
def test_a_prices_file_that_is_wrong_says_what_was_expected(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"prices\.json.*per million tokens"):
        load(file)
    with pytest.raises(ValueError, match=r"absent\.json: No such file"):
        load(tmp_path / "absent.json")
