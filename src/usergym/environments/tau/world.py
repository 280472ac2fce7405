"""Customer service: a customer with wishes, a policy that binds the agent, tools on a database of which every
conversation has its own copy."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from usergym.environments._gym import Actions, Gym, GymWorld, prompt
from usergym.environments.base import Environment, JudgeError, RowError
from usergym.environments.tau import generate, oracle, rows, wording, words
from usergym.environments.tau.customer import STOP, ModelCustomer, RuleCustomer
from usergym.environments.tau.domain import NAMES, TABLES, Domain, Name
from usergym.environments.tau.judging import REFUSAL, Heard, Verdict, by_rules, read_refusal, refusal_question
from usergym.environments.tau.outcome import wishes
from usergym.environments.tau.tools import TOOLS, TRANSFER, WRITES, shared
from usergym.models.base import Model
from usergym.types import Reward, Seat, Speaker, Task, Tool, ToolCall
from usergym.users.base import Participant

TauPreset = Literal["usergym", "userrl", "tau"]
MAX_STEPS = 30
"""The agent's replies, as tau-bench has it; UserRL has 16."""

DONE = ("user_stop", "transferred")
"""How a conversation ends that UserRL evaluates; it never does at `finish` or at the limit."""
SORRY = "I am sorry, I cannot do that: the rules do not allow it."


class Tau(Gym):
    """Customer service by a written policy, with tools over a database: a shop, or an airline.

    `domain`: retail, airline or both in turn. `data`: a folder with published databases, policies and tasks, whose
    tasks take the place of our own. `preset`: whose rewards count; the others are recorded with weight 0. `judge`:
    who says whether a refusal was told. `max_steps`: the agent's replies in one conversation."""

    name = "tau"

    def __init__(
        self,
        domain: Literal["both", "retail", "airline"] = "both",
        data: str = "",
        actions: Actions = "native",
        preset: TauPreset = "usergym",
        judge: Literal["rules", "model"] = "rules",
        max_steps: int = MAX_STEPS,
    ) -> None:
        super().__init__(actions, "userrl" if preset == "userrl" else "usergym", max_steps)
        self.counts: TauPreset = preset
        self.judge = judge
        self.domains: tuple[Name, ...] = NAMES if domain == "both" else (domain,)
        self.data: Mapping[str, Domain] = _published(data, self.domains) if data else {}

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """The published ones of the data folder, or our own without end."""
        if self.data:
            for domain in self.data.values():
                yield from rows.listed(domain, split)
        else:
            yield from generate.tasks(self.domains, split, seed)

    def read(self, row: Mapping[str, Any]) -> Task:
        return rows.read(row, self.data, self.domains[0] if len(self.domains) == 1 else None)

    def start(self, task: Task) -> "TauWorld":
        return TauWorld(task, self)

    def domain(self, task: Task) -> Domain:
        """What a task plays in. RowError where it is not there."""
        rows.check(task.data, "data.")
        name, user = str(task.data["domain"]), task.data["user_id"]
        if not task.data.get("published"):
            spec = task.data["database"]
            found = generate.domain(name, spec["seed"], spec["number"])
        elif name in self.data:
            found = self.data[name]
        else:
            raise RowError("data.domain", f"a domain of the data folder; give tau:data=FOLDER with {name}", name)
        if user not in found.tables["users"]:
            raise RowError("data.user_id", f"a customer of the database of {name}", user)
        return found


