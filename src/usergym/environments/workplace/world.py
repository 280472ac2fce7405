"""The workplace conversation: somebody asks for something, the agent does it with 27 tools, and the office's end
state, or what was found out, is held against what should have been done."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import cache, cached_property
from importlib.resources import files
from itertools import count, islice
from string import Template
from typing import Any

import msgspec

from usergym.environments.base import Environment, Finding, RowError, World
from usergym.environments.workplace import companies, company, drawing, rows
from usergym.environments.workplace.check import failing
from usergym.environments.workplace.company import Spec
from usergym.environments.workplace.office import Office
from usergym.environments.workplace.requests import Request, requests
from usergym.environments.workplace.tools import TOOLS
from usergym.environments.workplace.verdict import Mode, judge, outcome_reward
from usergym.types import Message, Reward, Seat, Speaker, Task, Tool, ToolCall, Turn, split_of, stable_hash
from usergym.users.base import Participant

TASKS_OF_A_COMPANY = 50
MOST_COMPANIES = 1_000_000
MOST_CALLS = 1_000
MOST_SHOWN = 2_000_000
"""Characters, of one conversation."""
LONG = 20_000
NEEDS_TABLES = "a company of ours; rows of NeMo Gym need its tables, --env workplace:tables=FOLDER"


class Workplace(Environment):
    """Requests to an office assistant with 27 tools over mail, calendar, traffic, boards and customers.

    `mode`: `state` compares what was done, or looked up, with what should have been; `nemo_gym` gives that system's
    verdict. `tables`: a folder with its CSV files, for its rows; without it, companies of our own, whose sizes the
    other options give. `max_steps`: model calls of one conversation.
    """

    name = "workplace"

    def __init__(
        self,
        mode: Mode = "state",
        tables: str = "",
        max_steps: int = 6,
        people: int = 20,
        emails: int = 500,
        events: int = 300,
        visits: int = 1000,
        tasks: int = 300,
        customers: int = 200,
    ) -> None:
        if max_steps < 1:
            raise ValueError(f"max_steps={max_steps}: expected 1 or more")
        self.mode = mode
        self.max_replies = self.max_steps = max_steps
        self.spec = Spec(0, people, emails, events, visits, tasks, customers)
        self.shared = Office.from_csv(tables) if tables else None

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """Unlimited: some requests of one company, then those of the next. A company is in one split."""
        return self._of_tables(split, seed) if self.shared else self._of_companies(split, seed)

    def _of_companies(self, split: str | None, seed: int) -> Iterator[Task]:
        for number in count():
            spec = replace(self.spec, seed=seed * MOST_COMPANIES + number)
            group = f"company-{spec.seed}"
            if split is None or split_of(group, validation=0.1, test=0.1) == split:
                found = self._reachable(requests(companies.company(spec), spec.seed))
                for place, request in enumerate(islice(found, TASKS_OF_A_COMPANY)):
                    yield self.task(f"{self.name}-{spec.seed}-{place}", group, request, spec, split)

    def _of_tables(self, split: str | None, seed: int) -> Iterator[Task]:
        """The same request may come twice: it is then in the same split."""
        assert self.shared
        for place, request in enumerate(self._reachable(requests(self.shared, seed))):
            group = f"request-{stable_hash(request.user):016x}"
            if split is None or split_of(group, validation=0.1, test=0.1) == split:
                yield self.task(f"{self.name}-tables-{seed}-{place}", group, request, None, split)

    def _reachable(self, found: Iterable[Request]) -> Iterator[Request]:
        """Those that an agent can do with its model calls although it makes one tool call at a time."""
        for request in found:
            if sum(map(len, request.rounds)) + bool(request.answer) <= self.max_steps:
                yield request

    def task(self, key: str, group: str, request: Request, spec: Spec | None, split: str | None = None) -> Task:
        data: dict[str, Any] = {
            "category": request.category,
            "template": request.template,
            "ground_truth": list(request.ground_truth),
            "rounds": [list(calls) for calls in request.rounds],
        }
        if spec:
            data["company"] = asdict(spec)
        if request.answer:
            data["answer"] = list(request.answer)
        opening = (Turn("user", Message("assistant", request.user)),)
        return Task(key, self.name, group=group, opening=opening, data=data, split=split)

    def blank(self) -> Task:
        """An office without a request, for whoever calls the tools alone."""
        data = {} if self.shared else {"company": asdict(self.spec)}
        return Task(f"{self.name}-blank", self.name, data=data)

    def read(self, row: Mapping[str, Any]) -> Task:
        task = rows.read(row, tools(), self.spec)
        if "company" not in task.data and self.shared is None:
            raise RowError("company", NEEDS_TABLES)
        return task

    def check(self, row: Mapping[str, Any]) -> list[Finding]:
        """What cannot be read, an unknown category, and calls of the ground truth that fail. Where the tables of a
        row are not known, its calls are not made."""
        try:
            task = rows.read(row, tools(), self.spec)
        except RowError as error:
            return [Finding(error.field, str(error))]
        found = []
        if "responses_create_params" in row and (category := row.get("category")) not in rows.CATEGORIES:
            found.append(Finding("category", f"{category!r} is none of {', '.join(rows.CATEGORIES)}"))
        if "company" in task.data or self.shared:
            found += failing(task.data.get("ground_truth") or (), self.office(task))
        return found

    def to_row(self, task: Task, number: int) -> dict[str, Any]:
        """The documented row of a task."""
        return rows.to_row(task, number, self.start(task).system, tools())

    def office(self, task: Task) -> Office:
        """A fresh office for a task. RowError where its tables are not known."""
        spec = self.spec_of(task)
        if spec:
            return companies.company(spec).fresh()
        assert self.shared, "spec_of said that the tables are known"
        return self.shared.fresh()

    def spec_of(self, task: Task) -> Spec | None:
        """The company that a task plays in; None for the tables. RowError where neither is known."""
        spec = rows.company(task.data.get("company"), "company", self.spec)
        if spec is None and self.shared is None:
            raise RowError("company", NEEDS_TABLES)
        return spec

    def start(self, task: Task) -> "WorkplaceWorld":
        return WorkplaceWorld(task, self)


class WorkplaceWorld(World):
    def __init__(self, task: Task, environment: Workplace) -> None:
        super().__init__(task)
        self.environment = environment
        self.spec = environment.spec_of(task)
        self.shown = 0
        """Characters of all outputs."""
        self.made: list[tuple[str, Mapping[str, Any], Any]] = []
        """Calls and their outputs."""
        self.words = ""
        """What the agent said last."""

    @property
    def system(self) -> str:
        own = self.task.data.get("system")
        return own if isinstance(own, str) else _prompt().substitute(now=_spoken(self.now))

    @property
    def now(self) -> datetime:
        return company.now(self.spec) if self.spec else self.office.now

    @cached_property
    def office(self) -> Office:
        return self.environment.office(self.task)

    async def open(self) -> None:
        """A company that is not at hand is built beside the loop."""
        if self.spec and companies.known(self.spec) is None:
            await asyncio.to_thread(companies.company, self.spec)

    def tools(self, speaker: Speaker) -> Sequence[Tool]:
        if speaker != "assistant":
            return ()
        return self.task.tools if self.task.tools is not None else tools()

    async def call(self, speaker: Speaker, call: ToolCall) -> str:
        """The tool's output as the peer's tool server puts it: {"output": ...}."""
        output: Any
        try:
            given = msgspec.json.decode(call.arguments or "{}")
        except (msgspec.DecodeError, RecursionError) as error:
            given = error
        if speaker != "assistant" or call.name not in TOOLS:
            known = ", ".join(tool.name for tool in self.tools(speaker)) or "none"
            output = f"Error executing tool '{call.name}': there is no such tool; there are {known}"
        elif not isinstance(given, dict):
            output = f"Error executing tool '{call.name}': the arguments are not a JSON object"
            output += f" ({given})" if isinstance(given, Exception) else ""
        else:
            arguments = {name: value for name, value in given.items() if value is not None}
            output = self.run(call.name, arguments)
            self.made.append((call.name, arguments, output))
        text = msgspec.json.encode({"output": output}).decode()
        self.shown += len(text)
        if len(text) > LONG:
            await asyncio.sleep(0)  # other conversations come in between
        return text

    def run(self, name: str, arguments: Mapping[str, Any]) -> Any:
        nested = next((key for key, value in arguments.items() if isinstance(value, list | dict)), None)
        if nested is not None:
            return f"Error executing tool '{name}': {nested} is a text or a number, not a list or an object"
        if len(self.made) >= MOST_CALLS or self.shown > MOST_SHOWN:
            return f"Error executing tool '{name}': this conversation has made too many calls, or looked up too much"
        return self.office.call(name, arguments)

    async def hears(self, speaker: Speaker, words: str) -> None:
        if speaker == "assistant":
            self.words = words
            self.stop = "answered"

    def oracle(self) -> Participant:
        return Oracle(self)

    async def score(self) -> list[Reward]:
        """`outcome`: 1 if it came out as it should, else 0 and the difference."""
        await self.draw()
        expected = self.task.data.get("ground_truth")
        if expected is None:
            return [Reward("outcome", None, reason="the task tells no ground truth")]
        if self.environment.mode == "nemo_gym":
            predicted = [{"name": name, "arguments": arguments} for name, arguments, _ in self.made]
            same = outcome_reward(predicted, expected, self.office, "nemo_gym")
            return [Reward("outcome", same, reason="" if same else "the end states differ")]
        problem = judge(self.office, self.made, expected, self.task.data.get("answer"), self.words, self.asked)
        return [Reward("outcome", float(not problem), reason=problem or "as it should be")]

    @property
    def asked(self) -> str:
        return " ".join(turn.said for turn in self.task.opening if turn.said and turn.speaker == "user")

    async def draw(self) -> None:
        """The plots, where whoever keeps the run has a place for them."""
        folder = self.environment.folder
        if folder is None or not self.office.plots or not drawing.can_draw():
            return
        place = folder if self.environment.shared else folder / f"company-{self.task.data['company']['seed']}"
        for plot in dict.fromkeys(self.office.plots):
            await asyncio.to_thread(drawing.draw, self.office, plot, place)


class Oracle:
    """Makes the calls that the task's rounds tell, then says the answer."""

    def __init__(self, world: WorkplaceWorld) -> None:
        data = world.task.data
        self.seat = Seat(world.system, tuple(tool.name for tool in world.tools("assistant")), "oracle")
        self.rounds = data.get("rounds") or [data.get("ground_truth") or ()]
        self.answer = data.get("answer") or ()

    async def speak(self, view: Sequence[Message]) -> Turn:
        place = sum(message.role == "assistant" for message in view)
        if place >= len(self.rounds):
            words = f"It is {', '.join(map(str, self.answer))}." if self.answer else "That is done."
            return Turn("assistant", Message("assistant", words))
        calls = tuple(
            ToolCall(f"call_{place}_{n}", call["name"], call["arguments"]) for n, call in enumerate(self.rounds[place])
        )
        return Turn("assistant", Message("assistant", "", tool_calls=calls))


@cache
def tools() -> tuple[Tool, ...]:
    """The 27 tools."""
    text = (files("usergym.environments.workplace") / "tools.json").read_text(encoding="utf-8")
    return tuple(msgspec.json.decode(text, type=list[Tool]))


@cache
def _prompt() -> Template:
    path = files("usergym.environments.workplace") / "prompts" / "system.md"
    return Template(path.read_text(encoding="utf-8").strip())


def _spoken(now: datetime) -> str:
    return f"{now:%A}, {now:%Y-%m-%d}, {now:%H:%M}"
