"""A bound on what a run may spend. Requests are charged before they go out, tokens and dollars when they are known."""

from collections.abc import Sequence

from usergym.models.base import BudgetSpent, Model, Reply
from usergym.models.prices import Price, Prices, find, load
from usergym.types import Message, Sampling, Tool, Usage


class Budget:
    """Shared by the models of one run. None: no bound.

    Requests are counted as they go out, retries too, so a bound of N never sends N + 1. Tokens and dollars
    are known when a reply has come: what was in flight when the bound was reached is still paid.
    """

    def __init__(
        self,
        max_requests: int | None = None,
        max_tokens: int | None = None,
        max_cost: float | None = None,
        prices: Prices | None = None,
    ) -> None:
        """`max_cost` in US dollars, by `prices` (default: the shipped table)."""
        for flag, limit in (("requests", max_requests), ("tokens", max_tokens), ("cost", max_cost)):
            if limit is not None and not limit >= 0:
                raise ValueError(f"--max-{flag} is {limit}; give 0 or more")
        self.max_requests = max_requests
        self.max_tokens = max_tokens
        self.max_cost = max_cost
        self.prices = load() if prices is None else prices
        self.requests = 0
        self.tokens = 0
        self.cost = 0.0

    def admit(self, name: str) -> None:
        """ValueError for a model whose price is unknown, where dollars are bounded."""
        if self.max_cost is not None and find(self.prices, name) is None:
            raise ValueError(
                f"--max-cost {self.max_cost:g} cannot be kept: no price is known for {name!r}; "
                f'give --prices FILE with {{"{name}": {{"input": 0.15, "output": 0.6}}}}, '
                "US dollars per million tokens"
            )

    def request(self) -> None:
        """Counts a request that is about to be sent. BudgetSpent when the budget is spent."""
        self._check("requests", self.requests, self.max_requests)
        self._check("tokens", self.tokens, self.max_tokens)
        self._check("cost", self.cost, self.max_cost)
        self.requests += 1

    def spend(self, usage: Usage) -> None:
        """Counts what a reply took."""
        self.tokens += usage.input_tokens + usage.output_tokens
        self.cost += usage.cost

    def _check(self, what: str, spent: float, limit: float | None) -> None:
        if limit is not None and spent >= limit:
            raise BudgetSpent(
                f"the budget is spent (--max-{what} {limit:g}): {self.requests:,} requests, {self.tokens:,} tokens, "
                f"${self.cost:.4f}; run the same command with a larger --max-{what} to go on from here"
            )


def price_of(name: str, prices: Prices | None, budget: Budget | None) -> Price | None:
    """What the model called `name` costs: by `prices`, else the budget's, else the shipped table. None: unknown.
    ValueError where `budget` bounds dollars and cannot."""
    if budget is not None:
        budget.admit(name)
    if prices is None:
        prices = load() if budget is None else budget.prices
    return find(prices, name)


class BudgetedModel:
    """Charges a model that has no network beneath it (`local/...`, a user's own) to a budget."""

    def __init__(self, model: Model, budget: Budget) -> None:
        self.model = model
        self.budget = budget
        budget.admit(model.name)

    @property
    def name(self) -> str:
        return self.model.name

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        self.budget.request()
        reply = await self.model.reply(messages, tools, sampling)
        self.budget.spend(reply.usage)
        return reply

    async def close(self) -> None:
        await self.model.close()