class TauWorld(GymWorld):
    choices = {
        "search": "the word tools, which lists the tools and their arguments",
        "action": "what you say to the customer",
        "answer": 'a tool call, {"name": ..., "arguments": {...}}',
    }

    def __init__(self, task: Task, environment: Tau) -> None:
        super().__init__(task, environment)
        self.environment = environment
        self.domain = environment.domain(task)
        self.desk = self.domain.desk()
        self.said: list[str] = []
        self.transferred = False
        self.met = False
        """Whether the agent looked the customer up."""
        self.refused = False
        """Whether it refused something after that."""

    @property
    def system(self) -> str:
        return f"{prompt(__name__, self.gym.actions)}\n\n{self.domain.policy}"

    def secrets(self) -> Sequence[str]:
        return (str(self.task.data["instruction"]), STOP)

    def tools(self, speaker: Speaker) -> Sequence[Tool]:
        if speaker == "assistant" and self.gym.actions == "native":
            return self.domain.tools
        return super().tools(speaker)

    async def call(self, speaker: Speaker, call: ToolCall) -> str:
        if speaker != "assistant" or self.gym.actions != "native":
            return await super().call(speaker, call)
        try:
            arguments = msgspec.json.decode(call.arguments or "{}")
        except (msgspec.DecodeError, RecursionError) as error:
            return f"Error: the arguments of {call.name} are not JSON: {error}."
        return self.use(call.name, {} if arguments is None else arguments)

    async def look(self, content: str) -> str:
        if content.strip().lower() in ("tools", "help"):
            return msgspec.json.encode(self.domain.tools).decode()
        return 'Error: search takes the word tools. To look something up, call a tool: answer {"name", "arguments"}.'

    async def submit(self, content: str) -> str:
        given = _call(content)
        if given is None:
            return 'Error: answer takes one tool call as JSON, such as {"name": "think", "arguments": {"thought": ""}}.'
        return self.use(*given)

    def use(self, name: str, arguments: Any) -> str:
        """Makes a call of the agent's."""
        if name not in TOOLS[self.domain.name]:
            return f"Error: no tool named {name!r}. Tools: {', '.join(tool.name for tool in self.domain.tools)}."
        if not isinstance(arguments, dict):
            return f"Error: the arguments of {name} are an object, such as {{}}; these are not."
        result = self.desk.call(name, arguments)
        if result.startswith("Error"):
            return result
        if name == TRANSFER:
            self.transferred, self.stop = True, "transferred"
        elif name not in WRITES[self.domain.name] and name not in shared.TOOLS:
            user = self.task.data["user_id"]
            self.met |= user in result or user in arguments.values()
        return result

    async def hears(self, speaker: Speaker, words_: str) -> None:
        if speaker == "assistant":
            self.said.append(words_)
            self.refused |= self.met and words.refuses(words_)

    def user(self, model: Model | None) -> Participant:
        data = self.task.data
        if model is not None:
            return ModelCustomer(model, str(data["instruction"]), self.seed)
        who = wording.identity(self.domain.desk(), str(data["user_id"]))
        return RuleCustomer(wishes(self.domain, data), who, int(data.get("insists") or 0))

    def oracle(self) -> Participant:
        acts = oracle.plan(self.domain.name, self.task.data, self.domain.changes(self.task.data), SORRY)
        tools = tuple(tool.name for tool in self.tools("assistant"))
        return oracle.Oracle(acts, self.gym.actions, Seat(self.system, tools, "oracle"))

    async def score(self) -> list[Reward]:
        assert self.trajectory is not None
        turns = self.trajectory.turns
        spoke = [n for n, turn in enumerate(turns) if turn.speaker == "assistant" and turn.message.role == "assistant"]
        published = self.domain.published(self.task.data, self.desk, self.said)
        verdict = await self.verdict()
        counts = self.environment.counts
        rewards = {
            "score": (verdict.value, counts == "usergym", verdict.reason),
            "userrl": (published if self.trajectory.stop in DONE else 0.0, counts == "userrl", ""),
            "tau": (published, counts == "tau", ""),
        }
        latest = spoke[-1] if spoke else None
        found = [
            Reward(name, value, float(counted), turn=latest, reason=reason)
            for name, (value, counted, reason) in rewards.items()
        ]
        return [*found, *self.ended(None if verdict.value is None else bool(verdict.value))]

    async def verdict(self) -> Verdict:
        heard = Heard(self.said, self.met, self.refused, self.transferred)
        verdict = by_rules(self.domain, self.task.data, self.desk, heard)
        if self.environment.judge == "rules" or not verdict.words_decide:
            return verdict
        try:
            answer = await self.ask("judge", refusal_question(self.task.data, self.said), REFUSAL)
            return read_refusal(answer)
        except (JudgeError, msgspec.MsgspecError) as error:
            return Verdict(None, f"it could not be judged: {error}")


class _Given(msgspec.Struct):
    name: str
    arguments: Any = None


def _call(content: str) -> tuple[str, Any] | None:
    """The tool call in an answer: an object, or `NAME: {...}`."""
    name, colon, rest = content.partition(":")
    try:
        if colon and name.strip().isidentifier():
            return name.strip(), msgspec.json.decode(rest)
        given = msgspec.json.decode(content, type=_Given)
    except (msgspec.MsgspecError, RecursionError):
        return None
    arguments = given.arguments
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments)
        except (msgspec.MsgspecError, RecursionError):
            return given.name, arguments
    return given.name, {} if arguments is None else arguments


def _published(folder: str, names: Sequence[Name]) -> dict[str, Domain]:
    """The domains that lie in a folder, or in folders of their names in it. LookupError for none."""
    root = Path(folder)
    found: dict[str, Domain] = {}
    for name in names:
        last = TABLES[name][-1]
        if (root / f"{last}.json").is_file() or (root / name / f"{last}.json").is_file():
            found[name] = _load(name, str(root.resolve()))
    if not found:
        wanted = " or ".join(f"{TABLES[name][-1]}.json" for name in names)
        raise LookupError(f"data={folder}: expected a folder with {wanted} in it, or in a folder of the domain's name")
    return found


@lru_cache(maxsize=8)
def _load(name: Name, folder: str) -> Domain:
    return Domain.load(name, folder)


environment: type[Environment] = Tau
