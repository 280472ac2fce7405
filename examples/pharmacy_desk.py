"""From a domain file to a graded environment: the customers of pharmacy.toml meet an agent with tools.

usergym rollout --env examples.pharmacy_desk --model oracle --limit 20 --out desk
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from usergym.data.domain import Domain, read_domain
from usergym.environments.base import Environment, World, tool
from usergym.models.base import Model
from usergym.types import Message, Reward, Seat, Task, ToolCall, Turn, split_of
from usergym.users.base import Participant


class PharmacyDesk(Environment):
    """Customers order refills, change their minds and choose a branch; the agent keeps the order."""

    name = __name__
    """What tasks are recorded under, and what `load` must find it by."""

    def __init__(self, file: str = "") -> None:
        self.domain = Domain(read_domain(Path(file) if file else Path(__file__).with_name("pharmacy.toml")))

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        for task in self.domain.tasks(seed=seed):
            if split is None or split_of(task.group, test=0.1) == split:
                data = msgspec.json.decode(msgspec.json.encode(task.data))  # as a file of tasks would hold it
                yield msgspec.structs.replace(task, env=self.name, data=data)

    def start(self, task: Task) -> World:
        return Desk(task, self.domain)


class Desk(World):
    def __init__(self, task: Task, domain: Domain) -> None:
        super().__init__(task)
        self.customer = domain.start(task)
        self.order: dict[str, Any] = {}
        self.wanted: dict[str, Any] = {}
        """What the customer has asked for so far."""
        self.steps = task.data["steps"]
        self.said = 0
        self.right: list[bool] = []

    @property
    def system(self) -> str:
        return f"{self.customer.system} Keep the customer's order up to date with the tool, then confirm it briefly."

    @tool()
    def set_order(self, medicine: str | None = None, count: int | None = None, branch: str | None = None) -> str:
        """Set what is given of the customer's order; the rest stays as it is."""
        given = {"medicine": medicine, "count": count, "branch": branch}
        self.order |= {name: value for name, value in given.items() if value is not None}
        return f"The order is now: {self.order}."

    async def hears(self, speaker: str, words: str) -> None:
        if speaker == "user":
            step = self.steps[self.said]
            self.said += 1
            self.wanted |= _told(step["kind"], step["params"])
        else:
            self.right.append(self.order == self.wanted)
            self.reward("order", float(self.right[-1]), weight=0.0, reason=f"{self.order} for {self.wanted}")

    async def score(self) -> list[Reward]:
        done = len(self.right) == len(self.steps) and all(self.right)
        return [Reward("orders", float(done), reason="pass" if done else "wrong_order")]

    def user(self, model: Model | None) -> Participant | None:
        self.customer.seed = self.seed
        return self.customer.user(model)

    def oracle(self) -> Participant:
        return _Clerk(self)


def _told(kind: str, params: dict[str, Any]) -> dict[str, Any]:
    """What the customer says about the order in a step of this kind."""
    if kind == "refill":
        return {"medicine": params["medicine"], "count": params["count"]}
    return {"count": params["new_count"]} if kind == "change" else {"branch": params["branch"]}


class _Clerk:
    """Sets what is wanted, then confirms."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.seat = Seat(desk.system, ("set_order",), model="oracle")

    async def speak(self, view: Sequence[Message]) -> Turn:
        if self.desk.order == self.desk.wanted:
            return Turn("assistant", Message("assistant", "Your order is up to date."))
        arguments = msgspec.json.encode(self.desk.wanted).decode()
        call = ToolCall(f"call_{len(view)}", "set_order", arguments)
        return Turn("assistant", Message("assistant", tool_calls=(call,)))


environment = PharmacyDesk
